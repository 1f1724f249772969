//! Every body: the same value through both encodings, golden bytes, and the published schema as a second reader.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

use core::fmt::Debug;

use api::{
    Body, BodyError, Format, NodeInfo, NodeLimits, StateAnswer, StateSnapshot,
    centrifugo::{CentrifugoTokens, Channel},
    challenge::{Challenge, ChallengeNonce, ChallengeSignature, Claims},
    frames::{FrameReceipt, FramesPage, PostFrame, ServedFrameBytes, StreamEpoch},
    key_packages::{
        ClaimedKeyPackage, KeyPackageEntry, MAX_PACKAGES_PER_PUT, MAX_SEALED_PACKAGE, MailboxStatus,
        MailboxWriteKey, PutKeyPackages, SealedKeyPackage,
    },
    token::{Scope, Token, TokenAnswer, TokenRequest},
};
use prost_reflect::{DescriptorPool, DynamicMessage};
use protocol::{
    Epoch, FrameHash, GroupId, LeafId, LogHash, ParamsHash, Receipt, Seq, ServedFrame, SigningKey, Slot,
    Suite, UnixSeconds, frame::Served,
};

fn schema() -> DescriptorPool {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/proto/kith_api.proto");
    let files = protox::compile([path], [concat!(env!("CARGO_MANIFEST_DIR"), "/proto")]).unwrap();
    DescriptorPool::from_file_descriptor_set(files).unwrap()
}

/// Both encodings give the value back; the schema reads the protobuf bytes, knows every field in them, and writes the
/// same bytes again.
fn check<B: Body + Debug>(name: &str, body: &B) {
    let protobuf = body.encode(Format::Protobuf);
    let json = body.encode(Format::Json);
    let from_protobuf = B::decode(Format::Protobuf, &protobuf).unwrap();
    let from_json = B::decode(Format::Json, &json).unwrap();
    assert_eq!(from_protobuf.encode(Format::Json), json, "{name}");
    assert_eq!(from_json.encode(Format::Protobuf), protobuf, "{name}");

    let descriptor = schema().get_message_by_name(&format!("kith.api.v1.{name}")).unwrap();
    let message = DynamicMessage::decode(descriptor.clone(), protobuf.as_slice()).unwrap();
    assert_eq!(message.unknown_fields().count(), 0, "{name} has a field the schema does not know");
    assert_eq!(prost::Message::encode_to_vec(&message), protobuf, "{name}");
    // The JSON has exactly the schema's field names.
    let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
    for key in value.as_object().unwrap().keys() {
        assert!(descriptor.get_field_by_name(key).is_some(), "{name}.{key}");
    }

    insta::assert_snapshot!(
        name,
        format!("{}\n{}", hex::encode(&protobuf), serde_json::to_string_pretty(&value).unwrap())
    );
}

fn node_key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn receipt() -> Receipt {
    Receipt::sign(&node_key(), GroupId::new([2; 32]), Seq::new(300), LogHash::new([3; 32]), 1_700_000_000_123)
}

fn request(claims: Claims) -> TokenRequest {
    TokenRequest {
        challenge: Challenge {
            nonce: ChallengeNonce::new([4; 32]),
            expires: UnixSeconds::new(1_700_000_060),
        },
        epoch: Epoch::new(9),
        claims,
        signature: ChallengeSignature::new([5; 64]),
    }
}

fn served() -> ServedFrame {
    ServedFrame {
        seq: Seq::new(7),
        received_at_ms: 1_700_000_000_000,
        content: Served::MessageHash(FrameHash::new([6; 32])),
    }
}

#[test]
fn frame_receipt() {
    let answer = FrameReceipt { receipt: receipt(), duplicate: true };
    check("FrameReceipt", &answer);
    // The receipt inside is the protocol's, byte for byte: field 1, its length, its canonical encoding.
    let bytes = answer.to_protobuf();
    let inner = receipt().encode();
    assert!(bytes.windows(inner.len()).any(|window| window == inner));
    let back = FrameReceipt::from_protobuf(&bytes).unwrap();
    assert_eq!(back.receipt.verify(), Ok(()));
    assert_eq!(back, answer);
}

