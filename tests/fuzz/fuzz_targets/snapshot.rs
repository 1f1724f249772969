#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::group_state::snapshot(bytes));
