//! Claims, ranges, leases.

use std::{sync::Arc, time::Duration};

use super::kit::*;
use drop_state::{MAX_WRONG, Refusal};
use futures_util::StreamExt as _;
use service_kit::config::{ByteSize, Period};
use transistor::{
    drops::{Ended, Failure, NewDrop, RangeSpec, Shown},
    store::Copy,
};

const GONE: Failure = Failure::Refused(Refusal::Gone);
const LEN: usize = 4 * PIECE + 321;

#[tokio::test]
async fn every_range_is_that_part_of_the_body() {
    let rig = Rig::new().await;
    for (n, len) in [(1, 90), (2, LEN)] {
        let content = content(len);
        rig.outside(id(n), &content).await;
        let claim = rig.claim(id(n), n).await.unwrap();
        let edges: Vec<u64> = [0, 1, 89, 999, 1000, 1001, 2500, 3999, 4000, 4320]
            .into_iter()
            .filter(|at| *at < len as u64)
            .collect();
        let between = edges.iter().flat_map(|from| edges.iter().map(|to| RangeSpec::Between(*from, *to)));
        let ends = edges.iter().flat_map(|at| [RangeSpec::From(*at), RangeSpec::Last(*at)]);
        for spec in between.chain(ends) {
            let reading = rig.drops.read(id(n), &claim, Some(spec), None).await;
            let Some(range) = spec.within(len as u64) else {
                assert_eq!(reading.unwrap_err(), Failure::RangeNotSatisfiable { size: len as u64 });
                continue;
            };
            let reading = reading.unwrap();
            assert!(reading.partial && reading.range == range && reading.size == len as u64);
            let (from, to) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
            assert_eq!(all(reading).await.unwrap(), content[from..to], "{spec:?}");
        }
        // Of another body than the reader thinks it is, it is sent everything.
        let tag = rig.drops.read(id(n), &claim, None, None).await.unwrap().tag;
        let same = rig.drops.read(id(n), &claim, Some(RangeSpec::From(10)), Some(tag)).await.unwrap();
        assert!(same.partial && same.range.start == 10);
        rig.outside(id(99), b"another").await;
        let other_claim = rig.claim(id(99), 99).await.unwrap();
        let other = rig.drops.read(id(99), &other_claim, Some(RangeSpec::From(1)), Some(tag)).await.unwrap();
        assert!(!other.partial && other.range == (0..7));
        rig.drops.confirm(id(99), &other_claim).await.unwrap();
        rig.drops.confirm(id(n), &claim).await.unwrap();
        assert!(rig.is_gone(id(n)).await);
        assert_eq!(rig.drops.read(id(n), &claim, None, None).await.unwrap_err(), GONE);
    }
    assert_eq!(rig.metric("transistor_pieces_in_memory"), 0);
    rig.end().await;
}

/// A body of two units that are given apart.
const TWO: usize = (1 << 20) + 400_000;

async fn two_units() -> (Rig, Vec<u8>) {
    let rig = Rig::with(|_, bodies| bodies.segment = ByteSize::from_kib(256)).await;
    let content = content(TWO);
    rig.outside(id(1), &content).await;
    (rig, content)
}

#[tokio::test]
async fn a_claim_that_broke_in_the_middle_comes_back_after_its_lease() {
    let (rig, content) = two_units().await;
    let first = rig.claim(id(1), 1).await.unwrap();
    let mut stream = rig.drops.read(id(1), &first, None, None).await.unwrap().stream;
    let mut got = Vec::new();
    while got.len() < TWO / 2 {
        got.extend_from_slice(&stream.next().await.unwrap().unwrap());
    }
    drop(stream);
    assert_eq!(got, content[..got.len()]);
    assert_eq!(rig.claim(id(1), 2).await.unwrap_err(), GONE);
    rig.clock.advance(LEASE);
    let second = rig.claim(id(1), 2).await.unwrap();
    assert_eq!(rig.drops.read(id(1), &first, None, None).await.unwrap_err(), GONE);

    // The rest of what was never sent to anybody: with that, this claim is the last.
    let part = rig.drops.read(id(1), &second, Some(RangeSpec::From(1 << 20)), None).await.unwrap();
    assert_eq!(all(part).await.unwrap(), content[1 << 20..]);
    assert!(rig.drops.claim(id(1), &Shown::default(), &second).await.unwrap().view.is_final);
    assert_eq!(rig.read(id(1), &second).await, content, "again, as long as the lease lasts");
    rig.clock.advance(LEASE);
    assert_eq!(rig.claim(id(1), 3).await.unwrap_err(), GONE);
    assert!(rig.is_gone(id(1)).await);
    rig.end().await;
}

