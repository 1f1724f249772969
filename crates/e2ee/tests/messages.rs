//! Messages open for members of their epoch, under their own head and frame id only, and nobody can use up another's
//! keys.
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
    Malformed, OpenError, SealError,
    message::{HEADER_LEN, MessageError, MessageKeys},
    padding::MAX_PLAINTEXT,
    secret_tree::{Generation, RatchetError},
};
use fixtures::{FRAME, MSG_DIGEST, OTHER_FRAME, SUITES, message_keys};
use proptest::prelude::*;
use protocol::{FrameId, OpDigest, Slot};
use sha2::{Digest, Sha256};

const OWN: Slot = Slot::new(2);

fn sealed_by(sender: &mut MessageKeys, slot: Slot, frame: &FrameId, payload: &[u8]) -> Vec<u8> {
    let key = sender.reserve(slot).unwrap();
    sender.seal(key, frame, &MSG_DIGEST, payload).unwrap()
}

#[test]
fn golden_messages() {
    let expected = [
        (
            "592744bfa65d6d13933448a87458f13c9df2eee066efc0b7",
            "7c35b04060da3b46901c83af2a37a9a8f3e988959ad1f28ac9e200b5f061a8a0",
        ),
        (
            "f85719e549b254cb5e92fe348f3ed0ba470a6abd2046818e",
            "737196d526c2fd93dafec3e05a8f609d7f11b2efbcb99cbd4bd3759f9ecf1f68",
        ),
    ];
    for (suite, (header, digest)) in SUITES.into_iter().zip(expected) {
        let sealed = sealed_by(&mut message_keys(suite, 4), OWN, &FRAME, b"payload");
        assert_eq!(hex::encode(&sealed[..HEADER_LEN]), header);
        assert_eq!(hex::encode(Sha256::digest(&sealed)), digest);
    }
}

#[test]
fn members_read_each_other() {
    for suite in SUITES {
        let (mut sender, mut receiver) = (message_keys(suite, 4), message_keys(suite, 4));
        for round in 0..3 {
            let sealed = sealed_by(&mut sender, OWN, &FRAME, b"payload");
            assert_eq!(sealed.len(), HEADER_LEN + 256 + 16);
            let opened = receiver.open(&FRAME, &MSG_DIGEST, &sealed).unwrap();
            assert_eq!((opened.slot, opened.generation), (OWN, Generation::new(round)));
            assert_eq!(opened.payload.as_slice(), b"payload");
            receiver.commit(opened.pending).unwrap();
            let again = receiver.open(&FRAME, &MSG_DIGEST, &sealed).unwrap_err();
            assert_eq!(again, MessageError::Ratchet(RatchetError::Used), "read once");
        }
    }
}

#[test]
fn tampering_is_refused_at_every_byte() {
    for suite in SUITES {
        let sealed = sealed_by(&mut message_keys(suite, 4), OWN, &FRAME, b"payload");
        let receiver = message_keys(suite, 4);
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 0x80;
            assert!(receiver.open(&FRAME, &MSG_DIGEST, &bad).is_err(), "byte {at}");
        }
        for len in 0..sealed.len() {
            assert!(receiver.open(&FRAME, &MSG_DIGEST, &sealed[..len]).is_err(), "{len} bytes");
        }
        assert!(receiver.open(&OTHER_FRAME, &MSG_DIGEST, &sealed).is_err(), "another frame");
        assert!(receiver.open(&FRAME, &OpDigest::new([0; 32]), &sealed).is_err(), "another head");
        let too_long = receiver.open(&FRAME, &MSG_DIGEST, &vec![0; 66_000]).unwrap_err();
        assert_eq!(too_long, MessageError::Content(OpenError::Length));
    }
}

/// Every member can compute everybody's keys. A frame that names another sender fails at the signature, and must leave
/// that sender's keys alone.
#[test]
fn a_forged_header_does_not_burn_the_victims_key() {
    let victim = Slot::new(1);
    let mut forger = message_keys(SUITES[0], 4);
    let forged = sealed_by(&mut forger, victim, &OTHER_FRAME, b"not signed by the victim");
    let mut receiver = message_keys(SUITES[0], 4);
    let before = receiver.to_bytes();
    let opened = receiver.open(&OTHER_FRAME, &MSG_DIGEST, &forged).unwrap();
    assert_eq!(opened.slot, victim);
    drop(opened);
    assert_eq!(receiver.to_bytes(), before);
    let genuine = sealed_by(&mut message_keys(SUITES[0], 4), victim, &FRAME, b"genuine");
    let opened = receiver.open(&FRAME, &MSG_DIGEST, &genuine).unwrap();
    assert_eq!(opened.payload.as_slice(), b"genuine");
    receiver.commit(opened.pending).unwrap();
}

#[test]
fn a_restored_backup_repeats_no_key_and_nonce() {
    for suite in SUITES {
        let mut sender = message_keys(suite, 4);
        let backup = sender.to_bytes();
        let one = sealed_by(&mut sender, OWN, &FRAME, b"same words");
        let mut restored = MessageKeys::from_bytes(&backup).unwrap();
        let two = sealed_by(&mut restored, OWN, &OTHER_FRAME, b"same words");
        // Equal key and nonce would give equal ciphertext for equal plaintext.
        assert_ne!(one[HEADER_LEN..], two[HEADER_LEN..]);
        let shared = one.iter().zip(&two).filter(|(a, b)| a == b).count();
        assert!(shared < 24, "{shared} of {} bytes are equal", one.len());
    }
}

