//! The log in a folder keeps the contract, also with segments and memtables so small that everything rotates.

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

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use frame_log::conformance::{self, Harness};
use frame_log_embedded::{EmbeddedFrameLog, Options};
use tempfile::TempDir;

struct Folders {
    current: Mutex<Option<TempDir>>,
    options: Options,
}

impl Folders {
    fn new(options: Options) -> Self {
        Self { current: Mutex::new(None), options: Options { free_space_floor: 0, ..options } }
    }

    fn open(&self) -> Arc<EmbeddedFrameLog> {
        let current = self.current.lock().unwrap();
        let folder = current.as_ref().expect("made by `fresh`").path();
        Arc::new(EmbeddedFrameLog::open(folder, self.options).expect("opens"))
    }
}

#[async_trait]
impl Harness for Folders {
    type Log = EmbeddedFrameLog;

    async fn fresh(&self) -> Arc<EmbeddedFrameLog> {
        *self.current.lock().unwrap() = Some(folders::folder());
        self.open()
    }

    async fn reopen(&self, log: Arc<EmbeddedFrameLog>) -> Arc<EmbeddedFrameLog> {
        log.close().await;
        let only = Arc::into_inner(log).expect("the last handle");
        only.verify().await.expect_err("a closed log answers nothing");
        drop(only);
        let log = self.open();
        log.verify().await.expect("what was written is intact");
        log
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract() {
    conformance::run(&Folders::new(Options { segment_bytes: 1 << 20, ..Options::default() })).await;
    conformance::run_ordered(&Folders::new(Options { segment_bytes: 1 << 20, ..Options::default() })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract_while_rotating() {
    let tiny = Options {
        segment_bytes: 16 << 10,
        memtable_bytes: 32 << 10,
        cache_bytes: 1 << 16,
        ..Options::default()
    };
    conformance::run(&Folders::new(tiny)).await;
    conformance::run_ordered(&Folders::new(tiny)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract_one_by_one() {
    let narrow = Options { queue_len: 1, max_group: 1, segment_bytes: 1 << 20, ..Options::default() };
    conformance::run(&Folders::new(narrow)).await;
    conformance::run_ordered(&Folders::new(narrow)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "a million calls; run it in the release profile"]
async fn a_million_appends_are_linearizable() {
    conformance::appends_are_linearizable_over(&Folders::new(Options::default()), 170_000).await;
}
