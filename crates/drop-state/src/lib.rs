//! The life of a read-once drop: a record and a command in, what to write and what to answer out.
//!
//! [`apply`] is the whole of it. A store runs it on one row in one transaction and adds nothing of its own, so that no
//! two stores can differ in who may read. The crate knows no I/O, no clock and no randomness; the time is an argument,
//! and nothing that concerns the single reader rests on it: a clock that jumps can end a lease early or late, but
//! cannot bring forth a second reader, since what was given is written in the record.
//!
//! Start with [`Record`] and [`Stage`] (what there is), then [`Command`] and [`apply`] (what can happen to it).

mod apply;
mod command;
mod ids;
mod record;
mod slices;

pub use apply::{Step, Write, apply, due};
pub use command::{Answer, Command, Create, Given, Reader, Refusal, Size, View};
pub use ids::{BodyId, DropId, IdError, Millis, TokenHash};
pub use record::{MAX_INFO, MAX_SEGMENTS, MAX_WRONG, Record, Stage};
pub use slices::Slices;
