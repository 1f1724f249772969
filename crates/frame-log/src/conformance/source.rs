//! Hearing of new records.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use protocol::{GroupId, Seq};
use tokio::{task::JoinSet, time::timeout};

use super::{fill, group, stored};
use crate::{
    BucketRange, FrameLog, FrameSource, Partitions, Place, SourceError, SourceItem, SourceKind, SourceStream,
    Sourced, StoredRecord,
};

/// How long a source may take to show what is there. Only a broken one takes so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens a log and the source under test.
#[async_trait]
pub trait SourceHarness: Send + Sync {
    /// The log that is written to.
    type Log: FrameLog;

    /// A new, empty log and its source.
    async fn fresh(&self) -> (Arc<Self::Log>, Arc<dyn FrameSource>);
}

/// Runs every scenario, each on a log of its own.
///
/// # Panics
/// When a promise of the contract is broken.
pub async fn run(harness: &impl SourceHarness) {
    shows_what_comes(harness).await;
    goes_on_from_any_place(harness).await;
    shows_only_its_buckets(harness).await;
    misses_nothing_under_load(harness).await;
    refuses_foreign_places(harness).await;
}

/// What a reader makes of a source: each group's records by position, and how they came.
#[derive(Debug, Default)]
struct Seen {
    groups: BTreeMap<GroupId, BTreeMap<Seq, StoredRecord>>,
    last_first_showing: HashMap<GroupId, Seq>,
    places: Vec<Place>,
    kind: Option<SourceKind>,
}

impl Seen {
    fn take(&mut self, step: Sourced) {
        self.places.push(step.after);
        let (group, record) = match step.item {
            SourceItem::Record { group, record } => (group, record),
            SourceItem::Idle => return,
            SourceItem::Poison { id, reason } => panic!("{id}: {reason}"),
        };
        let seq = record.seq;
        if let Some(before) = self.groups.entry(group).or_default().insert(seq, record.clone()) {
            assert_eq!(before, record, "a record is shown twice and differs");
            return;
        }
        let last = self.last_first_showing.insert(group, seq);
        if self.kind != Some(SourceKind::Polling) {
            assert!(last < Some(seq), "position {seq} of {group} is shown after {last:?}");
        }
    }

    fn count(&self) -> usize {
        self.groups.values().map(BTreeMap::len).sum()
    }

    fn records(&self, group: &GroupId) -> Vec<StoredRecord> {
        self.groups.get(group).map(|records| records.values().cloned().collect()).unwrap_or_default()
    }
}

async fn next(stream: &mut SourceStream) -> Sourced {
    let step = timeout(PATIENCE, stream.next()).await.expect("the source shows what is there");
    step.expect("a source does not end").expect("the source works")
}

/// Reads until `count` different records were shown.
async fn read(source: &dyn FrameSource, stream: &mut SourceStream, count: usize) -> Seen {
    let mut seen = Seen { kind: Some(source.kind()), ..Seen::default() };
    while seen.count() < count {
        seen.take(next(stream).await);
    }
    seen
}

/// Everything acknowledged after a place was asked for is shown, whether or not the source was open by then.
pub async fn shows_what_comes(harness: &impl SourceHarness) {
    let (log, source) = harness.fresh().await;
    fill(&*log, &group(1), 0, 0..3).await;
    let from = source.now().await.expect("a place");
    fill(&*log, &group(1), 3, 3..6).await;
    fill(&*log, &group(2), 0, 10..12).await;
    let mut stream = source.open(BucketRange::ALL, &from).await.expect("opens");
    let mut seen = Seen { kind: Some(source.kind()), ..Seen::default() };
    // What came before the place may be shown, and does not count.
    let complete = |seen: &Seen| {
        seen.records(&group(1)).ends_with(&stored(0..6)[3..]) && seen.records(&group(2)) == stored(10..12)
    };
    while !complete(&seen) {
        seen.take(next(&mut stream).await);
    }
    fill(&*log, &group(3), 0, 20..22).await;
    while seen.records(&group(3)) != stored(20..22) {
        seen.take(next(&mut stream).await);
    }
}

