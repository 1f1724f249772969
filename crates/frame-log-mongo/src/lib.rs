//! The frame log in `MongoDB`: one insert of one document is one append.
//!
//! [`MongoFrameLog`] keeps frames, key packages and a service's values in one database that any number of nodes share.
//! What each promise rests on:
//!
//! * **Compare and append.** A record's `_id` is its group and position, and `_id` is unique in every collection of
//!   every server. Of all who insert at a position one succeeds. There is no transaction, no lock and no counter.
//! * **Density.** Who inserts at `s` has seen the record at `s - 1` committed to a majority, or `s` is 0.
//! * **One record per id**, without a unique index on ids (that would rule out sharding by a hash of the group). Who
//!   inserts at `s` has looked the id up *after* it knew `s - 1` to be committed, in the primary's own latest state.
//!   Whoever holds the record at `s - 1` holds every record before it, since each was committed before the next was
//!   inserted; so that look finds the id if it is at any position below `s`. At `s` itself there is one record.
//! * **Durability.** Every write waits for a majority of the data-bearing members and for their journals; on a server
//!   alone, for its journal.
//! * **Visibility.** What is shown is what a majority has. A process remembers how far each group had got, and waits
//!   rather than answer from a view that is older, such as that of a primary elected a moment ago.
//! * **Unknown outcomes** (a lost connection, a write that not enough members confirmed in time) are told as
//!   [`Unavailable`](frame_log::AppendError::Unavailable), never as refusals and never guessed at. The driver repeats a
//!   write where the server can tell it for a repetition; nothing else is repeated here.
//!
//! How records look is in [`document`], indexes and the schema's number in [`schema`], how others hear of records in
//! [`source`].

mod append;
mod committed;
mod document;
mod error;
mod log;
mod mailboxes;
mod meta;
mod open;
mod options;
#[cfg(test)]
mod plans;
mod prune;
mod read;
mod schema;
mod snapshots;
mod source;

pub use error::{BadIndex, OpenError};
pub use open::{Deployment, MongoFrameLog};
pub use options::{ConnectionString, Options};
pub use source::SourceOptions;
