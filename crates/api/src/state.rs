//! The state of a group at an epoch, for those who join or come back.

use core::fmt;

use protocol::{Epoch, LogHash, Seq};
use serde::{Deserialize, Serialize};

use crate::{BodyError, frames::StreamEpoch, wire};

/// An encoded snapshot of the fold state. It proves nothing by itself: it must hash to the ctx of the reader's anchor.
#[derive(Clone, PartialEq, Eq)]
pub struct StateSnapshot(Vec<u8>);

impl StateSnapshot {
    /// Wraps encoded bytes.
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
}

impl fmt::Debug for StateSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateSnapshot({} bytes)", self.0.len())
    }
}

/// Answer of `GET …/tree`: a state and the position in the log it stands at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "wire::StateAnswer", try_from = "wire::StateAnswer")]
pub struct StateAnswer {
    /// The snapshot.
    pub state: StateSnapshot,
    /// Its epoch.
    pub epoch: Epoch,
    /// Position of the operation that made it, which is the last frame folded into it.
    pub seq: Seq,
    /// `log_s` at that position.
    pub log: LogHash,
    /// The life of the log this position belongs to.
    pub stream_epoch: StreamEpoch,
}

impl From<StateAnswer> for wire::StateAnswer {
    fn from(answer: StateAnswer) -> Self {
        Self {
            state: answer.state.into_bytes(),
            epoch: answer.epoch.get(),
            seq: answer.seq.get(),
            log: answer.log.as_bytes().to_vec(),
            stream_epoch: answer.stream_epoch.get(),
        }
    }
}

impl TryFrom<wire::StateAnswer> for StateAnswer {
    type Error = BodyError;

    fn try_from(answer: wire::StateAnswer) -> Result<Self, BodyError> {
        Ok(Self {
            state: StateSnapshot(answer.state),
            epoch: Epoch::new(answer.epoch),
            seq: Seq::new(answer.seq),
            log: LogHash::from_slice(&answer.log).map_err(|_| BodyError::Field("log"))?,
            stream_epoch: StreamEpoch::new(answer.stream_epoch),
        })
    }
}
