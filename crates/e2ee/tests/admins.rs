//! A box opens for its recipient alone, in its group, under its root and at its place, and looks like any other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

#[path = "support/fixtures.rs"]
mod fixtures;

use curve::TreeSecret;
use e2ee::{
    Malformed,
    admins::{AdminCount, Admins, Grant, MAX_ADMINS, OPENING_LEN},
    content::{Content, MAX_CONTENT},
};
use fixtures::{GROUP, SUITES, rng, secret};
use proptest::prelude::*;
use protocol::{AdminCommitment, AdminRoot, GroupId, Suite};
use sha2::{Digest, Sha256};

const ROOT: AdminRoot = AdminRoot::new([0x1d; 32]);
const SUITE: Suite = Suite::ChaCha20Poly1305;

fn grant(n: u8) -> Grant {
    let mut commitment = [0; 32];
    commitment[0] = n;
    Grant {
        commitment: AdminCommitment::new(commitment),
        opening: zeroize::Zeroizing::new([n; OPENING_LEN]),
        recipient: secret(n).public(),
    }
}

fn three() -> Vec<Grant> {
    [1, 2, 3].map(grant).into()
}

fn sealed(suite: Suite) -> Admins {
    Admins::seal(suite, &GROUP, &ROOT, &three(), &mut rng(9)).unwrap()
}

#[test]
fn golden_bytes() {
    let content = Content::Admins(sealed(SUITE));
    let bytes = content.to_bytes().unwrap();
    assert_eq!(bytes.len(), 442);
    assert_eq!(
        hex::encode(Sha256::digest(&bytes)),
        "9a630750755d4bb9c06a117e7f043b77e49211066280b561b4d7a8d7dc68ce0e"
    );
    assert_eq!(Content::from_bytes(&bytes), Ok(content));
}

#[test]
fn everybody_opens_the_own_box_and_no_other() {
    for suite in SUITES {
        let admins = Admins::from_bytes(&sealed(suite).to_bytes()).unwrap();
        for n in 1..=3u8 {
            let opened = admins.open(suite, &GROUP, &ROOT, &secret(n)).unwrap();
            assert_eq!(opened.position, usize::from(n) - 1);
            assert_eq!(*opened.opening, [n; OPENING_LEN]);
            assert_eq!(admins.commitments()[opened.position], grant(n).commitment);
        }
        assert!(admins.open(suite, &GROUP, &ROOT, &secret(4)).is_none());
    }
}

#[test]
fn group_root_suite_and_place_are_bound() {
    let admins = sealed(SUITE);
    let own = secret(2);
    assert!(admins.open(SUITE, &GROUP, &ROOT, &own).is_some());
    assert!(admins.open(SUITE, &GroupId::new([0x12; 32]), &ROOT, &own).is_none());
    assert!(admins.open(SUITE, &GROUP, &AdminRoot::new([0x1e; 32]), &own).is_none());
    assert!(admins.open(Suite::Aes256Gcm, &GROUP, &ROOT, &own).is_none());
    // The same box at another place.
    let mut bytes = admins.to_bytes();
    let boxes = bytes.len() - 3 * 112;
    bytes[boxes..].rotate_left(112);
    assert!(Admins::from_bytes(&bytes).unwrap().open(SUITE, &GROUP, &ROOT, &own).is_none());
}

#[test]
fn every_bit_of_a_box_counts() {
    let bytes = sealed(SUITE).to_bytes();
    let first = bytes.len() - 3 * 112;
    for at in first..first + 112 {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        if let Ok(admins) = Admins::from_bytes(&changed) {
            assert!(admins.open(SUITE, &GROUP, &ROOT, &secret(1)).is_none(), "byte {at}");
        }
    }
}

