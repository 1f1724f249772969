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

#[path = "../../../tests/fuzz/src/api.rs"]
mod targets;

#[path = "../../../tests/fuzz/src/replay.rs"]
mod replay;

use api::{
    Body, ErrorCode, Format, Problem,
    centrifugo::{CentrifugoTokens, Channel},
    challenge::{Challenge, ChallengeNonce},
    frames::{FrameReceipt, FramesPage, PostFrame, ServedFrameBytes, StreamEpoch},
    token::Token,
};
use protocol::{
    FrameHash, GroupId, LogHash, Receipt, Seq, ServedFrame, SigningKey, UnixSeconds, frame::Served,
};

fn both<B: Body>(tag: u8, name: &str, body: &B) {
    for (format, flag, ending) in [(Format::Protobuf, 0, "binary"), (Format::Json, 0x80, "json")] {
        let bytes = [&[tag | flag], &body.encode(format)[..]].concat();
        replay::check_seed("http_body", &format!("{name}-{ending}"), &bytes);
    }
}

#[test]
fn the_corpora_hold_their_seeds() {
    let key = SigningKey::from_seed(&[1; 32]);
    let receipt =
        Receipt::sign(&key, GroupId::new([2; 32]), Seq::new(300), LogHash::new([3; 32]), 1_700_000_000_123);
    let served = ServedFrame {
        seq: Seq::new(7),
        received_at_ms: 1_700_000_000_000,
        content: Served::MessageHash(FrameHash::new([6; 32])),
    };
    both(
        0,
        "challenge",
        &Challenge { nonce: ChallengeNonce::new([4; 32]), expires: UnixSeconds::new(1_700_000_060) },
    );
    both(1, "receipt", &FrameReceipt { receipt, duplicate: true });
    let page = FramesPage {
        stream_epoch: StreamEpoch::new(1),
        frames: vec![ServedFrameBytes::from(&served)],
        next: Seq::new(8),
        head: Seq::new(12),
        horizon: Seq::new(0),
    };
    both(2, "page", &page);
    let token = |text: &str| Token::new(text.to_owned()).unwrap();
    let tokens = CentrifugoTokens {
        channel: Channel::new("kith", &GroupId::new([2; 32])).unwrap(),
        connection: token("abc.def.ghi"),
        subscription: token("jkl.mno.pqr"),
        expires: UnixSeconds::new(1_700_000_300),
    };
    both(12, "centrifugo", &tokens);
    both(10, "post", &PostFrame { frame: vec![1, 2, 3] });
    let problem = Problem::new(ErrorCode::Internal).to_json();
    replay::check_seed("http_body", "problem", &[&[11], &problem[..]].concat());
    for (name, text) in [
        ("open", "open\n\n{\"stream_epoch\":1,\"head\":12,\"horizon\":0,\"next\":3}"),
        ("frame", "frame\n1-7\nAQID"),
        ("reset", "reset\n\n{\"reason\":\"lagging\"}"),
        ("event-id", "1-7"),
        ("origin", "https://node.example:8443"),
        ("accept", "application/json;q=0.5, application/protobuf"),
    ] {
        replay::check_seed("http_text", name, text.as_bytes());
    }
}

#[test]
fn replay() {
    replay::replay("http_body", targets::body, 400);
    replay::replay("http_text", targets::text, 400);
}
