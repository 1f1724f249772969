//! The log in `MongoDB` keeps the contract.
#![allow(clippy::expect_used, reason = "test helpers")]

#[path = "support/databases.rs"]
mod databases;

use databases::Databases;
use frame_log::conformance;
use servers::Mongo;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract() {
    let server = Mongo::start().await.expect("starts");
    conformance::run(&Databases::of(server.uri())).await;
}
