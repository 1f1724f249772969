//! What is a statement, and which circuit it needs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    reason = "test helpers"
)]

use proofs::{Circuit, Statement, StatementError, Tier};
use protocol::FrameDigest;

#[path = "support/branch.rs"]
mod branch;

use branch::Branch;

fn new(branch: &Branch, keys: usize, siblings: usize) -> Result<Statement, StatementError> {
    let digest = FrameDigest::new(branch.digest);
    Statement::new(digest, branch.keys[..keys].to_vec(), branch.siblings[..siblings].to_vec())
}

#[test]
fn missing_or_surplus_keys_are_refused() {
    let branch = Branch::random(8, 1);
    for siblings in 0..=6 {
        for keys in 0..=branch.keys.len() {
            let outcome = new(&branch, keys, siblings);
            if keys == siblings + 2 {
                assert!(outcome.is_ok());
            } else {
                assert_eq!(outcome.unwrap_err(), StatementError::KeyCount { keys, siblings });
            }
        }
    }
}

#[test]
fn a_sender_cannot_choose_the_tier() {
    let branch = Branch::random(19, 2);
    for levels in 0..=19 {
        let expected = match levels {
            0..=7 => Tier::T8,
            8..=15 => Tier::T16,
            _ => Tier::T20,
        };
        assert_eq!(new(&branch, levels + 2, levels).unwrap().tier(), expected, "{levels} levels");
    }
}

#[test]
fn a_path_deeper_than_any_circuit_is_refused() {
    let branch = Branch::random(20, 3);
    assert_eq!(new(&branch, 22, 20).unwrap_err(), StatementError::TooManyLevels(20));
}

#[test]
fn circuits_have_stable_numbers_names_and_sizes() {
    let facts: Vec<_> = Tier::ALL.iter().map(|t| (t.levels(), t.dh_levels(), t.inputs())).collect();
    assert_eq!(facts, [(8, 7, 83), (16, 15, 163), (20, 19, 203)]);
    let facts: Vec<_> = Circuit::ALL.iter().map(|c| (c.number(), c.name(), c.inputs())).collect();
    assert_eq!(facts, [(1, "admin", 2), (8, "t8", 83), (16, "t16", 163), (20, "t20", 203)]);
    for circuit in Circuit::ALL {
        assert_eq!(Circuit::from_number(circuit.number()), Some(circuit));
        assert_eq!(Circuit::from_name(circuit.name()), Some(circuit));
    }
    assert_eq!(Circuit::from_number(0), None);
    assert_eq!(Circuit::from_name("T8"), None);
}
