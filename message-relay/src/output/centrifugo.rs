//! Frames as publications of a Centrifugo server, for sites that have one.
//!
//! Centrifugo reads these streams itself, with its consumer for `JetStream` in publication data mode: the payload is what
//! clients get, and headers say where it belongs.
//!
//! | header | value |
//! |---|---|
//! | `centrifugo-channels` | `<namespace>:<group>`, the channel whose tokens the node gives to members |
//! | `centrifugo-idempotency-key` | `<life>:<group>:<seq>`, so that a repetition within minutes is published once |
//! | `Kith-…` | as in [`frame_feed_nats`], over the frame that is carried |
//!
//! The payload is JSON, because that is what the clients of Centrifugo read unless told otherwise: `id`
//! (`<life>-<seq>`, as in the node's own event stream), `seq`, `received_at_ms`, and `frame`: the frame's bytes in
//! base64, or `null` for one that has been pruned or is longer than [`LARGEST_FRAME`].

use std::time::Duration;

use async_nats::{HeaderMap, jetstream::stream::Stream};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use frame_feed_nats::{
    BadPrefix, Connection, FeedKey, FrameMessage, Names,
    streams::{StreamError, StreamSettings},
};
use frame_log::{Partition, StoredRecord};
use protocol::GroupId;
use serde::{Deserialize, Serialize};
use service_kit::config::Problems;

use super::{Outgoing, Output, Published, Unfit};

/// Longest frame that is carried, in bytes. Every message is far below; of a longer frame, which only an operation can
/// have, the channel says that it is there.
pub const LARGEST_FRAME: usize = 128 * 1024;

const H_CHANNELS: &str = "centrifugo-channels";
const H_IDEMPOTENCY_KEY: &str = "centrifugo-idempotency-key";

/// Whether and how frames are made ready for a Centrifugo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CentrifugoSettings {
    /// Whether they are.
    pub enabled: bool,
    /// Namespace of groups' channels, as in the settings of the nodes.
    pub namespace: String,
}

impl Default for CentrifugoSettings {
    fn default() -> Self {
        Self { enabled: false, namespace: "kith".to_owned() }
    }
}

impl CentrifugoSettings {
    /// Reports everything that is wrong with the values; `section` is where they are among the settings.
    pub fn check(&self, section: &str, problems: &mut Problems) {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        problems.require(
            (2..=32).contains(&self.namespace.len()) && self.namespace.bytes().all(plain),
            &format!("{section}.namespace"),
            "must have 2 to 32 letters, digits, dashes, underscores and dots",
        );
    }
}

/// What a client gets.
#[derive(Serialize, Deserialize)]
struct Publication {
    id: String,
    seq: u64,
    received_at_ms: u64,
    frame: Option<String>,
}

/// Publications on `<prefix>-centrifugo.frames.<partition>.<group>`, kept in `<prefix>-centrifugo-frames-<partition>`.
#[derive(Debug)]
pub struct Centrifugo {
    names: Names,
    namespace: String,
    key: FeedKey,
    settings: StreamSettings,
}

impl Centrifugo {
    /// Publications in streams beside those of `names`, in code under `key`, with these limits.
    ///
    /// # Errors
    /// [`BadPrefix`] if the prefix of `names` has more than 21 bytes, which leave no room for what is added.
    pub fn new(
        names: &Names,
        settings: &CentrifugoSettings,
        key: FeedKey,
        streams: StreamSettings,
    ) -> Result<Self, BadPrefix> {
        let prefix = format!("{}-centrifugo", names.prefix()).parse()?;
        let names = Names::new(prefix, names.partitions());
        Ok(Self { names, namespace: settings.namespace.clone(), key, settings: streams })
    }

    /// Where publications of all groups of a partition are: what Centrifugo's consumer is told to read.
    #[must_use]
    pub fn subjects(&self, partition: Partition) -> String {
        self.names.wildcard(partition)
    }
}

/// The message as far as it is carried.
fn carried(message: &FrameMessage) -> FrameMessage {
    let record = &message.record;
    let frame = record.frame.clone().filter(|frame| frame.len() <= LARGEST_FRAME);
    FrameMessage { record: StoredRecord { frame, ..record.clone() }, ..message.clone() }
}

#[async_trait]
impl Output for Centrifugo {
    fn name(&self) -> &'static str {
        "centrifugo"
    }

    fn stream(&self, partition: Partition) -> String {
        self.names.stream(partition)
    }

    fn subject(&self, group: &GroupId) -> String {
        self.names.subject(group)
    }

    fn max_age(&self) -> Duration {
        self.settings.max_age.get()
    }

    async fn ensure(&self, connection: &Connection, partition: Partition) -> Result<Stream, StreamError> {
        super::ensure(connection, &self.names, partition, &self.settings).await
    }

    fn write(&self, message: &FrameMessage) -> Result<Outgoing, Unfit> {
        let message = carried(message);
        let record = &message.record;
        let publication = Publication {
            id: format!("{}-{}", message.life.get(), record.seq),
            seq: record.seq.get(),
            received_at_ms: record.received_at.get(),
            frame: record.frame.as_ref().map(|frame| STANDARD.encode(frame)),
        };
        let payload = serde_json::to_vec(&publication).map_err(|_| Unfit("it cannot be written as JSON"))?;
        let mut headers = message.headers(&self.key);
        headers.insert(H_CHANNELS, format!("{}:{}", self.namespace, message.group));
        headers.insert(H_IDEMPOTENCY_KEY, message.message_id());
        Ok(Outgoing { subject: self.subject(&message.group), headers, payload: payload.into() })
    }

    fn read(&self, subject: &str, headers: &HeaderMap, payload: Bytes) -> Option<Published> {
        let publication: Publication = serde_json::from_slice(&payload).ok()?;
        let frame = publication.frame.map(|frame| STANDARD.decode(frame)).transpose().ok()?;
        let frame = Bytes::from(frame.unwrap_or_default());
        let read = FrameMessage::decode(&self.names, &self.key, subject, Some(headers), frame).ok()?;
        Some(read.into())
    }
}
