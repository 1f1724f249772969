//! A ceremony for a circuit beyond 2^14, where snarkjs hashes the first key in pieces. Minutes; run it by hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "test helpers"
)]

mod support;

use std::time::Instant;

use ceremony::{PowersOfTau, Relation, Zkey, to_r1cs, verify};
use proofs::{Circuit, Tier, constraint_system};
use support::{Desk, powers::powers, rng};

#[test]
#[ignore = "minutes of snarkjs"]
fn the_circuit_of_sixteen_levels() {
    let circuit = Circuit::Branch(Tier::T16);
    let relation = Relation::try_from(&constraint_system(circuit).unwrap()).unwrap();
    let desk = Desk::new();
    desk.write("powers.ptau", powers(relation.domain().trailing_zeros(), true));
    desk.write("circuit.r1cs", to_r1cs(&relation));
    let timed = |arguments: &[&str]| {
        let start = Instant::now();
        let told = desk.run(arguments);
        println!("{arguments:?}: {} s", start.elapsed().as_secs());
        told
    };
    timed(&["zkey", "new", "circuit.r1cs", "powers.ptau", "0.zkey"]);
    timed(&["zkey", "contribute", "0.zkey", "1.zkey", "--name=Ada", "-e=one"]);
    timed(&["zkey", "beacon", "1.zkey", "final.zkey", "0102030405060708", "10", "-n=Beacon"]);

    let (ptau, zkey) = (desk.read("powers.ptau"), desk.read("final.zkey"));
    let (ptau, zkey) = (ptau.as_slice(), zkey.as_slice());
    let (powers, opened) = (PowersOfTau::open(&ptau).unwrap(), Zkey::open(&zkey).unwrap());
    let start = Instant::now();
    let key = verify(&relation, &powers, &opened, &mut rng(1), |stage| {
        println!("{stage:?} after {} ms", start.elapsed().as_millis());
    })
    .unwrap();
    println!("verified here after {} ms; {} bytes of zkey", start.elapsed().as_millis(), zkey.len());
    assert_eq!(key.report().contributions.len(), 2);
    key.proving_key(circuit, &relation).unwrap();
    let told = timed(&["zkey", "verify", "circuit.r1cs", "powers.ptau", "final.zkey"]);
    assert!(told.contains(&key.report().circuit_hash.to_block()), "{told}");
}
