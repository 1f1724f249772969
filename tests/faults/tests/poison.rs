//! F24. Something is stored among the records that is no record.

use std::time::Duration;

use futures_util::StreamExt as _;
use mongodb::{
    Client,
    bson::{Timestamp, doc},
};

use crate::rig::{DATABASE, Relay, Stage, Writers, figure, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_record_is_set_aside_and_later_records_flow() {
    let stage = Stage::new().await;
    let relay = Relay::start(&stage).await;
    let writers = Writers::start(stage.writers(4), Duration::from_millis(2));
    writers.more(20).await;

    let client = Client::with_uri_str(stage.mongo.uri()).await.unwrap();
    let frames = client.database(DATABASE).collection("frames");
    for bucket in [0, 4_095] {
        let poison = doc! {
            "_id": { "g": "no group", "s": i64::from(bucket) }, "p": bucket,
            "n": Timestamp { time: 0, increment: 0 }, "f": "no frame",
        };
        frames.insert_one(poison).await.unwrap();
    }
    let took = until("both to be set aside", async || relay.measured("parked_total").await == Some(2)).await;
    figure("poison: until it is set aside", took);
    stage.flows(&writers).await;
    writers.stop().await;
    stage.carried.is_exact(&stage.ledger).await;

    // The notes say where it is and hold nothing of it.
    let parked = stage.carried.jetstream.get_stream("kith-parked").await.unwrap();
    assert_eq!(parked.cached_info().state.messages, 2);
    let consumer = parked.create_consumer(async_nats::jetstream::consumer::pull::OrderedConfig::default());
    let note = consumer.await.unwrap().messages().await.unwrap().next().await.unwrap().unwrap();
    let note = String::from_utf8(note.payload.to_vec()).unwrap();
    assert!(!note.contains("no frame"), "{note}");
}
