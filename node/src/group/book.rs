//! What a node knows of a group: the fold state and the little that reading rights need besides.

use std::sync::Arc;

use bytes::Bytes;
use frame_log::{StoredRecord, UnixMillis};
use getrandom::{SysRng, rand_core::UnwrapErr};
use group_state::{Accepted, GroupState, Proposed, SnapshotError};
use proofs::VerifyingKeys;
use prost::Message;
use protocol::{Frame, LeafId, LogHash, Refusal, Seq, Slot, UnixSeconds, VerifyingKey};
use thiserror::Error;

/// Removed leaves a node remembers per group; the oldest are forgotten first.
const MAX_REMOVED: usize = 1_024;
/// Version of the snapshot's byte form.
const VERSION: u32 = 1;

/// A leaf that lost its rights, and the frame that took them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RemovedLeaf {
    pub(crate) leaf_id: LeafId,
    pub(crate) slot: Slot,
    pub(crate) sig: VerifyingKey,
    /// Position of the marking frame.
    pub(crate) seq: Seq,
}

/// Where the current epoch began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochStart {
    /// Position of the operation that began it.
    pub(crate) seq: Seq,
    /// `log_s` at that position.
    pub(crate) log: LogHash,
    /// When it was stored.
    pub(crate) at: UnixMillis,
}

/// A group at one position of its log. Cloning is cheap: tree and list of removed leaves are shared.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    pub(crate) state: GroupState,
    pub(crate) began: EpochStart,
    /// Newest last.
    pub(crate) removed: Arc<Vec<RemovedLeaf>>,
    /// From here on every operation is kept; what is before it cannot be folded any more.
    pub(crate) horizon: Seq,
}

/// A stored log that does not fold: the group cannot be served until somebody has looked into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Broken {
    /// An operation the fold needs has been pruned.
    #[error("an operation that is still needed is gone")]
    Missing,
    /// A stored operation breaks a rule.
    #[error("a stored operation is refused: {0}")]
    Refused(Refusal),
    /// Positions with a gap, or one past the last number there is.
    #[error("the log's positions are not consecutive")]
    Order,
}

/// Bytes that are no snapshot of a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum BookError {
    #[error("the snapshot is malformed")]
    Malformed,
    #[error("snapshot version {0} is not supported")]
    Version(u32),
    #[error(transparent)]
    State(#[from] SnapshotError),
}

impl Book {
    /// The book of a group that has just been founded.
    pub(crate) fn founded(accepted: Accepted, at: UnixMillis) -> Self {
        let state = accepted.state;
        let began = EpochStart { seq: state.seq(), log: state.log(), at };
        Self { state, began, removed: Arc::default(), horizon: Seq::ZERO }
    }

    /// The book after an operation.
    pub(crate) fn after_operation(&self, accepted: Accepted, at: UnixMillis) -> Self {
        let Accepted { state, effects } = accepted;
        let began = EpochStart { seq: state.seq(), log: state.log(), at };
        let mut removed = Arc::clone(&self.removed);
        if !effects.removed.is_empty() {
            let list = Arc::make_mut(&mut removed);
            list.extend(effects.removed.iter().map(|leaf| RemovedLeaf {
                leaf_id: leaf.leaf_id,
                slot: leaf.slot,
                sig: leaf.sig,
                seq: state.seq(),
            }));
            list.drain(..list.len().saturating_sub(MAX_REMOVED));
        }
        Self { state, began, removed, horizon: self.horizon }
    }

    /// The book after a message, whose state is `state`.
    pub(crate) fn after_message(&self, state: GroupState) -> Self {
        Self { state, ..self.clone() }
    }

    /// Folds stored records. A message moves the position and the log's hash and nothing else, whatever it contains.
    ///
    /// # Errors
    /// [`Broken`] at the first operation the fold refuses.
    pub(crate) fn fold(
        start: Option<Self>,
        records: &[StoredRecord],
        keys: &VerifyingKeys,
    ) -> Result<Option<Self>, Broken> {
        records.iter().try_fold(start, |book, record| Self::fold_one(book.as_ref(), record, keys).map(Some))
    }

    fn fold_one(book: Option<&Self>, record: &StoredRecord, keys: &VerifyingKeys) -> Result<Self, Broken> {
        let expected = book.map_or(Some(Seq::ZERO), |book| book.state.seq().next());
        if expected != Some(record.seq) {
            return Err(Broken::Order);
        }
        let frame = || {
            let bytes = record.frame.as_ref().ok_or(Broken::Missing)?;
            Frame::decode(bytes).map_err(Broken::Refused)
        };
        match book {
            None => {
                let accepted =
                    GroupState::create(&frame()?, keys).and_then(|proposed| verified(proposed, keys));
                Ok(Self::founded(accepted.map_err(Broken::Refused)?, record.received_at))
            }
            Some(book) if record.is_operation => {
                let accepted =
                    book.state.apply(&frame()?, keys).and_then(|proposed| verified(proposed, keys));
                Ok(book.after_operation(accepted.map_err(Broken::Refused)?, record.received_at))
            }
            Some(book) => {
                book.state.pass_over_message(&record.th).map(|s| book.after_message(s)).ok_or(Broken::Order)
            }
        }
    }

