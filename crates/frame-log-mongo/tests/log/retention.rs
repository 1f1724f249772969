//! Several prune one group at once while others read it: each frame is counted once, the horizon never goes back, and no
//! page shows a hole above it.

use std::sync::Arc;

use frame_log::{FrameLog as _, Keep, Limit, conformance};
use protocol::Seq;
use servers::Mongo;
use tokio::task::JoinSet;

use crate::databases::{name, open};

const RECORDS: u64 = 1_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_prunes_agree() {
    let server = Mongo::start().await.expect("starts");
    let database = name();
    let logs = [open(&server.uri(), &database).await, open(&server.uri(), &database).await];
    let group = conformance::group(1);
    for n in 0..RECORDS {
        logs[0].append(&group, Seq::new(n), conformance::record(n)).await.expect("appended");
    }
    let mut prunes = JoinSet::new();
    for n in 0..8_u64 {
        let log = Arc::clone(&logs[usize::from(n % 2 == 1)]);
        prunes.spawn(async move {
            let before = Seq::new(600 + n * 100);
            let done = log.prune(&group, before, Keep::Operations).await.expect("pruned");
            assert!(done.horizon >= before, "{before}: {}", done.horizon);
            done.records
        });
    }
    let mut readers = JoinSet::new();
    for log in logs.clone() {
        readers.spawn(async move {
            let mut horizon = Seq::ZERO;
            while horizon < Seq::new(1_300) {
                for from in [0, 400, 800, 1_200] {
                    // The log itself refuses a page that lacks a frame above its horizon.
                    let page = log.read(&group, Seq::new(from), Limit::MAX).await.expect("readable");
                    assert!(page.horizon >= horizon, "the horizon goes back");
                    horizon = page.horizon;
                    for record in &page.records {
                        assert!(record.frame.is_some() || (record.seq < horizon && !record.is_operation));
                    }
                }
            }
        });
    }
    let counted: u64 = prunes.join_all().await.into_iter().sum();
    readers.join_all().await;
    let messages = (0..1_300).filter(|n| n % 3 != 0).count() as u64;
    assert_eq!(counted, messages, "each frame is counted by one of them");
    let rest = logs[1].prune(&group, Seq::new(u64::MAX), Keep::Nothing).await.expect("pruned");
    assert_eq!((rest.records, rest.horizon), (RECORDS - messages, Seq::new(RECORDS)));
}