#[tokio::test]
async fn giving_back_and_claiming_again() {
    let (rig, content) = two_units().await;
    let first = rig.claim(id(1), 1).await.unwrap();
    rig.drops.give_back(id(1), &first).await.unwrap();
    assert!(!rig.is_gone(id(1)).await);
    let second = rig.claim(id(1), 2).await.unwrap();
    let opened = rig.drops.read(id(1), &second, None, None).await.unwrap();
    drop(opened);
    rig.drops.give_back(id(1), &second).await.unwrap();
    let third = rig.claim(id(1), 3).await.unwrap();
    assert_eq!(rig.read(id(1), &third).await, content);
    // Everything was sent: giving back is the end.
    rig.drops.give_back(id(1), &third).await.unwrap();
    assert!(rig.is_gone(id(1)).await);
    rig.end().await;
}

#[tokio::test]
async fn a_reader_that_takes_its_time_keeps_its_claim_and_one_that_stops_loses_it() {
    let (rig, content) = two_units().await;
    let claim = rig.claim(id(1), 1).await.unwrap();
    let mut stream = rig.drops.read(id(1), &claim, None, None).await.unwrap().stream;
    let mut got = Vec::new();
    let mut chunks = 0;
    while let Some(chunk) = stream.next().await {
        got.extend_from_slice(&chunk.unwrap());
        chunks += 1;
        rig.clock.advance(LEASE - Duration::from_secs(1));
    }
    assert_eq!(got, content);
    assert!(chunks > 8);

    rig.outside(id(2), &content).await;
    let claim = rig.claim(id(2), 2).await.unwrap();
    let mut stream = rig.drops.read(id(2), &claim, None, None).await.unwrap().stream;
    stream.next().await.unwrap().unwrap();
    rig.clock.advance(LEASE);
    let other = rig.claim(id(2), 3).await.unwrap();
    assert_eq!(stream.next().await, Some(Err(Ended::Gone)));
    assert_eq!(stream.next().await, None);
    assert_eq!(rig.metric("transistor_sent_total{outcome=\"gone\"}"), 1);
    assert_eq!(rig.read(id(2), &other).await, content);
    rig.end().await;
}

#[tokio::test]
async fn a_reader_that_asks_for_nothing_takes_no_place_from_others() {
    let rig = Rig::with(|settings, bodies| {
        bodies.segment = ByteSize::from_kib(256);
        settings.max_readers = 1;
        settings.lease = Period::from_millis(50);
    })
    .await;
    let content = content(TWO);
    rig.outside(id(1), &content).await;
    rig.outside(id(2), &content).await;
    let first = rig.claim(id(1), 1).await.unwrap();
    let mut stream = rig.drops.read(id(1), &first, None, None).await.unwrap().stream;
    stream.next().await.unwrap().unwrap();
    let second = rig.claim(id(2), 2).await.unwrap();
    until("the place to be free", async || {
        let reading = rig.drops.read(id(2), &second, None, None).await;
        assert!(matches!(reading, Ok(_) | Err(Failure::Busy)));
        reading.is_ok()
    })
    .await;
    assert_eq!(stream.next().await, Some(Err(Ended::Gone)));
    assert_eq!(stream.next().await, None);
    until("its memory, too", async || rig.drops.pieces_in_memory() == 0).await;
    assert_eq!(rig.read(id(1), &first).await, content, "its claim is as good as before");
    rig.end().await;
}

#[tokio::test]
async fn deleting_ends_what_is_being_read() {
    let (mut rig, _) = two_units().await;
    rig.sweep();
    let claim = rig.claim(id(1), 1).await.unwrap();
    let mut stream = rig.drops.read(id(1), &claim, None, None).await.unwrap().stream;
    stream.next().await.unwrap().unwrap();
    rig.drops.delete(id(1), &token(b'd')).await.unwrap();
    let mut ended = None;
    while let Some(chunk) = stream.next().await {
        ended = chunk.err();
    }
    assert_eq!(ended, Some(Ended::Gone));
    until("the body to be removed", async || rig.objects().is_empty()).await;
    rig.end().await;
}

