//! A node's word.

use protocol::{GroupId, LogHash, Receipt, Refusal, Seq, SigningKey};
use sha2::{Digest, Sha256};

use crate::protobuf::{self, Value};

fn node() -> SigningKey {
    SigningKey::from_seed(&[0x0d; 32])
}

pub(crate) fn receipt() -> Receipt {
    Receipt::sign(
        &node(),
        GroupId::new([0x6e; 32]),
        Seq::new(300),
        LogHash::new([0x10; 32]),
        1_700_000_000_123,
    )
}

#[test]
fn it_signs_the_digest_of_its_fields() {
    let receipt = receipt();
    let mut input = b"kith/v1/receipt".to_vec();
    input.extend(node().verifying_key().as_bytes());
    input.extend([0x6e; 32]);
    input.extend(300u64.to_be_bytes());
    input.extend([0x10; 32]);
    input.extend(1_700_000_000_123u64.to_be_bytes());
    let message: [u8; 32] = Sha256::digest(&input).into();
    assert_eq!(receipt.signature.as_bytes(), node().sign(&message).as_bytes());
}

#[test]
fn it_has_one_form() {
    let receipt = receipt();
    let bytes = receipt.encode();
    assert_eq!(bytes, protobuf::encode(&protobuf::receipt(&receipt)));
    assert_eq!(Receipt::decode(&bytes), Ok(receipt));
    assert_eq!(Receipt::decode(&bytes[..bytes.len() - 1]), Err(Refusal::Malformed));
}

#[test]
fn every_flipped_bit_is_refused_or_breaks_the_signature() {
    let bytes = receipt().encode();
    for bit in 0..8 * bytes.len() {
        let mut other = bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        if let Ok(changed) = Receipt::decode(&other) {
            assert!(changed.verify().is_err(), "bit {bit}");
        }
    }
}

#[test]
fn a_bad_node_key_is_named() {
    let mut fields = protobuf::receipt(&receipt());
    fields[0].value = Value::Bytes([&[1][..], &[0; 31]].concat());
    assert_eq!(Receipt::decode(&protobuf::encode(&fields)), Err(Refusal::BadSignatureKey));
}

#[test]
fn two_of_one_position_that_differ_are_proof_for_anybody() {
    let one = receipt();
    let other = Receipt::sign(&node(), one.group, one.seq, LogHash::new([0x20; 32]), one.received_at_ms);
    for receipt in [one, other] {
        assert_eq!(Receipt::decode(&receipt.encode()).unwrap().verify(), Ok(()));
    }
    assert_eq!((one.node, one.group, one.seq), (other.node, other.group, other.seq));
    assert_ne!(one.log, other.log);
}
