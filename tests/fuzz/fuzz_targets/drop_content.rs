#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::sealed_drop::drop_content(bytes));
