//! What may depend on what. Arrows point down; a new crate without a line here fails.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers")]

use std::{collections::BTreeSet, path::Path, process::Command};

/// crate -> our crates it may name in `[dependencies]`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("curve", &[]),
    ("protocol", &["curve"]),
    ("proofs", &["curve", "protocol"]),
    ("ceremony", &["proofs"]),
    ("pinned-keys", &["proofs"]),
    ("ratchet-tree", &["curve", "protocol"]),
    ("e2ee", &["curve", "protocol", "ratchet-tree", "sealed-drop"]),
    ("group-state", &["curve", "protocol", "proofs", "ratchet-tree"]),
    ("sealed-drop", &[]),
    ("api", &["curve", "protocol"]),
    ("drop-state", &[]),
    ("transistor", &["api", "drop-state", "service-kit"]),
    ("frame-log", &["protocol"]),
    ("frame-log-embedded", &["protocol", "frame-log"]),
    ("frame-log-mongo", &["protocol", "frame-log"]),
    ("frame-feed-nats", &["protocol", "frame-log", "service-kit"]),
    ("service-kit", &["api"]),
    (
        "node",
        &[
            "curve",
            "protocol",
            "proofs",
            "ratchet-tree",
            "group-state",
            "api",
            "frame-feed-nats",
            "frame-log",
            "frame-log-embedded",
            "frame-log-mongo",
            "pinned-keys",
            "service-kit",
        ],
    ),
    ("message-relay", &["frame-feed-nats", "frame-log", "frame-log-mongo", "protocol", "service-kit"]),
    (
        "kith-client-sdk",
        &[
            "curve",
            "protocol",
            "proofs",
            "ratchet-tree",
            "e2ee",
            "group-state",
            "api",
            "pinned-keys",
            "sealed-drop",
        ],
    ),
    (
        "kith",
        &[
            "api",
            "ceremony",
            "frame-log",
            "frame-log-embedded",
            "kith-client-sdk",
            "message-relay",
            "node",
            "pinned-keys",
            "proofs",
            "protocol",
            "service-kit",
            "transistor",
        ],
    ),
    ("architecture", &[]),
    ("e2e", &["node", "kith-client-sdk", "kith"]),
    ("servers", &[]),
    ("faults", &[]),
    (
        "bench",
        &[
            "api",
            "curve",
            "group-state",
            "kith-client-sdk",
            "node",
            "proofs",
            "protocol",
            "ratchet-tree",
            "servers",
            "service-kit",
        ],
    ),
];

/// Crates that know no I/O, clock or global randomness: bytes in, bytes out.
const PURE: &[&str] = &[
    "curve",
    "protocol",
    "ratchet-tree",
    "proofs",
    "ceremony",
    "group-state",
    "e2ee",
    "drop-state",
    "sealed-drop",
];

/// outside crate -> the only crates of ours that may name it.
const ONLY: &[(&str, &[&str])] = &[
    ("fjall", &["frame-log-embedded"]),
    ("lsm-tree", &["frame-log-embedded"]),
    ("redb", &["frame-log-embedded"]),
    ("rusqlite", &["kith-client-sdk"]),
    ("reqwest", &["kith-client-sdk", "transistor"]),
    ("axum", &["api", "service-kit", "node", "transistor"]),
    ("sqlx", &["transistor"]),
    ("object_store", &["transistor"]),
    ("hpke", &["e2ee"]),
    ("mongodb", &["frame-log-mongo"]),
    ("async-nats", &["frame-feed-nats", "message-relay"]),
];

/// What a pure crate must not name.
const IMPURE: &[&str] = &["tokio", "getrandom", "rand", "reqwest", "axum", "rusqlite", "tracing", "rustix"];

fn metadata() -> serde_json::Value {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .unwrap();
    serde_json::from_slice(&out.stdout).unwrap()
}

fn is_dev(dependency: &serde_json::Value) -> bool {
    dependency["kind"] == "dev"
}

#[test]
fn arrows_point_down() {
    let meta = metadata();
    let packages = meta["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages.iter().map(|p| p["name"].as_str().unwrap()).collect();
    let known: BTreeSet<&str> = MAY_USE.iter().map(|(n, _)| *n).collect();
    assert_eq!(ours, known, "every crate needs a line in MAY_USE");

    for package in packages {
        let name = package["name"].as_str().unwrap();
        let allowed = MAY_USE.iter().find(|(n, _)| *n == name).unwrap().1;
        for dependency in package["dependencies"].as_array().unwrap() {
            if is_dev(dependency) {
                continue;
            }
            let used = dependency["name"].as_str().unwrap();
            assert!(!ours.contains(used) || allowed.contains(&used), "{name} may not depend on {used}");
            if let Some((_, holders)) = ONLY.iter().find(|(n, _)| *n == used) {
                assert!(holders.contains(&name), "{name} may not name {used}");
            }
            if used.starts_with("ark-") {
                assert!(["curve", "proofs", "ceremony"].contains(&name), "{name} may not name {used}");
            }
            let testing = dependency["features"].as_array().unwrap().iter().any(|f| f == "testing");
            assert!(!testing, "{name} may use the feature `testing` of {used} in its tests only");
            let prover = dependency["features"].as_array().unwrap().iter().any(|f| f == "prover");
            assert!(
                !prover || ["kith-client-sdk", "bench", "ceremony", "kith"].contains(&name),
                "{name} may not enable proofs/prover"
            );
        }
    }
}

#[test]
fn pure_crates_name_nothing_impure() {
    let meta = metadata();
    for package in meta["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if !PURE.contains(&name) {
            continue;
        }
        for dependency in package["dependencies"].as_array().unwrap() {
            let used = dependency["name"].as_str().unwrap();
            // What only a browser build adds is the browser's source of randomness for old versions of `rand`.
            let browser = dependency["target"].as_str().is_some_and(|t| t.contains("wasm32"));
            assert!(is_dev(dependency) || browser || !IMPURE.contains(&used), "{name} may not name {used}");
        }
    }
}

#[test]
fn the_node_does_not_contain_the_code_that_opens_messages() {
    let out = Command::new(env!("CARGO"))
        .args(["tree", "--package", "node", "--edges", "normal", "--prefix", "none", "--format", "{p} {f}"])
        .output()
        .unwrap();
    let tree = String::from_utf8(out.stdout).unwrap();
    assert!(tree.contains("group-state"), "the tree of the node was not listed: {tree}");
    for line in tree.lines() {
        assert!(!line.starts_with("e2ee ") && !line.starts_with("hpke "), "the node contains {line}");
        assert!(!line.starts_with("kith-client-sdk "), "the node contains {line}");
        assert!(!line.starts_with("sealed-drop "), "the node contains {line}");
        let proves = line.starts_with("proofs ") && line.contains("prover");
        assert!(!proves, "the node contains the prover: {line}");
    }
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    let meta = metadata();
    for package in meta["packages"].as_array().unwrap() {
        let path = package["manifest_path"].as_str().unwrap();
        let manifest = std::fs::read_to_string(Path::new(path)).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{path} does not take the workspace's lints");
    }
}
