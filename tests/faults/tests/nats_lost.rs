//! F10. nats-server is killed, and comes back with its folder, or without.

use std::time::Duration;

use crate::rig::{Relay, Stage, Writers, cycles, figure};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nats_forgets_is_carried_again_from_the_log() {
    let mut stage = Stage::new().await;
    let _relay = Relay::start(&stage).await;
    let writers = Writers::start(stage.writers(6), Duration::from_millis(2));
    let (mut killed, mut wiped) = (Duration::ZERO, Duration::ZERO);
    for cycle in 0..cycles(2) {
        for wipe in [false, true] {
            writers.more(30 + cycle as u64 % 23).await;
            if wipe { stage.nats.wipe() } else { stage.nats.kill() }.unwrap();
            writers.more(10).await;
            stage.nats.restart().await.unwrap();
            let took = stage.flows(&writers).await;
            let longest = if wipe { &mut wiped } else { &mut killed };
            *longest = took.max(*longest);
        }
    }
    figure("nats killed: longest until records flow again", killed);
    figure("nats wiped: longest until records flow again", wiped);
    writers.stop().await;
    let took = stage.carried.is_exact(&stage.ledger).await;
    figure("nats wiped: until all are carried", took);
}
