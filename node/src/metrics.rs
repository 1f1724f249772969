//! What the node counts. One function per event; labels are closed enums, never a group, a member or an address.

use std::time::Duration;

use service_kit::{
    labels,
    metrics::{By, COUNTS, Counter, Gauge, Held, Histogram, SECONDS, Scope},
};

use crate::verify::Lane;

labels! {
    /// How far a frame got through the checks, cheapest first.
    pub(crate) enum Stage("stage") {
        /// Its bytes were decoded.
        Decode => "decode",
        /// Its id was looked up.
        Duplicate => "duplicate",
        /// A signature was checked to see whether its sender may be told anything.
        Authenticate => "authenticate",
        /// It was applied to the group's state, signatures included.
        Fold => "fold",
        /// Its proofs were handed to the verifier.
        Proofs => "proofs",
    }
}

labels! {
    /// What became of a frame.
    pub(crate) enum FrameOutcome("outcome") {
        /// Stored.
        Accepted => "accepted",
        /// Stored before.
        Duplicate => "duplicate",
        /// Refused, and its sender told why.
        Refused => "refused",
        /// Nothing valid shown.
        NotAccepted => "not_accepted",
        /// Turned away for lack of room or time.
        Busy => "busy",
        /// The node or its store failed.
        Failed => "failed",
    }
}

labels! {
    /// Which queue was full.
    enum Queue("queue") {
        /// That of strangers.
        Door => "door",
        /// That of members.
        Members => "members",
    }
}

labels! {
    /// In which company proofs are checked.
    #[derive(PartialOrd, Ord)]
    pub(crate) enum Standing("standing") {
        /// Groups whose proofs have held.
        Good => "good",
        /// Whoever founds a group.
        Stranger => "stranger",
        /// Groups that sent a bad proof lately.
        Suspect => "suspect",
    }
}

labels! {
    /// Why proofs found no place in the queue.
    pub(crate) enum NoRoom("reason") {
        /// One group, or one founder, has too many there.
        Flow => "flow",
        /// All of the same standing have.
        Standing => "standing",
    }
}

labels! {
    /// What became of proofs that were checked.
    enum ProofOutcome("outcome") {
        /// All of their frame hold.
        Held => "held",
        /// One of their frame does not.
        Refused => "refused",
    }
}

labels! {
    /// Why an event stream was ended by the node.
    pub(crate) enum Cut("reason") {
        /// Its reader did not keep up.
        Lagged => "lagged",
        /// What its reader had shown counts no more.
        Revoked => "revoked",
        /// It had lasted long enough.
        Aged => "aged",
        /// The node stops.
        Stopping => "stopping",
        /// The group or the store failed.
        Failed => "failed",
    }
}

labels! {
    /// Where the frames of event streams came from.
    pub(crate) enum Replay("source") {
        /// Memory shared by all followers of a group.
        Tail => "tail",
        /// The log.
        Log => "log",
    }
}

labels! {
    /// What became of something heard of other nodes.
    pub(crate) enum HeardAs("outcome") {
        /// It was the next frame of its group.
        Folded => "folded",
        /// It was known already, as what this node wrote itself always is.
        Known => "known",
        /// Others before it were missing, or its bytes were: the log was read.
        Ahead => "ahead",
        /// Something may have been missed: the log was looked at.
        Gap => "gap",
        /// It is not of this log. Somebody publishes where only the relay should.
        Refused => "refused",
        /// It is of another life of the log.
        OtherLife => "other_life",
    }
}

labels! {
    /// What a look into the log found.
    enum Looked("found") {
        /// Nothing new.
        Nothing => "nothing",
        /// What should have been heard.
        News => "news",
    }
}

labels! {
    /// What became of a snapshot.
    enum SnapshotOutcome("outcome") {
        /// Written.
        Written => "written",
        /// Not written.
        Failed => "failed",
        /// Found unreadable.
        Unreadable => "unreadable",
    }
}

