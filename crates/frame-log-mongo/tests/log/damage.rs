//! What is stored is changed behind the log's back: it serves no byte it is not sure of, and says where.

use bytes::Bytes;
use frame_log::{AppendError, FrameLog as _, Limit, Meta as _, MetaKey, MetaValue, ReadError, conformance};
use mongodb::{
    Collection,
    bson::{Bson, Document, doc, spec::BinarySubtype},
};
use protocol::{GroupId, Seq};
use servers::Mongo;

use crate::databases::{behind, name, open};

fn bytes(bytes: &[u8]) -> Bson {
    Bson::Binary(mongodb::bson::Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() })
}

fn at(group: &GroupId, seq: i64) -> Document {
    doc! { "_id": { "g": bytes(group.as_bytes()), "s": seq } }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_found_and_named() {
    let server = Mongo::start().await.expect("starts");
    let name = name();
    let log = open(&server.uri(), &name).await;
    for g in 1..=5 {
        for n in 0..10 {
            let record = conformance::record(g * 100 + n);
            log.append(&conformance::group(g), Seq::new(n), record).await.expect("appended");
        }
    }
    let database = behind(&server.uri(), &name).await;
    let frames: Collection<Document> = database.collection("frames");
    let damaged =
        |g, seq| ReadError::Damaged { group: Some(conformance::group(g)), seq: Some(Seq::new(seq)) };

    // A record is gone: nothing beyond the hole is shown.
    frames.delete_one(at(&conformance::group(1), 4)).await.expect("deleted");
    assert_eq!(log.read(&conformance::group(1), Seq::ZERO, Limit::MAX).await, Err(damaged(1, 4)));
    assert_eq!(
        log.read(&conformance::group(1), Seq::ZERO, Limit::new(4, 10_000)).await.map(|p| p.records.len()),
        Ok(4)
    );
    assert_eq!(
        log.read(&conformance::group(1), Seq::new(5), Limit::MAX).await.map(|p| p.records.len()),
        Ok(5)
    );

    // A field is of another type.
    let change = |set: Document| doc! { "$set": set };
    frames.update_one(at(&conformance::group(2), 3), change(doc! { "e": "seven" })).await.expect("changed");
    assert_eq!(log.read(&conformance::group(2), Seq::ZERO, Limit::MAX).await, Err(damaged(2, 3)));
    frames
        .update_one(at(&conformance::group(2), 5), change(doc! { "h": bytes(b"short") }))
        .await
        .expect("changed");
    assert_eq!(log.find(&conformance::group(2), &conformance::id(205)).await, Err(damaged(2, 5)));
    let again = log.append(&conformance::group(2), Seq::new(10), conformance::record(205)).await;
    assert_eq!(again, Err(AppendError::Damaged));

    // A frame is gone that retention has not taken.
    frames.update_one(at(&conformance::group(3), 6), doc! { "$unset": { "f": "" } }).await.expect("changed");
    assert_eq!(log.read(&conformance::group(3), Seq::ZERO, Limit::MAX).await, Err(damaged(3, 6)));

    // A snapshot's bytes, and the lack of them.
    let chunks: Collection<Document> = database.collection("snapshot_chunks");
    for (g, delete) in [(4, false), (5, true)] {
        let group = conformance::group(g);
        log.put_snapshot(&group, Seq::new(3), Bytes::from_static(b"state")).await.expect("kept");
        let which = doc! { "g": bytes(group.as_bytes()) };
        if delete {
            chunks.delete_one(which).await.expect("deleted");
        } else {
            chunks.update_one(which, change(doc! { "b": bytes(b"stale") })).await.expect("changed");
        }
        assert_eq!(log.snapshot(&group, None).await, Err(damaged(g, 3)));
    }

    const KEY: MetaKey = MetaKey::new("value");
    log.save(KEY, MetaValue::new(b"one".to_vec())).await.expect("saved");
    let meta: Collection<Document> = database.collection("meta");
    meta.update_one(doc! { "_id": "value" }, change(doc! { "v": 1 })).await.expect("changed");
    assert_eq!(log.load(KEY).await, Err(ReadError::Damaged { group: None, seq: None }));
}
