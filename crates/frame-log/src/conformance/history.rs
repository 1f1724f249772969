//! A linearizability check of racing appends.
//!
//! Deciding linearizability is hard in general, but not here: every append carries its own position, so a history is
//! linearizable exactly if positions are won once and densely, no append that began after another had ended got an
//! earlier position, and every refusal names a next position the group had at some moment during the call.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use protocol::Seq;
use tokio::task::JoinSet;

use super::{Harness, group, record};
use crate::{AppendError, FrameLog as _};

struct Call {
    began: u64,
    ended: u64,
    group: u64,
    outcome: Result<Seq, Seq>,
}

const WRITERS: u64 = 6;
const GROUPS: u64 = 3;

/// Records what racing writers asked and were told, and checks that one order explains all of it.
pub async fn appends_are_linearizable(harness: &impl Harness) {
    appends_are_linearizable_over(harness, 120).await;
}

/// The same with a given number of calls for each of six writers.
pub async fn appends_are_linearizable_over(harness: &impl Harness, calls: u64) {
    let log = harness.fresh().await;
    // Counts beginnings and ends, so comparing two of its values says which happened first.
    let clock = Arc::new(AtomicU64::new(0));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (log, clock) = (Arc::clone(&log), Arc::clone(&clock));
        writers.spawn(async move {
            let mut made = Vec::new();
            let mut next = [Seq::ZERO; 3];
            for call in 0..calls {
                let g = (call * 7 + writer) % GROUPS;
                let slot = &mut next[usize::try_from(g).expect("small")];
                let began = clock.fetch_add(1, Ordering::SeqCst);
                let answer = log.append(&group(g), *slot, record(writer * calls + call)).await;
                let ended = clock.fetch_add(1, Ordering::SeqCst);
                let outcome = match answer {
                    Ok(at) => {
                        assert_eq!(at, *slot);
                        *slot = at.next().expect("small");
                        Ok(at)
                    }
                    Err(AppendError::Conflict { next }) => {
                        *slot = next;
                        Err(next)
                    }
                    Err(error) => {
                        assert_eq!(Err(error), Ok(*slot), "neither won nor lost");
                        continue;
                    }
                };
                made.push(Call { began, ended, group: g, outcome });
            }
            made
        });
    }
    let calls: Vec<Call> = writers.join_all().await.into_iter().flatten().collect();
    for g in 0..GROUPS {
        let of_group: Vec<&Call> = calls.iter().filter(|c| c.group == g).collect();
        check(&of_group);
    }
}

fn check(calls: &[&Call]) {
    let mut won: Vec<(Seq, &Call)> = calls.iter().filter_map(|c| c.outcome.ok().map(|at| (at, *c))).collect();
    won.sort_unstable_by_key(|(at, _)| *at);
    for (at, (seq, _)) in (0..).zip(&won) {
        assert_eq!(*seq, Seq::new(at), "positions are won once and densely");
    }
    for pair in won.windows(2) {
        assert!(
            pair[1].1.ended > pair[0].1.began,
            "a later position was acknowledged before an earlier one was asked"
        );
    }
    // The latest beginning among the first so many winners.
    let mut latest = vec![0];
    latest.extend(won.iter().scan(0, |latest, (_, call)| {
        *latest = call.began.max(*latest);
        Some(*latest)
    }));
    for call in calls {
        let Err(next) = call.outcome else { continue };
        let next = usize::try_from(next.get()).expect("small");
        // Everything below `next` must have begun before this call ended, and `next` must not have been won before
        // this call began.
        assert!(latest[next] < call.ended, "a refusal named a position out of the future");
        assert!(
            won.get(next).is_none_or(|(_, w)| w.ended > call.began),
            "a refusal named a position out of the past"
        );
    }
}
