//! Every derivation of the key schedule gives the bytes an independent implementation gives, and both ways into an epoch
//! meet.
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
    OpenError, SealError,
    padding::MAX_PLAINTEXT,
    schedule::{ExportError, InitSecret, JoinerSecret},
};
use fixtures::{CTX, OP_DIGEST, SUITES, secret};
use protocol::{Ctx, OpDigest};
use sha2::{Digest, Sha256};

fn joiner() -> JoinerSecret {
    JoinerSecret::derive(&InitSecret::new_group(), &secret(5), None, &OP_DIGEST)
}

#[test]
fn golden_secrets() {
    let hex = |bytes: &[u8; 32]| hex::encode(bytes);
    assert_eq!(hex(&joiner().to_bytes()), "eb1d8796337a0b258e7677ce5749d2d8f48fea20cbd307fb42589ea41fe13ab2");
    let psk = JoinerSecret::derive(&InitSecret::new_group(), &secret(5), Some(&[8; 32]), &OP_DIGEST);
    assert_eq!(hex(&psk.to_bytes()), "97a5bffc7a1b32835cb3917dd9dfa3c68db482c05594971f3f999a900ded2981");
    let epoch = joiner().epoch(&CTX);
    assert_eq!(
        hex(&epoch.init.to_bytes()),
        "35657744312cc86fe7314d44261c59221288d354665449edc6a138f5cd65493f"
    );
    assert_eq!(
        hex(&epoch.sender_data.to_bytes()),
        "bab43a7b99fdbfd1d7ec0bacbc3fcd289c19e4e8d978ebd1a6c7207f48e6c48a"
    );
    assert_eq!(
        hex(&epoch.message_root.to_bytes()),
        "fc8b566b8cf4e1fc0f43ac77276e79dfeb3d4234b921e799e963f311ef1209a5"
    );
    assert_eq!(
        hex(&epoch.exporter.to_bytes()),
        "ac91fb2b5bff6fc54ec548cac80808b6007ad34690958606145b5581a265b3a9"
    );
    assert_eq!(
        hex(&epoch.authenticator.to_bytes()),
        "3eb19ae35605ddaaa79ce71d520b0c129d6859645777bef816e66d24b91126fc"
    );
    assert_eq!(
        hex(&epoch.membership.to_bytes()),
        "0ef38184c17c19849ef97005251dfb4d25f3bf48607be801fc517ba80cbd1a89"
    );
    let exported = epoch.exporter.export("app", b"room", 40).unwrap();
    assert_eq!(
        hex::encode(&*exported),
        "e52fbfc327520f4d933e930d2f3c40177d30e6cbe1b4757bc2a51edc5aeb010b3b0f08ac35d5f27c"
    );
}

#[test]
fn joiner_and_members_meet() {
    let (e, root) = (secret(6), secret(5));
    let (e_public, root_public) = (e.public(), root.public());
    let joins = InitSecret::external(&e.dh(&root_public), &e_public, &root_public, &CTX);
    let member = InitSecret::external(&root.dh(&e_public), &e_public, &root_public, &CTX);
    assert_eq!(joins, member);
    assert_eq!(
        hex::encode(*joins.to_bytes()),
        "e7321aa01d0f567d0aeb243b32b802de134b2899482a8fb5c926492284ccf68e"
    );
    let joiner = JoinerSecret::derive(&joins, &secret(5), None, &OP_DIGEST);
    assert_eq!(
        hex::encode(*joiner.to_bytes()),
        "5d4853618be8beef6b08eb1203978587056a47eb1421c76989c7cc8f79af3c5c"
    );
    assert_ne!(
        joins,
        InitSecret::external(&e.dh(&root_public), &e_public, &root_public, &Ctx::new([0x23; 32]))
    );
    assert_ne!(joins, InitSecret::external(&e.dh(&root_public), &root_public, &e_public, &CTX));
}

