//! A log, its source and its database, and what tests do with them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use frame_log::{
    BucketRange, FrameLog as _, FrameSource, Place, SourceError, SourceItem, SourceStream, Sourced,
    conformance::{SourceHarness, record},
};
use frame_log_mongo::{MongoFrameLog, SourceOptions};
use futures_util::StreamExt as _;
use mongodb::{
    Client, Collection,
    bson::{Document, RawDocumentBuf},
};
use protocol::{GroupId, Seq};
use tokio::time::timeout;

use crate::databases;

/// How long anything may take. Only what is broken takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Intervals for tests.
pub(crate) fn quick() -> SourceOptions {
    SourceOptions {
        wait: Duration::from_millis(100),
        poll: Duration::from_millis(20),
        idle_poll: Duration::from_millis(50),
        ..SourceOptions::default()
    }
}

/// A log in a database of its own.
pub(crate) struct Bench {
    pub(crate) log: Arc<MongoFrameLog>,
    pub(crate) source: Arc<dyn FrameSource>,
    /// The documents, for what the log itself would never write.
    pub(crate) documents: Collection<RawDocumentBuf>,
}

impl Bench {
    pub(crate) async fn of(uri: &str) -> Self {
        let name = databases::name();
        let log = databases::open(uri, &name).await;
        let source = log.source(quick());
        let client = Client::with_uri_str(uri).await.expect("a connection string");
        Self { log, source, documents: client.database(&name).collection("frames") }
    }

    /// Follows everything from `place` on.
    pub(crate) async fn open(&self, place: &Place) -> SourceStream {
        self.source.open(BucketRange::ALL, place).await.expect("opens")
    }

    /// Appends `record(n)` for each number.
    pub(crate) async fn append(&self, group: &GroupId, from: u64, numbers: impl IntoIterator<Item = u64>) {
        for (at, n) in (from..).zip(numbers) {
            self.log.append(group, Seq::new(at), record(n)).await.expect("appended");
        }
    }

    /// Stores a document as it is.
    pub(crate) async fn store(&self, document: &Document) {
        self.documents.insert_one(RawDocumentBuf::try_from(document).unwrap()).await.expect("stored");
    }
}

/// The next step of a stream, which must not end.
pub(crate) async fn next(stream: &mut SourceStream) -> Result<Sourced, SourceError> {
    timeout(PATIENCE, stream.next())
        .await
        .expect("the source shows something")
        .expect("a source does not end")
}

/// The next record, and the place after it.
pub(crate) async fn next_record(stream: &mut SourceStream) -> (GroupId, u64, Place) {
    loop {
        let step = next(stream).await.expect("the source works");
        match step.item {
            SourceItem::Record { group, record } => return (group, record.seq.get(), step.after),
            SourceItem::Idle => {}
            SourceItem::Poison { id, reason } => panic!("{id}: {reason}"),
        }
    }
}

/// The error a place leads to, at once or as the first thing shown.
pub(crate) async fn refusal(source: &dyn FrameSource, place: &Place) -> SourceError {
    let mut stream = match source.open(BucketRange::ALL, place).await {
        Ok(stream) => stream,
        Err(error) => return error,
    };
    loop {
        match next(&mut stream).await {
            Ok(step) => assert_eq!(step.item, SourceItem::Idle, "a refused place shows nothing"),
            Err(error) => return error,
        }
    }
}

/// The suite's way to one server.
pub(crate) struct Server(pub(crate) String);

#[async_trait]
impl SourceHarness for Server {
    type Log = MongoFrameLog;

    async fn fresh(&self) -> (Arc<MongoFrameLog>, Arc<dyn FrameSource>) {
        let Bench { log, source, .. } = Bench::of(&self.0).await;
        (log, source)
    }
}
