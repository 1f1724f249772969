//! Random histories of whole groups, against a slow model and against coalitions of everybody who was removed.
//!
//! Two groups run the same histories. In the ideal one a secret is a number, and deriving gives a fresh number for
//! each pair of keys, which is what the security argument assumes of the curve and of the key derivation; there the
//! coalition's knowledge is closed exactly. In the real one the curve does the work.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

mod group;
mod history;
mod model;

use group::{Ideal, Real};
use history::{Claim, Ghost, History, Op};
use proptest::{prelude::*, test_runner::Config};

/// Runs operations to the end, or to the first ghost.
fn run<G: group::Group>(group: G, claim: Claim, ops: &[Op]) -> Result<History<G>, Ghost> {
    let mut history = History::new(group, claim);
    for op in ops {
        history.apply(*op)?;
    }
    Ok(history)
}

/// Operations as numbers drawn from a seed, the same in every run.
fn drawn(seed: u64, count: usize) -> Vec<Op> {
    use chacha20::{
        ChaCha20Rng,
        rand_core::{Rng, SeedableRng},
    };
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut next = move || u8::try_from(rng.next_u32() >> 24).unwrap();
    (0..count).map(|_| Op { what: next(), who: next(), whom: next(), more: next() }).collect()
}

fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    let op = any::<(u8, u8, u8, u8)>().prop_map(|(what, who, whom, more)| Op { what, who, whom, more });
    prop::collection::vec(op, 1..most)
}

proptest! {
    #![proptest_config(Config { cases: 96, failure_persistence: None, ..Config::default() })]

    #[test]
    fn nobody_removed_can_follow(ops in ops(160)) {
        prop_assert!(run(Ideal::default(), Claim::Honest, &ops).is_ok());
    }
}

#[test]
fn nobody_removed_can_follow_a_long_history() {
    let mut most = 0;
    for seed in 0..6 {
        let history = run(Ideal::default(), Claim::Honest, &drawn(seed, 1_000)).unwrap();
        most = most.max(history.most_slots);
        assert!(history.removed > 50 && history.healed > 50 && history.halved > 0, "{history}");
    }
    assert!(most >= 32, "the histories are too small: {most} slots");
}

#[test]
fn nobody_removed_can_follow_on_the_real_curve() {
    for seed in 100..103 {
        let history = run(Real::new(seed), Claim::Honest, &drawn(seed, 120)).unwrap();
        assert!(history.removed > 5 && history.healed > 5, "{history}");
    }
}

#[test]
fn the_same_history_gives_the_same_shape_in_both_groups() {
    let ops = drawn(7, 60);
    let ideal = run(Ideal::default(), Claim::Honest, &ops).unwrap();
    let real = run(Real::new(7), Claim::Honest, &ops).unwrap();
    assert_eq!(ideal.to_string(), real.to_string());
}

/// How many of 60 histories a coalition can follow if the leaves say what `claim` makes them say.
fn followed(claim: Claim) -> usize {
    (0..60).filter(|seed| run(Ideal::default(), claim, &drawn(*seed, 150)).is_err()).count()
}

#[test]
fn a_lie_about_who_keyed_a_leaf_is_found() {
    let found = followed(Claim::SomebodyElse);
    assert!(found >= 40, "only {found} of 60 histories showed the ghost");
}

#[test]
fn a_tree_that_remembers_nobody_is_found() {
    let found = followed(Claim::TheCreator);
    assert!(found >= 55, "only {found} of 60 histories showed the ghost");
}

#[test]
fn the_ghost_is_found_on_the_real_curve_too() {
    let seed = (0..60)
        .find(|seed| run(Ideal::default(), Claim::SomebodyElse, &drawn(*seed, 60)).is_err())
        .expect("some short history shows it");
    assert!(run(Real::new(seed), Claim::SomebodyElse, &drawn(seed, 60)).is_err());
}
