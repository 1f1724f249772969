//! Appending, paging, looking up.

use std::sync::Arc;

use bytes::Bytes;
use protocol::Seq;
use tokio::task::JoinSet;

use super::{Harness, fill, group, id, read_all, record, stored};
use crate::{AppendError, FrameLog as _, Limit, MAX_RECORD, Record};

/// Positions are dense from 0, taken ones and later ones are refused with the next one, groups are independent.
pub async fn appends_in_order(harness: &impl Harness) {
    let log = harness.fresh().await;
    let (a, b) = (group(1), group(2));
    assert_eq!(log.head(&a).await, Ok(None));
    let empty = log.read(&a, Seq::new(5), Limit::MAX).await.expect("readable");
    assert_eq!(
        (empty.records.len(), empty.next, empty.head, empty.horizon),
        (0, Seq::new(5), None, Seq::ZERO)
    );

    fill(&*log, &a, 0, 0..5).await;
    fill(&*log, &b, 0, 5..8).await;
    assert_eq!(log.head(&a).await, Ok(Some(Seq::new(4))));
    for taken in [0, 3, 4, 6, u64::MAX] {
        let refused = log.append(&a, Seq::new(taken), record(99)).await;
        assert_eq!(refused, Err(AppendError::Conflict { next: Seq::new(5) }), "position {taken}");
    }
    assert_eq!(
        log.append(&group(3), Seq::new(1), record(99)).await,
        Err(AppendError::Conflict { next: Seq::ZERO })
    );
    assert_eq!(read_all(&*log, &a).await, stored(0..5));
    assert_eq!(read_all(&*log, &b).await, stored(5..8));
    assert_eq!(read_all(&*log, &group(3)).await, []);
}

/// Pages respect both bounds, hold at least one record, and say where to go on.
pub async fn pages_within_limits(harness: &impl Harness) {
    let log = harness.fresh().await;
    let g = group(1);
    fill(&*log, &g, 0, 0..20).await;
    let all = stored(0..20);
    for from in 0..20 {
        for records in 1..5 {
            for bytes in [0, 100, 300, 10_000] {
                let limit = Limit::new(records, bytes);
                let page = log.read(&g, Seq::new(from), limit).await.expect("readable");
                let got = page.records.len();
                let start = usize::try_from(from).expect("small");
                assert_eq!(page.records, all[start..start + got], "a stretch without gap");
                assert_eq!(page.next, Seq::new(from + got as u64));
                assert_eq!(page.head, Some(Seq::new(19)));
                let size: usize = page.records.iter().filter_map(|r| r.frame.as_ref()).map(Bytes::len).sum();
                assert!(got == 1 || (got <= records && size <= bytes), "{got} records of {size} bytes");
                let more = all.get(start + got).and_then(|r| r.frame.as_ref()).map(Bytes::len);
                assert!(more.is_none_or(|m| got == records || size + m > bytes), "the page could hold more");
            }
        }
    }
    let beyond = log.read(&g, Seq::new(20), Limit::MAX).await.expect("readable");
    assert_eq!((beyond.records.len(), beyond.next, beyond.head), (0, Seq::new(20), Some(Seq::new(19))));
}

/// A known id is answered with its place, before the position is looked at; groups do not share ids.
pub async fn finds_by_id(harness: &impl Harness) {
    let log = harness.fresh().await;
    let (a, b) = (group(1), group(2));
    fill(&*log, &a, 0, 0..4).await;
    for expected in [2, 4] {
        let again = log.append(&a, Seq::new(expected), record(2)).await;
        assert_eq!(again, Err(AppendError::Duplicate { seq: Seq::new(2), th: record(2).th }));
    }
    // The same id with other content is the same duplicate; the caller compares hashes.
    let other = Record { frame_id: id(2), ..record(50) };
    let refused = log.append(&a, Seq::new(4), other).await;
    assert_eq!(refused, Err(AppendError::Duplicate { seq: Seq::new(2), th: record(2).th }));

    assert_eq!(log.find(&a, &id(3)).await, Ok(Some((Seq::new(3), record(3).th))));
    assert_eq!(log.find(&a, &id(4)).await, Ok(None));
    assert_eq!(log.find(&b, &id(3)).await, Ok(None));
    fill(&*log, &b, 0, [3]).await;
    assert_eq!(log.find(&b, &id(3)).await, Ok(Some((Seq::ZERO, record(3).th))));
}

