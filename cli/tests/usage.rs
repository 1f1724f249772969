//! What the command answers without any server: exit statuses, one line on standard error, JSON.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers")]

use std::{
    path::Path,
    process::{Command, Output},
};

fn kith(home: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kith"))
        .env_remove("KITH_PASSPHRASE")
        .env_remove("KITH_HOME")
        .arg("--home")
        .arg(home)
        .args(args)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn wrong_usage_is_status_two_and_help_is_zero() {
    let home = tempfile::tempdir().unwrap();
    for args in [&["no-such-command"][..], &["invite", "--uses", "0"], &["remove"], &[]] {
        assert_eq!(kith(home.path(), args).status.code(), Some(2), "{args:?}");
    }
    assert_eq!(kith(home.path(), &["--help"]).status.code(), Some(0));
    assert_eq!(kith(home.path(), &["--version"]).status.code(), Some(0));
}

#[test]
fn a_refusal_is_status_one_and_one_line_with_its_code() {
    let home = tempfile::tempdir().unwrap();
    for (args, code) in [
        (&["identity", "show"][..], "no_identity"),
        (&["send", "hello"], "no_such_group"),
        (&["join", "nonsense"], "no_identity"),
        (&["drop", "get", "https://kith.example/transistor/d#kith-drop1.AL6Olv"], "link_cut"),
        (&["drop", "get", "https://kith.example/transistor/d#kith-drop9.AL6Olv"], "link_version"),
        (&["drop", "info", "hello"], "link_bad"),
        (&["drop", "put", "/no/such/file", "--server", "http://127.0.0.1:1"], "unreadable"),
        (&["drop", "put", "/dev/null", "--server", "http://kith.example"], "bad_address"),
        (
            &[
                "drop",
                "delete",
                "https://a/transistor/d#kith-drop1.AQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH05B8Ag",
            ],
            "no_deletion_token",
        ),
    ] {
        let output = kith(home.path(), args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let text = stderr(&output);
        assert!(text.starts_with("kith: ") && text.trim_end().ends_with(&format!("[{code}]")), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn an_identity_is_made_once_and_shown() {
    let home = tempfile::tempdir().unwrap();
    let made = kith(home.path(), &["--json", "identity", "create", "--name", "Ann"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let info: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(info["name"], "Ann");
    assert_eq!(info["key"].as_str().unwrap().len(), 64);
    let shown = kith(home.path(), &["--json", "identity", "show"]);
    assert_eq!(shown.stdout, made.stdout);
    let again = kith(home.path(), &["identity", "create", "--name", "Eve"]);
    assert!(stderr(&again).contains("[identity_exists]"), "{}", stderr(&again));
    let joined = kith(home.path(), &["join", "nonsense"]);
    assert!(stderr(&joined).contains("[bad_text]"), "{}", stderr(&joined));
}

#[test]
fn a_name_that_would_steer_a_terminal_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let refused = kith(home.path(), &["identity", "create", "--name", "A\u{1b}[2J"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("[bad_text]"));
}

#[test]
fn settings_of_the_server_are_printed_and_wrong_ones_named() {
    let home = tempfile::tempdir().unwrap();
    let printed = kith(home.path(), &["serve", "--print-config", "--listen", "127.0.0.1:1234"]);
    assert!(printed.status.success());
    assert!(String::from_utf8(printed.stdout).unwrap().contains("127.0.0.1:1234"));
    let wrong = kith(home.path(), &["serve", "--set", "no.such=1", "--print-config"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(stderr(&wrong).contains("no.such"), "{}", stderr(&wrong));
}
