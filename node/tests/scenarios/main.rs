//! What a node promises, one scenario a file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "test helpers"
)]

mod kit;

mod accept_and_refuse;
mod bad_input;
mod beside;
mod broken_log;
mod centrifugo;
mod description;
mod following;
mod idempotency;
mod logs;
mod lost_connections;
mod mailboxes;
mod measure;
mod overload;
mod parameters;
mod process;
mod proof_floods;
mod reading;
mod removed_member;
mod replicas;
mod retention;
mod settings;
mod shared_feed;
mod shared_mongo;
mod shared_store;
mod slow_readers;
mod tokens;
