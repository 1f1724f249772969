//! How others hear of new records: by a change stream where the deployment has them, by polling where it has not.
//!
//! Replica sets and sharded clusters have change streams. A standalone server has none, and is asked again and again
//! instead. Each kind of source begins its places with a byte of its own, so that a place of the one is lost to the
//! other.

mod change_stream;
mod failure;
mod place;
mod polling;
mod server;

use std::{sync::Arc, time::Duration};

use frame_log::{FrameSource, SourceItem};
use mongodb::bson::RawDocument;

use crate::{Deployment, MongoFrameLog, document};

/// How a source asks for news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceOptions {
    /// How long a server waits for a change before it answers that there is none. Places move on at this pace in
    /// silence.
    pub wait: Duration,
    /// How much longer than that an answer may take, including the search for another server after a failover.
    pub patience: Duration,
    /// Most records in one answer, at least 1. An answer has at most 16 MiB besides.
    pub batch: u32,
    /// Between two questions to a standalone server that has news.
    pub poll: Duration,
    /// Between two questions to a standalone server that has had none for a while.
    pub idle_poll: Duration,
    /// How much later than its time of writing says a record may appear on a standalone server, in whole seconds. What
    /// appears later yet is not shown.
    pub overlap: Duration,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(1),
            patience: Duration::from_secs(20),
            batch: 256,
            poll: Duration::from_millis(200),
            idle_poll: Duration::from_secs(1),
            overlap: Duration::from_secs(5),
        }
    }
}

impl MongoFrameLog {
    /// How others hear of the records of this log. Several may; each stream that is opened asks on its own.
    #[must_use]
    pub fn source(&self, options: SourceOptions) -> Arc<dyn FrameSource> {
        let (database, frames) = (self.database().clone(), self.frames().clone());
        match self.deployment() {
            Deployment::Standalone => Arc::new(polling::PollingSource::new(database, frames, options)),
            Deployment::ReplicaSet | Deployment::Sharded => {
                Arc::new(change_stream::ChangeStreamSource::new(database, frames, options))
            }
        }
    }
}

/// What a stored document shows.
fn item(document: &RawDocument) -> SourceItem {
    let bad = match document::decode(document) {
        Ok((group, record)) => return SourceItem::Record { group, record },
        Err(bad) => bad,
    };
    let group = bad.group.map(|group| group.to_string());
    // Enough to find it by, and no more.
    let group = group.as_deref().and_then(|digits| digits.get(..8)).unwrap_or("unknown");
    let id = bad.seq.map_or_else(|| format!("{group}…/?"), |seq| format!("{group}…/{seq}"));
    SourceItem::Poison { id, reason: bad.what }
}
