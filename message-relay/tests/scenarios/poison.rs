//! What cannot be passed on is set aside, and what comes after it is passed on.

use std::{sync::Arc, time::Duration};

use async_nats::{HeaderMap, jetstream::stream::Stream};
use async_trait::async_trait;
use bytes::Bytes;
use frame_feed_nats::{Connection, FrameMessage, streams::StreamError};
use frame_log::{
    BucketRange, FrameSource, OrderedSource, Partition, Place, SourceError, SourceItem, SourceKind,
    SourceStream, Sourced, memory::MemoryLog,
};
use futures_util::{StreamExt as _, stream};
use message_relay::output::{Outgoing, Output, Published, Unfit};
use protocol::GroupId;

use crate::kit::{Scene, group, until};

/// A source that shows poison before every record.
struct Poisoned(OrderedSource<MemoryLog>);

#[async_trait]
impl FrameSource for Poisoned {
    fn kind(&self) -> SourceKind {
        SourceKind::ChangeStream
    }

    async fn now(&self) -> Result<Place, SourceError> {
        self.0.now().await
    }

    async fn open(&self, buckets: BucketRange, from: &Place) -> Result<SourceStream, SourceError> {
        let inner = self.0.open(buckets, from).await?;
        let before = from.clone();
        Ok(inner
            .flat_map(move |step| {
                let item = SourceItem::Poison { id: "{g: 1}".to_owned(), reason: "no frame" };
                stream::iter([Ok(Sourced { after: before.clone(), item }), step])
            })
            .boxed())
    }
}

#[tokio::test]
async fn poison_is_noted_and_passed_over() {
    let scene = Scene::new(1).await;
    let relay = scene.relay_from(Arc::new(Poisoned(OrderedSource::new(Arc::new(scene.log.clone()))))).await;
    until("it leads", || async { relay.metrics.leading() == 1 && relay.metrics.scanning() == 0 }).await;
    for n in 0..10 {
        scene.append(&group(n), 2).await;
    }
    scene.exact().await;
    until("all poison is noted", || async { relay.metrics.parked() >= 1 }).await;
    let mut notes = scene.connection.jetstream().get_stream("t-parked").await.unwrap();
    let last = notes.info().await.unwrap().state.last_sequence;
    let note = notes.get_raw_message(last).await.unwrap();
    assert_eq!(&note.payload[..], br#"{"output":"frames","id":"{g: 1}","reason":"no frame"}"#);
    relay.stop().await;
}

/// Makes of some records what the server or this output refuses.
#[derive(Debug)]
struct Odd(Arc<dyn Output>);

#[async_trait]
impl Output for Odd {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn stream(&self, partition: Partition) -> String {
        self.0.stream(partition)
    }

    fn subject(&self, group: &GroupId) -> String {
        self.0.subject(group)
    }

    fn max_age(&self) -> Duration {
        self.0.max_age()
    }

    async fn ensure(&self, connection: &Connection, partition: Partition) -> Result<Stream, StreamError> {
        self.0.ensure(connection, partition).await
    }

    fn write(&self, message: &FrameMessage) -> Result<Outgoing, Unfit> {
        let mut outgoing = self.0.write(message)?;
        match message.record.seq.get() {
            2 => return Err(Unfit("odd")),
            // More than the stream takes, and more than the server does.
            3 => outgoing.payload = Bytes::from(vec![0; 300 * 1024]),
            5 => outgoing.payload = Bytes::from(vec![0; 2 * 1024 * 1024]),
            _ => {}
        }
        Ok(outgoing)
    }

    fn read(&self, subject: &str, headers: &HeaderMap, payload: Bytes) -> Option<Published> {
        self.0.read(subject, headers, payload)
    }
}

#[tokio::test]
async fn what_is_refused_for_its_own_sake_holds_up_nothing() {
    let scene = Scene::new(1).await;
    let outputs: Vec<Arc<dyn Output>> = vec![Arc::new(Odd(scene.output()))];
    let relay = scene.relay_into(outputs).await;
    until("it leads", || async { relay.metrics.leading() == 1 }).await;
    for n in 0..5 {
        scene.append(&group(n), 8).await;
    }
    until("the rest is published", || async { relay.metrics.published() >= 25 }).await;
    for positions in scene.positions().await.values() {
        assert_eq!(*positions, [0, 1, 4, 6, 7]);
    }
    assert_eq!(relay.metrics.parked(), 15);
    relay.stop().await;
}
