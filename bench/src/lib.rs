//! What the measuring programs share: a group to write to, senders and readers, and what the machine says of a process.
//!
//! Start with [`Club`]; [`post_all`] and [`follow`] are its traffic.

mod group;
mod machine;
mod traffic;

pub use group::Club;
pub use machine::{cpu_seconds, ms, percentile, say};
pub use traffic::{Answered, Seen, follow, post_all, token};
