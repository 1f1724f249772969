//! No `Debug` shows a secret, a name or an address of a person.
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
    attachment::{Attachment, DropSecret, FileDigest},
    comparison::ComparisonDigits,
    contact::{Contact, ContactSecret},
    content::Content,
    invite::Invite,
    key_package::PrekeySecret,
    message::MessageKeys,
    name::{ContentType, FileName},
    payload::SignedPayload,
    roster::Roster,
    schedule::{
        Authenticator, ExporterSecret, InitSecret, JoinerSecret, MembershipKey, MessageRoot, SenderDataSecret,
    },
    secret_tree::SecretTree,
    ticket::{Anchor, TicketLink},
};
use fixtures::{
    CTX, FRAME, GROUP, LOG, MSG_DIGEST, SEEN, SUITES, TRANSCRIPT, entry, identity, inviter, key,
    message_context, message_keys, name, node, package, rng, secret,
};
use protocol::{Epoch, LeafId, Seq, Slot, UnixSeconds};

/// Every secret in this file is made of this byte, so its hexadecimal or decimal form would show.
const CANARY: u8 = 0xa7;

fn hidden(shown: &str) {
    let decimal = format!("{CANARY}, {CANARY}");
    for sign in ["a7a7", "A7A7", &decimal, "p6en", "Ada", "hush"] {
        assert!(!shown.contains(sign), "{shown} shows {sign}");
    }
}

#[test]
fn fixed_forms() {
    let bytes = &[CANARY; 32];
    let forms = [
        (format!("{:?}", InitSecret::from_bytes(bytes)), "InitSecret(..)"),
        (format!("{:?}", JoinerSecret::from_bytes(bytes)), "JoinerSecret(..)"),
        (format!("{:?}", SenderDataSecret::from_bytes(bytes)), "SenderDataSecret(..)"),
        (format!("{:?}", MessageRoot::from_bytes(bytes)), "MessageRoot(..)"),
        (format!("{:?}", ExporterSecret::from_bytes(bytes)), "ExporterSecret(..)"),
        (format!("{:?}", Authenticator::from_bytes(bytes)), "Authenticator(..)"),
        (format!("{:?}", MembershipKey::from_bytes(bytes)), "MembershipKey(..)"),
        (format!("{:?}", ContactSecret::from_bytes(bytes)), "ContactSecret(..)"),
        (format!("{:?}", ContactSecret::from_bytes(bytes).mailbox()), "MailboxId(..)"),
        (format!("{:?}", PrekeySecret::from_bytes(bytes)), "PrekeySecret(..)"),
        (format!("{:?}", JoinerSecret::from_bytes(bytes).epoch(&CTX)), "EpochSecrets(..)"),
        (
            format!("{:?}", ComparisonDigits::of_epoch(&Authenticator::from_bytes(bytes))),
            "ComparisonDigits(..)",
        ),
        (format!("{:?}", name("Ada")), "DisplayName(3 bytes)"),
        (format!("{:?}", FileName::sanitise("hush.txt")), "FileName(8 bytes)"),
        (format!("{:?}", ContentType::new("text/plain").unwrap()), "ContentType(10 bytes)"),
    ];
    for (shown, expected) in forms {
        assert_eq!(shown, expected);
    }
}

#[test]
fn message_state() {
    let root = MessageRoot::from_bytes(&[CANARY; 32]);
    let mut tree = SecretTree::new(root, 4).unwrap();
    assert_eq!(format!("{tree:?}"), "SecretTree(4 slots, ..)");
    assert_eq!(format!("{:?}", tree.reserve(Slot::new(0)).unwrap()), "SendKey(..)");
    let pending = tree.peek(Slot::new(1), e2ee::secret_tree::Generation::new(0)).unwrap();
    assert_eq!(format!("{pending:?}"), "PendingKey(..)");
    let mut keys: MessageKeys = message_keys(SUITES[0], 4);
    assert_eq!(format!("{keys:?}"), "MessageKeys(..)");
    let key = keys.reserve(Slot::new(2)).unwrap();
    let sealed = keys.seal(key, &FRAME, &MSG_DIGEST, b"hush").unwrap();
    let opened = message_keys(SUITES[0], 4).open(&FRAME, &MSG_DIGEST, &sealed).unwrap();
    assert_eq!(format!("{opened:?}"), "Opened(..)");
}

