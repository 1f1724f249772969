//! For the tests that replay a corpus: what the fuzzer itself needs nothing of.
#![allow(dead_code, reason = "each test uses its part")]

use std::{fs, path::PathBuf};

/// A fuzz target.
pub type Target = fn(&[u8]);

/// The folder of a target's corpus, seen from a crate two levels below the top.
pub fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target)
}

/// Checks that the corpus holds a seed; `UPDATE_VECTORS=1` in the environment writes it anew.
pub fn check_seed(target: &str, name: &str, bytes: &[u8]) {
    let path = corpus(target).join(name);
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
    }
    assert!(fs::read(&path).ok().as_deref() == Some(bytes), "{target}/{name} is not what it should be");
}

/// The files of a corpus in the order of their names.
pub fn files(target: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(corpus(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().filter(|path| path.is_file()).map(|path| fs::read(path).unwrap()).collect()
}

/// Runs a target on its whole corpus, and on each file with some bytes changed, cut off or added.
pub fn replay(target: &str, run: Target, damages: usize) {
    let files = files(target);
    assert!(!files.is_empty(), "{target} has no corpus");
    // A plain generator: which damages are done does not matter, that they are the same each time does.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap()
    };
    for bytes in files {
        run(&bytes);
        for _ in 0..damages {
            let mut bytes = bytes.clone();
            for _ in 0..=next() % 3 {
                if !bytes.is_empty() {
                    let at = next() % bytes.len();
                    bytes[at] = bytes[at].wrapping_add(u8::try_from(next() % 255).unwrap() + 1);
                }
            }
            match next() % 4 {
                0 => bytes.truncate(next() % (bytes.len() + 1)),
                1 => bytes.push(u8::try_from(next() % 256).unwrap()),
                _ => {}
            }
            run(&bytes);
        }
    }
}
