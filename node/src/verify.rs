//! Work that keeps a core busy, away from the threads that serve sockets.
//!
//! A frame comes through here twice. Decoding it and folding it onto its group's state is bounded work done frame by
//! frame, in the two queues of a [`Pool`]. Its proofs cost the most, and are cheaper checked together with those of
//! other frames: a [`Verifier`] makes batches of what waits, over all groups, and sees that nobody's share depends on
//! how much they send. The book's page on verification says who can flood what.

mod fair_queue;
mod lanes;
mod pace;
mod scheduler;
mod service;
mod suspects;

use protocol::GroupId;
use service_kit::http::Peer;

pub(crate) use lanes::{Lane, Pool};
pub(crate) use scheduler::Bounds;
pub(crate) use service::Verifier;

/// On whose account a frame's proofs are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Flow {
    /// A group, whose members have signed the frame.
    Group(GroupId),
    /// Whoever founds a group, by address. The group's id would say nothing: its founder chooses it.
    Founder(Peer),
}