#[test]
fn frames_page() {
    let page = FramesPage {
        stream_epoch: StreamEpoch::new(1),
        frames: vec![ServedFrameBytes::from(&served())],
        next: Seq::new(8),
        head: Seq::new(12),
        horizon: Seq::new(0),
    };
    check("FramesPage", &page);
    let back = FramesPage::decode(Format::Json, &page.encode(Format::Json)).unwrap();
    assert_eq!(back.frames[0].decode(), Ok(served()));
}

#[test]
fn state_answer() {
    check(
        "StateAnswer",
        &StateAnswer {
            state: StateSnapshot::new(vec![1, 2, 3]),
            epoch: Epoch::new(4),
            seq: Seq::new(5),
            log: LogHash::new([6; 32]),
            stream_epoch: StreamEpoch::new(1),
        },
    );
}

#[test]
fn challenge_and_token_bodies() {
    check("Challenge", &request(Claims::Root).challenge);
    check("TokenRequest", &request(Claims::Leaf { slot: Slot::new(3), leaf_id: LeafId::new(11) }));
    for claims in [Claims::Root, Claims::Ticket { key: node_key().verifying_key() }] {
        let body = request(claims);
        for format in [Format::Protobuf, Format::Json] {
            assert_eq!(TokenRequest::decode(format, &body.encode(format)), Ok(body));
        }
    }
    check(
        "TokenAnswer",
        &TokenAnswer {
            token: Token::new("abc.def".to_owned()).unwrap(),
            expires: UnixSeconds::new(1_700_000_900),
            scope: Scope::Heads,
        },
    );
    check(
        "CentrifugoTokens",
        &CentrifugoTokens {
            channel: Channel::new("kith", &GroupId::new([2; 32])).unwrap(),
            connection: Token::new("abc.def.ghi".to_owned()).unwrap(),
            subscription: Token::new("jkl.mno.pqr".to_owned()).unwrap(),
            expires: UnixSeconds::new(1_700_000_300),
        },
    );
}

#[test]
fn key_package_bodies() {
    check(
        "PutKeyPackages",
        &PutKeyPackages {
            write_key: MailboxWriteKey::new([7; 32]),
            packages: vec![
                KeyPackageEntry {
                    sealed: SealedKeyPackage::new(vec![1, 2]).unwrap(),
                    expires: UnixSeconds::new(1_800_000_000),
                    last_resort: false,
                },
                KeyPackageEntry {
                    sealed: SealedKeyPackage::new(vec![3]).unwrap(),
                    expires: UnixSeconds::new(1_800_000_001),
                    last_resort: true,
                },
            ],
        },
    );
    check("MailboxStatus", &MailboxStatus { remaining: 41, last_resort: true });
    check(
        "ClaimedKeyPackage",
        &ClaimedKeyPackage {
            sealed: SealedKeyPackage::new(vec![1, 2]).unwrap(),
            last_resort: false,
            remaining: 40,
        },
    );
}

#[test]
fn node_info() {
    check("NodeInfo", &info());
    let without = NodeInfo { transistor: None, ..info() };
    for format in [Format::Protobuf, Format::Json] {
        let bytes = without.encode(format);
        assert!(!bytes.windows(10).any(|part| part == b"transistor"));
        assert_eq!(NodeInfo::decode(format, &bytes).as_ref(), Ok(&without));
    }
    let json = String::from_utf8(info().encode(Format::Json)).unwrap();
    let json = json.replace("/transistor\"", "/transistor?x\"");
    assert!(NodeInfo::decode(Format::Json, json.as_bytes()).is_err());
}

fn info() -> NodeInfo {
    NodeInfo {
        node: node_key().verifying_key(),
        origin: "https://node.example".parse().unwrap(),
        version: "0.1.0".to_owned(),
        time: UnixSeconds::new(1_700_000_000),
        protocol_versions: vec![1],
        suites: vec![Suite::Aes256Gcm, Suite::ChaCha20Poly1305],
        params: vec![ParamsHash::new([8; 32])],
        development_keys: true,
        limits: NodeLimits {
            frame_bytes: 262_144,
            page_frames: 500,
            page_bytes: 1_048_576,
            clock_behind_seconds: 600,
            clock_ahead_seconds: 60,
            message_grace_seconds: 60,
            challenge_seconds: 60,
            token_seconds: 900,
            key_package_bytes: 4096,
            key_packages_per_mailbox: 200,
        },
        transistor: Some("https://node.example/transistor".parse().unwrap()),
    }
}

