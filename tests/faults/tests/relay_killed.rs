//! F8. The relay is killed again and again, at whatever it is doing.

use std::time::Duration;

use crate::rig::{Relay, Stage, Writers, cycles, figure};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_killed_at_any_moment_loses_and_repeats_nothing() {
    let stage = Stage::new().await;
    let mut relay = Relay::start(&stage).await;
    let writers = Writers::start(stage.writers(6), Duration::from_millis(2));
    writers.more(20).await;
    let mut longest = Duration::ZERO;
    for cycle in 0..cycles(6) {
        // From between two publications, each time a little later than the last.
        writers.more(10 + cycle as u64 % 23).await;
        relay.kill();
        writers.more(10).await;
        relay.restart().await;
        longest = longest.max(stage.flows(&writers).await);
    }
    figure("relay killed: longest until records flow again", longest);
    writers.stop().await;
    let took = stage.carried.is_exact(&stage.ledger).await;
    figure("relay killed: until all are carried", took);
}
