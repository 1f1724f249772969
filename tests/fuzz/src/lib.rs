//! What the fuzz targets do with their input, apart from the fuzzer: ordinary tests replay the corpora with it.

pub mod api;
pub mod ceremony;
pub mod curve;
pub mod e2ee;
pub mod event_stream;
pub mod group_state;
pub mod proofs;
pub mod protocol;
pub mod ratchet_tree;
pub mod sealed_drop;
