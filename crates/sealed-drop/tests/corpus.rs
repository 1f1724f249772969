//! The decoders of this crate against the corpora of the fuzzer, and against damaged bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    missing_docs,
    reason = "test helpers"
)]

#[path = "../../../tests/fuzz/src/replay.rs"]
mod replay;
#[path = "../../../tests/fuzz/src/sealed_drop.rs"]
mod targets;

use sealed_drop::{DropLink, DropSecret, HEAD_LEN, Info, Sealer, Token};

fn sealed(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sealer = Sealer::new(&targets::content_key(), content.len() as u64).unwrap();
    sealer.push(content, &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    out
}

fn plaintext(content: &[u8]) -> Vec<u8> {
    let mut chunk = sealed(content)[HEAD_LEN..].to_vec();
    assert!(sealed_drop::ContentCipher::new(&targets::content_key()).open_chunk(0, true, &mut chunk));
    chunk
}

#[test]
fn the_corpora_hold_their_seeds() {
    let secret = DropSecret::from_bytes(&[1; 32]);
    let info = Info::new("a.txt", "text/plain", 5).unwrap();
    let copy = info.clone().for_copy(targets::content_key());
    let keys = secret.keys(None);
    let link = DropLink::new("https://kith.example:8443/base/transistor", secret.clone(), true).unwrap();
    for (name, text) in [
        ("link", link.to_text().to_string()),
        ("id", secret.id().to_string()),
        ("token", Token::from_bytes(&[5; 32]).to_text().to_string()),
        ("info", info.seal(&keys.info).to_text()),
        ("info-of-a-copy", copy.seal(&keys.info).to_text()),
    ] {
        replay::check_seed("drop_text", name, text.as_bytes());
    }
    for (name, head, rest) in [
        ("empty", [0, 255], sealed(b"")),
        ("short", [0, 6], sealed(b"hello")),
        ("padded", [0, 100], sealed(&[7; 1000])),
        ("plaintext", [1, 50], plaintext(b"hello")),
        ("plaintext-of-nothing", [1, 50], plaintext(b"")),
    ] {
        replay::check_seed("drop_content", name, &[&head[..], &rest].concat());
    }
}

#[test]
fn replay() {
    replay::replay("drop_text", targets::drop_text, 400);
    replay::replay("drop_content", targets::drop_content, 400);
}
