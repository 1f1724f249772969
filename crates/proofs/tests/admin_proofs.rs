//! Proofs of admins, alone and among branches.
#![cfg(feature = "prover")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    missing_docs,
    reason = "test helpers"
)]

use std::sync::OnceLock;

use proofs::{
    AdminSecret, AdminStatement, AdminTree, Circuit, Claim, Control, DevelopmentKey, Proof, ProofError,
    ProveError, ProvingKey, VerifyingKeys, prove_admin, setup_development,
};
use protocol::{AdminRoot, FrameDigest};

#[path = "support/branch.rs"]
mod branch;

use branch::{Branch, rng};

fn key() -> &'static ProvingKey {
    static KEY: OnceLock<ProvingKey> = OnceLock::new();
    KEY.get_or_init(|| setup_development(Circuit::Admin, |_| {}).unwrap())
}

fn admins() -> (Vec<AdminSecret>, AdminTree) {
    let mut rng = rng(80);
    let secrets: Vec<_> = (0..3).map(|_| AdminSecret::generate(&mut rng)).collect();
    let commitments: Vec<_> = secrets.iter().map(AdminSecret::commitment).collect();
    let tree = AdminTree::new(&commitments).unwrap();
    (secrets, tree)
}

fn claim(digest: [u8; 32], root: AdminRoot) -> AdminStatement {
    AdminStatement::new(FrameDigest::new(digest), root).unwrap()
}

fn proof(position: usize, digest: [u8; 32]) -> Proof {
    let (secrets, tree) = admins();
    let (statement, path) = (claim(digest, tree.root()), tree.path(position).unwrap());
    prove_admin(key(), &statement, &secrets[position], &path, &Control::default(), &mut rng(81)).unwrap()
}

#[test]
fn the_public_seed_gives_the_checked_in_key() {
    let pinned = DevelopmentKey::of(Circuit::Admin).unwrap();
    assert_eq!(key().verifying_key().to_bytes(), pinned.verifying_key);
    assert_eq!(key().hash(), pinned.proving_key_hash);
    assert_eq!(key().to_bytes().len() as u64, pinned.proving_key_len);
}

#[test]
fn every_admin_can_prove_and_nobody_for_another_frame_or_root() {
    let (secrets, tree) = admins();
    let keys = VerifyingKeys::development();
    for (position, secret) in secrets.iter().enumerate() {
        let proof = proof(position, [7; 32]);
        assert_eq!(keys.verify(&claim([7; 32], tree.root()).into(), &proof), Ok(()));
        assert_eq!(keys.verify(&claim([8; 32], tree.root()).into(), &proof), Err(ProofError::Mismatch));
        let other = AdminTree::new(&[secret.commitment()]).unwrap();
        assert_eq!(keys.verify(&claim([7; 32], other.root()).into(), &proof), Err(ProofError::Mismatch));
    }
}

#[test]
fn a_secret_under_another_commitment_has_no_proof() {
    let (secrets, tree) = admins();
    let (statement, path) = (claim([7; 32], tree.root()), tree.path(0).unwrap());
    let outcome = prove_admin(key(), &statement, &secrets[1], &path, &Control::default(), &mut rng(82));
    assert_eq!(outcome, Err(ProveError::SecretMismatch { position: 0 }));
}

#[test]
fn admins_and_branches_mix_in_one_batch() {
    let branch = Branch::random(3, 40);
    let of_branch = Proof::from_bytes(include_bytes!("vectors/branch-t8.proof")).unwrap();
    let root = admins().1.root();
    let mut items: Vec<(Claim, Proof)> = vec![
        (claim([1; 32], root).into(), proof(0, [1; 32])),
        (branch.statement().into(), of_branch.clone()),
        (claim([2; 32], root).into(), proof(1, [2; 32])),
    ];
    let verify = |items: &[_]| VerifyingKeys::development().verify_batch(items, &mut rng(83));
    assert_eq!(verify(&items), vec![Ok(()); 3]);
    // Neither kind of proof stands for the other.
    items[0].1 = of_branch;
    items[1].1 = proof(0, [1; 32]);
    assert_eq!(verify(&items), [Err(ProofError::Mismatch), Err(ProofError::Mismatch), Ok(())]);
}
