//! A whole ceremony for a circuit of ours: both tools accept its key, and proofs made by either verify with the other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "test helpers"
)]

mod support;

use std::sync::OnceLock;

use ceremony::{PowersOfTau, Relation, VerifiedKey, Zkey, json, to_wtns, verify};
use proofs::{
    AdminSecret, AdminStatement, AdminTree, Circuit, Claim, Control, Proof, ProofError, ProvingKey,
    ProvingKeyHash, VerifyingKeys, admin_witness, constraint_system, prove_admin,
};
use protocol::FrameDigest;
use support::{Desk, powers::powers, rng};

struct Held {
    desk: Desk,
    relation: Relation,
    key: VerifiedKey,
    proving: ProvingKey,
}

fn held() -> &'static Held {
    static HELD: OnceLock<Held> = OnceLock::new();
    HELD.get_or_init(|| {
        let relation = Relation::try_from(&constraint_system(Circuit::Admin).unwrap()).unwrap();
        let desk = Desk::shared("admin-ceremony");
        desk.write("powers.ptau", powers(relation.domain().trailing_zeros(), false));
        desk.contributions("powers.ptau", &relation);
        let (ptau, zkey) = (desk.read("powers.ptau"), desk.read("final.zkey"));
        let (ptau, zkey) = (ptau.as_slice(), zkey.as_slice());
        let (powers, opened) = (PowersOfTau::open(&ptau).unwrap(), Zkey::open(&zkey).unwrap());
        let key = verify(&relation, &powers, &opened, &mut rng(1), |_| ()).unwrap();
        let proving = key.proving_key(Circuit::Admin, &relation).unwrap();
        Held { desk, relation, key, proving }
    })
}

/// An admin, what is claimed about them, and what shows it.
fn claim() -> (AdminSecret, AdminTree, AdminStatement) {
    let secret = AdminSecret::generate(&mut rng(2));
    let others: Vec<_> = (0..3).map(|_| AdminSecret::generate(&mut rng(3)).commitment()).collect();
    let tree = AdminTree::new(&[others[0], secret.commitment()]).unwrap();
    let statement = AdminStatement::new(FrameDigest::new([9; 32]), tree.root()).unwrap();
    (secret, tree, statement)
}

/// Whether snarkjs takes a proof.
fn accepted_there(desk: &Desk, name: &str, proof: &Proof, claim: &Claim) -> bool {
    let (proof_file, public_file) = (format!("{name}-proof.json"), format!("{name}-public.json"));
    desk.write(&proof_file, json::proof(proof));
    desk.write(&public_file, json::public_inputs(&claim.public_inputs()));
    desk.try_run(&["groth16", "verify", "verification_key.json", &public_file, &proof_file]).0
}

#[test]
fn both_tools_take_the_key_and_the_circuit() {
    let Held { desk, relation, key, .. } = held();
    let info = desk.run(&["r1cs", "info", "circuit.r1cs"]);
    assert!(info.contains(&format!("# of Constraints: {}", relation.rows().len())), "{info}");
    assert!(info.contains(&format!("# of Wires: {}", relation.variables())), "{info}");
    assert!(info.contains(&format!("# of Public Inputs: {}", relation.public())), "{info}");
    let told = desk.run(&["zkey", "verify", "circuit.r1cs", "powers.ptau", "final.zkey"]);
    assert!(told.contains("ZKey Ok!"), "{told}");
    assert!(told.contains(&key.report().circuit_hash.to_block()), "{told}");
    for contribution in &key.report().contributions {
        assert!(told.contains(&contribution.hash.to_block()), "{told}");
    }
}

#[test]
fn both_tools_export_the_same_verifying_key() {
    let Held { desk, proving, .. } = held();
    desk.run(&["zkey", "export", "verificationkey", "final.zkey", "exported.json"]);
    let ours = json::verifying_key(proving.verifying_key());
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(value(&ours), value(&desk.text("exported.json")));
    let read = json::read_verifying_key(Circuit::Admin, &desk.text("exported.json")).unwrap();
    assert_eq!(read, *proving.verifying_key());
}

#[test]
fn a_proof_of_ours_under_the_imported_key_verifies_in_both() {
    let Held { desk, proving, .. } = held();
    let (secret, tree, statement) = claim();
    let path = tree.path(1).unwrap();
    // As a member would: the key written, pinned, read again.
    let file = proving.to_bytes();
    assert_eq!(ProvingKeyHash::of(&file), proving.hash());
    let read = ProvingKey::from_bytes_trusted(&file).unwrap();
    let proof = prove_admin(&read, &statement, &secret, &path, &Control::default(), &mut rng(4)).unwrap();

    let keys = VerifyingKeys::new([proving.verifying_key().clone()]).unwrap();
    assert!(!keys.are_for_development());
    let claim = Claim::from(statement);
    assert_eq!(keys.verify(&claim, &proof), Ok(()));
    assert_eq!(VerifyingKeys::development().verify(&claim, &proof), Err(ProofError::Mismatch));

    desk.write("verification_key.json", json::verifying_key(proving.verifying_key()));
    assert!(accepted_there(desk, "ours", &proof, &claim));
    let other = AdminStatement::new(FrameDigest::new([10; 32]), tree.root()).unwrap();
    assert!(!accepted_there(desk, "moved", &proof, &other.into()));
}

#[test]
fn a_proof_snarkjs_made_verifies_here() {
    let Held { desk, relation, proving, .. } = held();
    let (secret, tree, statement) = claim();
    let witness = admin_witness(proving, &statement, &secret, &tree.path(1).unwrap()).unwrap();
    assert_eq!(relation.first_broken(&witness), None);
    desk.write("witness.wtns", to_wtns(&witness));
    desk.run(&["wtns", "check", "circuit.r1cs", "witness.wtns"]);
    desk.run(&["groth16", "prove", "final.zkey", "witness.wtns", "theirs.json", "theirs-public.json"]);

    let claim = Claim::from(statement);
    let inputs = json::read_public_inputs(&desk.text("theirs-public.json")).unwrap();
    assert_eq!(inputs, claim.public_inputs());
    let proof = json::read_proof(&desk.text("theirs.json")).unwrap();
    let keys = VerifyingKeys::new([proving.verifying_key().clone()]).unwrap();
    assert_eq!(keys.verify(&claim, &proof), Ok(()));
    let other = AdminStatement::new(FrameDigest::new([10; 32]), tree.root()).unwrap();
    assert_eq!(keys.verify(&other.into(), &proof), Err(ProofError::Mismatch));
}

#[test]
fn the_key_serves_no_other_circuit() {
    let Held { key, relation, .. } = held();
    for circuit in Circuit::ALL {
        let fits = key.proving_key(circuit, relation).is_ok();
        assert_eq!(fits, circuit == Circuit::Admin, "{circuit}");
    }
}
