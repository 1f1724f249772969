//! Sending frames and paging through them.

use core::{fmt, str::FromStr};

use protocol::{GroupId, LogHash, Receipt, Refusal, Seq, ServedFrame, SignatureBytes, VerifyingKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{BodyError, wire};

/// Body of `POST …/frames`. As protobuf it is the frame's canonical bytes and nothing around them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "wire::PostFrame", from = "wire::PostFrame")]
pub struct PostFrame {
    /// The frame's canonical bytes, undecoded.
    pub frame: Vec<u8>,
}

impl fmt::Debug for PostFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostFrame({} bytes)", self.frame.len())
    }
}

impl From<PostFrame> for wire::PostFrame {
    fn from(body: PostFrame) -> Self {
        Self { frame: body.frame }
    }
}

impl From<wire::PostFrame> for PostFrame {
    fn from(body: wire::PostFrame) -> Self {
        Self { frame: body.frame }
    }
}

/// Answer to an accepted frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "wire::FrameReceipt", try_from = "wire::FrameReceipt")]
pub struct FrameReceipt {
    /// The node's signed word on where the frame stands.
    pub receipt: Receipt,
    /// Whether the same frame had been stored before; the receipt then is for its first copy.
    pub duplicate: bool,
}

impl From<FrameReceipt> for wire::FrameReceipt {
    fn from(answer: FrameReceipt) -> Self {
        let Receipt { node, group, seq, log, received_at_ms, signature } = answer.receipt;
        let receipt = wire::Receipt {
            node: node.as_bytes().to_vec(),
            group: group.as_bytes().to_vec(),
            seq: seq.get(),
            log: log.as_bytes().to_vec(),
            received_at_ms,
            signature: signature.as_bytes().to_vec(),
        };
        Self { receipt: Some(receipt), duplicate: answer.duplicate }
    }
}

impl TryFrom<wire::FrameReceipt> for FrameReceipt {
    type Error = BodyError;

    fn try_from(answer: wire::FrameReceipt) -> Result<Self, BodyError> {
        let receipt = answer.receipt.ok_or(BodyError::Field("receipt"))?;
        Ok(Self {
            receipt: Receipt {
                node: VerifyingKey::from_slice(&receipt.node).map_err(|_| BodyError::Field("node"))?,
                group: GroupId::from_slice(&receipt.group).map_err(|_| BodyError::Field("group"))?,
                seq: Seq::new(receipt.seq),
                log: LogHash::from_slice(&receipt.log).map_err(|_| BodyError::Field("log"))?,
                received_at_ms: receipt.received_at_ms,
                signature: SignatureBytes::from_slice(&receipt.signature)
                    .ok_or(BodyError::Field("signature"))?,
            },
            duplicate: answer.duplicate,
        })
    }
}

/// The encoding of one [`ServedFrame`], as it lies in the log and travels in pages and events.
#[derive(Clone, PartialEq, Eq)]
pub struct ServedFrameBytes(Vec<u8>);

impl ServedFrameBytes {
    /// Wraps encoded bytes; [`Self::decode`] checks them.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Decodes the frame.
    ///
    /// # Errors
    /// What [`ServedFrame::decode`] finds wrong.
    pub fn decode(&self) -> Result<ServedFrame, Refusal> {
        ServedFrame::decode(&self.0)
    }
}

impl From<&ServedFrame> for ServedFrameBytes {
    fn from(frame: &ServedFrame) -> Self {
        Self(frame.encode())
    }
}

impl fmt::Debug for ServedFrameBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServedFrameBytes({} bytes)", self.0.len())
    }
}

/// Which life of a node's log a position belongs to.
///
/// It changes when a log is restored from a backup: positions acknowledged after the backup may then be given again
/// to other frames, so a reader who sees another stream epoch compares log hashes before going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamEpoch(u64);

impl StreamEpoch {
    /// Wraps the number.
    #[must_use]
    pub const fn new(n: u64) -> Self {
        Self(n)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Text that is not `<stream epoch>-<seq>` in decimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an event id")]
pub struct EventIdError;

/// Position of a frame as an event stream names it: `<stream epoch>-<seq>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId {
    /// The life of the log.
    pub stream_epoch: StreamEpoch,
    /// The position.
    pub seq: Seq,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.stream_epoch.get(), self.seq)
    }
}

impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(text: &str) -> Result<Self, EventIdError> {
        // The integer parser takes a sign, an id has none.
        let number = |digits: &str| {
            let plain = digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse().ok().filter(|_| plain).ok_or(EventIdError)
        };
        let (stream_epoch, seq) = text.split_once('-').ok_or(EventIdError)?;
        Ok(Self { stream_epoch: StreamEpoch(number(stream_epoch)?), seq: Seq::new(number(seq)?) })
    }
}

/// Answer of `GET …/frames`: consecutive frames, and where the log begins and ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "wire::FramesPage", from = "wire::FramesPage")]
pub struct FramesPage {
    /// The life of the log these positions belong to.
    pub stream_epoch: StreamEpoch,
    /// Frames in order of position and without gaps, the first at the position asked for; empty at the end.
    pub frames: Vec<ServedFrameBytes>,
    /// The position to ask for next.
    pub next: Seq,
    /// Position of the newest frame.
    pub head: Seq,
    /// Oldest position that is kept.
    pub horizon: Seq,
}

impl From<FramesPage> for wire::FramesPage {
    fn from(page: FramesPage) -> Self {
        Self {
            stream_epoch: page.stream_epoch.get(),
            frames: page.frames.into_iter().map(ServedFrameBytes::into_bytes).collect(),
            next: page.next.get(),
            head: page.head.get(),
            horizon: page.horizon.get(),
        }
    }
}

impl From<wire::FramesPage> for FramesPage {
    fn from(page: wire::FramesPage) -> Self {
        Self {
            stream_epoch: StreamEpoch(page.stream_epoch),
            frames: page.frames.into_iter().map(ServedFrameBytes).collect(),
            next: Seq::new(page.next),
            head: Seq::new(page.head),
            horizon: Seq::new(page.horizon),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_have_one_spelling() {
        let id = EventId { stream_epoch: StreamEpoch::new(7), seq: Seq::new(42) };
        assert_eq!(id.to_string(), "7-42");
        assert_eq!("7-42".parse(), Ok(id));
        for bad in ["", "7", "7-", "-42", "+7-42", "7-+4", "7-4 ", "7-42-1", "18446744073709551616-0"] {
            assert_eq!(bad.parse::<EventId>(), Err(EventIdError), "{bad}");
        }
    }
}
