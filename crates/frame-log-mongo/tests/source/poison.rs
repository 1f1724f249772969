//! Something in the collection that is no record is reported, and does not stand in the way.

use frame_log::{SourceItem, conformance::group};
use mongodb::bson::{Binary, Bson, Timestamp, doc, spec::BinarySubtype};
use servers::{Mongo, MongoJava};

use crate::support::{Bench, next, next_record};

async fn is_reported_and_passed(uri: &str) {
    let bench = Bench::of(uri).await;
    let start = bench.source.now().await.unwrap();
    bench.append(&group(1), 0, 0..1).await;
    let g = Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: vec![0xab; 32] });
    let zero = Timestamp { time: 0, increment: 0 };
    bench.store(&doc! { "_id": { "g": g, "s": 7_i64 }, "p": 0xaba, "n": zero, "f": "secret" }).await;
    bench.store(&doc! { "_id": "elsewhere", "p": 1, "n": zero }).await;
    bench.append(&group(1), 1, 1..2).await;

    let mut stream = bench.open(&start).await;
    let (_, seq, _) = next_record(&mut stream).await;
    assert_eq!(seq, 0);
    let mut reports = Vec::new();
    let mut places = Vec::new();
    while reports.len() < 2 {
        let step = next(&mut stream).await.unwrap();
        if let SourceItem::Poison { id, reason } = step.item {
            assert!(!reason.contains("secret"));
            reports.push(id);
            places.push(step.after);
        }
    }
    assert_eq!(reports, ["abababab…/7", "unknown…/?"]);
    assert_eq!(next_record(&mut stream).await.1, 1);
    // Whoever stores the place after it does not see it again for ever.
    let (_, seq, _) = next_record(&mut bench.open(&places[1]).await).await;
    assert_eq!(seq, 1);
}

#[tokio::test]
async fn is_reported_by_polling() {
    let server = Mongo::start().await.unwrap();
    is_reported_and_passed(&server.uri()).await;
}

#[tokio::test]
async fn is_reported_by_a_change_stream() {
    let server = MongoJava::start().await.unwrap();
    is_reported_and_passed(&server.uri()).await;
}
