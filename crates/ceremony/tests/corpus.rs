//! The decoders of this crate against the corpora of the fuzzer, and against damaged bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    missing_docs,
    reason = "test helpers"
)]

use ceremony::json;
use proofs::{DEVELOPMENT_KEYS, VerifyingKey};

#[path = "../../../tests/fuzz/src/ceremony.rs"]
mod targets;

#[path = "../../../tests/fuzz/src/replay.rs"]
mod replay;

#[test]
fn the_corpora_hold_their_seeds() {
    // The smallest of the keys; the others differ in length.
    let [pinned, ..] = &DEVELOPMENT_KEYS;
    let key = VerifyingKey::from_bytes(pinned.circuit, pinned.verifying_key).unwrap();
    let text = json::verifying_key(&key);
    replay::check_seed("ceremony_json", "admin-key", &[&[pinned.circuit.number()], text.as_bytes()].concat());
}

#[test]
fn replay() {
    replay::replay("zkey", targets::zkey, 300);
    replay::replay("powers_of_tau", targets::powers_of_tau, 300);
    replay::replay("ceremony_json", targets::ceremony_json, 100);
}
