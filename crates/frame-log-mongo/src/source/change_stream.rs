//! The source of a replica set or a sharded cluster: one change stream per reader.
//!
//! A change stream shows what a majority of the set has, in one order, from a token on. The server filters it by
//! bucket, and tells with every answer, also with one that is empty, how far it has looked: such a token is what
//! [`SourceItem::Idle`] brings, so that no token ages while others write, or nobody does.
//!
//! Frames are small (256 KiB), so that an event never comes near the 16 MiB a server can put in one document, which
//! would end a stream for ever.

use std::time::Duration;

use async_trait::async_trait;
use frame_log::{
    BucketRange, FrameSource, Place, SourceError, SourceItem, SourceKind, SourceStream, Sourced,
};
use futures_util::{StreamExt as _, stream};
use mongodb::{
    Collection, Database,
    bson::{Bson, Document, RawDocument, RawDocumentBuf, deserialize_from_bson, doc, serialize_to_bson},
    change_stream::{ChangeStream, event::ResumeToken},
    options::ReadConcern,
};
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    SourceOptions, failure,
    place::{self, Token},
    server,
};

/// Between two questions at least, while there is nothing new. A server waits longer than this before it says so; what
/// stands in for one may not.
const PACE: Duration = Duration::from_millis(10);

/// Follows the inserts of a collection.
#[derive(Debug)]
pub(super) struct ChangeStreamSource {
    database: Database,
    frames: Collection<RawDocumentBuf>,
    options: SourceOptions,
}

impl ChangeStreamSource {
    /// Follows `frames`, a collection of `database`.
    pub(super) const fn new(
        database: Database,
        frames: Collection<RawDocumentBuf>,
        options: SourceOptions,
    ) -> Self {
        Self { database, frames, options }
    }

    /// Starts a change stream, after a token or now.
    async fn watch(
        &self,
        pipeline: [Document; 2],
        after: Option<ResumeToken>,
    ) -> Result<ChangeStream<RawDocumentBuf>, SourceError> {
        let SourceOptions { wait, patience, batch, .. } = self.options;
        let watch = self
            .frames
            .watch()
            .pipeline(pipeline)
            .resume_after(after)
            .read_concern(ReadConcern::majority())
            .batch_size(batch.max(1))
            .max_await_time(wait);
        Ok(failure::within(patience, watch).await?.with_type())
    }

    /// Waits until a majority has everything up to `token`, so that whoever reads the log now misses nothing that the
    /// change stream does not show either.
    async fn settle(&self, token: &Token) -> Result<(), SourceError> {
        let Some(time) = token.time.map(place::number) else { return Ok(()) };
        // A token of a stream that was just started stands right behind the newest time, which nobody can wait for.
        let newest = place::timestamp(time.saturating_sub(1));
        let limit = i64::try_from(self.options.patience.as_millis()).unwrap_or(i64::MAX);
        let read = doc! {
            "find": self.frames.name(),
            // Of every shard.
            "filter": {},
            "projection": { "_id": 1 },
            "limit": 1,
            "singleBatch": true,
            "maxTimeMS": limit,
            "readConcern": { "level": "majority", "afterClusterTime": newest },
        };
        failure::within(self.options.patience, self.database.run_command(read)).await.map(drop)
    }
}

/// What a reader of `buckets` gets to see of each change, and of which: new records, and the end of the collection.
fn pipeline(buckets: BucketRange) -> [Document; 2] {
    let (first, end) = (i32::from(buckets.first()), i32::from(buckets.end()));
    let ends = ["drop", "rename", "dropDatabase", "invalidate"];
    [
        doc! { "$match": { "$or": [
            { "operationType": "insert", "fullDocument.p": { "$gte": first, "$lt": end } },
            { "operationType": { "$in": ends.as_slice() } },
        ] } },
        doc! { "$project": { "operationType": 1, "fullDocument": 1 } },
    ]
}

/// What shows nothing, so that a stream's first answer is empty and has a token.
fn nothing() -> [Document; 2] {
    [doc! { "$match": { "operationType": "none" } }, doc! { "$project": { "operationType": 1 } }]
}

