//! Snapshots of any size come back, and leave nothing behind.

use std::sync::Arc;

use bytes::Bytes;
use frame_log::{FrameLog as _, MAX_SNAPSHOT, conformance};
use mongodb::{
    Collection,
    bson::{Binary, Document, Timestamp, doc, oid::ObjectId, spec::BinarySubtype},
};
use protocol::Seq;
use servers::Mongo;
use tokio::task::JoinSet;

use crate::databases::{behind, name, open};

const CHUNK: usize = 4 * 1024 * 1024;

/// Bytes no two chunks of which are alike.
fn state(len: usize, seed: u8) -> Bytes {
    let chunk = |n: usize| (0..=u8::MAX).map(move |b| b ^ seed ^ n.to_le_bytes()[0]);
    (0..len.div_ceil(256)).flat_map(chunk).take(len).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn they_come_back_and_leave_nothing_behind() {
    let server = Mongo::start().await.expect("starts");
    let database = name();
    let log = open(&server.uri(), &database).await;
    let group = conformance::group(1);
    for n in 0..10 {
        log.append(&group, Seq::new(n), conformance::record(n)).await.expect("appended");
    }
    let chunks: Collection<Document> = behind(&server.uri(), &database).await.collection("snapshot_chunks");
    let count = || async { chunks.count_documents(doc! {}).await.expect("counted") };

    for (len, expected) in [(0, 0), (1, 1), (CHUNK + 1, 2), (MAX_SNAPSHOT, 16), (2 * CHUNK - 1, 2)] {
        let bytes = state(len, 7);
        log.put_snapshot(&group, Seq::new(5), bytes.clone())
            .await
            .unwrap_or_else(|e| panic!("{len} bytes: {e}"));
        let (at, found) = log.snapshot(&group, None).await.expect("readable").expect("there");
        assert_eq!(at, Seq::new(5));
        assert!(found == bytes, "{len} bytes");
        assert_eq!(count().await, expected, "the one it replaced is gone");
    }

    // What a broken-off upload left an hour ago goes; what may still be one stays.
    let generic = |bytes: &[u8]| Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() };
    for time in [1, u32::MAX - 10] {
        for k in 0..3 {
            let orphan = doc! {
                "_id": { "u": ObjectId::from_bytes([u8::try_from(time % 251).expect("small"); 12]), "k": k },
                "g": generic(group.as_bytes()),
                "n": Timestamp { time, increment: 1 },
                "b": generic(b"half"),
            };
            chunks.insert_one(orphan).await.expect("inserted");
        }
    }
    assert_eq!(count().await, 8);
    log.put_snapshot(&group, Seq::new(9), state(10, 1)).await.expect("kept");
    assert_eq!(count().await, 6, "two chunks at 5, one at 9, three of an upload under way");
    assert_eq!(log.drop_snapshots(&group, Seq::new(100)).await, Ok(1));
    assert_eq!(count().await, 4);

    // Many replace the same one while others read it: it is always one of them, whole.
    let mut racing = JoinSet::new();
    for seed in 0..6 {
        let log = Arc::clone(&log);
        racing.spawn(async move {
            for _ in 0..5 {
                log.put_snapshot(&group, Seq::new(9), state(1_000 + usize::from(seed), seed))
                    .await
                    .expect("kept");
                let (_, found) = log.snapshot(&group, None).await.expect("readable").expect("there");
                let by = u8::try_from(found.len() - 1_000).unwrap_or(u8::MAX);
                assert!(found.len() == 10 || found == state(found.len(), by), "neither's bytes");
            }
        });
    }
    racing.join_all().await;
    assert_eq!(count().await, 4);
}
