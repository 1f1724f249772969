//! F9. Of two relays, the one that leads is stopped for longer than its lease, and goes on where it was.

use std::time::Duration;

use crate::rig::{Relay, Stage, Writers, cycles, figure, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_away_is_kept_out_of_the_stream() {
    let stage = Stage::new().await;
    let mut relays = [Relay::start(&stage).await, Relay::start(&stage).await];
    until("both relays to lead a part", async || {
        relays[0].leading().await == Some(1) && relays[1].leading().await == Some(1)
    })
    .await;
    let writers = Writers::start(stage.writers(6), Duration::from_millis(2));
    let mut longest = Duration::ZERO;
    for cycle in 0..cycles(3) {
        writers.more(20 + cycle as u64 % 23).await;
        let (away, other) = (cycle % 2, 1 - cycle % 2);
        relays[away].process.pause().unwrap();
        longest = longest
            .max(until("the other to lead all", async || relays[other].leading().await == Some(2)).await);
        // The other has written where the stopped one believes to be alone.
        stage.flows(&writers).await;
        relays[away].process.resume().unwrap();
        until("both to lead a part again", async || {
            relays[away].leading().await == Some(1) && relays[other].leading().await == Some(1)
        })
        .await;
    }
    figure("leader paused: longest until the other leads", longest);
    writers.stop().await;
    stage.carried.is_exact(&stage.ledger).await;
}