/// All metrics of a node.
#[derive(Debug)]
pub(crate) struct Metrics {
    frames: By<FrameOutcome, Counter>,
    checks: By<Stage, Counter>,
    accept_seconds: Histogram,
    append_conflicts: Counter,
    pool_refused: By<Queue, Counter>,
    proofs_waiting: Gauge,
    proofs_waited: Histogram,
    proofs: By<ProofOutcome, Counter>,
    batches: By<Standing, Counter>,
    batch_proofs: Histogram,
    batch_seconds: Histogram,
    bisections: Counter,
    verify_refused: By<NoRoom, Counter>,
    verify_withdrawn: Counter,
    suspects: Gauge,
    panics: Counter,
    groups_active: Gauge,
    groups_created: Counter,
    groups_broken: Counter,
    snapshots: By<SnapshotOutcome, Counter>,
    followers: Gauge,
    followers_cut: By<Cut, Counter>,
    followed_frames: By<Replay, Counter>,
    tokens: Counter,
    tokens_refused: Counter,
    packages_claimed: Counter,
    feed_restarts: Counter,
    feed_connected: Gauge,
    feed_fallbacks: Counter,
    feed_heard: By<HeardAs, Counter>,
    feed_looks: By<Looked, Counter>,
    pruned_records: Counter,
    sweeps: Counter,
    sweeps_left: Counter,
}

impl Metrics {
    pub(crate) fn new(scope: &mut Scope<'_>) -> Self {
        Self {
            frames: scope.counter_by("frames", "Frames sent to the node, by what became of them"),
            checks: scope.counter_by("frame_checks", "Checks begun on frames, cheapest first"),
            accept_seconds: scope.histogram(
                "frame_accept_seconds",
                "Time from a frame's arrival to its durable place in the log",
                SECONDS,
            ),
            append_conflicts: scope.counter("append_conflicts", "Appends that another writer got ahead of"),
            pool_refused: scope.counter_by("pool_refused", "Checks turned away because their queue was full"),
            proofs_waiting: scope.gauge("verify_queued_proofs", "Proofs waiting to be checked"),
            proofs_waited: scope.histogram(
                "verify_wait_seconds",
                "Time a frame waited for the check of its proofs to begin",
                SECONDS,
            ),
            proofs: scope.counter_by("verify_proofs", "Proofs checked, by what became of their frames"),
            batches: scope.counter_by("verify_batches", "Batches of proofs checked, by whose they were"),
            batch_proofs: scope.histogram("verify_batch_proofs", "Proofs in a batch", COUNTS),
            batch_seconds: scope.histogram("verify_batch_seconds", "Time a batch took", SECONDS),
            bisections: scope.counter(
                "verify_bisections",
                "Batches of several frames that did not hold, so that the bad ones had to be found",
            ),
            verify_refused: scope
                .counter_by("verify_refused", "Frames turned away because too many proofs waited, by whose"),
            verify_withdrawn: scope
                .counter("verify_withdrawn", "Frames taken out of the queue because nobody waited for them"),
            suspects: scope.gauge("verify_suspects", "Groups that sent a bad proof lately"),
            panics: scope.counter("panics", "Jobs and tasks that panicked; each is a fault of the node"),
            groups_active: scope.gauge("groups_active", "Groups in memory"),
            groups_created: scope.counter("groups_created", "Groups founded here"),
            groups_broken: scope.counter(
                "groups_broken",
                "Times a group was not served because its stored log does not fold; look into every one",
            ),
            snapshots: scope.counter_by("snapshots", "Snapshots of groups, by what became of them"),
            followers: scope.gauge("followers", "Open event streams"),
            followers_cut: scope.counter_by("followers_cut", "Event streams ended by the node"),
            followed_frames: scope
                .counter_by("followed_frames", "Frames sent in event streams, by where they came from"),
            tokens: scope.counter("tokens", "Tokens issued"),
            tokens_refused: scope.counter("tokens_refused", "Answers to challenges that were refused"),
            packages_claimed: scope.counter("packages_claimed", "Key packages given out"),
            feed_restarts: scope.counter("feed_restarts", "Times the feed of the log had to be opened again"),
            feed_connected: scope.gauge("feed_connected", "Whether there is a connection to NATS: 1 or 0"),
            feed_fallbacks: scope
                .counter("feed_fallbacks", "Times the log itself was followed because NATS was away"),
            feed_heard: scope.counter_by("feed_heard", "What was heard on NATS, by what became of it"),
            feed_looks: scope.counter_by(
                "feed_looks",
                "Regular looks into the log for followed groups; news should have been heard before",
            ),
            pruned_records: scope.counter("pruned_records", "Frames forgotten by policy"),
            sweeps: scope.counter("sweeps", "Times the whole log was gone through for what to forget"),
            sweeps_left: scope.counter("sweeps_left", "Times that was left to another node"),
        }
    }

