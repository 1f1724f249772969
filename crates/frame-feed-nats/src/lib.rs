//! How frames travel through NATS: what they are called there, what they look like, and how to listen for them.
//!
//! NATS carries frames from the relay, which reads the log, to the nodes, which push them to their followers. It is a
//! cache with a memory of some hours and never the truth: whatever is missing there is read from the log, and whatever
//! comes from there is checked. A message says which life of the log it belongs to and carries a code that only those
//! who share the log can make ([`FeedKey`]), so a stranger on the same NATS can silence the feed but not lie in it.
//!
//! [`Names`] are subjects and streams, [`FrameMessage`] is what is sent, [`streams`] keeps the streams in order,
//! [`FrameFeed`] listens to single groups. This crate knows nothing of leases, sources or followers.

mod connect;
mod key;
mod listen;
mod message;
mod names;
mod settings;
pub mod streams;

pub use connect::{ConnectError, Connection, connect};
pub use key::{FeedKey, FeedKeyError};
pub use listen::{FrameFeed, Heard, Listening};
pub use message::{BadMessage, FrameMessage, MAX_HEADERS, MAX_MESSAGE};
pub use names::{BadPrefix, BadSubject, Names, Prefix};
pub use settings::NatsSettings;
