//! What a log serves: whole frames and what may stand for them.

use protocol::{Frame, FrameHash, Kind, Refusal, Seq, ServedFrame, frame::Served, limits::MAX_FRAME};
use sha2::{Digest, Sha256};

use crate::{
    fixtures,
    mutations::variants,
    protobuf::{self, Field, Value},
};

fn served(content: Served) -> ServedFrame {
    ServedFrame { seq: Seq::new(300), received_at_ms: 1_700_000_000_123, content }
}

fn field(number: u32, value: Value) -> Field {
    Field { number, value, repeated: false }
}

/// Position and time, then what is given.
fn wire(content: Vec<Field>) -> Vec<Field> {
    let mut fields = vec![field(1, Value::Uint(300)), field(2, Value::Uint(1_700_000_000_123))];
    fields.extend(content);
    fields
}

fn pruned(frame: &Frame, sealed_hash: [u8; 32], sealed_empty: bool) -> Value {
    let mut fields = vec![
        field(1, Value::Message(protobuf::head(frame.head()))),
        field(2, Value::Bytes(sealed_hash.to_vec())),
        field(3, Value::Message(protobuf::auth(&frame.auth))),
    ];
    fields.extend(frame.proofs.iter().map(|p| Field {
        number: 4,
        value: Value::Bytes(p.to_vec()),
        repeated: true,
    }));
    if sealed_empty {
        fields.push(field(5, Value::Uint(1)));
    }
    Value::Message(fields)
}

fn decode(fields: &[Field]) -> Result<ServedFrame, Refusal> {
    ServedFrame::decode(&protobuf::encode(fields))
}

#[test]
fn whole_frames_and_hashes_come_back() {
    for kind in Kind::ALL {
        let frame = fixtures::frame(*kind);
        let whole = served(Served::Frame(frame.clone()));
        let expected = wire(vec![field(3, Value::Message(protobuf::frame(&frame)))]);
        assert_eq!(whole.encode(), protobuf::encode(&expected), "{kind:?}");
        assert_eq!(ServedFrame::decode(&whole.encode()).as_ref(), Ok(&whole), "{kind:?}");
        assert_eq!(whole.hash(), frame.hash());
        assert_eq!(whole.frame(), Some(&frame));
    }
    let hash = served(Served::MessageHash(FrameHash::new([7; 32])));
    assert_eq!(hash.encode(), protobuf::encode(&wire(vec![field(4, Value::Bytes(vec![7; 32]))])));
    assert_eq!(ServedFrame::decode(&hash.encode()).as_ref(), Ok(&hash));
    assert_eq!((hash.hash(), hash.frame()), (FrameHash::new([7; 32]), None));
}

#[test]
fn an_operation_without_its_sealed_part_keeps_every_digest() {
    for kind in Kind::ALL.iter().filter(|kind| kind.is_operation()) {
        let frame = fixtures::frame(*kind);
        let short = frame.without_sealed();
        assert_eq!(short.hash(), frame.hash());
        assert_eq!(short.sealed_is_empty(), frame.sealed_is_empty());
        assert_eq!((short.sealed(), short.encode()), (None, None));
        let sealed_hash = Sha256::digest(frame.sealed().unwrap()).into();
        let served = served(Served::Operation(short.clone()));
        assert_eq!(
            served.encode(),
            protobuf::encode(&wire(vec![field(5, pruned(&frame, sealed_hash, false))]))
        );
        let decoded = ServedFrame::decode(&served.encode()).unwrap();
        assert_eq!(decoded, served, "{kind:?}");
        assert_eq!(decoded.hash(), frame.hash());
        assert_eq!(decoded.frame().unwrap().proofs, frame.proofs);
    }
}

#[test]
fn whether_the_sealed_part_was_empty_cannot_be_lied_about() {
    let nothing: [u8; 32] = Sha256::digest(b"").into();
    let something: [u8; 32] = Sha256::digest(b"x").into();
    let frame = fixtures::frame(Kind::Leave);
    for (hash, empty, ok) in
        [(nothing, true, true), (something, false, true), (nothing, false, false), (something, true, false)]
    {
        let outcome = decode(&wire(vec![field(5, pruned(&frame, hash, empty))]));
        match outcome {
            Ok(served) => {
                assert!(ok);
                assert_eq!(served.frame().unwrap().sealed_is_empty(), empty);
            }
            Err(refusal) => {
                assert!(!ok);
                assert_eq!(refusal, Refusal::Malformed);
            }
        }
    }
}

#[test]
fn a_message_cannot_be_served_as_a_pruned_operation() {
    let frame = fixtures::frame(Kind::Message);
    let hash = Sha256::digest(frame.sealed().unwrap()).into();
    assert_eq!(decode(&wire(vec![field(5, pruned(&frame, hash, false))])), Err(Refusal::Malformed));
}

#[test]
fn it_has_exactly_one_content() {
    let frame = field(3, Value::Message(protobuf::frame(&fixtures::frame(Kind::Close))));
    let hash = field(4, Value::Bytes(vec![7; 32]));
    let operation = field(5, pruned(&fixtures::frame(Kind::Leave), [9; 32], false));
    assert!(decode(&wire(vec![frame.clone()])).is_ok());
    assert!(decode(&wire(vec![operation.clone()])).is_ok());
    for several in
        [vec![], vec![frame.clone(), hash.clone()], vec![hash, operation.clone()], vec![frame, operation]]
    {
        assert_eq!(decode(&wire(several)), Err(Refusal::Malformed));
    }
    assert_eq!(decode(&wire(vec![field(4, Value::Bytes(vec![7; 31]))])), Err(Refusal::Malformed));
}

#[test]
fn it_has_one_form() {
    for kind in [Kind::Close, Kind::UpdateKey, Kind::Message] {
        let content = field(3, Value::Message(protobuf::frame(&fixtures::frame(kind))));
        for variant in variants(&wire(vec![content])) {
            assert!(ServedFrame::decode(&variant.bytes).is_err(), "{kind:?}: {}", variant.what);
        }
    }
    let content = field(5, pruned(&fixtures::frame(Kind::Heal), [9; 32], false));
    for variant in variants(&wire(vec![content])) {
        assert!(ServedFrame::decode(&variant.bytes).is_err(), "{}", variant.what);
    }
}

#[test]
fn its_size_is_checked_first() {
    assert_eq!(ServedFrame::decode(&vec![0xff; MAX_FRAME + 65]), Err(Refusal::TooLarge));
    assert_eq!(ServedFrame::decode(&vec![0xff; MAX_FRAME + 64]), Err(Refusal::Malformed));
}
