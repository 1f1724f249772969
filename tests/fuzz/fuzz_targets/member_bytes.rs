#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::e2ee::member_bytes(bytes));
