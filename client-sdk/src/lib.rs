//! Client for end-to-end encrypted, verifiable groups.

mod entry;
mod session;

pub use entry::{Entry, Person, Position, What};
