//! F13. Nothing happens for longer than leases and places are kept, and then much at once.

use std::time::Duration;

use crate::rig::{Relay, Stage, Writers, figure, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_after_a_silence_arrives() {
    let stage = Stage::new().await;
    let relay = Relay::start(&stage).await;
    let writers = Writers::start(stage.writers(2), Duration::from_millis(2));
    writers.more(10).await;
    let writers = writers.stop().await;
    stage.carried.is_exact(&stage.ledger).await;
    let scans = 2;
    until("the first scan of each partition", async || relay.scans().await == scans).await;
    // Ten times the lease; places are written down thirty times.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(relay.scans().await, scans, "the silence was taken for a loss");

    let writers = Writers::start(writers, Duration::ZERO);
    writers.more(500).await;
    writers.stop().await;
    let took = stage.carried.is_exact(&stage.ledger).await;
    figure("burst of 500 after a silence: until all are carried", took);
    until("no lag", async || relay.measured("lag_records").await == Some(0)).await;
}
