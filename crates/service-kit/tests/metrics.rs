//! The text of metrics.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

use core::time::Duration;

use service_kit::{
    labels,
    metrics::{Label, Metrics, SECONDS},
};

labels! {
    /// How a request to store ended.
    pub enum Outcome("outcome") {
        /// In the log.
        Stored => "stored",
        /// Not in the log.
        Refused => "refused",
    }
}

#[test]
fn every_series_is_there_from_the_start() {
    let mut metrics = Metrics::default();
    let mut scope = metrics.scope("node");
    let frames = scope.counter_by::<Outcome>("frames", "Frames received");
    let seconds = scope.histogram("append_ack_seconds", "Time until a frame is in the log", &SECONDS[..3]);
    let followers = scope.gauge("followers", "Open event streams");
    let resets = scope.counter("resets", "Streams that could not go on");
    scope.gauge_of("queue_frames", "Frames waiting", || 7);
    let checks = scope.histogram_by::<Outcome>("check_seconds", "Time to check", &SECONDS[..1]);
    let exposition = metrics.finish();

    frames.inc(Outcome::Stored);
    frames.inc_by(Outcome::Stored, 2);
    seconds.observe_duration(Duration::from_micros(200));
    checks.observe(Outcome::Refused, 0.5);
    resets.inc_by(4);
    let first = followers.hold();
    let second = followers.hold();
    drop(first);
    // The series of one metric come in no particular order.
    let text = exposition.render();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"));
    drop(second);
    assert_eq!((followers.get(), resets.get()), (0, 4));
    assert_eq!(frames.get(Outcome::Refused).map(|counter| counter.get()), Some(0));
    assert_eq!(Outcome::ALL.len(), 2);
}

#[test]
#[cfg(target_os = "linux")]
fn the_process_measures_itself() {
    let text = Metrics::new().finish().render();
    for name in
        ["process_resident_memory_bytes", "process_threads", "process_open_fds", "process_cpu_seconds_total"]
    {
        let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
        let value: f64 = line.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(value >= 0.0 && (value > 0.0 || name.starts_with("process_cpu")), "{line}");
    }
}
