//! The page behind links opens what the crate `sealed-drop` seals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test helpers")]

use std::{path::Path, process::Command};

/// The page's module, run by Node, whose cryptography has the interface of the browsers'.
#[test]
fn it_derives_and_opens_the_golden_drops() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/vectors.mjs");
    let done = Command::new("node").arg(script).output().expect("Debian's `nodejs` runs the page's module");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// What the policy of the page forbids is not in the page: no script or style within, nothing from elsewhere.
#[test]
fn the_page_keeps_to_its_own_policy() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
    let html = std::fs::read_to_string(folder.join("open.html")).unwrap();
    for forbidden in
        ["<style", "style=", "onclick", "onload", "javascript:", "http://", "https://", "<iframe"]
    {
        assert!(!html.contains(forbidden), "the page contains {forbidden}");
    }
    assert_eq!(html.matches("<script").count(), 1);
    let script = std::fs::read_to_string(folder.join("open.js")).unwrap();
    for forbidden in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "localStorage",
        "sessionStorage",
    ] {
        assert!(!script.contains(forbidden), "the script contains {forbidden}");
    }
}