/// From every place ever given, everything after it is shown.
pub async fn goes_on_from_any_place(harness: &impl SourceHarness) {
    let (log, source) = harness.fresh().await;
    let start = source.now().await.expect("a place");
    for round in 0..5 {
        for g in 0..3 {
            fill(&*log, &group(g), round, [g * 100 + round]).await;
        }
    }
    let mut stream = source.open(BucketRange::ALL, &start).await.expect("opens");
    let mut shown: Vec<(GroupId, Seq)> = Vec::new();
    let mut places: Vec<(Place, usize)> = vec![(start, 0)];
    let mut seen = Seen { kind: Some(source.kind()), ..Seen::default() };
    while seen.count() < 15 {
        let step = next(&mut stream).await;
        if let SourceItem::Record { group, record } = &step.item {
            shown.push((*group, record.seq));
        }
        places.push((step.after.clone(), shown.len()));
        seen.take(step);
    }
    drop(stream);
    fill(&*log, &group(9), 0, 900..903).await;
    for (place, before) in places {
        let mut missing: Vec<(GroupId, Seq)> = shown[before..].to_vec();
        missing.extend((0..3).map(|seq| (group(9), Seq::new(seq))));
        missing.retain(|one| !shown[..before].contains(one));
        let mut stream = source.open(BucketRange::ALL, &place).await.expect("opens");
        while !missing.is_empty() {
            if let SourceItem::Record { group, record } = next(&mut stream).await.item {
                missing.retain(|one| *one != (group, record.seq));
            }
        }
    }
}

/// A source of some buckets shows all of theirs and nothing else.
pub async fn shows_only_its_buckets(harness: &impl SourceHarness) {
    let (log, source) = harness.fresh().await;
    let start = source.now().await.expect("a place");
    // The first byte decides: spread evenly over all buckets.
    let ids: Vec<GroupId> = (0..12_u64).map(|n| group((n * 21) << 56)).collect();
    for (n, id) in (0..).zip(&ids) {
        fill(&*log, id, 0, n * 10..n * 10 + 3).await;
    }
    let partitions = Partitions::new(3).expect("a good number");
    let mut total = 0;
    for partition in partitions.iter() {
        let buckets = partitions.buckets(partition);
        let mine: Vec<(u64, GroupId)> =
            (0..).zip(ids.iter().copied()).filter(|(_, id)| buckets.holds(id)).collect();
        total += mine.len();
        let mut stream = source.open(buckets, &start).await.expect("opens");
        let seen = read(&*source, &mut stream, mine.len() * 3).await;
        for (n, id) in mine {
            assert_eq!(seen.records(&id), stored(n * 10..n * 10 + 3));
        }
        assert!(seen.groups.keys().all(|id| buckets.holds(id)), "a group of other buckets was shown");
    }
    assert_eq!(total, ids.len());
}

/// Many writers, a reader that comes and goes: every record is shown, each group's in order.
pub async fn misses_nothing_under_load(harness: &impl SourceHarness) {
    const GROUPS: u64 = 8;
    const EACH: u64 = 60;
    let (log, source) = harness.fresh().await;
    let mut from = source.now().await.expect("a place");
    let mut writing = JoinSet::new();
    for g in 0..GROUPS {
        let log = Arc::clone(&log);
        writing.spawn(async move { fill(&*log, &group(g), 0, g * 1_000..g * 1_000 + EACH).await });
    }
    let mut seen = Seen { kind: Some(source.kind()), ..Seen::default() };
    let total = usize::try_from(GROUPS * EACH).expect("small");
    while seen.count() < total {
        let mut stream = source.open(BucketRange::ALL, &from).await.expect("opens");
        for _ in 0..100 {
            if seen.count() == total {
                break;
            }
            let step = next(&mut stream).await;
            from = step.after.clone();
            seen.take(step);
        }
    }
    writing.join_all().await;
    for g in 0..GROUPS {
        assert_eq!(seen.records(&group(g)), stored(g * 1_000..g * 1_000 + EACH));
    }
}

/// Bytes that are no place of this source are refused as lost, at once and without a record.
pub async fn refuses_foreign_places(harness: &impl SourceHarness) {
    let (log, source) = harness.fresh().await;
    fill(&*log, &group(1), 0, 0..3).await;
    for bytes in [b"?".to_vec(), vec![0xff; 8], vec![0xff; 200]] {
        let foreign = Place::new(bytes).expect("within bounds");
        let outcome = match source.open(BucketRange::ALL, &foreign).await {
            Err(error) => error,
            Ok(mut stream) => {
                let first = timeout(PATIENCE, stream.next()).await.expect("an answer").expect("not silently");
                first.expect_err("a foreign place shows nothing")
            }
        };
        assert_eq!(outcome, SourceError::Lost);
    }
}