    /// The state right after the operation that began the current epoch: what an anchor of this epoch names.
    ///
    /// Messages since then have changed nothing but position and log hash, which are put back.
    pub(crate) fn epoch_state(&self) -> Result<GroupState, SnapshotError> {
        if self.state.seq() == self.began.seq {
            return Ok(self.state.clone());
        }
        GroupState::from_served(&self.state.to_bytes(), &self.state.ctx(), self.began.seq, self.began.log)
    }

    /// When the current epoch began, by the clock of the node that took its operation.
    pub(crate) const fn epoch_since(&self) -> UnixSeconds {
        UnixSeconds::new(self.began.at.get() / 1_000)
    }

    /// Where operations are kept from, if stored records show that some are gone which this book promises: another node
    /// has pruned them since.
    pub(crate) fn horizon_shown_by(&self, records: &[StoredRecord]) -> Option<Seq> {
        let gone = |record: &&StoredRecord| record.is_operation && record.frame.is_none();
        let last = records.iter().rev().find(gone)?.seq;
        if last >= self.horizon { last.next() } else { None }
    }

    /// The removed leaf of this name, if it is remembered.
    pub(crate) fn removed_leaf(&self, slot: Slot, leaf_id: LeafId) -> Option<&RemovedLeaf> {
        self.removed.iter().rev().find(|leaf| leaf.leaf_id == leaf_id && leaf.slot == slot)
    }

    /// The book as a snapshot.
    pub(crate) fn to_bytes(&self) -> Bytes {
        WireBook {
            version: VERSION,
            state: self.state.to_bytes(),
            began_seq: self.began.seq.get(),
            began_log: self.began.log.as_bytes().to_vec(),
            began_at: self.began.at.get(),
            removed: self
                .removed
                .iter()
                .map(|leaf| WireRemoved {
                    leaf_id: leaf.leaf_id.get(),
                    slot: leaf.slot.get(),
                    sig: leaf.sig.as_bytes().to_vec(),
                    seq: leaf.seq.get(),
                })
                .collect(),
            horizon: self.horizon.get(),
        }
        .encode_to_vec()
        .into()
    }

    /// The horizon that bytes of [`Self::to_bytes`] name, without looking at the rest.
    pub(crate) fn horizon_of(bytes: &[u8]) -> Option<Seq> {
        let wire = WireBook::decode(bytes).ok().filter(|wire| wire.version == VERSION)?;
        Some(Seq::new(wire.horizon))
    }

    /// Reads [`Self::to_bytes`]. Costs a subgroup check for every point of the tree.
    ///
    /// # Errors
    /// [`BookError`].
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, BookError> {
        let wire = WireBook::decode(bytes).map_err(|_| BookError::Malformed)?;
        if wire.version != VERSION {
            return Err(BookError::Version(wire.version));
        }
        let removed = wire.removed.iter().map(|leaf| {
            Ok(RemovedLeaf {
                leaf_id: LeafId::new(leaf.leaf_id),
                slot: Slot::new(leaf.slot),
                sig: VerifyingKey::from_slice(&leaf.sig).map_err(|_| BookError::Malformed)?,
                seq: Seq::new(leaf.seq),
            })
        });
        Ok(Self {
            state: GroupState::from_bytes(&wire.state)?,
            began: EpochStart {
                seq: Seq::new(wire.began_seq),
                log: LogHash::from_slice(&wire.began_log).map_err(|_| BookError::Malformed)?,
                at: UnixMillis::new(wire.began_at),
            },
            removed: Arc::new(removed.collect::<Result<_, BookError>>()?),
            horizon: Seq::new(wire.horizon),
        })
    }
}

/// Checks all proofs of one stored frame together: one of 64 invitations has as many.
fn verified(proposed: Proposed, keys: &VerifyingKeys) -> Result<Accepted, Refusal> {
    let mut rng = UnwrapErr(SysRng);
    group_state::verify_batch(vec![proposed], keys, &mut rng).pop().unwrap_or(Err(Refusal::BadProof))
}

#[derive(Clone, PartialEq, Message)]
struct WireBook {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(bytes = "vec", tag = "2")]
    state: Vec<u8>,
    #[prost(uint64, tag = "3")]
    began_seq: u64,
    #[prost(bytes = "vec", tag = "4")]
    began_log: Vec<u8>,
    #[prost(uint64, tag = "5")]
    began_at: u64,
    #[prost(message, repeated, tag = "6")]
    removed: Vec<WireRemoved>,
    #[prost(uint64, tag = "7")]
    horizon: u64,
}

#[derive(Clone, PartialEq, Message)]
struct WireRemoved {
    #[prost(uint64, tag = "1")]
    leaf_id: u64,
    #[prost(uint32, tag = "2")]
    slot: u32,
    #[prost(bytes = "vec", tag = "3")]
    sig: Vec<u8>,
    #[prost(uint64, tag = "4")]
    seq: u64,
}
