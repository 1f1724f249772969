//! No more threads than asked for. The only test of its process, so that it can count them.
#![cfg(all(feature = "prover", feature = "parallel", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    missing_docs,
    reason = "test helpers"
)]

use std::{collections::BTreeMap, fs};

use proofs::{Control, Tier, VerifyingKeys, prove, setup_development};

#[path = "support/branch.rs"]
mod branch;

use branch::{Branch, rng};

/// Processor time of every thread of this process, in nanoseconds, by thread id.
fn threads() -> BTreeMap<String, u64> {
    fs::read_dir("/proc/self/task")
        .unwrap()
        .map(|thread| {
            let path = thread.unwrap().path();
            let schedule = fs::read_to_string(path.join("schedstat")).unwrap();
            let nanoseconds = schedule.split_whitespace().next().unwrap().parse().unwrap();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), nanoseconds)
        })
        .collect()
}

#[test]
fn keys_proofs_and_batches_stay_in_the_pool_they_are_called_in() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    // Starts the pool's thread, and nothing else.
    pool.install(|| ());
    let before = threads();
    let branch = Branch::random(3, 90);
    pool.install(|| {
        let key = setup_development(Tier::T8.into(), |_| {}).unwrap();
        let proof =
            prove(&key, &branch.statement(), &branch.secret, &Control::default(), &mut rng(1)).unwrap();
        let items = vec![(branch.statement().into(), proof); 20];
        let verdicts = VerifyingKeys::development().verify_batch(&items, &mut rng(2));
        assert_eq!(verdicts, vec![Ok(()); 20]);
    });
    let after = threads();
    assert!(after.keys().eq(before.keys()), "threads were started: {before:?}, {after:?}");
    let worked = after.iter().filter(|(id, time)| **time > before[*id] + 20_000_000).count();
    assert_eq!(worked, 1, "one thread worked: {before:?}, {after:?}");
}
