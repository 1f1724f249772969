//! The event-sourced fold over a group's frames: `(state, frame) -> state or refusal`.
//!
//! The same code runs in the node and in every client, so both reach the same state from the same log. It knows no
//! I/O, clock, randomness or plaintext. [`GroupState::apply`] holds the *fold rules*: from frames and earlier state
//! alone they decide what a stored frame does. [`admission`] holds the rules that only a node applies, before it
//! stores a frame; they are never a reason to refuse what is stored.
//!
//! A frame goes through types: [`GroupState::apply`] gives a [`Proposed`] state, [`Proposed::verify`] checks the
//! proofs and gives the [`Accepted`] one; [`verify_batch`] does so for many frames of any groups. Nothing else makes an
//! `Accepted`, and until it replaces the old state nothing has changed.

pub mod admission;
pub mod author;
mod authorize;
mod effects;
mod fold;
mod operations;
mod proposed;
mod snapshot;
mod state;
#[cfg(feature = "testing")]
mod testing;

pub use effects::{Effects, Removed};
pub use proposed::{Accepted, Proposed, verify_batch};
pub use snapshot::SnapshotError;
pub use state::{GroupState, MessageEpoch};