    pub(crate) fn frame(&self, outcome: FrameOutcome, took: Duration) {
        self.frames.inc(outcome);
        if outcome == FrameOutcome::Accepted {
            self.accept_seconds.observe_duration(took);
        }
    }

    pub(crate) fn checked(&self, stage: Stage) {
        self.checks.inc(stage);
    }

    pub(crate) fn append_conflict(&self) {
        self.append_conflicts.inc();
    }

    pub(crate) fn pool_refused(&self, lane: Lane) {
        self.pool_refused.inc(match lane {
            Lane::Door => Queue::Door,
            Lane::Members => Queue::Members,
        });
    }

    pub(crate) fn proofs_waiting(&self, proofs: usize) {
        self.proofs_waiting.set(gauged(proofs));
    }

    pub(crate) fn proofs_waited(&self, waited: Duration) {
        self.proofs_waited.observe_duration(waited);
    }

    /// A batch has been checked; `frames` are the proofs of each frame and whether they hold, if that was found out.
    pub(crate) fn batch(
        &self,
        standing: Standing,
        proofs: usize,
        took: Duration,
        frames: impl ExactSizeIterator<Item = (usize, Option<bool>)>,
    ) {
        self.batches.inc(standing);
        self.batch_proofs.observe(f64::from(u32::try_from(proofs).unwrap_or(u32::MAX)));
        self.batch_seconds.observe_duration(took);
        let (several, mut bad) = (frames.len() > 1, false);
        for (proofs, held) in frames {
            let outcome = match held {
                Some(true) => ProofOutcome::Held,
                Some(false) => ProofOutcome::Refused,
                None => continue,
            };
            self.proofs.inc_by(outcome, u64::try_from(proofs).unwrap_or(u64::MAX));
            bad |= outcome == ProofOutcome::Refused;
        }
        if several && bad {
            self.bisections.inc();
        }
    }

    pub(crate) fn verify_refused(&self, reason: NoRoom) {
        self.verify_refused.inc(reason);
    }

    pub(crate) fn verify_withdrawn(&self) {
        self.verify_withdrawn.inc();
    }

    pub(crate) fn suspects(&self, groups: usize) {
        self.suspects.set(gauged(groups));
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }

    pub(crate) fn group_active(&self) -> Held {
        self.groups_active.hold()
    }

    pub(crate) fn group_created(&self) {
        self.groups_created.inc();
    }

    pub(crate) fn group_broken(&self) {
        self.groups_broken.inc();
    }

    pub(crate) fn snapshot_written(&self) {
        self.snapshots.inc(SnapshotOutcome::Written);
    }

    pub(crate) fn snapshot_failed(&self) {
        self.snapshots.inc(SnapshotOutcome::Failed);
    }

    pub(crate) fn snapshot_unreadable(&self) {
        self.snapshots.inc(SnapshotOutcome::Unreadable);
    }

    pub(crate) fn follower(&self) -> Held {
        self.followers.hold()
    }

    pub(crate) fn follower_cut(&self, reason: Cut) {
        self.followers_cut.inc(reason);
    }

    pub(crate) fn followed(&self, source: Replay, frames: usize) {
        self.followed_frames.inc_by(source, u64::try_from(frames).unwrap_or(u64::MAX));
    }

    pub(crate) fn token_issued(&self) {
        self.tokens.inc();
    }

    pub(crate) fn token_refused(&self) {
        self.tokens_refused.inc();
    }

    pub(crate) fn package_claimed(&self) {
        self.packages_claimed.inc();
    }

    pub(crate) fn feed_restarted(&self) {
        self.feed_restarts.inc();
    }

    pub(crate) fn feed_connected(&self, connected: bool) {
        self.feed_connected.set(i64::from(connected));
    }

    pub(crate) fn feed_fell_back(&self) {
        self.feed_fallbacks.inc();
    }

    pub(crate) fn heard(&self, was: HeardAs) {
        self.feed_heard.inc(was);
    }

    pub(crate) fn looked(&self, found: bool) {
        self.feed_looks.inc(if found { Looked::News } else { Looked::Nothing });
    }

    pub(crate) fn pruned(&self, records: u64) {
        self.pruned_records.inc_by(records);
    }

    pub(crate) fn swept(&self) {
        self.sweeps.inc();
    }

    pub(crate) fn sweep_left(&self) {
        self.sweeps_left.inc();
    }
}

fn gauged(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
impl Metrics {
    pub(crate) fn unread() -> Self {
        Self::new(&mut service_kit::metrics::Metrics::new().scope("node"))
    }
}
