//! F19. The network between relay, database and NATS is slow, loses, splits, or is deaf on one side.

use std::time::Duration;

use servers::{Network, Proxy};

use crate::rig::{Relay, Stage, Writers, cycles, figure};

pub(crate) fn networks() -> [(&'static str, Network); 6] {
    [
        ("latency of 100 ms", Network::latency(Duration::from_millis(100))),
        ("5 % loss", Network::lossy(20, Duration::from_millis(200))),
        ("half-open", Network::black_hole()),
        ("deaf server", Network::deaf_server()),
        ("deaf client", Network::deaf_client()),
        ("refused", Network::refusing()),
    ]
}

/// Every kind of bad network, one after the other, while writers write.
async fn all_kinds(stage: &Stage, proxy: &Proxy, between: &str) {
    let writers = Writers::start(stage.writers(4), Duration::from_millis(5));
    writers.more(20).await;
    for _ in 0..cycles(1) {
        for (name, network) in networks() {
            proxy.set(network);
            if network.refuse {
                proxy.cut();
            }
            // Longer than the lease, so that what cannot be renewed is lost.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            if network.up.silent || network.down.silent {
                // A partition that ends by itself lets everything through; a real one has lost it by now.
                proxy.cut();
            }
            proxy.clear();
            let took = stage.flows(&writers).await;
            figure(&format!("{between}, {name}: until records flow again"), took);
        }
    }
    writers.stop().await;
    stage.carried.is_exact(&stage.ledger).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_relay_and_nats() {
    let stage = Stage::new().await;
    let proxy = Proxy::to_port(stage.nats.port()).await.unwrap();
    let _relay = Relay::start_through(&stage, proxy.port(), stage.mongo.port()).await;
    all_kinds(&stage, &proxy, "relay to nats").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_relay_and_database() {
    let stage = Stage::new().await;
    let proxy = Proxy::to_port(stage.mongo.port()).await.unwrap();
    let _relay = Relay::start_through(&stage, stage.nats.port(), proxy.port()).await;
    all_kinds(&stage, &proxy, "relay to database").await;
}
