use ark_ff::{AdditiveGroup, Field};
use chacha20::ChaCha20Rng;
use curve::field;
use proptest::prelude::*;
use protocol::{AdminCommitment, AdminRoot};
use rand_core::SeedableRng;

use super::*;

fn secrets(seed: u8, count: usize) -> Vec<AdminSecret> {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    (0..count).map(|_| AdminSecret::generate(&mut rng)).collect()
}

fn commitments(secrets: &[AdminSecret]) -> Vec<AdminCommitment> {
    secrets.iter().map(AdminSecret::commitment).collect()
}

/// A secret everybody can write down: the elements one and two.
fn written() -> AdminSecret {
    let mut bytes = [0; 64];
    (bytes[0], bytes[32]) = (1, 2);
    AdminSecret::from_bytes(&bytes).unwrap()
}

#[test]
fn golden_commitment_and_root() {
    let commitment = written().commitment();
    assert_eq!(commitment.to_string(), "c42fe9c3138eea8fac6d5c84d728643d5307f71fcd72ff81894c0c0d766e0228");
    let root = AdminTree::new(&[commitment]).unwrap().root();
    assert_eq!(root.to_string(), "ba05ce909d568b40736068801b28d98699d893250ee02abb0471d76108ff8a25");
    assert_eq!(
        hex::encode(field::to_bytes(Labels::get().padding)),
        "9aaa41d29b4a1538d80d32a4f358b0b50d8290a198dd154d071fb8c175864d00"
    );
}

#[test]
fn the_tree_is_the_complete_one_of_its_leaves() {
    let secrets = secrets(1, 3);
    let mut level: Vec<Fr> = secrets.iter().map(AdminSecret::leaf).collect();
    level.resize(ADMIN_SLOTS, Labels::get().padding);
    while level.len() > 1 {
        level = level.as_chunks::<2>().0.iter().map(|[left, right]| node(*left, *right)).collect();
    }
    let root = AdminTree::new(&commitments(&secrets)).unwrap().root();
    assert_eq!(*root.as_bytes(), field::to_bytes(level[0]));
}

#[test]
fn every_path_leads_to_the_root_from_its_own_leaf_only() {
    let secrets = secrets(2, 9);
    let tree = AdminTree::new(&commitments(&secrets)).unwrap();
    for (position, secret) in secrets.iter().enumerate() {
        let path = tree.path(position).unwrap();
        assert_eq!(path.root(secret), tree.root());
        let other = &secrets[(position + 1) % secrets.len()];
        assert_ne!(path.root(other), tree.root());
    }
    assert!(tree.path(secrets.len()).is_none(), "padding has no path");
    assert!(tree.path(ADMIN_SLOTS).is_none());
    assert!(tree.path(usize::MAX).is_none());
}

#[test]
fn a_full_tree_has_room_for_nobody_else() {
    let one = written().commitment();
    let full = AdminTree::new(&[one; ADMIN_SLOTS]).unwrap();
    assert_eq!(full.path(ADMIN_SLOTS - 1).unwrap().root(&written()), full.root());
    assert_eq!(AdminTree::new(&[one; ADMIN_SLOTS + 1]).unwrap_err(), AdminTreeError::TooMany(1025));
}

#[test]
fn no_admins_are_the_zero_root() {
    assert_eq!(AdminTree::new(&[]).unwrap().root(), AdminRoot::new([0; 32]));
}

#[test]
fn order_and_salt_change_the_root() {
    let two = commitments(&secrets(3, 2));
    let root = |list: &[AdminCommitment]| AdminTree::new(list).unwrap().root();
    assert_ne!(root(&[two[0], two[1]]), root(&[two[1], two[0]]));
    let secret = written();
    let salted = AdminSecret { secret: secret.secret, salt: secret.salt + Fr::ONE };
    assert_ne!(secret.commitment(), salted.commitment());
}

#[test]
fn what_is_not_below_the_modulus_is_refused() {
    let mut modulus = [0; 32];
    for (chunk, limb) in modulus.as_chunks_mut::<8>().0.iter_mut().zip(Fr::MODULUS.0) {
        *chunk = limb.to_le_bytes();
    }
    let mut largest = modulus;
    largest[0] -= 1;
    assert_eq!(field::from_bytes(&largest), Some(-Fr::ONE));
    for bytes in [modulus, [0xff; 32]] {
        assert_eq!(field::from_bytes(&bytes), None);
        let commitments = [written().commitment(), AdminCommitment::new(bytes)];
        assert_eq!(AdminTree::new(&commitments).unwrap_err(), AdminTreeError::NotCanonical(1));
        let mut secret = [0; 64];
        secret[32..].copy_from_slice(&bytes);
        assert_eq!(AdminSecret::from_bytes(&secret).unwrap_err(), AdminSecretError::NotCanonical);
        secret.rotate_left(32);
        assert_eq!(AdminSecret::from_bytes(&secret).unwrap_err(), AdminSecretError::NotCanonical);
    }
}

#[test]
fn a_secret_does_not_show_in_debug() {
    let text = format!("{:?}", written());
    assert_eq!(text, "AdminSecret(..)");
    assert_eq!(written().secret + Fr::ZERO, Fr::ONE);
}

proptest! {
    #[test]
    fn secrets_have_one_encoding(bytes in prop::array::uniform32(any::<u8>()), more in prop::array::uniform32(any::<u8>())) {
        let mut both = [0; 64];
        both[..32].copy_from_slice(&bytes);
        both[32..].copy_from_slice(&more);
        // Two random halves are seldom below the modulus, so take their tops off half of the time.
        for round in 0..2u8 {
            if let Ok(secret) = AdminSecret::from_bytes(&both) {
                prop_assert_eq!(*secret.to_bytes(), both);
            } else {
                prop_assert_eq!(round, 0);
            }
            both[31] &= 0x1f;
            both[63] &= 0x1f;
        }
    }
}
