//! F12. The place to go on from is of no use any more, or the log has begun another life.

use std::time::Duration;

use frame_log::{LOG_LIFE, LogLife, Meta as _};
use serde_json::{Value, json};

use crate::rig::{Relay, Stage, Writers, figure, stream, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_is_none_leads_to_one_scan() {
    let stage = Stage::new().await;
    let mut relay = Relay::start(&stage).await;
    let writers = Writers::start(stage.writers(4), Duration::from_millis(2));
    writers.more(40).await;
    let writers = writers.stop().await;
    stage.carried.is_exact(&stage.ledger).await;

    // A place is written down at the end of the first scan, if not later.
    let bucket = stage.carried.jetstream.get_key_value("kith-relay").await.unwrap();
    for partition in 0..2 {
        let key = format!("cursor.frames.{partition}");
        until("a place that was written down", async || bucket.get(&key).await.unwrap().is_some()).await;
    }
    relay.kill();
    for partition in 0..2 {
        let key = format!("cursor.frames.{partition}");
        let stored = bucket.get(&key).await.unwrap().unwrap();
        let mut cursor: Value = serde_json::from_slice(&stored).unwrap();
        // As if the place had been written down behind the stream's last message, where nothing else tells it.
        let mut kept = stage.carried.jetstream.get_stream(stream(partition)).await.unwrap();
        cursor["sequence"] = json!(kept.info().await.unwrap().state.last_sequence);
        cursor["place"] = json!("00ff00ff00ff");
        bucket.put(&key, cursor.to_string().into()).await.unwrap();
    }
    let writers = Writers::start(writers, Duration::from_millis(2));
    writers.more(40).await;
    relay.restart().await;
    let took = stage.flows(&writers).await;
    figure("dead place: until records flow again", took);
    // The record that flowed may have been the other partition's.
    until("a scan of each partition", async || {
        relay.measured("scans_total{reason=\"place_lost\"}").await == Some(2)
    })
    .await;
    // As many leases later there has been no other.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(relay.scans().await, 2);
    writers.stop().await;
    stage.carried.is_exact(&stage.ledger).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_life_of_the_log_is_carried_from_its_beginning() {
    let stage = Stage::new().await;
    let relay = Relay::start(&stage).await;
    let writers = Writers::start(stage.writers(4), Duration::from_millis(2));
    writers.more(40).await;
    stage.flows(&writers).await;

    let stored = stage.log.load(LOG_LIFE).await.unwrap();
    let life = stored.map_or(0, |stored| LogLife::from_value(&stored).unwrap().get()) + 1;
    stage.log.save(LOG_LIFE, LogLife::new(life).to_value()).await.unwrap();
    let took =
        until("a scan", async || relay.measured("scans_total{reason=\"other_life\"}").await == Some(2));
    figure("another life: until it is noticed", took.await);
    writers.more(40).await;
    writers.stop().await;
    let mut found = Ok(());
    let took = until("every record in its new life", async || {
        let messages = stage.carried.messages().await;
        found = stage
            .ledger
            .check_exact(messages.into_iter().filter(|(of, _)| *of == life).map(|(_, entry)| entry));
        found.is_ok()
    });
    figure("another life: until all are carried again", took.await);
    assert_eq!(relay.measured("scans_total{reason=\"other_life\"}").await, Some(2));
}
