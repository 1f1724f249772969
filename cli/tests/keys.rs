//! `kith keys` without a ceremony: what it makes, shows, exports, and refuses.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn kith(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kith")).env_remove("KITH_KEYS").args(args).output().unwrap()
}

fn json(args: &[&str]) -> serde_json::Value {
    let output = kith(args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The code at the end of the last line on standard error; the lines before it are progress.
fn refused(args: &[&str]) -> String {
    let output = kith(args);
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("kith: ") && last.ends_with(']'), "{text}");
    last.rsplit_once('[').unwrap().1.trim_end_matches(']').to_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn development_keys_are_made_shown_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let made = json(&["--json", "keys", "develop", "--circuit", "admin", "--output", path]);
    let files = names(folder.path());
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(files[0].starts_with("development-admin-") && files[2] == "keys.toml", "{files:?}");
    for (file, proving) in [(&files[0], true), (&files[1], false)] {
        let shown = json(&["--json", "keys", "show", folder.path().join(file).to_str().unwrap()]);
        assert_eq!(shown["circuit"], "admin");
        assert_eq!(shown["development"], true);
        assert_eq!(shown["verifying_key_hash"], made["keys"][0]["verifying_key_hash"]);
        assert_eq!(shown["proving_key_hash"].is_string(), proving);
    }
    let exported = kith(&["keys", "export-vk", folder.path().join(&files[1]).to_str().unwrap()]);
    let exported: serde_json::Value = serde_json::from_slice(&exported.stdout).unwrap();
    assert_eq!((&exported["protocol"], &exported["nPublic"]), (&"groth16".into(), &2.into()));
}

#[test]
fn constraints_are_exported_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.r1cs");
    let told =
        json(&["--json", "keys", "export-r1cs", "--circuit", "admin", "--output", path.to_str().unwrap()]);
    assert_eq!(told["public_inputs"], 2);
    assert!(fs::read(&path).unwrap().starts_with(b"r1cs"));
    assert_eq!(names(folder.path()), ["admin.r1cs"]);
    let nowhere = ["keys", "export-r1cs", "--circuit", "admin", "--output", "/no/such/folder/x"];
    assert_eq!(refused(&nowhere), "io");
    let unknown = ["keys", "export-r1cs", "--circuit", "t9", "--output", path.to_str().unwrap()];
    assert_eq!(refused(&unknown), "wrong_circuit");
}

#[test]
fn files_that_are_none_are_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/ceremony/tests/vectors");
    let [ptau, zkey] =
        ["small.ptau", "small.zkey"].map(|name| vectors.join(name).to_str().unwrap().to_owned());
    fs::write(at("cut.zkey"), &fs::read(&zkey).unwrap()[..500]).unwrap();
    fs::write(at("text"), "not a key").unwrap();
    let out = at("out");
    for (ptau, zkey, code) in [
        (&ptau, &at("cut.zkey"), "truncated_file"),
        (&ptau, &at("text"), "truncated_file"),
        (&ptau, &ptau, "malformed_file"),
        (&zkey, &zkey, "malformed_file"),
        (&ptau, &zkey, "wrong_circuit"),
        (&ptau, &at("missing"), "io"),
    ] {
        let files = ["--circuit", "admin", "--ptau", ptau, "--zkey", zkey];
        let import = [&["keys", "import"][..], &files, &["--output", &out]].concat();
        assert_eq!(refused(&import), code, "{zkey}");
        assert_eq!(refused(&[&["keys", "verify"][..], &files].concat()), code, "{zkey}");
    }
    assert!(!Path::new(&out).exists());
    assert_eq!(refused(&["keys", "show", &at("text")]), "bad_keys");
    assert_eq!(refused(&["keys", "show", folder.path().to_str().unwrap()]), "io");
}
