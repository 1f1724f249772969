//! The log in memory keeps the contract.

use std::sync::Arc;

use async_trait::async_trait;
use frame_log::{
    conformance::{self, Harness},
    memory::MemoryLog,
};

struct InMemory;

#[async_trait]
impl Harness for InMemory {
    type Log = MemoryLog;

    async fn fresh(&self) -> Arc<MemoryLog> {
        Arc::new(MemoryLog::new())
    }

    // A clone of the handle is the same storage, as long as one handle lives.
    async fn reopen(&self, log: Arc<MemoryLog>) -> Arc<MemoryLog> {
        Arc::new((*log).clone())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract() {
    conformance::run(&InMemory).await;
    conformance::run_ordered(&InMemory).await;
}
