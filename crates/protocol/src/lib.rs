//! The bytes of the protocol: ids, frames, digests, signatures, canonical encoding.
//!
//! Everything that is hashed, signed, stored or sent has its form here, and nowhere else. This crate knows no I/O,
//! no clock and no global randomness, and it knows nothing of trees, groups or plaintext: it turns received bytes
//! into checked types and checked types into the one byte string they may have.
//!
//! Start with [`frame::Frame`] (what travels), [`head::Head`] (what an operation says) and [`digest`] (what is
//! signed). Limits are named in [`limits`].

pub mod body;
pub mod digest;
pub mod frame;
pub mod head;
pub mod ids;
pub mod key;
pub mod limits;
pub mod receipt;
pub mod refusal;
mod wire;

pub use frame::{Authorization, Frame, ServedFrame};
pub use head::{Head, Kind};
pub use ids::{
    AdminCommitment, AdminRoot, Ctx, Epoch, FrameDigest, FrameHash, FrameId, GroupId, LeafId, LogHash,
    OpDigest, ParamsHash, PolicyHash, RecoveryHash, SealedHash, Seq, Slot, Suite, Transcript, TreeHash,
    UnixSeconds,
};
pub use key::{SignatureBytes, SigningKey, VerifyingKey};
pub use receipt::Receipt;
pub use refusal::Refusal;
