//! Golden bytes of every kind of head and frame.
//!
//! A change of any of them is a change of the protocol. `UPDATE_VECTORS=1` in the environment writes them anew.

use std::{fmt::Write as _, fs, path::PathBuf};

use protocol::{Ctx, Frame, Kind, Receipt, Seq, ServedFrame, frame::Served};

use crate::fixtures;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

/// Lower-case hexadecimal, 64 digits a line.
fn to_hex(bytes: &[u8]) -> String {
    let digits = hex::encode(bytes);
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && i % 64 == 0 {
            text.push('\n');
        }
        text.push(digit);
    }
    text.push('\n');
    text
}

fn compare(name: &str, text: &str) {
    let path = path(name);
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(text, golden, "{name}");
}

fn golden(name: &str) -> Vec<u8> {
    let text = fs::read_to_string(path(name)).unwrap();
    hex::decode(text.split_whitespace().collect::<String>()).unwrap()
}

#[test]
fn heads_and_frames() {
    for kind in Kind::ALL {
        let frame = fixtures::frame(*kind);
        let name = fixtures::name(*kind);
        compare(&format!("head-{name}.hex"), &to_hex(frame.head_bytes()));
        compare(&format!("frame-{name}.hex"), &to_hex(&frame.encode().unwrap()));
        let decoded = Frame::decode(&golden(&format!("frame-{name}.hex")));
        assert_eq!(decoded, Ok(frame), "{name}");
    }
}

#[test]
fn digests_of_the_frames() {
    let ctx = Ctx::new([0xc7; 32]);
    let mut text = String::new();
    for kind in Kind::ALL {
        let frame = fixtures::frame(*kind);
        writeln!(text, "{}", fixtures::name(*kind)).unwrap();
        writeln!(text, "  th          {}", frame.hash()).unwrap();
        writeln!(text, "  head digest {}", frame.head_digest()).unwrap();
        writeln!(text, "  D           {}", frame.digest(&ctx)).unwrap();
        writeln!(text, "  group       {}", frame.head().group).unwrap();
    }
    compare("digests.txt", &text);
}

#[test]
fn receipts_and_served_frames() {
    let receipt = crate::receipts::receipt();
    compare("receipt.hex", &to_hex(&receipt.encode()));
    assert_eq!(Receipt::decode(&golden("receipt.hex")), Ok(receipt));
    for (name, content) in [
        ("served-whole.hex", Served::Frame(fixtures::frame(Kind::Leave))),
        ("served-operation.hex", Served::Operation(fixtures::frame(Kind::UpdateKey).without_sealed())),
        ("served-message.hex", Served::MessageHash(fixtures::frame(Kind::Message).hash())),
    ] {
        let served = ServedFrame { seq: Seq::new(7), received_at_ms: 1_700_000_000_000, content };
        compare(name, &to_hex(&served.encode()));
        assert_eq!(ServedFrame::decode(&golden(name)), Ok(served));
    }
}
