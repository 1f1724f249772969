//! The frames themselves, as nodes listen for them.

use std::time::Duration;

use async_nats::{HeaderMap, jetstream::stream::Stream};
use async_trait::async_trait;
use bytes::Bytes;
use frame_feed_nats::{
    Connection, FeedKey, FrameMessage, Names,
    streams::{StreamError, StreamSettings},
};
use frame_log::Partition;
use protocol::GroupId;

use super::{Outgoing, Output, Published, Unfit};

/// Frames on `<prefix>.frames.<partition>.<group>`, see [`frame_feed_nats`].
#[derive(Debug)]
pub struct Frames {
    names: Names,
    key: FeedKey,
    settings: StreamSettings,
}

impl Frames {
    /// Frames under these names, in code under this key, in streams with these limits.
    #[must_use]
    pub const fn new(names: Names, key: FeedKey, settings: StreamSettings) -> Self {
        Self { names, key, settings }
    }
}

#[async_trait]
impl Output for Frames {
    fn name(&self) -> &'static str {
        "frames"
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
        Ok(Outgoing {
            subject: self.subject(&message.group),
            headers: message.headers(&self.key),
            payload: message.payload(),
        })
    }

    fn read(&self, subject: &str, headers: &HeaderMap, payload: Bytes) -> Option<Published> {
        let read = FrameMessage::decode(&self.names, &self.key, subject, Some(headers), payload).ok()?;
        Some(read.into())
    }
}
