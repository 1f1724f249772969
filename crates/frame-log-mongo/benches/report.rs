//! What the log costs over the driver's bare inserts and finds of the same documents, in one run.
//!
//! Against the replica set that `KITH_TEST_MONGODB_URI` names, or the storage engine as a standalone server.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a report")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use frame_log::{FrameLog as _, Limit, Record, conformance};
use frame_log_mongo::{ConnectionString, Deployment, MongoFrameLog, Options};
use futures_util::TryStreamExt as _;
use mongodb::{
    Client, Collection,
    bson::{Binary, Bson, DateTime, Document, RawDocumentBuf, Timestamp, doc, spec::BinarySubtype},
    options::{Acknowledgment, CollectionOptions, WriteConcern},
};
use protocol::Seq;
use servers::{Mongo, replica_set};
use tokio::task::JoinSet;

const FRAME: usize = 1_024;
const ROUNDS: usize = 3;

fn record(n: u64) -> Record {
    Record { frame: Bytes::from(vec![0x5a; FRAME]), ..conformance::record(n) }
}

fn binary(bytes: &[u8]) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() })
}

/// The document that the log stores for this record.
fn document(group: u64, seq: i64, n: u64) -> RawDocumentBuf {
    let record = record(n);
    let document = doc! {
        "_id": { "g": binary(conformance::group(group).as_bytes()), "s": seq },
        "i": binary(record.frame_id.as_bytes()),
        "h": binary(record.th.as_bytes()),
        "t": DateTime::from_millis(1_700_000_000_000),
        "e": 7_i64,
        "o": false,
        "p": 0,
        "n": Timestamp { time: 0, increment: 0 },
        "f": binary(&record.frame),
    };
    RawDocumentBuf::try_from(&document).expect("encodes")
}

fn per_second(count: u64, elapsed: Duration) -> f64 {
    f64::from(u32::try_from(count).expect("small")) / elapsed.as_secs_f64()
}

async fn appends(log: &Arc<MongoFrameLog>, first_group: u64, writers: u64, each: u64) -> f64 {
    let start = Instant::now();
    let mut set = JoinSet::new();
    for writer in 0..writers {
        let log = Arc::clone(log);
        set.spawn(async move {
            let group = conformance::group(first_group + writer);
            for seq in 0..each {
                log.append(&group, Seq::new(seq), record(writer * each + seq)).await.expect("appended");
            }
        });
    }
    set.join_all().await;
    per_second(writers * each, start.elapsed())
}

async fn inserts(bare: &Collection<RawDocumentBuf>, first_group: u64, writers: u64, each: u64) -> f64 {
    let start = Instant::now();
    let mut set = JoinSet::new();
    for writer in 0..writers {
        let bare = bare.clone();
        set.spawn(async move {
            for seq in 0..each {
                let at = i64::try_from(seq).expect("small");
                bare.insert_one(document(first_group + writer, at, writer * each + seq))
                    .await
                    .expect("inserted");
            }
        });
    }
    set.join_all().await;
    per_second(writers * each, start.elapsed())
}

/// Reads a group of `length` records in the largest pages, and the same range by one bare find; records a second.
async fn pages(log: &MongoFrameLog, group: u64, length: u64) -> f64 {
    let start = Instant::now();
    let (mut from, mut count) = (Seq::ZERO, 0);
    loop {
        let page = log.read(&conformance::group(group), from, Limit::MAX).await.expect("readable");
        if page.records.is_empty() {
            break;
        }
        count += page.records.len() as u64;
        from = page.next;
    }
    assert_eq!(count, length);
    per_second(count, start.elapsed())
}

async fn finds(bare: &Collection<RawDocumentBuf>, group: u64, length: u64) -> f64 {
    let start = Instant::now();
    let g = binary(conformance::group(group).as_bytes());
    let range = doc! { "_id": { "$gte": { "g": g.clone(), "s": 0_i64 }, "$lte": { "g": g, "s": i64::MAX } } };
    let find = bare.find(range).sort(doc! { "_id": 1 }).batch_size(1_024);
    let found: Vec<RawDocumentBuf> = find.await.expect("found").try_collect().await.expect("found");
    assert_eq!(found.len() as u64, length);
    per_second(length, start.elapsed())
}

fn line(what: &str, log: &[f64], bare: &[f64]) {
    let shown = |all: &[f64]| all.iter().map(|x| format!("{x:.0}")).collect::<Vec<_>>().join(" / ");
    println!("| {what} | {} | {} |", shown(log), shown(bare));
}

#[tokio::main]
async fn main() {
    let server = if replica_set().is_none() { Some(Mongo::start().await.expect("starts")) } else { None };
    let uri = replica_set().or_else(|| server.as_ref().map(Mongo::uri)).expect("a server");
    let name = format!("kith_report_{}", std::process::id());
    let log = MongoFrameLog::open(Options::new(ConnectionString::new(&*uri), &*name)).await.expect("opens");
    let log = Arc::new(log);
    let database = Client::with_uri_str(&uri).await.expect("connects").database(&name);
    let mut concern = WriteConcern::builder().build();
    concern.journal = Some(true);
    concern.w = Some(match log.deployment() {
        Deployment::Standalone => Acknowledgment::Nodes(1),
        Deployment::ReplicaSet | Deployment::Sharded => Acknowledgment::Majority,
    });
    let options = CollectionOptions::builder().write_concern(concern).build();
    let bare: Collection<RawDocumentBuf> = database.collection_with_options("bare", options);
    // The same indexes, so that what differs is what the log does.
    let frames: Collection<Document> = database.collection("frames");
    let indexes: Vec<_> = frames.list_indexes().await.expect("listed").try_collect().await.expect("listed");
    for index in indexes {
        if !index.keys.contains_key("_id") {
            bare.create_index(index).await.expect("made");
        }
    }

    println!("{:?}, frames of {FRAME} bytes, {ROUNDS} rounds\n", log.deployment());
    println!("| per second | the log | the driver |\n|---|---|---|");
    for (writers, each) in [(1, 1_000), (32, 150)] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS as u64 {
            let group = writers * 10_000 + round * 100;
            ours.push(appends(&log, group, writers, each).await);
            theirs.push(inserts(&bare, group, writers, each).await);
        }
        line(&format!("records written by {writers}"), &ours, &theirs);
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS as u64 {
        ours.push(pages(&log, 10_000 + round * 100, 1_000).await);
        theirs.push(finds(&bare, 10_000 + round * 100, 1_000).await);
    }
    line("records read in pages", &ours, &theirs);

    let start = Instant::now();
    for _ in 0..100 {
        log.groups(None, 99).await.expect("listed");
    }
    println!("\n99 group ids: {:.2} ms", start.elapsed().as_secs_f64() * 10.0);
    database.drop().await.expect("dropped");
}
