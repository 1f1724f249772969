//! Writers that go on, and readers that start over as a relay does.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use frame_log::{
    AppendError, BucketRange, FrameLog, FrameSource, Limit, Place, SourceError, SourceItem, SourceStream,
    conformance::{group, record},
};
use frame_log_mongo::MongoFrameLog;
use protocol::{GroupId, Seq};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::support::{PATIENCE, next};

/// Several writers, each with a group of its own.
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<(GroupId, u64)>,
}

impl Writers {
    /// Starts writers of the groups `0..groups`; group `g` gets `record(g * 1_000_000 + seq)`.
    pub(crate) fn start(log: &Arc<MongoFrameLog>, groups: u64) -> Self {
        Self::with(log, groups, true)
    }

    /// As [`start`](Self::start); who is told that the log is not available leaves it at that.
    pub(crate) fn until_the_first_failure(log: &Arc<MongoFrameLog>, groups: u64) -> Self {
        Self::with(log, groups, false)
    }

    fn with(log: &Arc<MongoFrameLog>, groups: u64, stubborn: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for g in 0..groups {
            tasks.spawn(write(Arc::clone(log), g, Arc::clone(&stop), stubborn));
        }
        Self { stop, tasks }
    }

    /// Lets them finish; how many records of each group were acknowledged.
    pub(crate) async fn finish(self) -> BTreeMap<GroupId, u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await.into_iter().collect()
    }
}

async fn write(log: Arc<MongoFrameLog>, g: u64, stop: Arc<AtomicBool>, stubborn: bool) -> (GroupId, u64) {
    let mut at = 0;
    let mut deadline = Instant::now() + PATIENCE;
    while !stop.load(Ordering::Relaxed) {
        match log.append(&group(g), Seq::new(at), record(g * 1_000_000 + at)).await {
            Ok(_) | Err(AppendError::Duplicate { .. }) => {
                at += 1;
                deadline = Instant::now() + PATIENCE;
            }
            Err(AppendError::Unavailable) if !stubborn => break,
            Err(AppendError::Unavailable) => {
                assert!(Instant::now() < deadline, "the log does not come back");
                sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    (group(g), at)
}

/// Asks until there is an answer.
async fn again<T, E>(what: &str, ask: impl AsyncFn() -> Result<T, E>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what} is not to be had");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Whoever follows a log in spite of everything.
pub(crate) struct Follower {
    pub(crate) log: Arc<MongoFrameLog>,
    pub(crate) source: Arc<dyn FrameSource>,
    pub(crate) buckets: BucketRange,
    pub(crate) place: Place,
    /// What was seen, in the order of the first showing.
    pub(crate) seen: BTreeMap<GroupId, Vec<u64>>,
    known: HashSet<(GroupId, u64)>,
    pub(crate) lost: u32,
    pub(crate) reopened: u32,
    pub(crate) shown: u64,
}

impl Follower {
    pub(crate) async fn of(log: &Arc<MongoFrameLog>, source: &Arc<dyn FrameSource>) -> Self {
        Self {
            log: Arc::clone(log),
            source: Arc::clone(source),
            buckets: BucketRange::ALL,
            place: source.now().await.expect("a place"),
            seen: BTreeMap::new(),
            known: HashSet::new(),
            lost: 0,
            reopened: 0,
            shown: 0,
        }
    }

    pub(crate) fn see(&mut self, group: GroupId, seq: u64) {
        if self.known.insert((group, seq)) {
            self.seen.entry(group).or_default().push(seq);
        }
    }

    /// Follows until everything `wanted` was seen, or for as long as there is a wish.
    pub(crate) async fn follow(&mut self, wanted: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE * 2;
        let mut stream: Option<SourceStream> = None;
        while !wanted(self) {
            assert!(Instant::now() < deadline, "not seen in time: {self}");
            let step = match &mut stream {
                Some(stream) => next(stream).await,
                None => match self.source.open(self.buckets, &self.place).await {
                    Ok(opened) => {
                        stream = Some(opened);
                        self.reopened += 1;
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            match step {
                Ok(step) => {
                    self.place = step.after;
                    match step.item {
                        SourceItem::Record { group, record } => {
                            self.shown += 1;
                            self.see(group, record.seq.get());
                        }
                        SourceItem::Idle => {}
                        SourceItem::Poison { id, reason } => panic!("{id}: {reason}"),
                    }
                }
                Err(SourceError::Lost) => {
                    stream = None;
                    self.lost += 1;
                    self.look_through().await;
                }
                Err(SourceError::Unavailable) => {
                    stream = None;
                    sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Takes a new place, then reads the log by positions.
    async fn look_through(&mut self) {
        self.place = again("a place", async || self.source.now().await).await;
        for group in again("the groups", async || self.log.groups(None, 1_000).await).await {
            let mut from =
                self.seen.get(&group).and_then(|seqs| seqs.iter().max()).map_or(0, |last| last + 1);
            loop {
                let page =
                    again("a page", async || self.log.read(&group, Seq::new(from), Limit::MAX).await).await;
                if page.records.is_empty() {
                    break;
                }
                from = page.next.get();
                for record in page.records {
                    self.see(group, record.seq.get());
                }
            }
        }
    }

    /// Whether the first `count` records of each group were seen.
    pub(crate) fn has(&self, counts: &BTreeMap<GroupId, u64>) -> bool {
        counts.iter().all(|(group, count)| (0..*count).all(|seq| self.known.contains(&(*group, seq))))
    }
}

impl std::fmt::Display for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { lost, reopened, shown, .. } = self;
        write!(f, "{} records of {} groups, ", self.known.len(), self.seen.len())?;
        write!(f, "{shown} shown, {reopened} times opened, {lost} times lost")
    }
}
