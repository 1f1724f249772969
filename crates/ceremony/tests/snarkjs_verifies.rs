//! A branch proof under the development key, checked by snarkjs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "test helpers"
)]

mod support;

use ceremony::json;
use curve::{Point, TreeSecret};
use proofs::{
    Circuit, Claim, Control, DevelopmentKey, Statement, Tier, VerifyingKey, prove, setup_development,
};
use protocol::FrameDigest;
use support::{Desk, rng};

fn branch(levels: usize) -> (TreeSecret, Statement) {
    let mut rng = rng(20);
    let secret = TreeSecret::generate(&mut rng);
    let siblings: Vec<Point> = (0..levels).map(|_| TreeSecret::generate(&mut rng).public()).collect();
    let mut current = secret.clone();
    let mut keys = vec![current.public()];
    for sibling in siblings.iter().chain([&Point::sign_base()]) {
        current = current.dh(sibling).derive();
        keys.push(current.public());
    }
    (secret, Statement::new(FrameDigest::new([5; 32]), keys, siblings).unwrap())
}

#[test]
fn snarkjs_takes_our_proof_and_refuses_another() {
    let circuit = Circuit::Branch(Tier::T8);
    let key = setup_development(circuit, |_| ()).unwrap();
    let (secret, statement) = branch(5);
    let proof = prove(&key, &statement, &secret, &Control::default(), &mut rng(21)).unwrap();
    let mut inputs = Claim::from(statement).public_inputs();

    let pinned = DevelopmentKey::of(circuit).unwrap();
    let verifying = VerifyingKey::from_bytes(circuit, pinned.verifying_key).unwrap();
    let desk = Desk::new();
    desk.write("key.json", json::verifying_key(&verifying));
    desk.write("proof.json", json::proof(&proof));
    desk.write("public.json", json::public_inputs(&inputs));
    let told = desk.run(&["groth16", "verify", "key.json", "public.json", "proof.json"]);
    assert!(told.contains("OK!"), "{told}");

    // Another input, and then a point in another's place: each on its own.
    inputs.swap(1, 2);
    desk.write("changed.json", json::public_inputs(&inputs));
    let (taken, told) = desk.try_run(&["groth16", "verify", "key.json", "changed.json", "proof.json"]);
    assert!(!taken && told.contains("Invalid proof"), "{told}");
    let mut text: serde_json::Value = serde_json::from_str(&json::proof(&proof)).unwrap();
    text["pi_c"] = text["pi_a"].clone();
    desk.write("tampered.json", text.to_string());
    let (taken, told) = desk.try_run(&["groth16", "verify", "key.json", "public.json", "tampered.json"]);
    assert!(!taken && told.contains("Invalid proof"), "{told}");
}
