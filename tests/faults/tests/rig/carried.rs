//! What has been carried into NATS, read as anybody would who knows neither relay nor log.

use std::time::Duration;

use async_nats::jetstream::{self, consumer::pull::OrderedConfig};
use futures_util::StreamExt as _;
use servers::{Entry, Ledger};

use super::{PATIENCE, until};

/// First word of streams and subjects.
pub(crate) const PREFIX: &str = "kith";

/// A look into the streams of all partitions.
pub(crate) struct Carried {
    pub(crate) jetstream: jetstream::Context,
    partitions: u16,
}

/// The stream of a partition.
pub(crate) fn stream(partition: u16) -> String {
    format!("{PREFIX}-frames-{partition}")
}

impl Carried {
    pub(crate) async fn connect(url: &str, partitions: u16) -> Self {
        let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
        let client = options.max_reconnects(None).connect(url).await.unwrap();
        let mut jetstream = jetstream::new(client);
        jetstream.set_timeout(Duration::from_secs(2));
        Self { jetstream, partitions }
    }

    /// Messages in all streams; none of a stream that is not there.
    pub(crate) async fn count(&self) -> u64 {
        let mut count = 0;
        for partition in 0..self.partitions {
            if let Ok(stream) = self.jetstream.get_stream(stream(partition)).await {
                count += stream.cached_info().state.messages;
            }
        }
        count
    }

    /// All messages, each partition's in the order of its stream.
    pub(crate) async fn entries(&self) -> Vec<Entry> {
        self.messages().await.into_iter().map(|(_, entry)| entry).collect()
    }

    /// All messages, each with the life of the log it belongs to.
    pub(crate) async fn messages(&self) -> Vec<(u64, Entry)> {
        let mut entries = Vec::new();
        for partition in 0..self.partitions {
            let name = stream(partition);
            let Ok(stream) = self.jetstream.get_stream(&name).await else { continue };
            let there = stream.cached_info().state.messages;
            let consumer = stream.create_consumer(OrderedConfig::default()).await.unwrap();
            let mut messages = consumer.messages().await.unwrap();
            for _ in 0..there {
                let next = tokio::time::timeout(PATIENCE, messages.next()).await;
                let message = next.unwrap_or_else(|_| panic!("{name} shows no more")).unwrap().unwrap();
                let group = message.subject.rsplit('.').next().unwrap();
                let headers = message.headers.as_ref().unwrap();
                let number = |name: &str| headers.get(name).unwrap().as_str().parse().unwrap();
                let entry = Entry::new(from_hex(group), number("Kith-Seq"), message.payload.to_vec());
                entries.push((number("Kith-Life"), entry));
            }
        }
        entries
    }

    /// Waits until as many messages are there as were acknowledged, and says how long that took.
    pub(crate) async fn catches_up(&self, ledger: &Ledger) -> Duration {
        until("every record in the streams", async || self.count().await >= ledger.len() as u64).await
    }

    /// Waits until everything is there and compares: each record once, in order.
    pub(crate) async fn is_exact(&self, ledger: &Ledger) -> Duration {
        let took = self.catches_up(ledger).await;
        if let Err(differences) = ledger.check_exact(self.entries().await) {
            panic!("{differences}");
        }
        took
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
