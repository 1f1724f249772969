//! One value, one byte string.

use proptest::{prelude::*, sample::Index, test_runner::Config};
use protocol::{
    Frame, Head, Kind, Receipt, Refusal,
    body::{Body, Policy},
};

use crate::{fixtures, mutations::variants, protobuf, strategies};

#[test]
fn the_second_writer_agrees_on_every_kind() {
    for kind in Kind::ALL {
        let frame = fixtures::frame(*kind);
        assert_eq!(protobuf::encode(&protobuf::head(frame.head())), frame.head().encode(), "{kind:?}");
        assert_eq!(protobuf::encode(&protobuf::frame(&frame)), frame.encode().unwrap(), "{kind:?}");
    }
}

#[test]
fn every_kind_comes_back_from_its_bytes() {
    for kind in Kind::ALL {
        let frame = fixtures::frame(*kind);
        let bytes = frame.encode().unwrap();
        let decoded = Frame::decode(&bytes).unwrap();
        assert_eq!(decoded, frame, "{kind:?}");
        assert_eq!(decoded.kind(), *kind);
        assert_eq!(decoded.encode().unwrap(), bytes, "{kind:?}");
        assert_eq!(decoded.head_bytes(), frame.head().encode());
        assert_eq!(Head::decode(decoded.head_bytes()).as_ref(), Ok(frame.head()));
    }
}

#[test]
fn no_frame_has_a_second_form() {
    let mut tried = 0;
    for kind in Kind::ALL {
        let frame = fixtures::frame(*kind);
        for variant in variants(&protobuf::frame(&frame)) {
            assert!(Frame::decode(&variant.bytes).is_err(), "{kind:?}: {}", variant.what);
            tried += 1;
        }
    }
    assert!(tried > 2_000, "only {tried} variants");
}

#[test]
fn what_only_looks_different_is_malformed() {
    // The deviations that keep every value: a lenient decoder would see the very same frame.
    let kept = ["long", "unknown", "duplicate", "swapped", "unpacked", "split"];
    for kind in Kind::ALL {
        for variant in variants(&protobuf::frame(&fixtures::frame(*kind))) {
            if kept.iter().any(|word| variant.what.starts_with(word) || variant.what.contains(word)) {
                assert_eq!(
                    Frame::decode(&variant.bytes),
                    Err(Refusal::Malformed),
                    "{kind:?}: {}",
                    variant.what
                );
            }
        }
    }
}

#[test]
fn no_receipt_and_no_policy_has_a_second_form() {
    let receipt = crate::receipts::receipt();
    for variant in variants(&protobuf::receipt(&receipt)) {
        assert!(Receipt::decode(&variant.bytes).is_err(), "{}", variant.what);
    }
    let policy = fixtures::policy();
    assert_eq!(Policy::from_bytes(&policy.to_bytes()), Ok(policy));
    let mut tried = 0;
    for variant in variants(&protobuf::body(&Body::SetPolicy(policy))) {
        assert!(Body::decode(Kind::SetPolicy, &variant.bytes).is_err(), "{}", variant.what);
        tried += 1;
    }
    assert!(tried > 20);
}

#[test]
fn a_message_has_no_fields_of_operations_and_the_other_way_round() {
    let set = |kind, number, value| {
        let mut head = protobuf::head(&fixtures::head(kind));
        head.retain(|field| field.number != number);
        let at = head.partition_point(|field| field.number < number);
        head.insert(at, protobuf::Field { number, value, repeated: false });
        Head::decode(&protobuf::encode(&head))
    };
    use protobuf::Value::{Bytes, Uint};
    for (kind, number, value) in [
        (Kind::Message, 7, Bytes(vec![1; 32])),
        (Kind::Message, 8, Uint(1)),
        (Kind::Message, 9, Bytes(vec![1; 32])),
        (Kind::Leave, 10, Uint(1)),
        (Kind::Init, 10, Uint(1)),
    ] {
        assert_eq!(set(kind, number, value), Err(Refusal::Malformed), "{kind:?} with field {number}");
    }
}

#[test]
fn every_id_has_its_length() {
    for kind in Kind::ALL {
        let whole = protobuf::head(&fixtures::head(*kind));
        for (i, field) in whole.iter().enumerate() {
            let protobuf::Value::Bytes(bytes) = &field.value else { continue };
            for other in [bytes[1..].to_vec(), [bytes.as_slice(), &[0]].concat()] {
                let mut head = whole.clone();
                head[i].value = protobuf::Value::Bytes(other);
                assert_eq!(
                    Head::decode(&protobuf::encode(&head)),
                    Err(Refusal::Malformed),
                    "{kind:?}, field {}",
                    field.number
                );
            }
            let mut head = whole.clone();
            head.remove(i);
            assert_eq!(Head::decode(&protobuf::encode(&head)), Err(Refusal::Malformed), "{kind:?}");
        }
    }
}