#[test]
fn a_stolen_state_does_not_open_read_messages() {
    let (mut sender, mut receiver) = (message_keys(SUITES[1], 4), message_keys(SUITES[1], 4));
    let sealed = sealed_by(&mut sender, OWN, &FRAME, b"payload");
    let opened = receiver.open(&FRAME, &MSG_DIGEST, &sealed).unwrap();
    receiver.commit(opened.pending).unwrap();
    for stolen in [receiver.to_bytes(), sender.to_bytes()] {
        let thief = MessageKeys::from_bytes(&stolen).unwrap();
        let error = thief.open(&FRAME, &MSG_DIGEST, &sealed).unwrap_err();
        assert_eq!(error, MessageError::Ratchet(RatchetError::Used));
    }
}

#[test]
fn messages_come_in_any_order() {
    let (mut sender, mut receiver) = (message_keys(SUITES[0], 4), message_keys(SUITES[0], 4));
    let sealed: Vec<_> = (0..5).map(|_| sealed_by(&mut sender, OWN, &FRAME, b"payload")).collect();
    for at in [3, 0, 4, 2, 1] {
        let opened = receiver.open(&FRAME, &MSG_DIGEST, &sealed[at]).unwrap();
        receiver.commit(opened.pending).unwrap();
        receiver = MessageKeys::from_bytes(&receiver.to_bytes()).unwrap();
    }
    for message in &sealed {
        assert!(receiver.open(&FRAME, &MSG_DIGEST, message).is_err());
    }
}

#[test]
fn senders_outside_the_tree_and_far_ahead_are_refused() {
    let mut larger = message_keys(SUITES[0], 8);
    let sealed = sealed_by(&mut larger, Slot::new(6), &FRAME, b"payload");
    let error = message_keys(SUITES[0], 4).open(&FRAME, &MSG_DIGEST, &sealed).unwrap_err();
    assert_eq!(error, MessageError::Ratchet(RatchetError::NoSuchSlot(Slot::new(6))));
    let mut ahead = message_keys(SUITES[0], 4);
    for _ in 0..=1_000 {
        let _ = ahead.reserve(OWN).unwrap();
    }
    let sealed = sealed_by(&mut ahead, OWN, &FRAME, b"payload");
    let error = message_keys(SUITES[0], 4).open(&FRAME, &MSG_DIGEST, &sealed).unwrap_err();
    assert_eq!(error, MessageError::Ratchet(RatchetError::TooFarAhead(1_001)));
}

#[test]
fn another_epoch_does_not_open() {
    let sealed = sealed_by(&mut message_keys(SUITES[0], 4), OWN, &FRAME, b"payload");
    let other = e2ee::schedule::JoinerSecret::from_bytes(&[1; 32]).epoch(&fixtures::CTX);
    let other = MessageKeys::new(SUITES[0], other.sender_data, other.message_root, 4).unwrap();
    let error = other.open(&FRAME, &MSG_DIGEST, &sealed).unwrap_err();
    assert_eq!(error, MessageError::Header(OpenError::Seal));
}

#[test]
fn size_is_bounded() {
    let mut sender = message_keys(SUITES[0], 4);
    let sealed = sealed_by(&mut sender, OWN, &FRAME, &vec![1; MAX_PLAINTEXT]);
    assert!(sealed.len() <= protocol::limits::MAX_SEALED);
    assert!(message_keys(SUITES[0], 4).open(&FRAME, &MSG_DIGEST, &sealed).is_ok());
    let key = sender.reserve(OWN).unwrap();
    let error = SealError::TooLong { len: MAX_PLAINTEXT + 1, max: MAX_PLAINTEXT };
    assert_eq!(sender.seal(key, &FRAME, &MSG_DIGEST, &vec![1; MAX_PLAINTEXT + 1]), Err(error));
}

#[test]
fn stored_keys_are_canonical() {
    for suite in SUITES {
        let stored = message_keys(suite, 4).to_bytes();
        assert_eq!(MessageKeys::from_bytes(&stored).unwrap().to_bytes(), stored);
        let mut unknown_suite = stored.to_vec();
        unknown_suite[1] = 9;
        assert_eq!(MessageKeys::from_bytes(&unknown_suite).err(), Some(Malformed));
        assert_eq!(MessageKeys::from_bytes(&[]).err(), Some(Malformed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn round_trip(
        payload in proptest::collection::vec(any::<u8>(), 0..2000),
        slot in 0..32u32,
        frame in any::<[u8; 16]>(),
        suite in prop::sample::select(SUITES.to_vec()),
    ) {
        let frame = FrameId::new(frame);
        let sealed = sealed_by(&mut message_keys(suite, 32), Slot::new(slot), &frame, &payload);
        let opened = message_keys(suite, 32).open(&frame, &MSG_DIGEST, &sealed).unwrap();
        prop_assert_eq!(opened.slot.get(), slot);
        prop_assert_eq!(opened.payload.as_slice(), payload.as_slice());
    }

    #[test]
    fn arbitrary_bytes_do_not_open(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
        prop_assert!(message_keys(SUITES[0], 4).open(&FRAME, &MSG_DIGEST, &bytes).is_err());
    }
}
