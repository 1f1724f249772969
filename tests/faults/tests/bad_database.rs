//! F19 and F1, for the log in a database: a writer is told that a record is kept only if it is.

use std::time::Duration;

use crate::{
    bad_network::networks,
    rig::{Stage, Writers, cycles, figure},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_network_brings_no_false_acknowledgement() {
    let (stage, proxy) = Stage::behind_proxy().await;
    let writers = Writers::start(stage.writers(4), Duration::from_millis(5));
    writers.more(20).await;
    for _ in 0..cycles(1) {
        for (name, network) in networks() {
            proxy.set(network);
            if network.refuse {
                proxy.cut();
            }
            // Longer than a request may take.
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            if network.up.silent || network.down.silent {
                // A partition that ends by itself lets everything through; a real one has lost it by now.
                proxy.cut();
            }
            proxy.clear();
            let took = writers.more(8).await;
            figure(&format!("writers to database, {name}: until records are acknowledged again"), took);
        }
        // Answers that are lost one after the other.
        for _ in 0..20 {
            writers.more(1).await;
            proxy.cut();
        }
    }
    let unknown: u64 = writers.stop().await.iter().map(|writer| writer.unknown).sum();
    assert!(unknown > 0, "the network was not bad enough");
    stage.log_is_exact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_killed_at_any_moment_keeps_what_it_has_acknowledged() {
    let mut stage = Stage::new().await;
    let writers = Writers::start(stage.writers(8), Duration::ZERO);
    let mut longest = Duration::ZERO;
    for cycle in 0..cycles(5) {
        writers.more(40 + cycle as u64 % 23).await;
        stage.mongo.kill().unwrap();
        stage.mongo.restart().await.unwrap();
        longest = longest.max(writers.more(8).await);
    }
    figure("database killed: longest until records are acknowledged again", longest);
    writers.stop().await;
    stage.log_is_exact().await;
}