#[tokio::test]
async fn whoever_goes_before_anything_is_given_takes_nothing() {
    let (rig, content) = two_units().await;
    let closed = Arc::clone(&rig.store.parts).lock_owned().await;
    let drops = rig.drops.clone();
    let taking = tokio::spawn(async move { drops.take(id(1), &Shown::default(), false).await.map(drop) });
    until("it to be claimed", async || rig.is_gone(id(1)).await).await;
    taking.abort();
    assert!(taking.await.unwrap_err().is_cancelled());
    drop(closed);
    // Without waiting for a lease to end.
    until("it to be there again", async || !rig.is_gone(id(1)).await).await;
    let taken = rig.drops.take(id(1), &Shown::default(), false).await.unwrap();
    assert_eq!(all(taken).await.unwrap(), content);
    rig.end().await;
}

#[tokio::test]
async fn taken_is_taken_however_it_ends() {
    let (mut rig, content) = two_units().await;
    rig.sweep();
    let mut stream = rig.drops.take(id(1), &Shown::default(), false).await.unwrap().stream;
    stream.next().await.unwrap().unwrap();
    drop(stream);
    assert_eq!(rig.claim(id(1), 1).await.unwrap_err(), GONE);
    until("the drop to be erased", async || rig.usage().await.drops == 0).await;
    until("its body to be removed", async || rig.objects().is_empty()).await;

    rig.outside(id(2), &content).await;
    let reading = rig.drops.take(id(2), &Shown::default(), false).await.unwrap();
    let mut left = reading.size;
    let mut stream = reading.stream;
    while left > 0 {
        left -= stream.next().await.unwrap().unwrap().len() as u64;
    }
    assert_eq!(rig.usage().await.drops, 0, "erased before the last byte was handed over");
    assert_eq!(rig.drops.take(id(2), &Shown::default(), false).await.unwrap_err(), GONE);
    rig.end().await;
}

#[tokio::test]
async fn a_text_is_had_as_one_and_bytes_are_not() {
    let rig = Rig::new().await;
    rig.outside(id(1), &content(50)).await;
    rig.outside(id(2), &content(LEN)).await;
    for n in [1, 2] {
        let refused = rig.drops.take(id(n), &Shown::default(), true).await.unwrap_err();
        assert_eq!(refused, Failure::Refused(Refusal::NotText));
        assert!(!rig.is_gone(id(n)).await);
        rig.drops.take(id(n), &Shown::default(), false).await.unwrap();
    }
    rig.end().await;
}

#[tokio::test]
async fn tokens_are_asked_for_and_wrong_passwords_counted() {
    let rig = Rig::new().await;
    for (n, len) in [(1, 50), (2, LEN)] {
        let locked =
            NewDrop { access: Some(token(b'a').hash()), unlock: Some(token(b'u').hash()), ..new(id(n)) };
        rig.drops.receive(locked, None, None, body(&content(len))).await.unwrap();
        let shown = |access, unlock| Shown { access: Some(token(access)), unlock: Some(token(unlock)) };
        assert_eq!(rig.drops.look(id(n), &shown(b'x', b'u')).await.unwrap_err(), GONE);
        assert_eq!(rig.drops.take(id(n), &shown(b'x', b'u'), false).await.unwrap_err(), GONE);
        for left in (1..MAX_WRONG).rev() {
            let wrong = rig.drops.take(id(n), &shown(b'a', b'x'), false).await.unwrap_err();
            assert_eq!(wrong, Failure::Refused(Refusal::WrongPassword { left }));
        }
        let taken = rig.drops.take(id(n), &shown(b'a', b'u'), false).await.unwrap();
        assert_eq!(all(taken).await.unwrap(), content(len));
    }
    rig.end().await;
}

#[tokio::test]
async fn copies_are_read_apart_and_the_body_goes_with_the_last() {
    let mut rig = Rig::new().await;
    rig.sweep();
    let content = content(LEN);
    rig.outside(id(1), &content).await;
    let copy = |n| Copy { id: id(n), info: vec![n], access: None, unlock: None };
    let too_many = rig.drops.share(id(1), &token(b'd'), vec![copy(2); 1025]).await;
    assert_eq!(too_many.unwrap_err(), Failure::BadCopies { max: 1024 });
    let stranger = rig.drops.share(id(1), &token(b'x'), vec![copy(2)]).await;
    assert_eq!(stranger.unwrap_err(), GONE);
    rig.drops.share(id(1), &token(b'd'), vec![copy(2), copy(3)]).await.unwrap();
    for n in [2, 1, 3] {
        let taken = rig.drops.take(id(n), &Shown::default(), false).await.unwrap();
        assert_eq!(all(taken).await.unwrap(), content);
        assert!(rig.is_gone(id(n)).await);
    }
    until("the body to be removed", async || rig.objects().is_empty()).await;
    rig.end().await;
}