/// The longest frame goes in, one byte more does not.
pub async fn refuses_large_records(harness: &impl Harness) {
    let log = harness.fresh().await;
    let g = group(1);
    let sized = |n, len| Record { frame: Bytes::from(vec![0xab; len]), ..record(n) };
    assert_eq!(log.append(&g, Seq::ZERO, sized(0, MAX_RECORD)).await, Ok(Seq::ZERO));
    assert_eq!(log.append(&g, Seq::new(1), sized(1, 0)).await, Ok(Seq::new(1)));
    let refused = log.append(&g, Seq::new(2), sized(2, MAX_RECORD + 1)).await;
    assert_eq!(refused, Err(AppendError::TooLarge { len: MAX_RECORD + 1, max: MAX_RECORD }));
    let page = log.read(&g, Seq::ZERO, Limit::MAX).await.expect("readable");
    let sizes: Vec<_> = page.records.iter().map(|r| r.frame.as_ref().map(Bytes::len)).collect();
    assert_eq!(sizes, [Some(MAX_RECORD), Some(0)]);
}

/// Of many writers racing for each position exactly one wins, and the losers are told the truth.
pub async fn one_winner_per_position(harness: &impl Harness) {
    const WRITERS: u64 = 8;
    const POSITIONS: u64 = 25;
    let log = harness.fresh().await;
    let g = group(1);
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let log = Arc::clone(&log);
        writers.spawn(async move {
            let mut won = Vec::new();
            let mut at = Seq::ZERO;
            while at < Seq::new(POSITIONS) {
                let n = at.get() * WRITERS + writer;
                match log.append(&g, at, record(n)).await {
                    Ok(got) => {
                        assert_eq!(got, at);
                        won.push((at, n));
                        at = at.next().expect("small");
                    }
                    Err(AppendError::Conflict { next }) => {
                        assert!(next > at, "a conflict at {at} cannot name {next}");
                        at = next;
                    }
                    Err(error) => assert_eq!(Err(error), Ok(at)),
                }
            }
            won
        });
    }
    let mut won: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
    won.sort_unstable();
    let positions: Vec<_> = won.iter().map(|(at, _)| at.get()).collect();
    assert_eq!(positions, (0..POSITIONS).collect::<Vec<_>>(), "one winner each");
    assert_eq!(read_all(&*log, &g).await, stored(won.into_iter().map(|(_, n)| n)));
}

/// Records, ids, heads and the order over all groups are there after the log was closed and opened.
pub async fn survives_reopening(harness: &impl Harness) {
    let mut log = harness.fresh().await;
    for round in 0..4 {
        for g in 0..10 {
            let first = (round * 10 + g) * 3;
            fill(&*log, &group(g), round * 3, first..first + 3).await;
        }
        log = harness.reopen(log).await;
        for g in 0..10 {
            let numbers: Vec<u64> =
                (0..=round).flat_map(|r| (r * 10 + g) * 3..(r * 10 + g) * 3 + 3).collect();
            assert_eq!(log.head(&group(g)).await, Ok(Some(Seq::new(round * 3 + 2))));
            for (at, n) in (0..).zip(&numbers) {
                assert_eq!(log.find(&group(g), &id(*n)).await, Ok(Some((Seq::new(at), record(*n).th))));
            }
            assert_eq!(read_all(&*log, &group(g)).await, stored(numbers));
        }
    }
}

/// Every group with a record is listed once, in order, whatever the size of the pages, and no other.
pub async fn groups_are_listed(harness: &impl Harness) {
    let log = harness.fresh().await;
    assert_eq!(log.groups(None, 10).await, Ok(vec![]));
    for n in [5, 1, 9, 3, 7, 2] {
        fill(&*log, &group(n), 0, n * 10..n * 10 + n).await;
    }
    let refused = log.append(&group(4), Seq::new(1), record(99)).await;
    assert_eq!(refused, Err(AppendError::Conflict { next: Seq::ZERO }), "that founds no group");
    let expected: Vec<_> = [1, 2, 3, 5, 7, 9].map(group).into();
    for limit in [0, 1, 2, 4, 6, usize::MAX] {
        let mut all = Vec::new();
        loop {
            let page = log.groups(all.last(), limit).await.expect("readable");
            assert!(page.len() <= limit.max(1), "{} of {limit}", page.len());
            if page.is_empty() {
                break;
            }
            all.extend(page);
        }
        assert_eq!(all, expected, "pages of {limit}");
    }
    assert_eq!(log.groups(Some(&group(6)), 1).await, Ok(vec![group(7)]), "after an id that is not there");
}