#[test]
fn a_posted_frame_is_itself_in_protobuf() {
    let body = PostFrame { frame: vec![1, 2, 3] };
    assert_eq!(body.encode(Format::Protobuf), [1, 2, 3]);
    assert_eq!(body.encode(Format::Json), br#"{"frame":"AQID"}"#);
    assert_eq!(PostFrame::decode(Format::Json, br#"{"frame":"AQID"}"#), Ok(body));
    assert_eq!(PostFrame::decode(Format::Json, br#"{"frame":"AQID","x":1}"#), Err(BodyError::Json));
}

#[test]
fn wrong_values_are_named_and_not_repeated() {
    let mut bytes = request(Claims::Root).to_protobuf();
    // An empty leaf claim beside the root claim: two purposes at once.
    bytes.extend([0x2a, 0]);
    assert_eq!(TokenRequest::from_protobuf(&bytes), Err(BodyError::Field("claims")));
    assert_eq!(Challenge::from_protobuf(&[0x0a, 1, 9]), Err(BodyError::Field("nonce")));
    assert_eq!(Challenge::from_protobuf(&[0x0a, 200, 9]), Err(BodyError::Protobuf));
    assert_eq!(FrameReceipt::from_protobuf(&[]), Err(BodyError::Field("receipt")));
    assert_eq!(TokenAnswer::from_protobuf(&[0x0a, 1, b'a', 0x18, 9]), Err(BodyError::Field("scope")));
    assert!(SealedKeyPackage::new(Vec::new()).is_err());
    assert!(SealedKeyPackage::new(vec![0; MAX_SEALED_PACKAGE]).is_ok());
    assert!(SealedKeyPackage::new(vec![0; MAX_SEALED_PACKAGE + 1]).is_err());

    let entry = KeyPackageEntry {
        sealed: SealedKeyPackage::new(vec![1]).unwrap(),
        expires: UnixSeconds::new(1),
        last_resort: false,
    };
    let put = |count| PutKeyPackages {
        write_key: MailboxWriteKey::new([7; 32]),
        packages: vec![entry.clone(); count],
    };
    assert!(PutKeyPackages::from_protobuf(&put(MAX_PACKAGES_PER_PUT).to_protobuf()).is_ok());
    for count in [0, MAX_PACKAGES_PER_PUT + 1] {
        let refused = PutKeyPackages::from_protobuf(&put(count).to_protobuf());
        assert_eq!(refused.err(), Some(BodyError::Field("packages")));
    }
}

#[test]
fn requests_refuse_unknown_json_and_answers_skip_it() {
    let with_extra = |json: Vec<u8>| {
        let mut value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        value["later"] = 1.into();
        serde_json::to_vec(&value).unwrap()
    };
    let refused = TokenRequest::decode(Format::Json, &with_extra(request(Claims::Root).encode(Format::Json)));
    assert_eq!(refused, Err(BodyError::Json));
    let status = MailboxStatus { remaining: 1, last_resort: false };
    assert_eq!(MailboxStatus::decode(Format::Json, &with_extra(status.encode(Format::Json))), Ok(status));
}

#[test]
fn secrets_are_not_shown() {
    let put = PutKeyPackages { write_key: MailboxWriteKey::new([7; 32]), packages: Vec::new() };
    assert_eq!(format!("{put:?}"), "PutKeyPackages { write_key: MailboxWriteKey(secret), packages: [] }");
}

proptest::proptest! {
    #[test]
    fn any_bytes_decode_or_are_refused(bytes: Vec<u8>) {
        // Nothing panics, and what decodes encodes to something that decodes to the same.
        fn stable<B: Body>(bytes: &[u8]) {
            for format in [Format::Protobuf, Format::Json] {
                if let Ok(body) = B::decode(format, bytes) {
                    let once = body.encode(format);
                    assert_eq!(B::decode(format, &once).unwrap().encode(format), once);
                }
            }
        }
        stable::<CentrifugoTokens>(&bytes);
        stable::<Challenge>(&bytes);
        stable::<ClaimedKeyPackage>(&bytes);
        stable::<FrameReceipt>(&bytes);
        stable::<FramesPage>(&bytes);
        stable::<MailboxStatus>(&bytes);
        stable::<NodeInfo>(&bytes);
        stable::<PutKeyPackages>(&bytes);
        stable::<StateAnswer>(&bytes);
        stable::<TokenAnswer>(&bytes);
        stable::<TokenRequest>(&bytes);
    }
}
