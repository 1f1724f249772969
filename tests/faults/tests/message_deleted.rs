//! F11. A message that was acknowledged is no longer in the stream.

use std::time::Duration;

use crate::rig::{Relay, Stage, Writers, cycles, figure, stream, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_behind_the_relays_back_is_published_again() {
    let stage = Stage::new().await;
    let relay = Relay::start(&stage).await;
    let mut writers = Writers::start(stage.writers(4), Duration::from_millis(2));
    let mut longest = Duration::ZERO;
    for cycle in 0..cycles(1) {
        writers.more(60).await;
        let stopped = writers.stop().await;
        stage.carried.catches_up(&stage.ledger).await;
        let before = relay.measured("republished_total").await.unwrap();
        for partition in 0..2 {
            let kept = stage.carried.jetstream.get_stream(stream(partition)).await.unwrap();
            let (first, last) =
                (kept.cached_info().state.first_sequence, kept.cached_info().state.last_sequence);
            // One in the middle, another in every cycle, and the last one, which tells how far a group is published.
            for sequence in [first + (last - first) / 3 + cycle as u64, last] {
                assert!(kept.delete_message(sequence).await.unwrap());
            }
        }
        let took = until("the messages to be published again", async || {
            relay.measured("republished_total").await.is_some_and(|count| count >= before + 4)
        });
        longest = longest.max(took.await);
        writers = Writers::start(stopped, Duration::from_millis(2));
    }
    figure("messages deleted: longest until published again", longest);
    stage.flows(&writers).await;
    writers.stop().await;
    stage.carried.catches_up(&stage.ledger).await;
    // What is published again comes late and may come twice; nodes read what they miss from the log.
    until("every record, in any order", async || {
        let mut entries = stage.carried.entries().await;
        entries.sort();
        entries.dedup();
        stage.ledger.check_exact(entries).is_ok()
    })
    .await;
}
