//! Open invites: what is secret stays behind the `#`, and nothing can be changed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

#[path = "support/fixtures.rs"]
mod fixtures;

use e2ee::{
    name::DisplayName,
    node_url::NodeUrl,
    text::TextError,
    ticket::{Anchor, LinkError, TicketLink},
};
use fixtures::{CTX, GROUP, LOG, inviter, key, name, node};
use proptest::prelude::*;
use protocol::{Epoch, Seq, UnixSeconds};

const LINK: &str = "https://node.example/join#kith-ticket1.CiAMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDBIgEREREREREREREREREREREREREREREREREREREREREREYByIgIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIoKTIgZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY6IMqTrBcFGHBx1nuDx_8O_oEI6OxFMFdddyaHkzPb2r58QOgHSgRDbHViUiDtSSjGKNHCxurpAziQWZVhKVknOlxj-TY2wUYUrIc30VpA51hLVironcPXRgmiWkK28yetknvAUxcnVA2l07yOmjx-65jHQOBDpy0gtMlXWWdsy0yvdJOQZPfPRWE7KWU0Defs9lM";

fn anchor(name: Option<DisplayName>) -> Anchor {
    Anchor {
        group: GROUP,
        epoch: Epoch::new(7),
        ctx: CTX,
        seq: Seq::new(41),
        log: LOG,
        owner: key(4).verifying_key(),
        expires: UnixSeconds::new(1000),
        name,
    }
}

fn link() -> TicketLink {
    TicketLink::issue(node(), key(12), anchor(Some(name("Club"))), &inviter())
}

#[test]
fn golden_link() {
    assert_eq!(*link().to_text(), LINK);
    let parsed = TicketLink::parse(LINK).unwrap();
    assert_eq!(parsed.server(), &node());
    assert_eq!(parsed.ticket().verifying_key(), key(12).verifying_key());
    assert_eq!(parsed.anchor(), link().anchor());
    assert_eq!(parsed.inviter(), &inviter().verifying_key());
    assert_eq!(parsed.to_text(), link().to_text());
}

#[test]
fn without_a_name() {
    let link = TicketLink::issue(node(), key(12), anchor(None), &inviter());
    assert_eq!(TicketLink::parse(&link.to_text()).unwrap().anchor().name, None);
}

#[test]
fn nothing_secret_goes_to_the_server() {
    let (sent, _) = LINK.split_once('#').unwrap();
    assert_eq!(sent, "https://node.example/join");
}

#[test]
fn forms() {
    assert!(TicketLink::parse(&format!(" {LINK}\n")).is_ok());
    assert!(TicketLink::parse(&LINK.replace("/join#", "/join/#")).is_ok());
    let cases = [
        (LINK.replace('#', "?"), LinkError::Form),
        (LINK.replace("/join", ""), LinkError::Form),
        (LINK.replace("https://", "ftp://"), LinkError::Form),
        (LINK.replace("node.example", "other.example"), LinkError::Signature),
        (LINK.replace("https://", "http://"), LinkError::Signature),
        (
            LINK.replace("ticket1", "ticket9"),
            LinkError::Fragment(TextError::Version { expected: "kith-ticket1." }),
        ),
        (LINK[..LINK.len() - 4].to_owned(), LinkError::Fragment(TextError::CutOff)),
    ];
    for (text, error) in cases {
        assert_eq!(TicketLink::parse(&text).err(), Some(error), "{text}");
    }
}

#[test]
fn every_changed_character_is_refused() {
    for at in 0..LINK.len() {
        let mut bad = LINK.as_bytes().to_vec();
        bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
        assert!(TicketLink::parse(core::str::from_utf8(&bad).unwrap()).is_err(), "character {at}");
    }
}

/// Somebody with the link can mend the checksum, so each value must be under the inviter's signature.
#[test]
fn every_value_is_signed() {
    let swap = |edit: fn(&mut Anchor)| {
        let mut forged = anchor(Some(name("Club")));
        edit(&mut forged);
        let signed = TicketLink::issue(node(), key(12), forged, &inviter());
        signed.to_text() != link().to_text() && signature_of(&signed) != signature_of(&link())
    };
    assert!(swap(|a| a.group = protocol::GroupId::new([0; 32])));
    assert!(swap(|a| a.epoch = Epoch::new(8)));
    assert!(swap(|a| a.ctx = protocol::Ctx::new([0; 32])));
    assert!(swap(|a| a.seq = Seq::new(42)));
    assert!(swap(|a| a.log = protocol::LogHash::new([0; 32])));
    assert!(swap(|a| a.owner = key(5).verifying_key()));
    assert!(swap(|a| a.expires = UnixSeconds::new(1001)));
    assert!(swap(|a| a.name = None));
    let other_ticket = TicketLink::issue(node(), key(13), anchor(Some(name("Club"))), &inviter());
    assert_ne!(signature_of(&other_ticket), signature_of(&link()));
}

/// The signature is the last field: 64 bytes before the checksum.
fn signature_of(link: &TicketLink) -> Vec<u8> {
    use base64::Engine;
    let text = link.to_text();
    let (_, body) = text.split_once("ticket1.").unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).unwrap();
    bytes[bytes.len() - 68..bytes.len() - 4].to_vec()
}

proptest! {
    #[test]
    fn round_trip(seed in any::<u8>(), epoch in any::<u64>(), seq in any::<u64>(), port in 1..u16::MAX) {
        let server = NodeUrl::new(&format!("http://127.0.0.1:{port}")).unwrap();
        let anchor = Anchor { epoch: Epoch::new(epoch), seq: Seq::new(seq), ..anchor(None) };
        let link = TicketLink::issue(server, key(seed), anchor, &inviter());
        let parsed = TicketLink::parse(&link.to_text()).unwrap();
        prop_assert_eq!(parsed.anchor(), link.anchor());
        prop_assert_eq!(parsed.server(), link.server());
    }

    #[test]
    fn arbitrary_text_does_not_panic(text in any::<String>()) {
        prop_assert!(TicketLink::parse(&text).is_err());
        let link = format!("https://node.example/join#kith-ticket1.{text}");
        prop_assert!(TicketLink::parse(&link).is_err());
    }
}
