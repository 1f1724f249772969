//! A signed payload belongs to one frame of one epoch of one group, and to nothing else.
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
    Malformed,
    content::{Content, ContentError, MAX_CONTENT},
    name::{ContentType, FileName},
    padding::MAX_PLAINTEXT,
    payload::{Carrier, LogPosition, PayloadContext, PayloadSignatureError, SignedPayload},
    roster::Roster,
    secret_tree::Generation,
};
use fixtures::{
    OP_DIGEST, OTHER_FRAME, SEEN, bytes_field, entry, identity, key, message_context, number_field, package,
    profile,
};
use proptest::prelude::*;
use protocol::{Epoch, GroupId, LeafId, LogHash, OpDigest, Seq, Slot, Suite, Transcript};
use sha2::{Digest, Sha256};

fn text(body: &[u8]) -> Content {
    Content::Application { content_type: ContentType::new("text/plain").unwrap(), body: body.to_vec() }
}

fn operation_context() -> PayloadContext {
    PayloadContext { carrier: Carrier::Operation(OP_DIGEST), ..message_context() }
}

fn signed(context: &PayloadContext) -> SignedPayload {
    SignedPayload::sign(context, SEEN, &text(b"hi"), &identity()).unwrap()
}

#[test]
fn golden_payloads() {
    assert_eq!(hex::encode(text(b"hi").to_bytes().unwrap()), "080112100a0a746578742f706c61696e12026869");
    let message = signed(&message_context()).to_bytes();
    assert_eq!(
        hex::encode(&*message),
        "0829122066666666666666666666666666666666666666666666666666666666666666661a14080112100a0a746578742f706c61696e1202686922405c887b7595d16eb81fe40f428927b8a09d27e7ab2d5706c683a9b998f5e3906345b7e45fe2b841aa4ce3e7e9b8d43fb76498fa09f7adc8570501aa6f8ac32604"
    );
    let operation = signed(&operation_context()).to_bytes();
    assert_eq!(
        hex::encode(&*operation),
        "0829122066666666666666666666666666666666666666666666666666666666666666661a14080112100a0a746578742f706c61696e120268692240c4dc74d97345db8c15d3f241987d81b0ef563edbb139755390ae1a68f377e72975b808a68eb0f35595c7f61b8485225d5fc497b9de3c1ed90ec42440bcab9b0e"
    );
}

#[test]
fn what_was_signed_comes_back() {
    let bytes = signed(&message_context()).to_bytes();
    let payload = SignedPayload::from_bytes(&bytes).unwrap();
    assert_eq!(payload.claimed_content(), Ok(text(b"hi")));
    let verified = payload.verify(&message_context(), &identity().verifying_key()).unwrap();
    assert_eq!(verified.seen(), SEEN);
    assert_eq!(verified.content(), Ok(text(b"hi")));
    assert_eq!(payload.to_bytes(), bytes);
}

#[test]
fn rewrapping_is_refused() {
    let good = message_context();
    let payload = signed(&good);
    let other_places = [
        ("suite", PayloadContext { suite: Suite::ChaCha20Poly1305, ..good }),
        ("group", PayloadContext { group: GroupId::new([0x12; 32]), ..good }),
        ("epoch", PayloadContext { epoch: Epoch::new(8), ..good }),
        ("frame", PayloadContext { frame: OTHER_FRAME, ..good }),
        ("slot", PayloadContext { slot: Slot::new(3), ..good }),
        ("leaf", PayloadContext { leaf_id: LeafId::new(10), ..good }),
        ("transcript", PayloadContext { transcript: Transcript::new([0x56; 32]), ..good }),
        ("generation", PayloadContext { carrier: Carrier::Message(Generation::new(6)), ..good }),
        ("kind", operation_context()),
    ];
    let identity = identity().verifying_key();
    for (what, place) in other_places {
        assert_eq!(payload.verify(&place, &identity).err(), Some(PayloadSignatureError), "{what}");
    }
    let operation = signed(&operation_context());
    assert!(operation.verify(&operation_context(), &identity).is_ok());
    let other = PayloadContext { carrier: Carrier::Operation(OpDigest::new([0; 32])), ..good };
    assert!(operation.verify(&other, &identity).is_err(), "around another operation");
    assert!(operation.verify(&good, &identity).is_err(), "as a message");
    assert!(payload.verify(&good, &key(2).verifying_key()).is_err(), "as somebody else");
}

