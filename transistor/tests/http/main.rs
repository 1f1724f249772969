//! The interface, asked over real connections: one scenario in each file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

mod bad_input;
mod browsers;
mod copies;
mod description;
mod harmless;
mod kit;
mod one_answer;
mod one_reader;
mod passwords;
mod quotas;
mod ranges;
mod repeated;
mod uploads;

mod life;
