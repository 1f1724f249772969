#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::event_stream::event_stream(bytes));
