//! Drops from end to end below HTTP: a store in a file, bodies in a folder or a bucket, and everything that breaks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

#[path = "drops/bucket.rs"]
mod bucket;
#[path = "drops/erasing.rs"]
mod erasing;
#[path = "drops/faults.rs"]
mod faults;
#[path = "drops/kit.rs"]
mod kit;
#[path = "drops/large.rs"]
mod large;
#[path = "drops/making.rs"]
mod making;
#[path = "drops/reading.rs"]
mod reading;
#[path = "drops/single_reader.rs"]
mod single_reader;
#[path = "drops/uploads.rs"]
mod uploads;
