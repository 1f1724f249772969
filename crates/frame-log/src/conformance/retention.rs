//! Snapshots and pruning.

use bytes::Bytes;
use protocol::Seq;

use super::{Harness, fill, group, id, read_all, record, stored};
use crate::{FrameLog as _, Keep, Limit, MAX_SNAPSHOT, Pruned, StoredRecord, WriteError};

fn pruned_below(before: u64, records: Vec<StoredRecord>, keep: Keep) -> Vec<StoredRecord> {
    let goes = |r: &StoredRecord| r.seq < Seq::new(before) && !(keep == Keep::Operations && r.is_operation);
    records.into_iter().map(|r| if goes(&r) { r.pruned() } else { r }).collect()
}

/// Pruning takes bytes and nothing else, moves the horizon, can be repeated and made stricter.
pub async fn prunes_messages_then_operations(harness: &impl Harness) {
    let mut log = harness.fresh().await;
    let g = group(1);
    fill(&*log, &g, 0, 0..600).await;
    fill(&*log, &group(2), 0, 600..610).await;

    let first = log.prune(&g, Seq::new(400), Keep::Operations).await;
    assert_eq!(first, Ok(Pruned { records: 266, horizon: Seq::new(400) }));
    let again = log.prune(&g, Seq::new(400), Keep::Operations).await;
    assert_eq!(again, Ok(Pruned { records: 0, horizon: Seq::new(400) }));
    let mut expected = pruned_below(400, stored(0..600), Keep::Operations);
    assert_eq!(read_all(&*log, &g).await, expected);

    let stricter = log.prune(&g, Seq::new(100), Keep::Nothing).await;
    assert_eq!(stricter, Ok(Pruned { records: 34, horizon: Seq::new(400) }));
    expected = pruned_below(100, expected, Keep::Nothing);
    assert_eq!(read_all(&*log, &g).await, expected);

    log = harness.reopen(log).await;
    assert_eq!(read_all(&*log, &g).await, expected);
    assert_eq!(log.find(&g, &id(1)).await, Ok(Some((Seq::new(1), record(1).th))), "ids outlive bytes");
    let page = log.read(&g, Seq::ZERO, Limit::new(1, 0)).await.expect("readable");
    assert_eq!((page.horizon, page.head), (Seq::new(400), Some(Seq::new(599))));

    // Beyond the head means up to the head, and the group goes on from there.
    let all = log.prune(&g, Seq::new(u64::MAX), Keep::Nothing).await.expect("pruned");
    assert_eq!(all.horizon, Seq::new(600));
    assert_eq!(read_all(&*log, &g).await, pruned_below(600, stored(0..600), Keep::Nothing));
    fill(&*log, &g, 600, [1_000]).await;
    assert_eq!(read_all(&*log, &g).await.last(), Some(&StoredRecord::new(Seq::new(600), record(1_000))));
    assert_eq!(read_all(&*log, &group(2)).await, stored(600..610), "other groups keep theirs");
    let none = log.prune(&group(9), Seq::new(5), Keep::Nothing).await;
    assert_eq!(none, Ok(Pruned { records: 0, horizon: Seq::ZERO }));
}

/// Snapshots are found at or before a position, replaced, dropped but for the newest, bounded by the head.
pub async fn snapshots_are_kept_and_dropped(harness: &impl Harness) {
    let log = harness.fresh().await;
    let (g, other) = (group(1), group(2));
    let state = |n: u8| Bytes::from(vec![n; 1_000 * usize::from(n)]);
    assert_eq!(log.put_snapshot(&g, Seq::ZERO, state(1)).await, Err(WriteError::BeyondHead));
    fill(&*log, &g, 0, 0..10).await;
    fill(&*log, &other, 0, 10..12).await;
    assert_eq!(log.snapshot(&g, None).await, Ok(None));
    for (at, n) in [(2, 1), (5, 2), (9, 3), (5, 4)] {
        assert_eq!(log.put_snapshot(&g, Seq::new(at), state(n)).await, Ok(()));
    }
    assert_eq!(log.put_snapshot(&g, Seq::new(10), state(1)).await, Err(WriteError::BeyondHead));
    let long = Bytes::from(vec![0; MAX_SNAPSHOT + 1]);
    assert_eq!(
        log.put_snapshot(&g, Seq::ZERO, long).await,
        Err(WriteError::TooLarge { len: MAX_SNAPSHOT + 1, max: MAX_SNAPSHOT })
    );
    for (at_most, expected) in [
        (None, Some((9, 3))),
        (Some(100), Some((9, 3))),
        (Some(8), Some((5, 4))),
        (Some(5), Some((5, 4))),
        (Some(4), Some((2, 1))),
        (Some(1), None),
    ] {
        let expected = expected.map(|(at, n)| (Seq::new(at), state(n)));
        assert_eq!(log.snapshot(&g, at_most.map(Seq::new)).await, Ok(expected), "at most {at_most:?}");
    }
    assert_eq!(log.snapshot(&other, None).await, Ok(None));
    assert_eq!(log.drop_snapshots(&g, Seq::new(5)).await, Ok(1));
    assert_eq!(log.snapshot(&g, Some(Seq::new(4))).await, Ok(None));
    assert_eq!(log.drop_snapshots(&g, Seq::new(100)).await, Ok(1), "the newest stays");
    let log = harness.reopen(log).await;
    assert_eq!(log.snapshot(&g, None).await, Ok(Some((Seq::new(9), state(3)))));
    assert_eq!(log.snapshot(&g, Some(Seq::new(8))).await, Ok(None));
}
