//! What stands in a log, and what must not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

use std::{
    io,
    sync::{Arc, Mutex},
};

use api::ErrorCode;
use axum::{Router, body::Body, http::Request, routing::get};
use base64::{Engine, engine::general_purpose::STANDARD};
use service_kit::{
    http::{Cause, HttpSettings, Stack},
    logging::{LogError, LogFormat, LogSettings, dispatch},
    metrics::Metrics,
    testing::{Canaries, CanaryLayer, Leak},
};
use tower::ServiceExt;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn settings(format: LogFormat) -> LogSettings {
    LogSettings { format, filter: "debug".to_owned() }
}

/// Runs with a log of its own and gives back what was written and found.
fn logged(format: LogFormat, run: impl FnOnce()) -> (String, Canaries) {
    let (lines, canaries) = (Lines::default(), Canaries::new());
    let writer = lines.clone();
    let log = dispatch(&settings(format), move || writer.clone(), Some(canaries.layer())).unwrap();
    tracing::dispatcher::with_default(&log, run);
    (lines.text(), canaries)
}

#[derive(Debug, thiserror::Error)]
#[error("the journal is torn")]
struct Torn(#[source] io::Error);

fn requests() {
    let stack =
        Stack::new(&HttpSettings::default(), &mut Metrics::new().scope("sample"), &["/group/{group}"]);
    let torn =
        || async { Cause::new(Torn(io::ErrorKind::StorageFull.into())).respond(ErrorCode::StorageFailed) };
    let router = stack.wrap(Router::new().route("/group/{group}", get(torn)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let request = Request::get("/group/hunter2?token=hunter3")
            .header("authorization", "Bearer hunter4")
            .header("x-forwarded-for", "203.0.113.9")
            .body(Body::empty())
            .unwrap();
        router.oneshot(request).await.unwrap();
    });
}

#[test]
fn a_failed_request_is_one_line_with_its_cause_and_without_its_path() {
    let (text, canaries) = logged(LogFormat::Json, requests);
    assert_eq!(text.lines().count(), 1, "{text}");
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["message"], "request failed");
    assert_eq!(line["http.status"], 500);
    assert_eq!(line["code"], "storage_failed");
    assert_eq!(line["cause"], "the journal is torn: no storage space");
    assert_eq!(line["span"]["http.route"], "/group/{group}");
    assert_eq!(line["span"]["request.id"].as_str().unwrap().len(), 16);
    for foreign in ["hunter2", "hunter3", "hunter4", "203.0.113.9"] {
        assert!(!text.contains(foreign), "{text}");
    }
    assert!(canaries.lines() > 0);
    canaries.assert_silent();
}

#[test]
fn text_lines_have_no_colours() {
    let (text, _) = logged(LogFormat::Text, || tracing::info!(wait_ms = 5, "waiting"));
    assert!(text.ends_with("waiting wait_ms=5\n") && !text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn a_filter_that_cannot_be_read_is_an_error() {
    let settings = LogSettings { format: LogFormat::Text, filter: "a=b=c".to_owned() };
    let log = dispatch(&settings, io::sink, None::<CanaryLayer>);
    assert_eq!(log.err(), Some(LogError::Filter));
}

fn leak(run: impl FnOnce(), register: impl FnOnce(&Canaries)) -> Option<Leak> {
    let canaries = Canaries::new();
    register(&canaries);
    let log = dispatch(&settings(LogFormat::Text), io::sink, Some(canaries.layer())).unwrap();
    tracing::dispatcher::with_default(&log, run);
    assert!(canaries.lines() > 0);
    canaries.findings().first().map(|finding| finding.leak)
}

#[test]
fn canaries_sing() {
    let secret: Vec<u8> = (100..132).collect();
    let registered = |canaries: &Canaries| {
        canaries.text("Ada Lovelace");
        canaries.secret(&(100..132).collect::<Vec<u8>>());
    };
    let hex = secret.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut embedded = vec![1, 2];
    embedded.extend_from_slice(&secret);
    embedded.push(3);

    let found = |run: &dyn Fn()| leak(run, registered);
    assert_eq!(found(&|| tracing::info!("hello Ada Lovelace!")), Some(Leak::Text));
    assert_eq!(found(&|| tracing::info!(name = "Ada Lovelace")), Some(Leak::Text));
    assert_eq!(found(&|| drop(tracing::info_span!("x", name = "Ada Lovelace"))), Some(Leak::Text));
    assert_eq!(
        found(&|| {
            let span = tracing::info_span!("x", name = tracing::field::Empty);
            span.record("name", "Ada Lovelace");
        }),
        Some(Leak::Text)
    );
    assert_eq!(found(&|| tracing::info!("key {hex}")), Some(Leak::Secret));
    assert_eq!(found(&|| tracing::info!("key {}", hex.to_uppercase())), Some(Leak::Secret));
    assert_eq!(found(&|| tracing::info!("key {}…", &hex[20..36])), Some(Leak::Secret));
    assert_eq!(found(&|| tracing::info!("key {}", STANDARD.encode(&secret))), Some(Leak::Secret));
    assert_eq!(found(&|| tracing::info!("key {}", STANDARD.encode(&embedded))), Some(Leak::Secret));
    assert_eq!(found(&|| tracing::info!("key {}", STANDARD.encode(&embedded[1..]))), Some(Leak::Secret));
    assert_eq!(found(&|| tracing::info!(key = ?secret)), Some(Leak::Secret));
    assert_eq!(found(&|| tracing::info!(key = ?&secret[5..13])), Some(Leak::Secret));
    for address in
        ["203.0.113.9", "203.0.113.9:443", "(127.0.0.1)", "[2001:db8::1]:443", "fe80:0:0:0:1:2:3:4", "::1."]
    {
        assert_eq!(found(&|| tracing::info!("from {address}")), Some(Leak::Address), "{address}");
    }
}

#[test]
fn canaries_keep_silent() {
    for line in [
        "version 1.2.3 at 12:30:45",
        "kith::node::group started",
        "took 1.5 ms, 10.20 %",
        "short hex 6465666768",
        "a::b and c::d",
        "ratio 1.2.3.4.5",
    ] {
        let registered = |canaries: &Canaries| canaries.secret(&(100..132).collect::<Vec<u8>>());
        assert_eq!(leak(|| tracing::info!("{line}"), registered), None, "{line}");
    }
}

#[test]
#[should_panic(expected = "1 line(s) of the log say too much")]
fn a_test_with_findings_fails() {
    let (_, canaries) = logged(LogFormat::Text, || tracing::info!("from 203.0.113.9"));
    canaries.assert_silent();
}

#[test]
fn a_library_that_names_subjects_is_silent_unless_asked() {
    let lines = |filter: &str| {
        let (lines, settings) =
            (Lines::default(), LogSettings { format: LogFormat::Text, filter: filter.to_owned() });
        let writer = lines.clone();
        let log =
            dispatch(&settings, move || writer.clone(), None::<service_kit::logging::Identity>).unwrap();
        tracing::dispatcher::with_default(&log, || {
            tracing::error!(target: "async_nats::connector", "a subject");
            tracing::info!("ours");
        });
        lines.text()
    };
    assert!(lines("trace").contains("ours") && !lines("trace").contains("a subject"));
    assert!(lines("info,async_nats=warn").contains("a subject"));
}
