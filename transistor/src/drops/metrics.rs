//! What is counted of drops.

use drop_state::Refusal;
use service_kit::metrics::{By, Counter, Gauge, Scope};

use super::{Ended, Failure};
use crate::{bodies::Bodies, store::Usage};

service_kit::labels! {
    /// How something ended.
    pub(super) enum Outcome("outcome") {
        /// It was done.
        Done => "done",
        /// There was nothing to be had.
        Gone => "gone",
        /// It was not allowed, or made no sense.
        Refused => "refused",
        /// The other side went away, or the service stopped.
        Interrupted => "interrupted",
        /// Too much at once.
        Busy => "busy",
        /// There was no room.
        Full => "full",
        /// Database or bucket did not answer.
        Unavailable => "unavailable",
        /// Something failed.
        Failed => "failed",
    }
}

service_kit::labels! {
    /// What drops are kept in.
    pub(super) enum Place("place") {
        /// Records.
        Database => "database",
        /// Bodies outside the database.
        Bodies => "bodies",
    }
}

service_kit::labels! {
    /// What was swept.
    pub(super) enum Swept("kind") {
        /// A drop or claim that had ended.
        Ended => "ended",
        /// The body of drops that were gone.
        Body => "body",
        /// A body that nobody knew of.
        Orphan => "orphan",
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(Refusal::Gone) => Self::Gone,
            Failure::Refused(_)
            | Failure::TooLarge { .. }
            | Failure::InfoTooLong { .. }
            | Failure::BadExpiry { .. }
            | Failure::BadCopies { .. }
            | Failure::RangeNotSatisfiable { .. }
            | Failure::DigestMismatch
            | Failure::LengthMismatch
            | Failure::QuotaExceeded => Self::Refused,
            Failure::Interrupted | Failure::Stopping => Self::Interrupted,
            Failure::Busy | Failure::UploadBusy => Self::Busy,
            Failure::StorageFull => Self::Full,
            Failure::StorageUnavailable => Self::Unavailable,
            Failure::StorageFailed => Self::Failed,
        }
    }
}

/// The metrics.
#[derive(Debug, Clone)]
pub(super) struct DropMetrics {
    made: By<Outcome, Counter>,
    pieces: By<Outcome, Counter>,
    claims: By<Outcome, Counter>,
    takes: By<Outcome, Counter>,
    reads: By<Outcome, Counter>,
    sent: By<Outcome, Counter>,
    failed: By<Place, Counter>,
    pub(super) swept: By<Swept, Counter>,
    pub(super) received_bytes: Counter,
    pub(super) sent_bytes: Counter,
    pub(super) receiving: Gauge,
    pub(super) sending: Gauge,
    drops: Gauge,
    bytes: Gauge,
    to_erase: Gauge,
}

impl DropMetrics {
    pub(super) fn new(scope: &mut Scope<'_>, bodies: &Bodies) -> Self {
        let counted = bodies.clone();
        scope.gauge_of("pieces_in_memory", "Pieces of bodies in memory", move || {
            i64::try_from(counted.in_memory()).unwrap_or(i64::MAX)
        });
        Self {
            made: scope.counter_by("make", "Drops made in one request, by how it ended"),
            pieces: scope.counter_by("upload", "Requests of resumable uploads, by how they ended"),
            claims: scope.counter_by("claim", "Claims, by how they ended"),
            takes: scope.counter_by("take", "Drops taken in one request, by how it began"),
            reads: scope.counter_by("read", "Reads of claimed drops, by how they began"),
            sent: scope.counter_by("sent", "Bodies that were being sent, by how that ended"),
            failed: scope.counter_by("storage_failures", "Failures of what drops are kept in"),
            swept: scope.counter_by("swept", "What the sweeper has ended or removed"),
            received_bytes: scope.counter("received_bytes", "Bytes of bodies that arrived"),
            sent_bytes: scope.counter("sent_bytes", "Bytes of bodies that were sent"),
            receiving: scope.gauge("receiving", "Bodies being received"),
            sending: scope.gauge("sending", "Bodies being sent from outside the database"),
            drops: scope.gauge("drops", "Drops there are, unfinished ones too"),
            bytes: scope.gauge("bytes", "Bytes of bodies there are"),
            to_erase: scope.gauge("bodies_to_erase", "Bodies without a drop that are still to be removed"),
        }
    }

    pub(super) fn made<T>(&self, result: &Result<T, Failure>) {
        self.made.inc(outcome(result));
    }

    pub(super) fn piece<T>(&self, result: &Result<T, Failure>) {
        self.pieces.inc(outcome(result));
    }

    pub(super) fn claim<T>(&self, result: &Result<T, Failure>) {
        self.claims.inc(outcome(result));
    }

    pub(super) fn take<T>(&self, result: &Result<T, Failure>) {
        self.takes.inc(outcome(result));
    }

    pub(super) fn read<T>(&self, result: &Result<T, Failure>) {
        self.reads.inc(outcome(result));
    }

    /// `None`: the reader went away.
    pub(super) fn sent(&self, ended: Option<Result<(), Ended>>) {
        self.sent.inc(match ended {
            None => Outcome::Interrupted,
            Some(Ok(())) => Outcome::Done,
            Some(Err(Ended::Gone)) => Outcome::Gone,
            Some(Err(Ended::Failed)) => Outcome::Failed,
        });
    }

    pub(super) fn database_failed(&self) {
        self.failed.inc(Place::Database);
    }

    pub(super) fn bodies_failed(&self) {
        self.failed.inc(Place::Bodies);
    }

    pub(super) fn usage(&self, usage: Usage) {
        let shown = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.drops.set(shown(usage.drops));
        self.bytes.set(shown(usage.bytes));
        self.to_erase.set(shown(usage.to_erase));
    }
}

fn outcome<T>(result: &Result<T, Failure>) -> Outcome {
    match result {
        Ok(_) => Outcome::Done,
        Err(failure) => Outcome::from(*failure),
    }
}