/// The token a stream has got to.
fn reached(stream: &ChangeStream<RawDocumentBuf>) -> Result<Place, SourceError> {
    let Some(token) = stream.resume_token() else {
        tracing::warn!("the server does not say how far its change stream has got");
        return Err(SourceError::Unavailable);
    };
    let token = match serialize_to_bson(&token) {
        Ok(Bson::Document(token)) => RawDocumentBuf::try_from(token).ok(),
        _ => None,
    };
    place::of_token(&token.ok_or(SourceError::Unavailable)?)
}

#[async_trait]
impl FrameSource for ChangeStreamSource {
    fn kind(&self) -> SourceKind {
        SourceKind::ChangeStream
    }

    /// The token of a stream that is started now. Beside the server's present time it has the advantage that servers
    /// promise to go on from it, whatever runs in between.
    async fn now(&self) -> Result<Place, SourceError> {
        let place = reached(&self.watch(nothing(), None).await?)?;
        self.settle(&place::token(&place)?).await?;
        Ok(place)
    }

    async fn open(&self, buckets: BucketRange, from: &Place) -> Result<SourceStream, SourceError> {
        let token = place::token(from)?;
        if let Some(time) = token.time {
            // The server would wait in silence until its clock has come so far, and then show what comes later.
            let hello = server::hello(&self.database, self.options.patience).await?;
            let newest = hello.time.map(place::number);
            if newest.is_some_and(|newest| place::number(time) > newest.saturating_add(1)) {
                tracing::warn!("a place lies in the future of the database");
                return Err(SourceError::Lost);
            }
        }
        let token = deserialize_from_bson(Bson::Document(token.document)).map_err(|_| SourceError::Lost)?;
        let stream = self.watch(pipeline(buckets), Some(token)).await?;
        let SourceOptions { wait, patience, .. } = self.options;
        let reader = Reader { stream, at: None, longest: wait.saturating_add(patience) };
        let steps = stream::unfold(Some(reader), async |reader| {
            let mut reader = reader?;
            match reader.step().await {
                Ok(step) => Some((Ok(step), Some(reader))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(steps.boxed())
    }
}

/// One open stream. The driver holds one answer of the server; nothing is asked for while the reader is busy.
struct Reader {
    stream: ChangeStream<RawDocumentBuf>,
    at: Option<Place>,
    longest: Duration,
}

impl Reader {
    async fn step(&mut self) -> Result<Sourced, SourceError> {
        // The first step tells where the stream stands, so that its reader knows that it is heard.
        if self.at.is_none() {
            let after = reached(&self.stream)?;
            return Ok(self.arrive(after, SourceItem::Idle));
        }
        loop {
            let asked = Instant::now();
            // At most one question to the server; after a broken connection the driver asks the next one by itself.
            match timeout(self.longest, self.stream.next_if_any()).await {
                Ok(Ok(Some(event))) => {
                    let (after, item) = shown(&event)?;
                    return Ok(self.arrive(after, item));
                }
                Ok(Ok(None)) if !self.stream.is_alive() => {
                    tracing::warn!("the server has closed the change stream");
                    return Err(SourceError::Unavailable);
                }
                Ok(Ok(None)) => {
                    let after = reached(&self.stream)?;
                    if self.at.as_ref() != Some(&after) {
                        return Ok(self.arrive(after, SourceItem::Idle));
                    }
                    sleep_until(asked + PACE).await;
                }
                Ok(Err(error)) => return Err(failure::of(&error)),
                Err(_) => {
                    tracing::warn!(longest = ?self.longest, "the database does not answer");
                    return Err(SourceError::Unavailable);
                }
            }
        }
    }

    fn arrive(&mut self, after: Place, item: SourceItem) -> Sourced {
        self.at = Some(after.clone());
        Sourced { after, item }
    }
}

/// What an event shows, and the place after it.
fn shown(event: &RawDocument) -> Result<(Place, SourceItem), SourceError> {
    let token = event.get_document("_id").map_err(|_| SourceError::Unavailable)?;
    let operation = event.get_str("operationType").unwrap_or_default();
    if operation != "insert" {
        tracing::error!(operation, "the collection of the log has ended");
        return Err(SourceError::Lost);
    }
    let item = match event.get_document("fullDocument") {
        Ok(document) => super::item(document),
        Err(_) => SourceItem::Poison { id: "unknown".to_owned(), reason: "the change has no document" },
    };
    Ok((place::of_token(token)?, item))
}