#[test]
fn every_input_counts() {
    let one = joiner();
    let init = InitSecret::from_bytes(&[1; 32]);
    assert_ne!(one, JoinerSecret::derive(&init, &secret(5), None, &OP_DIGEST));
    assert_ne!(one, JoinerSecret::derive(&InitSecret::new_group(), &secret(6), None, &OP_DIGEST));
    assert_ne!(
        one,
        JoinerSecret::derive(&InitSecret::new_group(), &secret(5), None, &OpDigest::new([0; 32]))
    );
    let (a, b) = (one.epoch(&CTX), one.epoch(&Ctx::new([0; 32])));
    assert_ne!(a.init, b.init);
    assert_ne!(a.authenticator, b.authenticator);
    assert_ne!(a.init.to_bytes(), a.membership.to_bytes());
}

#[test]
fn stored_secrets_come_back() {
    let joiner = joiner();
    assert_eq!(JoinerSecret::from_bytes(&joiner.to_bytes()), joiner);
    assert_eq!(joiner.clone(), joiner);
}

#[test]
fn golden_operation_payloads() {
    let expected = [
        "4aafd07ca950837e8089733a9d4389f84f855294c7a19d86c2bdb51b886e0676",
        "77036336ceb5f6f7250e8e3ec187821dc3434e97649a7e30288e8d259fe33c5d",
    ];
    for (suite, expected) in SUITES.into_iter().zip(expected) {
        let sealed = joiner().seal_op(suite, &OP_DIGEST, b"hello").unwrap();
        assert_eq!(sealed.len(), 256 + 16);
        assert_eq!(hex::encode(Sha256::digest(&sealed)), expected);
        assert_eq!(joiner().open_op(suite, &OP_DIGEST, &sealed).unwrap().as_slice(), b"hello");
    }
}

#[test]
fn tampering_is_refused_at_every_byte() {
    for suite in SUITES {
        let sealed = joiner().seal_op(suite, &OP_DIGEST, b"hello").unwrap();
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert_eq!(joiner().open_op(suite, &OP_DIGEST, &bad), Err(OpenError::Seal), "byte {at}");
        }
        for len in 0..sealed.len() {
            assert!(joiner().open_op(suite, &OP_DIGEST, &sealed[..len]).is_err(), "{len} bytes");
        }
        assert_eq!(joiner().open_op(suite, &OpDigest::new([0; 32]), &sealed), Err(OpenError::Seal));
        assert_eq!(joiner().open_op(suite, &OP_DIGEST, &vec![0; 70_000]), Err(OpenError::Length));
    }
    let sealed = joiner().seal_op(SUITES[0], &OP_DIGEST, b"hello").unwrap();
    assert_eq!(joiner().open_op(SUITES[1], &OP_DIGEST, &sealed), Err(OpenError::Seal));
    let other = JoinerSecret::from_bytes(&[1; 32]);
    assert_eq!(
        other.open_op(SUITES[0], &OP_DIGEST, &sealed),
        Err(OpenError::Seal),
        "a removed member's view"
    );
}

#[test]
fn size_is_bounded() {
    let full = vec![1; MAX_PLAINTEXT];
    let sealed = joiner().seal_op(SUITES[0], &OP_DIGEST, &full).unwrap();
    assert!(sealed.len() <= protocol::limits::MAX_SEALED);
    assert_eq!(joiner().open_op(SUITES[0], &OP_DIGEST, &sealed).unwrap().as_slice(), full.as_slice());
    let long = vec![1; MAX_PLAINTEXT + 1];
    let error = SealError::TooLong { len: MAX_PLAINTEXT + 1, max: MAX_PLAINTEXT };
    assert_eq!(joiner().seal_op(SUITES[0], &OP_DIGEST, &long), Err(error));
}

#[test]
fn exports_are_apart_and_bounded() {
    let exporter = joiner().epoch(&CTX).exporter;
    let one = exporter.export("a", b"bc", 32).unwrap();
    assert_ne!(one, exporter.export("ab", b"c", 32).unwrap());
    assert_ne!(one.as_slice(), &exporter.export("a", b"bc", 33).unwrap()[..32], "the length is bound");
    assert_eq!(exporter.export("a", b"", 0).unwrap().len(), 0);
    assert_eq!(exporter.export("a", b"", 8160).unwrap().len(), 8160);
    assert_eq!(exporter.export("a", b"", 8161), Err(ExportError::TooMuch(8161)));
    assert_eq!(exporter.export(&"a".repeat(129), b"", 1), Err(ExportError::LabelTooLong(129)));
}
