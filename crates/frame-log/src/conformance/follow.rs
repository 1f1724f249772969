//! Following all groups.

use std::sync::Arc;

use futures_util::StreamExt as _;
use protocol::Seq;
use tokio::task::JoinSet;

use super::{Harness, fill, group, record};
use crate::{Cursor, Followed, FrameLog as _, Keep, StoredRecord, TotalOrder};

/// Takes the next `n` records of a follower and checks that each moves the cursor by one.
async fn take(log: &impl TotalOrder, from: Cursor, n: usize) -> Vec<Followed> {
    let all: Vec<Followed> = log.follow(from).take(n).map(|r| r.expect("readable")).collect().await;
    for (place, followed) in (from.get() + 1..).zip(&all) {
        assert_eq!(followed.after, Cursor::new(place));
    }
    all
}

/// Every cursor ever given resumes exactly after its record, before and after reopening, pruned or not.
pub async fn follows_from_any_cursor<H: Harness<Log: TotalOrder>>(harness: &H) {
    let mut log = harness.fresh().await;
    for round in 0..10 {
        for g in 0..3 {
            fill(&*log, &group(g), round * 2, [(round * 3 + g) * 2, (round * 3 + g) * 2 + 1]).await;
        }
    }
    let expected: Vec<(u64, u64, u64)> = (0..10u64)
        .flat_map(|round| {
            (0..3).flat_map(move |g| (0..2).map(move |i| (g, round * 2 + i, (round * 3 + g) * 2 + i)))
        })
        .collect();
    for reopen in [false, true] {
        if reopen {
            log = harness.reopen(log).await;
        }
        for from in [0, 1, 17, 59] {
            let got = take(&*log, Cursor::new(from), 60 - usize::try_from(from).expect("small")).await;
            let start = usize::try_from(from).expect("small");
            for (followed, (g, seq, n)) in got.iter().zip(&expected[start..]) {
                assert_eq!(followed.group, group(*g));
                assert_eq!(followed.record, StoredRecord::new(Seq::new(*seq), record(*n)));
            }
        }
    }
    log.prune(&group(1), Seq::new(10), Keep::Nothing).await.expect("pruned");
    let got = take(&*log, Cursor::START, 60).await;
    for followed in got {
        let pruned = followed.group == group(1) && followed.record.seq < Seq::new(10);
        assert_eq!(followed.record.frame.is_none(), pruned, "a pruned record keeps its place in the order");
    }
}

/// A follower that starts in the past and meets writers in the present sees every record once, in order.
pub async fn follows_across_the_live_edge<H: Harness<Log: TotalOrder>>(harness: &H) {
    const GROUPS: u64 = 4;
    const BEFORE: u64 = 300;
    const AFTER: u64 = 300;
    let log = harness.fresh().await;
    let mut filling = JoinSet::new();
    for g in 0..GROUPS {
        let log = Arc::clone(&log);
        filling.spawn(async move { fill(&*log, &group(g), 0, g * 10_000..g * 10_000 + BEFORE).await });
    }
    filling.join_all().await;

    let follower = {
        let log = Arc::clone(&log);
        let total = usize::try_from(GROUPS * (BEFORE + AFTER)).expect("small");
        tokio::spawn(async move { take(&*log, Cursor::START, total).await })
    };
    let mut writing = JoinSet::new();
    for g in 0..GROUPS {
        let log = Arc::clone(&log);
        let numbers = g * 10_000 + BEFORE..g * 10_000 + BEFORE + AFTER;
        writing.spawn(async move { fill(&*log, &group(g), BEFORE, numbers).await });
    }
    writing.join_all().await;

    let seen = follower.await.expect("the follower finished");
    for g in 0..GROUPS {
        let of_group: Vec<StoredRecord> =
            seen.iter().filter(|f| f.group == group(g)).map(|f| f.record.clone()).collect();
        assert_eq!(of_group, super::stored(g * 10_000..g * 10_000 + BEFORE + AFTER), "each once, in order");
    }
}

/// Followers at the live edge, in the past and beyond the end see the same order.
pub async fn follows_many_readers<H: Harness<Log: TotalOrder>>(harness: &H) {
    let log = harness.fresh().await;
    fill(&*log, &group(0), 0, 0..10).await;
    let mut readers = JoinSet::new();
    for from in [0, 3, 10, 25] {
        let log = Arc::clone(&log);
        readers.spawn(async move {
            (from, take(&*log, Cursor::new(from), 40 - usize::try_from(from).expect("small")).await)
        });
    }
    fill(&*log, &group(1), 0, 10..40).await;
    let whole = take(&*log, Cursor::START, 40).await;
    for (from, seen) in readers.join_all().await {
        assert_eq!(seen, whole[usize::try_from(from).expect("small")..], "from {from}");
    }
    assert_eq!(log.tail().await, Ok(Cursor::new(40)));
}
