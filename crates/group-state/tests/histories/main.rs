//! Random histories of groups whose members and enemies send anything, against a slow model of the rules.
//!
//! Proofs are left out: what a liar's branch does to the tree is for them to rule out. Everything else a liar may try,
//! and the hash of the tree it claims is always the one its own frame would lead to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::cast_possible_truncation,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    reason = "test helpers"
)]

mod attempts;
mod model;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use chacha20::ChaCha20Rng;
use proptest::{prelude::*, test_runner::Config};
use protocol::{Kind, LogHash};
use rand_core::{Rng, SeedableRng};

use attempts::{Op, Sender};
use model::Model;

/// How often frames of a kind were taken and refused.
#[derive(Default)]
struct Tally(BTreeMap<Kind, (u32, u32)>);

/// Runs a history; model and fold have to agree on each frame, and on the state after it.
fn run(seed: u64, ops: &[Op], tally: &mut Tally) {
    let mut sender = Sender::new(seed);
    let mut model = Model::of(&sender.group);
    model.compare(&sender.group.state);
    for op in ops {
        let Some(attempt) = sender.attempt(*op) else { continue };
        let expected = model.after(&attempt);
        let outcome = sender.group.offer(&attempt.draft);
        let kind = attempt.draft.kind();
        let (taken, refused) = tally.0.entry(kind).or_default();
        match (expected, outcome) {
            (Ok(next), Ok(accepted)) => {
                *taken += 1;
                accepted.state.tree().audit().unwrap();
                assert!(accepted.state.seq() > sender.group.state.seq());
                assert_ne!(accepted.state.log(), LogHash::new([0; 32]));
                sender.group.state = accepted.state;
                model = next;
                model.compare(&sender.group.state);
            }
            (Err(_), Err(_)) => *refused += 1,
            (Ok(_), Err(refusal)) => panic!("{kind:?} refused as {refusal}, and no rule says so: {op:?}"),
            (Err(rule), Ok(_)) => panic!("{kind:?} taken against a rule: {rule}: {op:?}"),
        }
        if model.closed && sender.group.rng.next_u32().is_multiple_of(3) {
            break;
        }
    }
}

fn drawn(seed: u64, count: usize) -> Vec<Op> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut next = move || (rng.next_u32() >> 24) as u8;
    (0..count).map(|_| Op { what: next(), who: next(), whom: next(), more: next(), wrong: next() }).collect()
}

#[test]
fn long_histories() {
    let mut tally = Tally::default();
    for seed in 0..24 {
        run(seed, &drawn(seed, 500), &mut tally);
    }
    let mut total = (0, 0);
    for (kind, (taken, refused)) in &tally.0 {
        println!("{kind:?}: {taken} taken, {refused} refused");
        total = (total.0 + taken, total.1 + refused);
    }
    for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Init) {
        let (taken, refused) = tally.0.get(kind).copied().unwrap_or_default();
        assert!(taken > 0 && refused > 0, "{kind:?}: {taken} taken, {refused} refused");
    }
    assert!(total.0 > 2_000 && total.1 > 2_000, "{total:?}");
}

proptest! {
    #![proptest_config(Config { cases: 24, failure_persistence: None, ..Config::default() })]

    #[test]
    fn short_histories(
        seed in 0u64..1_000,
        ops in prop::collection::vec(any::<(u8, u8, u8, u8, u8)>(), 1..60),
    ) {
        let ops: Vec<Op> = ops
            .into_iter()
            .map(|(what, who, whom, more, wrong)| Op { what, who, whom, more, wrong })
            .collect();
        run(seed, &ops, &mut Tally::default());
    }
}