#[test]
fn position_and_content_are_signed() {
    let context = message_context();
    let good = signed(&context).to_bytes();
    let identity = identity().verifying_key();
    for at in 0..good.len() {
        let mut bad = good.to_vec();
        bad[at] ^= 1;
        let verdict = SignedPayload::from_bytes(&bad);
        let refused = verdict.is_err_and(|e| e == Malformed)
            || SignedPayload::from_bytes(&bad).unwrap().verify(&context, &identity).is_err();
        assert!(refused, "byte {at}");
    }
    let elsewhere = LogPosition { seq: Seq::new(42), log: LogHash::new([0; 32]) };
    let payload = SignedPayload::sign(&context, elsewhere, &text(b"hi"), &fixtures::identity()).unwrap();
    assert_eq!(payload.verify(&context, &identity).unwrap().seen(), elsewhere);
}

#[test]
fn init_carries_no_position() {
    let payload =
        SignedPayload::sign(&operation_context(), LogPosition::NOTHING, &Content::Empty, &identity());
    let bytes = payload.unwrap().to_bytes();
    let payload = SignedPayload::from_bytes(&bytes).unwrap();
    let verified = payload.verify(&operation_context(), &identity().verifying_key()).unwrap();
    assert_eq!(verified.seen(), LogPosition::NOTHING);
    assert_eq!(verified.content(), Ok(Content::Empty));
}

#[test]
fn every_content_comes_back() {
    let contents = [
        Content::Empty,
        text(b""),
        text(&[0xff; 1000]),
        Content::File {
            name: FileName::sanitise("notes.txt"),
            media_type: ContentType::new("text/plain").unwrap(),
            body: b"notes".to_vec(),
        },
        Content::Roster(Roster::new(vec![entry()]).unwrap()),
        Content::Roster(Roster::default()),
        Content::Credential { credential: entry().credential, profile: profile() },
        Content::Added { packages: vec![package(Suite::Aes256Gcm, 1).package().clone()] },
        Content::Added { packages: Vec::new() },
    ];
    for content in contents {
        assert_eq!(Content::from_bytes(&content.to_bytes().unwrap()), Ok(content));
    }
    assert!(Content::Empty.to_bytes().unwrap().is_empty());
    let credential = Content::Credential { credential: entry().credential, profile: profile() };
    let digest = Sha256::digest(credential.to_bytes().unwrap());
    assert_eq!(hex::encode(digest), "b3ce5eec61321434d9618358f0b0148fd260154858fdc213394b80f6b4f2326b");
}

#[test]
fn file_names_are_sanitised_on_opening() {
    let body = [bytes_field(1, b"../../x"), bytes_field(2, b"a/b"), bytes_field(3, b"!")].concat();
    let bytes = [number_field(1, 2), bytes_field(2, &body)].concat();
    let Ok(Content::File { name, .. }) = Content::from_bytes(&bytes) else { panic!("a file") };
    assert_eq!(name.as_str(), "_.._.._x");
}

/// Decoders hold to the bounds that encoders hold to.
#[test]
fn oversized_parts_are_refused() {
    let content =
        |kind, body: &[u8]| Content::from_bytes(&[number_field(1, kind), bytes_field(2, body)].concat());
    let file = |name: &str| content(2, &[bytes_field(1, name.as_bytes()), bytes_field(2, b"a/b")].concat());
    assert!(matches!(file(&"x".repeat(255)), Ok(Content::File { name, .. }) if name.as_str().len() == 255));
    assert_eq!(file(&"x".repeat(256)), Err(ContentError::Malformed));
    let package = bytes_field(1, &package(Suite::Aes256Gcm, 1).package().to_bytes());
    let added = |count| content(5, &package.repeat(count));
    assert!(matches!(added(64), Ok(Content::Added { packages }) if packages.len() == 64));
    assert_eq!(added(65), Err(ContentError::Malformed));
    let typed = |len| content(1, &bytes_field(1, &vec![b'x'; len]));
    assert!(typed(128).is_ok());
    assert_eq!(typed(129), Err(ContentError::Malformed));
}

