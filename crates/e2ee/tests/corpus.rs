//! The decoders of this crate against the corpora of the fuzzer, and against damaged bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    unreachable_pub,
    missing_docs,
    reason = "test helpers"
)]

#[path = "support/fixtures.rs"]
mod fixtures;

#[path = "../../../tests/fuzz/src/e2ee.rs"]
mod targets;

#[path = "../../../tests/fuzz/src/replay.rs"]
mod replay;

use e2ee::{
    content::Content,
    name::ContentType,
    payload::SignedPayload,
    roster::Roster,
    ticket::{Anchor, TicketLink},
};
use fixtures::{
    CTX, GROUP, LOG, SEEN, entry, entry_at, identity, inviter, key, message_context, message_keys, name,
    node, package, vector,
};
use protocol::{Epoch, Seq, Slot, Suite, UnixSeconds};

fn tagged(tag: u8, bytes: &[u8]) -> Vec<u8> {
    [&[tag], bytes].concat()
}

#[test]
fn the_corpora_hold_their_seeds() {
    let content =
        Content::Application { content_type: ContentType::new("text/plain").unwrap(), body: b"hi".to_vec() };
    let payload = SignedPayload::sign(&message_context(), SEEN, &content, &identity()).unwrap();
    let roster = Roster::new(vec![entry(), entry_at(5)]).unwrap();
    let package = package(Suite::ChaCha20Poly1305, 3);
    let mut keys = message_keys(Suite::Aes256Gcm, 4);
    keys.reserve(Slot::new(1)).unwrap();
    let invite = vector("invite-1.hex");
    let seeds = [
        ("content", tagged(0, &content.to_bytes().unwrap())),
        ("attachment", tagged(0, &Content::Attachment(fixtures::attachment()).to_bytes().unwrap())),
        ("payload", tagged(1, &payload.to_bytes())),
        ("roster", tagged(2, &roster.to_bytes())),
        ("key-package", tagged(3, &package.package().to_bytes())),
        ("private-key-package", tagged(4, &package.to_bytes())),
        ("invite", tagged(5, &invite)),
        ("message-keys", tagged(6, &keys.to_bytes())),
    ];
    for (name, bytes) in seeds {
        replay::check_seed("member_bytes", name, &bytes);
    }
    let anchor = Anchor {
        group: GROUP,
        epoch: Epoch::new(7),
        ctx: CTX,
        seq: Seq::new(41),
        log: LOG,
        owner: key(4).verifying_key(),
        expires: UnixSeconds::new(1000),
        name: Some(name("Club")),
    };
    let link = TicketLink::issue(node(), key(12), anchor, &inviter());
    let invite = e2ee::invite::SealedInvite::from_bytes(&invite).unwrap();
    for (name, text) in [
        ("link", link.to_text().to_string()),
        ("invite", invite.to_text()),
        ("address", "https://node.example:8443/kith".to_owned()),
        ("address-of-numbers", "http://[::1]:80".to_owned()),
        ("name", "Ada Lovelace".to_owned()),
        ("wide-blank", "a\u{3000}.".to_owned()),
        ("device-when-cut", format!("con{}x", " ".repeat(300))),
    ] {
        replay::check_seed("pasted", name, text.as_bytes());
    }
}

#[test]
fn replay() {
    replay::replay("member_bytes", targets::member_bytes, 400);
    replay::replay("pasted", targets::pasted, 300);
}
