//! What the relay counts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use frame_log::SourceKind;
use service_kit::metrics::{By, Counter, Gauge, Histogram, Label, SECONDS, Scope};

use crate::cursor::Reason;

service_kit::labels! {
    /// Why messages were sent again.
    pub enum Retry("reason") {
        /// The stream was not where the message expected it.
        Sequence => "sequence",
        /// The server took it for one that it knows.
        Duplicate => "duplicate",
        /// The server refused it for what it is.
        Refused => "refused",
        /// No answer came.
        NoAnswer => "no_answer",
    }
}

impl Label for Reason {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] = &[
        Self::FirstStart,
        Self::StreamWiped,
        Self::PlaceLost,
        Self::OtherLife,
        Self::Missing,
        Self::Stuck,
        Self::Unfinished,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::FirstStart => "first_start",
            Self::StreamWiped => "stream_wiped",
            Self::PlaceLost => "place_lost",
            Self::OtherLife => "other_life",
            Self::Missing => "missing",
            Self::Stuck => "stuck",
            Self::Unfinished => "unfinished",
        }
    }
}

/// Everything the relay measures. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RelayMetrics {
    pub(crate) published: Counter,
    pub(crate) repeats: Counter,
    pub(crate) filled: Counter,
    pub(crate) pruned: Counter,
    pub(crate) republished: Counter,
    pub(crate) parked: Counter,
    pub(crate) scans: By<Reason, Counter>,
    pub(crate) scanned_groups: Counter,
    pub(crate) retries: By<Retry, Counter>,
    pub(crate) restarts: Counter,
    pub(crate) audits: Counter,
    pub(crate) delay: Histogram,
    pub(crate) leading: Gauge,
    pub(crate) instances: Gauge,
    pub(crate) scanning: Gauge,
    lanes: Arc<[Lane]>,
}

/// What is known of one partition at the moment.
#[derive(Debug, Default)]
struct Lane {
    under_way: AtomicU64,
    bytes: AtomicU64,
    waits_ms: AtomicU64,
    behind: AtomicU64,
    behind_ms: AtomicU64,
}

impl RelayMetrics {
    /// Declares them for so many partitions, and what kind of source there is.
    pub fn new(scope: &mut Scope<'_>, lanes: usize, source: SourceKind) -> Self {
        let lanes: Arc<[Lane]> = (0..lanes).map(|_| Lane::default()).collect();
        let all = |value: fn(&Lane) -> u64, join: fn(u64, u64) -> u64| {
            let lanes = Arc::clone(&lanes);
            move || i64::try_from(lanes.iter().map(value).fold(0, join)).unwrap_or(i64::MAX)
        };
        scope.gauge_of(
            "lag_milliseconds",
            "Age of the oldest record that is known and not yet published, over all partitions led here",
            all(|l| l.waits_ms.load(Ordering::Relaxed).max(l.behind_ms.load(Ordering::Relaxed)), u64::max),
        );
        scope.gauge_of(
            "lag_records",
            "Records under way, and records missing in the groups that were last looked at",
            all(
                |l| l.under_way.load(Ordering::Relaxed).saturating_add(l.behind.load(Ordering::Relaxed)),
                u64::saturating_add,
            ),
        );
        scope.gauge_of(
            "in_flight",
            "Messages that were sent and not yet acknowledged",
            all(|l| l.under_way.load(Ordering::Relaxed), u64::saturating_add),
        );
        scope.gauge_of(
            "in_flight_bytes",
            "Bytes that were sent and not yet acknowledged",
            all(|l| l.bytes.load(Ordering::Relaxed), u64::saturating_add),
        );
        let kind = AtomicI64::new(match source {
            SourceKind::TotalOrder => 0,
            SourceKind::ChangeStream => 1,
            SourceKind::Polling | _ => 2,
        });
        scope.gauge_of(
            "source_kind",
            "How new records are learned of: 0 from the log's own order, 1 from a change stream, 2 by polling",
            move || kind.load(Ordering::Relaxed),
        );
        Self {
            published: scope.counter("published", "Messages that were stored and acknowledged"),
            repeats: scope.counter("repeats", "Records shown again by the source and passed over"),
            filled: scope.counter("filled", "Records the source did not show, taken from the log"),
            pruned: scope
                .counter("pruned", "Records published without their bytes, which retention had dropped"),
            republished: scope
                .counter("republished", "Records published again because their messages were gone"),
            parked: scope.counter("parked", "Records that could not be passed on"),
            scans: scope.counter_by("scans", "Times the log was gone through"),
            scanned_groups: scope
                .counter("scanned_groups", "Groups that were looked at when the log was gone through"),
            retries: scope
                .counter_by("retries", "Times the stream was asked where it stands, and messages sent again"),
            restarts: scope.counter("restarts", "Times a partition was taken up anew after an error"),
            audits: scope.counter("audits", "Times stream and log were compared"),
            delay: scope.histogram("delay_seconds", "From taking a frame to its acknowledgement", SECONDS),
            leading: scope.gauge("leading", "Partitions led by this instance"),
            instances: scope.gauge("instances", "Instances that share the partitions"),
            scanning: scope.gauge("scanning", "Partitions for which the log is being gone through"),
            lanes,
        }
    }