#[test]
fn unknown_kinds_are_told_apart_from_nonsense() {
    assert_eq!(Content::from_bytes(&[0x08, 99, 0x12, 1, 7]), Err(ContentError::UnknownKind(99)));
    assert_eq!(Content::from_bytes(&[0x08, 8]), Err(ContentError::UnknownKind(8)));
    assert_eq!(Content::from_bytes(&[0x08, 7]), Err(ContentError::Malformed), "an attachment of nothing");
    assert_eq!(Content::from_bytes(&[0x08, 6]), Err(ContentError::Malformed), "a list of no admins");
    let nonsense: [&[u8]; 7] = [
        &[0x08],
        &[0x12, 1, 7],
        &[0x08, 0],
        &[0x08, 1],
        &[0x08, 3, 0x12, 1, 7],
        &[0x08, 4],
        &[0x08, 99, 0x18, 1],
    ];
    for bytes in nonsense {
        assert_eq!(Content::from_bytes(bytes), Err(ContentError::Malformed), "{bytes:?}");
    }
    assert_eq!(Content::from_bytes(&vec![0; MAX_CONTENT + 1]), Err(ContentError::Malformed));
}

#[test]
fn an_unknown_kind_still_verifies() {
    // The position and the sender are known although the content is not, so the key can be deleted and the log go on.
    let context = message_context();
    let mut bytes = signed(&context).to_bytes().to_vec();
    let at = bytes.windows(2).position(|pair| pair == [0x08, 1]).unwrap();
    bytes[at + 1] = 99;
    let payload = SignedPayload::from_bytes(&bytes).unwrap();
    assert_eq!(payload.claimed_content(), Err(ContentError::UnknownKind(99)));
}

#[test]
fn contents_are_bounded() {
    let room = MAX_CONTENT - text(b"").to_bytes().unwrap().len() - 8;
    let fits = text(&vec![1; room]);
    let payload = SignedPayload::sign(&message_context(), SEEN, &fits, &identity()).unwrap();
    assert!(payload.to_bytes().len() <= MAX_PLAINTEXT);
    let error = text(&vec![1; MAX_CONTENT]).to_bytes().unwrap_err();
    assert!(matches!(error, ContentError::TooLong { max: MAX_CONTENT, .. }));
    let packages = vec![package(Suite::Aes256Gcm, 1).package().clone(); 65];
    assert_eq!(Content::Added { packages }.to_bytes(), Err(ContentError::TooManyPackages(65)));
}

proptest! {
    #[test]
    fn contents_have_one_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(content) = Content::from_bytes(&bytes)
            && !matches!(content, Content::File { .. } | Content::Attachment(_))
        {
            prop_assert_eq!(content.to_bytes().unwrap(), bytes);
        }
    }

    #[test]
    fn payload_bytes_have_one_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(payload) = SignedPayload::from_bytes(&bytes) {
            let encoded = payload.to_bytes();
            prop_assert_eq!(encoded.as_slice(), bytes.as_slice());
        }
    }

    #[test]
    fn application_round_trip(body in proptest::collection::vec(any::<u8>(), 0..500)) {
        let payload = SignedPayload::sign(&message_context(), SEEN, &text(&body), &identity()).unwrap();
        let payload = SignedPayload::from_bytes(&payload.to_bytes()).unwrap();
        let verified = payload.verify(&message_context(), &identity().verifying_key()).unwrap();
        prop_assert_eq!(verified.content(), Ok(text(&body)));
    }
}