#[test]
fn every_byte_string_of_a_body_has_its_length() {
    fn shorten(fields: &mut [protobuf::Field], skip: &mut usize) -> bool {
        for field in fields {
            match &mut field.value {
                protobuf::Value::Bytes(bytes) if *skip == 0 => {
                    bytes.pop();
                    return true;
                }
                protobuf::Value::Bytes(_) => *skip -= 1,
                protobuf::Value::Message(inner) => {
                    if shorten(inner, skip) {
                        return true;
                    }
                }
                protobuf::Value::Uint(_) | protobuf::Value::Packed(_) => {}
            }
        }
        false
    }
    for kind in Kind::ALL {
        for n in 0.. {
            let mut fields = protobuf::body(&fixtures::body(*kind));
            if !shorten(&mut fields, &mut { n }) {
                break;
            }
            let refusal = Body::decode(*kind, &protobuf::encode(&fields)).unwrap_err();
            assert!(
                matches!(refusal, Refusal::Malformed | Refusal::WrongKeyCount),
                "{kind:?}, byte string {n}: {refusal}"
            );
        }
    }
}

#[test]
fn signatures_and_proofs_have_their_length() {
    let whole = protobuf::frame(&fixtures::frame(Kind::UpdateKey));
    let protobuf::Value::Message(auth) = &whole[2].value else { panic!("authorisation") };
    assert_eq!(auth.len(), 7);
    for i in 0..auth.len() {
        let mut auth = auth.clone();
        let protobuf::Value::Bytes(bytes) = &mut auth[i].value else { panic!("bytes") };
        bytes.push(0);
        let mut frame = whole.clone();
        frame[2].value = protobuf::Value::Message(auth);
        assert_eq!(Frame::decode(&protobuf::encode(&frame)), Err(Refusal::Malformed), "authorisation {i}");
    }
    for other in [127, 129, 0] {
        let mut frame = whole.clone();
        frame[3].value = protobuf::Value::Bytes(vec![1; other]);
        assert_eq!(
            Frame::decode(&protobuf::encode(&frame)),
            Err(Refusal::Malformed),
            "proof of {other} bytes"
        );
    }
    let mut frame = whole;
    frame.remove(2);
    assert_eq!(Frame::decode(&protobuf::encode(&frame)), Err(Refusal::Malformed), "no authorisation at all");
}

#[test]
fn authorisation_and_proofs_are_not_in_the_hash() {
    let frame = fixtures::frame(Kind::UpdateKey);
    let mut other = frame.clone();
    other.auth = protocol::Authorization::default();
    other.proofs.clear();
    assert_ne!(other, frame);
    assert_eq!(other.hash(), frame.hash());
    let decoded = Frame::decode(&other.encode().unwrap()).unwrap();
    assert_eq!(decoded.hash(), frame.hash());
}

/// What any byte string has to do: be refused, or be the one form of what it decodes to.
fn refused_or_itself(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(frame) = Frame::decode(bytes) {
        let again = frame.encode();
        prop_assert_eq!(again.as_deref(), Some(bytes));
        prop_assert_eq!(frame.head().encode(), frame.head_bytes());
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: 300, failure_persistence: None, ..Config::default() })]

    #[test]
    fn frames_round_trip(frame in strategies::frame()) {
        let bytes = frame.encode().unwrap();
        let decoded = Frame::decode(&bytes);
        prop_assert_eq!(decoded.as_ref(), Ok(&frame));
        prop_assert_eq!(decoded.unwrap().encode(), Some(bytes));
        prop_assert_eq!(protobuf::encode(&protobuf::frame(&frame)), frame.encode().unwrap());
    }

    #[test]
    fn a_changed_byte_is_refused_or_is_what_it_says(
        frame in strategies::frame(), at in any::<Index>(), bits in 1u8..,
    ) {
        let mut bytes = frame.encode().unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        refused_or_itself(&bytes)?;
        if let Ok(other) = Frame::decode(&bytes) {
            prop_assert_ne!(other, frame);
        }
    }

    #[test]
    fn an_added_or_missing_byte_is_refused_or_is_what_it_says(
        frame in strategies::frame(), at in any::<Index>(), byte: u8,
    ) {
        let whole = frame.encode().unwrap();
        let mut longer = whole.clone();
        longer.insert(at.index(whole.len() + 1), byte);
        refused_or_itself(&longer)?;
        let mut shorter = whole;
        shorter.remove(at.index(shorter.len()));
        refused_or_itself(&shorter)?;
    }
}

#[test]
fn every_flipped_bit_of_a_head_is_another_head() {
    for kind in [Kind::Leave, Kind::IssueTicket, Kind::Message, Kind::Expire] {
        let bytes = fixtures::head(kind).encode();
        let mut accepted = 0;
        for bit in 0..8 * bytes.len() {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            if let Ok(head) = Head::decode(&other) {
                assert_eq!(head.encode(), other, "{kind:?}, bit {bit}");
                assert_ne!(head, fixtures::head(kind));
                accepted += 1;
            }
        }
        // The ids alone have that many bits which may be anything.
        assert!(accepted > 8 * (32 + 16), "{kind:?}: {accepted}");
    }
}

#[test]
fn an_init_is_bound_to_its_group() {
    let bytes = fixtures::head(Kind::Init).encode();
    let id = fixtures::head(Kind::Init).frame_id;
    let id_at = bytes.windows(16).position(|window| window == id.as_bytes()).unwrap();
    for bit in 0..8 * bytes.len() {
        let mut other = bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        let in_id = (id_at..id_at + 16).contains(&(bit / 8));
        assert_eq!(Head::decode(&other).is_ok(), in_id, "bit {bit}: only the frame id is free");
    }
}
