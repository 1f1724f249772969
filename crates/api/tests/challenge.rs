//! What an answered challenge covers: each part changed alone makes the signature worthless.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

use api::{
    NodeOrigin,
    challenge::{Challenge, ChallengeError, ChallengeNonce, ChallengeSignature, Claims, Statement},
};
use chacha20::ChaCha20Rng;
use curve::TreeSecret;
use protocol::{Epoch, GroupId, LeafId, SigningKey, Slot, UnixSeconds};
use rand_core::SeedableRng;

fn origin(text: &str) -> NodeOrigin {
    text.parse().unwrap()
}

fn challenge(nonce: u8, expires: u64) -> Challenge {
    Challenge { nonce: ChallengeNonce::new([nonce; 32]), expires: UnixSeconds::new(expires) }
}

fn leaf() -> Claims {
    Claims::Leaf { slot: Slot::new(3), leaf_id: LeafId::new(11) }
}

#[test]
fn golden_digests() {
    let key = SigningKey::from_seed(&[1; 32]).verifying_key();
    let digest = |claims| {
        hex::encode(
            Statement {
                origin: &origin("https://node.example"),
                group: &GroupId::new([2; 32]),
                epoch: Epoch::new(9),
                claims,
                challenge: challenge(4, 1_700_000_060),
            }
            .digest(),
        )
    };
    insta::assert_snapshot!(format!(
        "root   {}\nleaf   {}\nticket {}",
        digest(Claims::Root),
        digest(leaf()),
        digest(Claims::Ticket { key })
    ));
}

#[test]
fn every_part_is_covered() {
    let (home, away) = (origin("https://node.example"), origin("https://node.example:8443"));
    let (group, other) = (GroupId::new([2; 32]), GroupId::new([3; 32]));
    let key = SigningKey::from_seed(&[1; 32]);
    let signed = Statement {
        origin: &home,
        group: &group,
        epoch: Epoch::new(9),
        claims: leaf(),
        challenge: challenge(4, 1_700_000_060),
    };
    let signature = signed.sign(&key);
    assert_eq!(signed.verify(&key.verifying_key(), &signature), Ok(()));
    for changed in [
        Statement { origin: &away, ..signed },
        Statement { group: &other, ..signed },
        Statement { epoch: Epoch::new(10), ..signed },
        Statement { claims: Claims::Leaf { slot: Slot::new(4), leaf_id: LeafId::new(11) }, ..signed },
        Statement { claims: Claims::Leaf { slot: Slot::new(3), leaf_id: LeafId::new(12) }, ..signed },
        Statement { claims: Claims::Ticket { key: key.verifying_key() }, ..signed },
        Statement { challenge: challenge(5, 1_700_000_060), ..signed },
        Statement { challenge: challenge(4, 1_700_000_061), ..signed },
    ] {
        assert_eq!(changed.verify(&key.verifying_key(), &signature), Err(ChallengeError), "{changed:?}");
    }
}

#[test]
fn each_purpose_takes_its_own_kind_of_key() {
    let home = origin("https://node.example");
    let group = GroupId::new([2; 32]);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let secret = TreeSecret::generate(&mut rng);
    let root = Statement {
        origin: &home,
        group: &group,
        epoch: Epoch::new(9),
        claims: Claims::Root,
        challenge: challenge(4, 1_700_000_060),
    };
    let signature = root.sign_root(&secret, &mut rng);
    assert_eq!(root.verify_root(&secret.public(), &signature), Ok(()));
    let stranger = TreeSecret::generate(&mut rng).public();
    assert_eq!(root.verify_root(&stranger, &signature), Err(ChallengeError));
    assert_eq!(root.verify_root(&secret.public(), &ChallengeSignature::new([0xff; 64])), Err(ChallengeError));

    let ticket = SigningKey::from_seed(&[1; 32]);
    let claimed = Statement { claims: Claims::Ticket { key: ticket.verifying_key() }, ..root };
    let signature = claimed.sign(&ticket);
    assert_eq!(claimed.verify(&ticket.verifying_key(), &signature), Ok(()));
    // A signature that is good for its key does not count where the claims name another key or another kind.
    let other = SigningKey::from_seed(&[2; 32]);
    assert_eq!(claimed.verify(&other.verifying_key(), &claimed.sign(&other)), Err(ChallengeError));
    assert_eq!(root.verify(&ticket.verifying_key(), &root.sign(&ticket)), Err(ChallengeError));
    assert_eq!(
        claimed.verify_root(&secret.public(), &claimed.sign_root(&secret, &mut rng)),
        Err(ChallengeError)
    );
}
