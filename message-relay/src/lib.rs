//! The relay: every record of a log into NATS `JetStream`, in each group's order, acknowledged.
//!
//! The groups are shared out in partitions. Each has a stream and, among any number of instances, one leader that fills
//! it. What the leader hears from the log's source goes through the [`sequencer`], which drops repetitions and fills gaps
//! from the log, into a [`window`] of messages under way. Each message says where the stream must be, so a leader that was
//! paused and comes back cannot write into what another has gone on with; and each carries the source's place after it,
//! so the stream itself says where to go on ([`cursor`]). What the stream may have lost is looked for now and then and
//! published again. Leaders are found by [`lease`].
//!
//! Losing the stream, the bucket or all of NATS costs nothing but time: the log is the truth, and this crate knows how to
//! find out what is missing. It knows nothing of members, keys or the inside of frames.
//!
//! Start with [`Relay`].

mod backoff;
mod beside;
mod bucket;
mod coordinate;
pub mod cursor;
mod lead;
pub mod lease;
mod metrics;
pub mod output;
mod parked;
mod publisher;
mod relay;
pub mod sequencer;
pub mod service;
mod settings;
mod target;
pub mod window;

pub use beside::Beside;
pub use frame_feed_nats::NatsSettings;
pub use metrics::{RelayMetrics, Retry};
pub use relay::{Ends, Relay};
pub use settings::RelaySettings;
pub use target::TargetError;
