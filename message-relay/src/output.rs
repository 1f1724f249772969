//! What is made of a record, and where it goes: the seam between following a log and filling a stream.
//!
//! The relay itself knows sequences, places and ids. An [`Output`] knows subjects, headers and payloads, and can read back
//! from a message of its own which record that was. Each output fills streams of its own, one per partition, with a
//! leader, a cursor and a pace of its own: one that lags or fails does not hold up another.

mod centrifugo;
mod frames;

use std::{fmt::Debug, time::Duration};

use async_nats::{HeaderMap, jetstream::stream::Stream};
use async_trait::async_trait;
use bytes::Bytes;
use frame_feed_nats::{
    Connection, FrameMessage, Names,
    streams::{self, StreamError, StreamSettings},
};
use frame_log::{LogLife, Partition, Place};
use protocol::{GroupId, Seq};
use thiserror::Error;

pub use centrifugo::{Centrifugo, CentrifugoSettings, LARGEST_FRAME};
pub use frames::Frames;

/// A message to be published. The relay adds its id and the sequences it expects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// Where to; a subject of the output's stream of the group's partition.
    pub subject: String,
    /// Headers; from them and the payload [`Output::read`] must be able to tell the record.
    pub headers: HeaderMap,
    /// Payload.
    pub payload: Bytes,
}

impl Outgoing {
    /// What it takes in memory and on the wire, in bytes, roughly.
    #[must_use]
    pub fn size(&self) -> usize {
        let headers = self.headers.iter().flat_map(|(name, values)| {
            values.iter().map(move |value| name.to_string().len() + value.as_str().len() + 4)
        });
        self.subject.len() + self.payload.len() + headers.sum::<usize>()
    }
}

/// Which record a message of the output's stream carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Published {
    /// The life of the log it belongs to.
    pub life: LogLife,
    /// Whose record.
    pub group: GroupId,
    /// Its position.
    pub seq: Seq,
    /// The source's place after it; missing where it was not known.
    pub place: Option<Place>,
}

impl From<FrameMessage> for Published {
    fn from(read: FrameMessage) -> Self {
        Self { life: read.life, group: read.group, seq: read.record.seq, place: read.place }
    }
}

/// A record of which no message can be made. It is parked, and later ones go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no message can be made of the record: {0}")]
pub struct Unfit(pub &'static str);

/// A format, and the streams it is kept in.
#[async_trait]
pub trait Output: Debug + Send + Sync + 'static {
    /// A word for keys, logs and people: letters and digits, never changed.
    fn name(&self) -> &'static str;

    /// The stream of a partition.
    fn stream(&self, partition: Partition) -> String;

    /// Under which subject a group's messages are kept: one of its own, so that the last one can be asked for.
    fn subject(&self, group: &GroupId) -> String;

    /// How long streams keep messages; nothing older is filled in.
    fn max_age(&self) -> Duration;

    /// Makes the stream of a partition if it is not there.
    ///
    /// # Errors
    /// [`StreamError`].
    async fn ensure(&self, connection: &Connection, partition: Partition) -> Result<Stream, StreamError>;

    /// The message of a record. `message.place` is the place to be read back later.
    ///
    /// # Errors
    /// [`Unfit`] for a record that this format cannot carry.
    fn write(&self, message: &FrameMessage) -> Result<Outgoing, Unfit>;

    /// Which record a message carries that was found in the stream, `None` if it was not made by [`Self::write`] for
    /// this log.
    fn read(&self, subject: &str, headers: &HeaderMap, payload: Bytes) -> Option<Published>;
}

/// Makes a stream named as those of nodes are, if it is not there.
async fn ensure(
    connection: &Connection,
    names: &Names,
    partition: Partition,
    settings: &StreamSettings,
) -> Result<Stream, StreamError> {
    let (stream, _) =
        streams::ensure(connection.client(), &connection.jetstream(), names, partition, settings).await?;
    Ok(stream)
}
