//! The vocabulary of failures: the whole table, the documents, and the book's page.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

use core::fmt::Write;

use api::{ErrorCode, Problem, Retry, UnixSeconds};
use protocol::{Epoch, Seq};

fn advice(code: ErrorCode) -> &'static str {
    match code.retry() {
        Retry::Never => "never",
        Retry::Rebuild => "rebuild",
        Retry::Later => "later",
    }
}

fn effects(code: ErrorCode) -> &'static str {
    if code.has_no_side_effects() { "nothing changed" } else { "outcome unknown" }
}

#[test]
fn table() {
    let mut table = String::new();
    for code in ErrorCode::ALL {
        writeln!(
            table,
            "{:<24} {} {:<8} {:<16} {}",
            code.code(),
            code.status(),
            advice(*code),
            effects(*code),
            code.title()
        )
        .unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn documents() {
    let stale = Problem::new(ErrorCode::StaleEpoch)
        .with_detail("the operation was built on epoch 7")
        .with_instance("9f2c51d07be3a846")
        .with_epoch(Epoch::new(9))
        .with_seq(Seq::new(41));
    let skew = Problem::new(ErrorCode::ClockSkew).with_node_time(UnixSeconds::new(1_700_000_000));
    let gap = Problem::new(ErrorCode::HistoryGap).with_horizon(Seq::new(1000)).with_seq(Seq::new(5000));
    let busy = Problem::new(ErrorCode::Busy).with_retry_after(3);
    let failed = Problem::new(ErrorCode::Internal).with_detail("a cause that must stay inside");
    let mut text = String::new();
    for problem in [&stale, &skew, &gap, &busy, &failed] {
        let json = problem.to_json();
        assert_eq!(&Problem::from_response(problem.code().status(), &json), problem);
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        writeln!(text, "{}", serde_json::to_string_pretty(&value).unwrap()).unwrap();
    }
    assert!(!text.contains("must stay inside"));
    insta::assert_snapshot!(text);
}

#[test]
fn foreign_answers_are_understood_by_their_status() {
    let newer = br#"{"code":"made_up_later","detail":"x","epoch":3}"#;
    let problem = Problem::from_response(409, newer);
    assert_eq!((problem.code(), problem.epoch()), (ErrorCode::InvalidRequest, Some(Epoch::new(3))));
    let page = Problem::from_response(502, b"<html>bad gateway</html>");
    assert_eq!(page.code(), ErrorCode::TimedOut);
    assert!(!page.code().has_no_side_effects());
    let long = format!(r#"{{"code":"not_found","detail":"{}"}}"#, "x".repeat(5000));
    assert_eq!(Problem::from_response(404, long.as_bytes()), Problem::new(ErrorCode::NotFound));
}

/// The page has one section per code, in order, whose first line is what the code itself says.
#[test]
fn the_book_explains_every_code() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/errors.md")).unwrap();
    let sections: Vec<&str> = page.split("\n## `").skip(1).collect();
    let names: Vec<&str> = sections.iter().map(|section| section.split('`').next().unwrap()).collect();
    let codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.code()).collect();
    assert_eq!(names, codes);
    for (section, code) in sections.iter().zip(ErrorCode::ALL) {
        let expected = format!("*Status {} · retry: {} · {}*", code.status(), advice(*code), effects(*code));
        let mut lines = section.lines().skip(1).filter(|line| !line.is_empty());
        assert_eq!(lines.next(), Some(expected.as_str()), "{code}");
        assert!(lines.next().is_some_and(|line| line.len() > 20), "{code} is not explained");
    }
}
