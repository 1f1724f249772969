//! The source of a standalone server, which has no change streams: it is asked again and again.
//!
//! The server writes its time into every record it takes, in the field `n`, and an index over it gives the records
//! since a time. Three things keep that from being as good as a change stream, and each has an answer here.
//!
//! - **A time is given before the record can be seen**, so that of two records the later may be seen first. A reader
//!   has two marks: up to `high` it has been shown what was there, up to `low` nothing can come any more. What lies
//!   between them is looked through again ([`Reader::sweep`]), and records shown since the stream was opened are
//!   remembered, so that only late ones are shown then. `low` follows the server's time at a distance of
//!   [`overlap`](SourceOptions::overlap).
//! - **What can be seen may still be lost** if the server crashes before its journal is written. Before records are
//!   shown, a small write waits for the journal ([`PollingSource::tick`]); it also brings the server's time.
//! - **The clock of a server that starts again may have gone back**, and what it writes then lies before the marks. A
//!   place names the run of the server and is lost with it, see [`process`](server::process); the log is looked
//!   through by positions then. Within one run the times only grow.

mod reader;
mod shown;

use async_trait::async_trait;
use frame_log::{BucketRange, FrameSource, Place, SourceError, SourceKind, SourceStream};
use futures_util::{StreamExt as _, stream};
use mongodb::{
    Collection, Database,
    bson::{Document, RawDocumentBuf, doc},
    options::{Acknowledgment, ReturnDocument, WriteConcern},
};

use self::reader::Reader;
use super::{
    SourceOptions, failure,
    place::{Marks, number},
    server::{self, Process},
};

/// Where the server's time is asked for.
const CLOCK: &str = "source_clock";

/// Asks for the records of a collection since a time.
#[derive(Debug, Clone)]
pub(super) struct PollingSource {
    database: Database,
    frames: Collection<RawDocumentBuf>,
    clock: Collection<Document>,
    options: SourceOptions,
}

impl PollingSource {
    /// Follows `frames`, a collection of `database`.
    pub(super) fn new(
        database: Database,
        frames: Collection<RawDocumentBuf>,
        options: SourceOptions,
    ) -> Self {
        let clock = database.collection(CLOCK);
        Self { database, frames, clock, options }
    }

    /// The server's time, greater than that of every record it has taken so far, once its journal is written.
    async fn tick(&self) -> Result<u64, SourceError> {
        let journaled = WriteConcern::builder().w(Acknowledgment::Nodes(1)).journal(true).build();
        let asked = self
            .clock
            .find_one_and_update(
                doc! { "_id": "now" },
                doc! { "$currentDate": { "n": { "$type": "timestamp" } } },
            )
            .upsert(true)
            .return_document(ReturnDocument::After)
            .write_concern(journaled);
        let answer = failure::within(self.options.patience, asked).await?;
        let time = answer.and_then(|answer| answer.get_timestamp("n").ok());
        time.map(number).ok_or_else(|| {
            tracing::warn!("the server does not tell its time");
            SourceError::Unavailable
        })
    }

    /// Which run of the server answers.
    async fn process(&self) -> Result<Process, SourceError> {
        server::process(&self.database, self.options.patience).await
    }

    /// The server's time `overlap` before `time`.
    fn settled(&self, time: u64) -> u64 {
        time.saturating_sub(self.options.overlap.as_secs() << 32)
    }

    /// The run of the server, and its time in it.
    async fn present(&self) -> Result<(Process, u64), SourceError> {
        let process = self.process().await?;
        let time = self.tick().await?;
        // It may have been started again between the two questions.
        if self.process().await? == process { Ok((process, time)) } else { Err(SourceError::Unavailable) }
    }
}

#[async_trait]
impl FrameSource for PollingSource {
    fn kind(&self) -> SourceKind {
        SourceKind::Polling
    }

    async fn now(&self) -> Result<Place, SourceError> {
        let (process, high) = self.present().await?;
        Marks { process, low: self.settled(high), high }.place()
    }

    async fn open(&self, buckets: BucketRange, from: &Place) -> Result<SourceStream, SourceError> {
        let marks = Marks::of(from)?;
        let (process, time) = self.present().await?;
        if process != marks.process || marks.high > time {
            tracing::warn!("the server was started again since the place was given");
            return Err(SourceError::Lost);
        }
        let reader = Reader::new(self.clone(), buckets, marks);
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
