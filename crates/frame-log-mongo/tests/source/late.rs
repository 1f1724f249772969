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
