//! The decoders of this crate against the corpora of the fuzzer, and against random bytes.

use std::{fs, path::PathBuf};

use proptest::{collection::vec, prelude::*, test_runner::Config};
use protocol::{Kind, Seq, ServedFrame, frame::Served};

use crate::{fixtures, strategies};

#[path = "../../../../tests/fuzz/src/protocol.rs"]
#[allow(unreachable_pub, reason = "public in the crate it belongs to")]
mod targets;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 5] = [
    ("frame", targets::frame),
    ("head", targets::head),
    ("body", targets::body),
    ("served_frame", targets::served_frame),
    ("receipt", targets::receipt),
];

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target)
}

/// Seeds for the fuzzer: one good input of each sort. `UPDATE_VECTORS=1` in the environment writes them anew.
fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for kind in Kind::ALL {
        let (frame, name) = (fixtures::frame(*kind), fixtures::name(*kind));
        seeds.push(("frame", name.clone(), frame.encode().unwrap()));
        seeds.push(("head", name.clone(), frame.head_bytes().to_vec()));
        let mut body = vec![u8::try_from(kind.code()).unwrap()];
        body.extend(frame.head().body.encode());
        seeds.push(("body", name.clone(), body));
        if kind.is_operation() {
            let content = Served::Operation(frame.without_sealed());
            let served = ServedFrame { seq: Seq::new(1), received_at_ms: 2, content };
            seeds.push(("served_frame", format!("pruned-{name}"), served.encode()));
        }
        let served = ServedFrame { seq: Seq::new(1), received_at_ms: 2, content: Served::Frame(frame) };
        seeds.push(("served_frame", name, served.encode()));
    }
    seeds.push(("receipt", "receipt".to_owned(), crate::receipts::receipt().encode()));
    seeds
}

#[test]
fn the_corpora_hold_a_seed_of_every_sort() {
    for (target, name, bytes) in seeds() {
        let path = corpus(target).join(&name);
        if std::env::var_os("UPDATE_VECTORS").is_some() {
            fs::create_dir_all(corpus(target)).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(fs::read(&path).ok(), Some(bytes), "{target}/{name}");
    }
}

#[test]
fn replay() {
    for (target, run) in TARGETS {
        let mut replayed = 0;
        for entry in fs::read_dir(corpus(target)).unwrap() {
            run(&fs::read(entry.unwrap().path()).unwrap());
            replayed += 1;
        }
        assert!(replayed > 0, "{target}");
    }
}

proptest! {
    #![proptest_config(Config { cases: 2_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..400)) {
        for (_, run) in TARGETS {
            run(&bytes);
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 300, failure_persistence: None, ..Config::default() })]

    #[test]
    fn frames_with_some_bytes_replaced(
        frame in strategies::frame(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = frame.encode().unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        targets::frame(&bytes);
        targets::frame(&bytes[..cut.index(bytes.len())]);
        let served = ServedFrame { seq: Seq::new(1), received_at_ms: 2, content: Served::Frame(frame) };
        let mut bytes = served.encode();
        let at = cut.index(bytes.len());
        bytes[at] ^= 0x55;
        targets::served_frame(&bytes);
    }
}
