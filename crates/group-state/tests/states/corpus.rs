//! The decoder of states against the corpus of the fuzzer, and against damaged bytes.

use std::{fs, path::PathBuf};

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::Config};

use crate::snapshots::states;

#[path = "../../../../tests/fuzz/src/group_state.rs"]
#[allow(unreachable_pub, reason = "public in the crate it belongs to")]
mod targets;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/snapshot")
}

/// Golden, too: these bytes are what nodes have on their disks. `UPDATE_VECTORS=1` in the environment writes them anew.
#[test]
fn the_corpus_holds_a_state_of_every_sort() {
    for (name, state) in states() {
        let path = corpus().join(name);
        if std::env::var_os("UPDATE_VECTORS").is_some() {
            fs::create_dir_all(corpus()).unwrap();
            fs::write(&path, state.to_bytes()).unwrap();
        }
        assert_eq!(fs::read(&path).ok(), Some(state.to_bytes()), "{name}");
    }
}

#[test]
fn replay() {
    let mut replayed = 0;
    for (name, _) in states() {
        targets::snapshot(&fs::read(corpus().join(name)).unwrap());
        replayed += 1;
    }
    assert!(replayed > 3);
}

proptest! {
    #![proptest_config(Config { cases: 200, failure_persistence: None, ..Config::default() })]

    #[test]
    fn damaged(
        which in 0usize..5,
        changes in vec((any::<Index>(), any::<u8>()), 0..4),
        cut in any::<Index>(),
        tail in vec(any::<u8>(), 0..4),
    ) {
        let name = ["founded", "with-tickets", "healed", "dirty", "closed"][which];
        let mut bytes = fs::read(corpus().join(name)).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        targets::snapshot(&bytes);
        let cut = cut.index(bytes.len());
        targets::snapshot(&bytes[..cut]);
        bytes.extend(tail);
        targets::snapshot(&bytes);
    }

    #[test]
    fn random(bytes in vec(any::<u8>(), 0..200)) {
        targets::snapshot(&bytes);
    }
}
