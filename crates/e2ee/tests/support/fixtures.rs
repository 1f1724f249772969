//! Fixed inputs the scenarios share.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test helpers, of which each scenario uses some"
)]

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use curve::TreeSecret;
use e2ee::{
    attachment::{Attachment, DropSecret, FileDigest},
    credential::{LeafBinding, LeafCredential, Profile},
    key_package::KeyPackagePrivate,
    message::MessageKeys,
    name::{ContentType, DisplayName, FileName},
    node_url::NodeUrl,
    payload::{Carrier, LogPosition, PayloadContext},
    roster::RosterEntry,
    schedule::{MessageRoot, SenderDataSecret},
    secret_tree::Generation,
};
use protocol::{
    Ctx, Epoch, FrameId, GroupId, LeafId, LogHash, OpDigest, Seq, SigningKey, Slot, Suite, Transcript,
    UnixSeconds,
};

pub const SUITES: [Suite; 2] = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];
pub const GROUP: GroupId = GroupId::new([0x11; 32]);
pub const CTX: Ctx = Ctx::new([0x22; 32]);
pub const OP_DIGEST: OpDigest = OpDigest::new([0x33; 32]);
pub const FRAME: FrameId = FrameId::new([0x44; 16]);
pub const OTHER_FRAME: FrameId = FrameId::new([0x45; 16]);
pub const TRANSCRIPT: Transcript = Transcript::new([0x55; 32]);
pub const LOG: LogHash = LogHash::new([0x66; 32]);
pub const MSG_DIGEST: OpDigest = OpDigest::new([0x77; 32]);
pub const SEEN: LogPosition = LogPosition { seq: Seq::new(41), log: LOG };

pub fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub fn identity() -> SigningKey {
    key(1)
}

pub fn inviter() -> SigningKey {
    key(3)
}

pub fn secret(fill: u8) -> TreeSecret {
    let mut bytes = [fill; 32];
    bytes[31] = 1;
    TreeSecret::from_bytes(&bytes).unwrap()
}

pub fn name(text: &str) -> DisplayName {
    DisplayName::new(text).unwrap()
}

pub fn node() -> NodeUrl {
    NodeUrl::new("https://node.example").unwrap()
}

pub fn leaf() -> LeafBinding {
    LeafBinding {
        group: GROUP,
        slot: Slot::new(2),
        leaf_id: LeafId::new(9),
        dh: secret(7).public(),
        sig: key(2).verifying_key(),
        since: Epoch::new(6),
    }
}

pub fn profile() -> Profile {
    Profile::sign(name("Ada"), 3, &GROUP, &identity())
}

pub fn entry() -> RosterEntry {
    let leaf = leaf();
    RosterEntry {
        slot: leaf.slot,
        leaf_id: leaf.leaf_id,
        since: leaf.since,
        credential: LeafCredential::sign(&leaf, &identity()),
        profile: profile(),
    }
}

/// An entry of another member whose leaf follows from its slot.
pub fn entry_at(slot: u32) -> RosterEntry {
    RosterEntry { slot: Slot::new(slot), ..entry() }
}

pub fn message_context() -> PayloadContext {
    PayloadContext {
        suite: Suite::Aes256Gcm,
        group: GROUP,
        epoch: Epoch::new(7),
        frame: FRAME,
        slot: Slot::new(2),
        leaf_id: LeafId::new(9),
        transcript: TRANSCRIPT,
        carrier: Carrier::Message(Generation::new(5)),
    }
}

pub fn message_keys(suite: Suite, capacity: u32) -> MessageKeys {
    let sender_data = SenderDataSecret::from_bytes(&[0x0a; 32]);
    MessageKeys::new(suite, sender_data, MessageRoot::from_bytes(&[0x09; 32]), capacity).unwrap()
}

pub fn package(suite: Suite, seed: u8) -> KeyPackagePrivate {
    KeyPackagePrivate::generate(
        &identity(),
        name("Ada"),
        suite,
        UnixSeconds::new(5000),
        false,
        &mut rng(seed),
    )
}

pub fn attachment() -> Attachment {
    Attachment {
        name: FileName::sanitise("film.mkv"),
        media_type: ContentType::new("video/x-matroska").unwrap(),
        size: 5_000_000,
        digest: FileDigest::new([0xd1; 32]),
        secret: DropSecret::from_bytes(&[0x5e; 32]),
        service: None,
    }
}

/// The named file of golden bytes.
pub fn vector(file: &str) -> Vec<u8> {
    let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    hex::decode(std::fs::read_to_string(path).unwrap().trim()).unwrap()
}

/// A protobuf number as it is on the wire, for encodings the crate itself refuses to write.
pub fn number_field(tag: u8, n: u64) -> Vec<u8> {
    [vec![tag << 3], varint(n)].concat()
}

/// A protobuf byte string or message as it is on the wire.
pub fn bytes_field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![tag << 3 | 2], varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn varint(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while n > 0x7f {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}
