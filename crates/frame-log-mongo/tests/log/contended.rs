//! Sixty-four appends for one position, from two processes' worth of logs: one winner, and everybody learns the truth.

use std::sync::Arc;

use frame_log::{AppendError, FrameLog as _, Limit, StoredRecord, conformance};
use protocol::Seq;
use servers::Mongo;
use tokio::{sync::Barrier, task::JoinSet};

use crate::databases::{cycles, name, open};

const PAIRS: u64 = 32;

/// Each record is sent twice, by either log, as a client does that asks a second node when the first is slow.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_winner_and_the_truth_for_the_others() {
    let server = Mongo::start().await.expect("starts");
    let database = name();
    let logs = [open(&server.uri(), &database).await, open(&server.uri(), &database).await];
    let group = conformance::group(1);
    for round in 0..cycles(12) {
        let at = Seq::new(round);
        let next = Seq::new(round + 1);
        let start = Arc::new(Barrier::new(64));
        let mut racers = JoinSet::new();
        for pair in 0..PAIRS {
            for log in &logs {
                let (log, start) = (Arc::clone(log), Arc::clone(&start));
                let record = conformance::record(round * PAIRS + pair);
                racers.spawn(async move {
                    start.wait().await;
                    (pair, log.append(&group, at, record).await)
                });
            }
        }
        let outcomes = racers.join_all().await;
        let won: Vec<u64> = outcomes.iter().filter(|(_, o)| *o == Ok(at)).map(|(pair, _)| *pair).collect();
        let [winner] = won[..] else { panic!("position {at} was won {} times", won.len()) };
        let record = conformance::record(round * PAIRS + winner);
        let mut twins = 0;
        for (pair, outcome) in outcomes.into_iter().filter(|(_, o)| *o != Ok(at)) {
            if pair == winner {
                twins += 1;
                assert_eq!(outcome, Err(AppendError::Duplicate { seq: at, th: record.th }), "its other copy");
            } else {
                assert_eq!(outcome, Err(AppendError::Conflict { next }), "pair {pair}");
            }
        }
        assert_eq!(twins, 1);
        for log in &logs {
            let page = log.read(&group, at, Limit::MAX).await.expect("readable");
            assert_eq!(page.records, [StoredRecord::new(at, record.clone())]);
        }
    }
}
