//! Many groups, few records each: heads are found again, whatever was cached.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

#[path = "support/folders.rs"]
mod folders;

use std::sync::Arc;

use folders::{assert_exact, folder, open, record_of};
use frame_log::{FrameLog as _, TotalOrder as _, conformance};
use frame_log_embedded::Options;
use protocol::Seq;
use tokio::task::JoinSet;

const GROUPS: u64 = 6_000;
const TASKS: u64 = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_head_is_found_again() {
    let folder = folder();
    let options = Options {
        free_space_floor: 0,
        segment_bytes: 512 << 10,
        memtable_bytes: 1 << 20,
        ..Options::default()
    };
    for round in 0..3 {
        let log = Arc::new(open(folder.path(), options));
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let log = Arc::clone(&log);
            tasks.spawn(async move {
                for group in (task..GROUPS).step_by(32) {
                    let (id, at) = (conformance::group(group), Seq::new(round));
                    assert_eq!(log.head(&id).await, Ok(round.checked_sub(1).map(Seq::new)));
                    assert_eq!(log.append(&id, at, record_of(group, round)).await, Ok(at));
                }
            });
        }
        tasks.join_all().await;
        log.close().await;
    }
    let log = open(folder.path(), options);
    let verified = log.verify().await.unwrap();
    assert_eq!((verified.groups, verified.records), (GROUPS, GROUPS * 3));
    for group in (0..GROUPS).step_by(97) {
        assert_eq!(assert_exact(&log, group, 3).await, 3);
    }
    assert_eq!(log.tail().await.unwrap().get(), GROUPS * 3);
}
