//! A ceremony through the command: export, snarkjs, verify, import.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

#[path = "../../crates/ceremony/tests/support/mod.rs"]
mod support;

use std::process::{Command, Output};

use support::{Desk, powers::powers};

fn kith(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kith")).env_remove("KITH_KEYS").args(args).output().unwrap()
}

fn json(args: &[&str]) -> serde_json::Value {
    let output = kith(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_key_of_a_ceremony_is_taken_and_pinned() {
    let desk = Desk::new();
    let at = |name: &str| desk.path(name).to_str().unwrap().to_owned();
    let (r1cs, ptau, zkey) = (at("circuit.r1cs"), at("powers.ptau"), at("1.zkey"));
    let told = json(&["--json", "keys", "export-r1cs", "--circuit", "admin", "--output", &r1cs]);
    desk.write("powers.ptau", powers(u32::try_from(told["power"].as_u64().unwrap()).unwrap(), false));
    desk.run(&["zkey", "new", &r1cs, &ptau, "0.zkey"]);
    let shown = desk.run(&["zkey", "contribute", "0.zkey", "1.zkey", "--name=Ada", "-e=one"]);

    let files = ["--circuit", "admin", "--ptau", &ptau, "--zkey", &zkey];
    let text = kith(&[&["keys", "verify"][..], &files].concat());
    assert!(text.status.success());
    let text = String::from_utf8(text.stdout).unwrap();
    // The block that the participant was shown, word by word.
    let block = shown.split_once("Contribution Hash:").unwrap().1.lines().skip(1).take(4).collect::<Vec<_>>();
    assert!(text.contains(&block.join("\n")), "{text}\n{shown}");
    assert!(text.contains("contribution 1 Ada\n"), "{text}");

    let keys = at("keys");
    let taken = json(&[&["--json", "keys", "import"][..], &files, &["--output", &keys]].concat());
    assert_eq!(taken["development"], false);
    assert_eq!(taken["contributions"][0]["name"], "Ada");
    let listed = json(&["--json", "keys", "show", &keys]);
    assert_eq!(listed["manifest_hash"], taken["manifest_hash"]);
    assert_eq!(listed["keys"][0]["verifying_key_hash"], taken["verifying_key_hash"]);
    assert_eq!(listed["keys"][0]["proving_key_hash"], taken["proving_key_hash"]);
    assert_eq!(listed["development"], false);
}
