//! Events of a group's stream (the WHATWG standard on server-sent events).
//!
//! A stream begins with [`Event::Open`] and then carries every frame from the promised position on, in order, without
//! gaps, each once; or it begins and ends with [`Event::Reset`], when that cannot be promised. It never carries part
//! of a gap. [`Event::Problem`] is the last event of a stream the node ends; the reader connects again with the id of
//! the last frame it applied.

use base64::{Engine, engine::general_purpose::STANDARD};
use protocol::Seq;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    ErrorCode, Problem,
    frames::{EventId, ServedFrameBytes, StreamEpoch},
};

/// A comment, sent when nothing else was for [`HEARTBEAT_SECONDS`].
pub const HEARTBEAT: &str = ":\n\n";
/// Longest silence of a stream, in seconds. A reader that hears nothing for three times as long connects again.
pub const HEARTBEAT_SECONDS: u32 = 15;
/// What the `retry` field tells a reader to wait before it connects again, in milliseconds.
pub const RETRY_MS: u32 = 1000;

/// Bytes that are not an event of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EventError {
    /// A name this version does not know; to be skipped.
    #[error("the event's name is not known")]
    UnknownName,
    /// An id or data that is not what the name promises.
    #[error("the event is malformed")]
    Malformed,
}

/// Why a stream cannot go on from where it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetReason {
    /// The position lies before the oldest one kept.
    HistoryGap,
    /// The log was restored from a backup, or the position was never given.
    Restored,
}

/// Where a log begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "RawExtent", from = "RawExtent")]
pub struct Extent {
    /// The life of the log.
    pub stream_epoch: StreamEpoch,
    /// Position of the newest frame.
    pub head: Seq,
    /// Oldest position kept.
    pub horizon: Seq,
}

#[derive(Serialize, Deserialize)]
struct RawExtent {
    stream_epoch: u64,
    head: u64,
    horizon: u64,
}

impl From<Extent> for RawExtent {
    fn from(extent: Extent) -> Self {
        Self {
            stream_epoch: extent.stream_epoch.get(),
            head: extent.head.get(),
            horizon: extent.horizon.get(),
        }
    }
}

impl From<RawExtent> for Extent {
    fn from(raw: RawExtent) -> Self {
        Self {
            stream_epoch: StreamEpoch::new(raw.stream_epoch),
            head: Seq::new(raw.head),
            horizon: Seq::new(raw.horizon),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct OpenData {
    #[serde(flatten)]
    extent: Extent,
    next: u64,
}

#[derive(Serialize, Deserialize)]
struct ResetData {
    reason: ResetReason,
    #[serde(flatten)]
    extent: Extent,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// First event of a stream that delivers all frames from `next` on.
    Open {
        /// Where the log begins and ends.
        extent: Extent,
        /// Position of the first frame that will come.
        next: Seq,
    },
    /// A frame.
    Frame {
        /// Its position, which is also the event's id.
        id: EventId,
        /// The frame.
        frame: ServedFrameBytes,
    },
    /// Only event of a stream that cannot go on from the position asked for.
    Reset {
        /// Why.
        reason: ResetReason,
        /// Where the log begins and ends.
        extent: Extent,
    },
    /// Last event of a stream that the node ends.
    Problem(Problem),
}

impl Event {
    /// The event's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Frame { .. } => "frame",
            Self::Reset { .. } => "reset",
            Self::Problem(_) => "problem",
        }
    }

    fn data(&self) -> String {
        // Serialising these to memory cannot fail: no maps with keys that are not text.
        match self {
            Self::Open { extent, next } => {
                serde_json::to_string(&OpenData { extent: *extent, next: next.get() }).unwrap_or_default()
            }
            Self::Frame { frame, .. } => STANDARD.encode(frame.as_bytes()),
            Self::Reset { reason, extent } => {
                serde_json::to_string(&ResetData { reason: *reason, extent: *extent }).unwrap_or_default()
            }
            Self::Problem(problem) => String::from_utf8(problem.to_json()).unwrap_or_default(),
        }
    }

    /// The event as it stands in the stream. Only frames have an id, so that `Last-Event-ID` always names a frame.
    #[must_use]
    pub fn to_text(&self) -> String {
        let data = self.data();
        let mut text = String::with_capacity(data.len() + 64);
        if let Self::Frame { id, .. } = self {
            text.push_str(&format!("id: {id}\n"));
        }
        if matches!(self, Self::Open { .. }) {
            text.push_str(&format!("retry: {RETRY_MS}\n"));
        }
        text.push_str(&format!("event: {}\ndata: {data}\n\n", self.name()));
        text
    }

    /// Reads an event from its parts, as any reader of such streams gives them.
    ///
    /// # Errors
    /// [`EventError::UnknownName`] for an event of a newer version, [`EventError::Malformed`] for one that is wrong.
    pub fn parse(name: &str, id: &str, data: &str) -> Result<Self, EventError> {
        match name {
            "open" => {
                let open: OpenData = serde_json::from_str(data).map_err(|_| EventError::Malformed)?;
                Ok(Self::Open { extent: open.extent, next: Seq::new(open.next) })
            }
            "frame" => {
                let id = id.parse().map_err(|_| EventError::Malformed)?;
                let frame = STANDARD.decode(data).map_err(|_| EventError::Malformed)?;
                Ok(Self::Frame { id, frame: ServedFrameBytes::new(frame) })
            }
            "reset" => {
                let reset: ResetData = serde_json::from_str(data).map_err(|_| EventError::Malformed)?;
                Ok(Self::Reset { reason: reset.reason, extent: reset.extent })
            }
            "problem" => {
                Ok(Self::Problem(Problem::from_response(ErrorCode::Internal.status(), data.as_bytes())))
            }
            _ => Err(EventError::UnknownName),
        }
    }
}
