//! A frame log in a folder of its own, for one process.
//!
//! Every write goes through one thread. It takes what has queued up, decides each request against what is already
//! there, writes all of it as one entry of the [`journal`], syncs once, and only then makes it visible and
//! answers. What the journal holds is applied to a log-structured tree ([`store`]), which keeps it in memory and
//! moves it to sorted tables in the background; once a journal segment's content is in synced tables the segment is
//! used again. Reads never meet the writer: they look at the tree as of one commit.
//!
//! Recovery is the same path: open the tree, apply the journal's entries it does not have yet. An incomplete entry
//! at the journal's end was never acknowledged and is dropped; damage anywhere else is an error that says what to
//! do. Everything stored carries a checksum of its own key and bytes, checked on every read.
//!
//! Start with [`EmbeddedFrameLog`]; then `writer.rs`, `journal.rs`, `store.rs`. This crate alone names the engine.
//! It must never know what a frame means.

mod batch;
mod error;
mod folder;
mod follow;
mod journal;
mod keys;
mod log;
mod maintenance;
mod options;
mod read;
mod store;
mod values;
mod writer;

pub use error::{OpenError, VerifyError};
pub use log::EmbeddedFrameLog;
pub use options::{OnDamage, Options};
pub use read::Verified;
