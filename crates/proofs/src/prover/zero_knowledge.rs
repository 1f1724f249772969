//! An admin's proof says nothing about which admin made it, shown by construction.
//!
//! A proof is fixed by its first two elements, since the verification equation leaves one third. The first two are
//! uniform, because the prover adds r·δ and s·δ to them with fresh r and s. So for the proof of one admin there are r′
//! and s′ with which another admin's witness gives the very same bytes. Whoever knows the trapdoor, which for the
//! development key is everybody, can compute them, and does here. It follows that not even somebody who knows the
//! secrets of all admins, as the owner does, and the trapdoor, can tell from a proof whose it is.

use ark_ff::Field;
use chacha20::ChaCha20Rng;
use protocol::FrameDigest;
use rand_core::SeedableRng;

use super::{qap::evaluate_at, setup::Trapdoor, *};
use crate::admin::AdminTree;

/// What an admin assigns to the circuit's variables.
fn witness(statement: &AdminStatement, secret: &AdminSecret, path: &AdminPath) -> Vec<Fr> {
    let mut builder = Builder::for_witness(0);
    circuit::admin::synthesize(&mut builder, statement, secret, path).unwrap();
    builder.into_values().to_vec()
}

#[test]
fn every_admins_witness_gives_the_very_same_proof() {
    let mut rng = ChaCha20Rng::from_seed([21; 32]);
    let key = setup_development(Circuit::Admin, |_| {}).unwrap();
    let trapdoor = Trapdoor::for_development(Circuit::Admin, &key.shape);
    let [a, b, _] = evaluate_at(&key.shape, trapdoor.point);
    let sum = |values: &[Fr], polynomials: &[Fr]| -> Fr {
        values.iter().zip(polynomials).map(|(value, polynomial)| *value * polynomial).sum()
    };
    let by_delta = trapdoor.delta.inverse().unwrap();
    let prove = |values: &[Fr], randomness: [Fr; 2]| {
        assemble(&key, values, randomness.map(Zeroizing::new), &Control::default()).unwrap()
    };

    let secrets: Vec<_> = (0..4).map(|_| AdminSecret::generate(&mut rng)).collect();
    let commitments: Vec<_> = secrets.iter().map(AdminSecret::commitment).collect();
    let tree = AdminTree::new(&commitments).unwrap();
    let statement = AdminStatement::new(FrameDigest::new([5; 32]), tree.root()).unwrap();
    let witnesses: Vec<Vec<Fr>> = secrets
        .iter()
        .enumerate()
        .map(|(position, secret)| witness(&statement, secret, &tree.path(position).unwrap()))
        .collect();

    let (r, s) = (*random_scalar(&mut rng), *random_scalar(&mut rng));
    let first = prove(&witnesses[0], [r, s]);
    assert!(key.prepared().verify_inputs(&statement.inputs(), &first).is_ok());
    for other in &witnesses[1..] {
        let other_r = r + (sum(&witnesses[0], &a) - sum(other, &a)) * by_delta;
        let other_s = s + (sum(&witnesses[0], &b) - sum(other, &b)) * by_delta;
        assert_eq!(prove(other, [other_r, other_s]).to_bytes(), first.to_bytes());
        // It is the choice of r and s that does it: with the same ones the witnesses show.
        assert_ne!(prove(other, [r, s]).to_bytes(), first.to_bytes());
    }
}

/// Two proofs of one admin for one frame share no element, so that nothing ties them together either.
#[test]
fn two_proofs_of_one_admin_share_nothing() {
    let mut rng = ChaCha20Rng::from_seed([22; 32]);
    let key = setup_development(Circuit::Admin, |_| {}).unwrap();
    let secret = AdminSecret::generate(&mut rng);
    let tree = AdminTree::new(&[secret.commitment()]).unwrap();
    let statement = AdminStatement::new(FrameDigest::new([6; 32]), tree.root()).unwrap();
    let path = tree.path(0).unwrap();
    let mut prove = || prove_admin(&key, &statement, &secret, &path, &Control::default(), &mut rng).unwrap();
    let (one, two) = (prove(), prove());
    assert!(one.a != two.a && one.b != two.b && one.c != two.c);
}