/// Two lists that differ in all recipients differ in nothing but bytes that are drawn or encrypted.
#[test]
fn a_list_says_how_many_and_nothing_of_whom() {
    let other: Vec<Grant> = three()
        .into_iter()
        .zip([7u8, 8, 9])
        .map(|(grant, n)| Grant { recipient: secret(n).public(), ..grant })
        .collect();
    let (one, two) = (sealed(SUITE), Admins::seal(SUITE, &GROUP, &ROOT, &other, &mut rng(9)).unwrap());
    let (one, two) = (one.to_bytes(), two.to_bytes());
    assert_eq!(one.len(), two.len());
    let boxes = one.len() - 3 * 112;
    assert_eq!(one[..boxes], two[..boxes]);
    for (one, two) in one[boxes..].chunks(112).zip(two[boxes..].chunks(112)) {
        // The same draws give the same E: it does not depend on the recipient at all.
        assert_eq!(one[..32], two[..32]);
        assert_ne!(one[32..], two[32..]);
    }
    // Two boxes for one recipient share nothing.
    let twice = [grant(1), grant(1)];
    let twice = Admins::seal(SUITE, &GROUP, &ROOT, &twice, &mut rng(1)).unwrap().to_bytes();
    let (first, second) = twice[twice.len() - 224..].split_at(112);
    assert!(first.chunks(16).zip(second.chunks(16)).all(|(a, b)| a != b));
}

#[test]
fn the_largest_list_fits_a_message() {
    let grants: Vec<Grant> = (0..MAX_ADMINS).map(|_| grant(1)).collect();
    let admins = Admins::seal(SUITE, &GROUP, &ROOT, &grants, &mut rng(2)).unwrap();
    let bytes = Content::Admins(admins.clone()).to_bytes().unwrap();
    assert!(bytes.len() < MAX_CONTENT);
    assert_eq!(Content::from_bytes(&bytes), Ok(Content::Admins(admins)));
    for count in [0, MAX_ADMINS + 1] {
        let grants: Vec<Grant> = (0..count).map(|_| grant(1)).collect();
        let outcome = Admins::seal(SUITE, &GROUP, &ROOT, &grants, &mut rng(2));
        assert_eq!(outcome.unwrap_err(), AdminCount(count));
    }
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut len = bytes.len();
    while len >= 0x80 {
        out.push(u8::try_from(len & 0x7f).unwrap() | 0x80);
        len >>= 7;
    }
    out.push(u8::try_from(len).unwrap());
    out.extend_from_slice(bytes);
    out
}

#[test]
fn malformed_lists_are_refused() {
    let point = TreeSecret::generate(&mut rng(3)).public();
    let one = [point.as_bytes().as_slice(), &[7; 80]].concat();
    let list = |commitments: &[u8], boxes: &[u8]| {
        Admins::from_bytes(&[field(1, commitments), field(2, boxes)].concat())
    };
    assert!(list(&[1; 32], &one).is_ok());
    assert_eq!(list(&[0xff; 32], &one), Err(Malformed), "no field element");
    assert_eq!(list(&[1; 31], &one), Err(Malformed));
    assert_eq!(list(&[1; 64], &one), Err(Malformed), "fewer boxes than commitments");
    assert_eq!(list(&[1; 32], &one[1..]), Err(Malformed));
    assert_eq!(list(&[1; 32], &[7; 112]), Err(Malformed), "no point");
    let identity = [&[1][..], &[0; 111]].concat();
    assert_eq!(list(&[1; 32], &identity), Err(Malformed), "the identity shares nothing with anybody");
    let many = MAX_ADMINS + 1;
    assert_eq!(list(&[1; 32].repeat(many), &one.repeat(many)), Err(Malformed));
    assert_eq!(Admins::from_bytes(&[]), Err(Malformed));
}

proptest! {
    #[test]
    fn decoding_is_canonical(mut bytes in prop::collection::vec(any::<u8>(), 0..512), at in any::<usize>(), flip in any::<u8>()) {
        if let Ok(admins) = Admins::from_bytes(&bytes) {
            prop_assert_eq!(admins.to_bytes(), bytes.clone());
        }
        bytes = sealed(SUITE).to_bytes();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        if let Ok(admins) = Admins::from_bytes(&bytes) {
            prop_assert_eq!(admins.to_bytes(), bytes);
        }
    }
}