#[test]
fn payloads() {
    let content = Content::Application {
        content_type: ContentType::new("text/plain").unwrap(),
        body: b"hush".to_vec(),
    };
    assert_eq!(format!("{content:?}"), "Content::Application(..)");
    let payload = SignedPayload::sign(&message_context(), SEEN, &content, &identity()).unwrap();
    assert_eq!(format!("{payload:?}"), "SignedPayload(..)");
    let verified = payload.verify(&message_context(), &identity().verifying_key()).unwrap();
    assert_eq!(format!("{verified:?}"), "VerifiedPayload(..)");
    hidden(&format!("{:?}", Content::Roster(Roster::new(vec![entry()]).unwrap())));
    hidden(&format!("{:?}", entry()));
    let attachment = Attachment {
        name: FileName::sanitise("hush.txt"),
        media_type: ContentType::new("text/plain").unwrap(),
        size: 5,
        digest: FileDigest::new([1; 32]),
        secret: DropSecret::from_bytes(&[CANARY; 32]),
        service: None,
    };
    hidden(&format!("{attachment:?} {:?}", attachment.copy_for(LeafId::new(3))));
    assert_eq!(format!("{:?}", Content::Attachment(attachment)), "Content::Attachment(..)");
}

#[test]
fn people() {
    let own = package(SUITES[0], 1);
    hidden(&format!("{own:?}"));
    let secret_bytes = hex::encode(&own.to_bytes()[own.to_bytes().len() - 32..]);
    assert!(!format!("{own:?}").contains(&secret_bytes));
    let contact = Contact {
        secret: ContactSecret::from_bytes(&[CANARY; 32]),
        identity: identity().verifying_key(),
        node: node(),
    };
    assert_eq!(format!("{contact:?}"), "Contact(..)");
    let anchor = Anchor {
        group: GROUP,
        epoch: Epoch::new(7),
        ctx: CTX,
        seq: Seq::new(41),
        log: LOG,
        owner: key(4).verifying_key(),
        expires: UnixSeconds::new(1000),
        name: Some(name("Ada")),
    };
    hidden(&format!("{anchor:?}"));
    let link = TicketLink::issue(node(), key(CANARY), anchor, &inviter());
    assert_eq!(format!("{link:?}"), "TicketLink(..)");
    let invite = Invite {
        suite: SUITES[0],
        group: GROUP,
        epoch: Epoch::new(8),
        ctx: CTX,
        transcript: TRANSCRIPT,
        seq: Seq::new(42),
        log: LOG,
        owner: key(4).verifying_key(),
        authenticator: Authenticator::from_bytes(&[CANARY; 32]),
        joiner: JoinerSecret::from_bytes(&[CANARY; 32]),
        leaf_secret: secret(CANARY),
        slot: Slot::new(2),
        leaf_id: LeafId::new(9),
        expires: UnixSeconds::new(6000),
        roster_hash: Roster::new(vec![entry()]).unwrap().hash(),
        roster: Some(Roster::new(vec![entry()]).unwrap()),
        server: node(),
        name: None,
        roster_secret: Some(DropSecret::from_bytes(&[CANARY; 32])),
    };
    hidden(&format!("{invite:?}"));
    let invite = Invite { roster: None, ..invite };
    let sealed = invite.seal(own.package(), &inviter(), &mut rng(9)).unwrap();
    assert!(format!("{sealed:?}").starts_with("SealedInvite("));
    hidden(&format!("{:?}", sealed.open(&own).unwrap()));
}