    /// Messages stored and acknowledged so far.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.published.get()
    }

    /// Records passed over so far, because they could not be passed on.
    #[must_use]
    pub fn parked(&self) -> u64 {
        self.parked.get()
    }

    /// Times the log was gone through so far, but for the first start and what was left unfinished.
    #[must_use]
    pub fn scans(&self) -> u64 {
        let counted = |reason: &Reason| !matches!(reason, Reason::FirstStart | Reason::Unfinished);
        Reason::ALL.iter().filter(|reason| counted(reason)).map(|reason| self.scanned(*reason)).sum()
    }

    /// Times the log was gone through for one reason so far.
    #[must_use]
    pub fn scanned(&self, reason: Reason) -> u64 {
        self.scans.get(reason).map_or(0, Counter::get)
    }

    /// Messages published again so far because they were missing.
    #[must_use]
    pub fn republished(&self) -> u64 {
        self.republished.get()
    }

    /// Partitions for which the log is being gone through now.
    #[must_use]
    pub fn scanning(&self) -> i64 {
        self.scanning.get()
    }

    /// Partitions led by this instance now.
    #[must_use]
    pub fn leading(&self) -> i64 {
        self.leading.get()
    }

    /// The part of one partition.
    pub(crate) fn lane(&self, at: usize) -> LaneMeter {
        LaneMeter { metrics: self.clone(), at }
    }
}

/// What is counted for one partition. Its gauges go back to nothing when it is dropped.
#[derive(Debug)]
pub(crate) struct LaneMeter {
    pub(crate) metrics: RelayMetrics,
    at: usize,
}

impl LaneMeter {
    pub(crate) fn published(&self, age: Duration) {
        self.metrics.published.inc();
        self.metrics.delay.observe_duration(age);
    }

    pub(crate) fn retry(&self, reason: Retry) {
        self.metrics.retries.inc(reason);
    }

    pub(crate) fn under_way(&self, messages: usize, bytes: usize, waits: Duration) {
        let Some(lane) = self.metrics.lanes.get(self.at) else { return };
        lane.under_way.store(messages as u64, Ordering::Relaxed);
        lane.bytes.store(bytes as u64, Ordering::Relaxed);
        lane.waits_ms.store(millis(waits), Ordering::Relaxed);
    }

    pub(crate) fn behind(&self, records: u64, age: Duration) {
        let Some(lane) = self.metrics.lanes.get(self.at) else { return };
        lane.behind.store(records, Ordering::Relaxed);
        lane.behind_ms.store(millis(age), Ordering::Relaxed);
    }
}

impl Drop for LaneMeter {
    fn drop(&mut self) {
        self.under_way(0, 0, Duration::ZERO);
        self.behind(0, Duration::ZERO);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
