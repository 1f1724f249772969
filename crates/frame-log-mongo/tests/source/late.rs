//! On a standalone server a record may appear after others that were written later.

use frame_log::conformance::group;
use mongodb::bson::{Document, RawDocumentBuf, Timestamp, doc};
use servers::Mongo;

use crate::support::{Bench, next, next_record};

/// A record with a time of its own, which the server then leaves alone.
async fn stored_at(bench: &Bench, like: &RawDocumentBuf, seq: i64, time: Timestamp) {
    let mut document = Document::try_from(like.clone()).unwrap();
    document.get_document_mut("_id").unwrap().insert("s", seq);
    document.insert("n", time);
    bench.store(&document).await;
}

#[tokio::test]
async fn is_shown_once_when_it_appears() {
    let server = Mongo::start().await.unwrap();
    let bench = Bench::of(&server.uri()).await;
    let start = bench.source.now().await.unwrap();
    bench.append(&group(1), 0, 0..3).await;
    let mut stream = bench.open(&start).await;
    let mut places = vec![start];
    for seq in 0..3 {
        let (_, shown, place) = next_record(&mut stream).await;
        assert_eq!(shown, seq);
        places.push(place);
    }
    let last = bench.documents.find_one(doc! { "_id.s": 2_i64 }).await.unwrap().unwrap();
    let time = last.get_timestamp("n").unwrap();
    // Two seconds before what was shown last, within the overlap of five.
    stored_at(&bench, &last, 100, Timestamp { time: time.time - 2, increment: 7 }).await;
    assert_eq!(next_record(&mut stream).await.1, 100);
    bench.append(&group(1), 3, 3..4).await;
    assert_eq!(next_record(&mut stream).await.1, 3, "the late record was shown once");

    // It is found from every place that was given before it appeared.
    for place in places {
        let mut stream = bench.open(&place).await;
        while next_record(&mut stream).await.1 != 100 {}
    }
    drop(stream);

    // And two records of one time are both shown.
    let place = bench.source.now().await.unwrap();
    let mut stream = bench.open(&place).await;
    bench.append(&group(1), 4, 4..5).await;
    while next_record(&mut stream).await.1 != 4 {}
    let last = bench.documents.find_one(doc! { "_id.s": 4_i64 }).await.unwrap().unwrap();
    stored_at(&bench, &last, 101, last.get_timestamp("n").unwrap()).await;
    while next_record(&mut stream).await.1 != 101 {}
}

/// What can no longer be late is not looked for again: the place closes up, and a reader that starts there is shown
/// nothing again.
#[tokio::test]
async fn is_waited_for_no_longer_than_the_overlap() {
    let server = Mongo::start().await.unwrap();
    let bench = Bench::of(&server.uri()).await;
    let options = frame_log_mongo::SourceOptions {
        overlap: std::time::Duration::from_secs(1),
        ..crate::support::quick()
    };
    let source = bench.log.source(options);
    let start = source.now().await.unwrap();
    bench.append(&group(1), 0, 0..3).await;
    let mut stream = source.open(frame_log::BucketRange::ALL, &start).await.unwrap();
    for _ in 0..3 {
        next_record(&mut stream).await;
    }
    // Its last eight bytes are up to where records were shown, the eight before up to where none can come.
    let settled = loop {
        let place = next(&mut stream).await.unwrap().after;
        let marks = place.as_bytes()[place.as_bytes().len() - 16..].to_vec();
        if marks[..8] == marks[8..] {
            break place;
        }
    };
    bench.append(&group(1), 3, 3..4).await;
    let mut again = source.open(frame_log::BucketRange::ALL, &settled).await.unwrap();
    assert_eq!(next_record(&mut again).await.1, 3);
}

/// A small generator with a fixed seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Records appear in any order within the overlap: a reader that stays is shown each once, and one that leaves every few
/// records and comes back with its place misses none.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn are_shown_in_whatever_order_they_appear() {
    const COUNT: i64 = 600;
    let server = Mongo::start().await.unwrap();
    let bench = std::sync::Arc::new(Bench::of(&server.uri()).await);
    bench.append(&group(1), 0, 0..1).await;
    let like = bench.documents.find_one(doc! {}).await.unwrap().unwrap();
    let start = bench.source.now().await.unwrap();
    let mut stays = bench.open(&start).await;

    let writer = std::sync::Arc::clone(&bench);
    let writing = tokio::spawn(async move {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for seq in 1..=COUNT {
            // Up to two seconds before now, by the server's clock; a few of one time.
            let mut asked = Document::try_from(like.clone()).unwrap();
            asked.get_document_mut("_id").unwrap().insert("s", -seq);
            asked.insert("p", 5_000);
            asked.insert("n", Timestamp { time: 0, increment: 0 });
            writer.store(&asked).await;
            let now = writer.documents.find_one(doc! { "_id.s": -seq }).await.unwrap().unwrap();
            let now = now.get_timestamp("n").unwrap();
            let back = u32::try_from(random.below(3)).unwrap();
            let increment = if back == 0 { now.increment } else { u32::try_from(random.below(50)).unwrap() };
            stored_at(&writer, &like, seq, Timestamp { time: now.time - back, increment }).await;
        }
    });

    let mut missing: std::collections::BTreeSet<u64> = (1..=COUNT.unsigned_abs()).collect();
    let mut comes_back = (start, missing.clone());
    while !missing.is_empty() {
        let (_, seq, _) = next_record(&mut stays).await;
        assert!(seq == 0 || missing.remove(&seq), "{seq} is shown again to a reader that stays");
        if seq % 10 == 0 {
            let mut stream = bench.open(&comes_back.0).await;
            for _ in 0..25 {
                let step = next(&mut stream).await.unwrap();
                comes_back.0 = step.after;
                if let frame_log::SourceItem::Record { record, .. } = step.item {
                    comes_back.1.remove(&record.seq.get());
                }
            }
        }
    }
    writing.await.unwrap();
    let mut stream = bench.open(&comes_back.0).await;
    while !comes_back.1.is_empty() {
        let (_, seq, _) = next_record(&mut stream).await;
        comes_back.1.remove(&seq);
    }
}
