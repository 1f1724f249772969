//! What the fuzz targets do with their input, apart from the fuzzer: ordinary tests replay the corpora with it.

pub mod group_state;
pub mod protocol;
