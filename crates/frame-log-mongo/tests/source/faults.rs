//! Servers and connections that go away under load. `KITH_FAULT_CYCLES` says how often; twice if it does not.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use frame_log::{BucketRange, FrameLog as _, Partitions, SourceError, conformance::group};
use mongodb::bson::{Binary, Document, RawDocumentBuf, Timestamp, doc, spec::BinarySubtype};
use protocol::Seq;
use servers::{Mongo, MongoJava, Proxy, replica_set};

use crate::{
    load::{Follower, Writers},
    support::{Bench, next, next_record, quick},
};

fn cycles() -> u32 {
    std::env::var("KITH_FAULT_CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(2)
}

fn in_order(follower: &Follower) {
    for (group, seen) in &follower.seen {
        let ordered: Vec<u64> = (0..u64::try_from(seen.len()).unwrap()).collect();
        assert_eq!(seen, &ordered, "{group} is out of order");
    }
}

/// Nothing that was acknowledged is missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_standalone_server_that_is_killed_and_comes_back() {
    let mut server = Mongo::start().await.unwrap();
    let bench = Bench::of(&server.uri()).await;
    let mut follower = Follower::of(&bench.log, &bench.source).await;
    let writers = Writers::start(&bench.log, 16);
    for _ in 0..cycles() {
        let more = follower.shown + 500;
        follower.follow(|seen| seen.shown >= more).await;
        server.kill().unwrap();
        server.restart().await.unwrap();
    }
    let more = follower.shown + 200;
    follower.follow(|seen| seen.shown >= more).await;
    let acknowledged = writers.finish().await;
    follower.follow(|seen| seen.has(&acknowledged)).await;
    assert!(follower.lost >= 1, "{follower}");
}

/// A standalone server lets everybody see a record before its journal has it. By then it must not have been shown: after
/// a crash its position belongs to whoever comes next.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_shown_outlives_a_crash() {
    for _ in 0..cycles().div_ceil(2) {
        let mut server = Mongo::start().await.unwrap();
        let bench = Bench::of(&server.uri()).await;
        let mut follower = Follower::of(&bench.log, &bench.source).await;
        let _writers = Writers::until_the_first_failure(&bench.log, 32);
        let mut stream = bench.open(&follower.place).await;
        for _ in 0..300 {
            let (group, seq, _) = next_record(&mut stream).await;
            follower.see(group, seq);
        }
        let killed = tokio::spawn(async move {
            server.restart().await.unwrap();
            server
        });
        while let Ok(step) = next(&mut stream).await {
            if let frame_log::SourceItem::Record { group, record } = step.item {
                follower.see(group, record.seq.get());
            }
        }
        let server = killed.await.unwrap();
        let after = crate::databases::open(&server.uri(), &bench.documents.namespace().db).await;
        for (group, seen) in &follower.seen {
            let head = after.head(group).await.unwrap();
            assert!(
                seen.iter().max().copied() <= head.map(Seq::get),
                "{seen:?} were shown, and {head:?} is left"
            );
        }
    }
}

/// The driver goes on where it was; each group's records stay in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_stream_whose_connections_are_cut() {
    let server = MongoJava::start().await.unwrap();
    let proxy = Proxy::to_port(server.port()).await.unwrap();
    let bench = Bench::of(&server.uri()).await;
    let name = bench.documents.namespace().db;
    let uri = format!("mongodb://127.0.0.1:{}/?directConnection=true", proxy.port());
    let behind = crate::databases::open(&uri, &name).await;
    let mut follower = Follower::of(&behind, &behind.source(quick())).await;
    let writers = Writers::start(&bench.log, 4);
    for _ in 0..cycles() * 2 {
        let more = follower.shown + 30;
        follower.follow(|seen| seen.shown >= more).await;
        proxy.cut();
    }
    let acknowledged = writers.finish().await;
    follower.follow(|seen| seen.has(&acknowledged)).await;
    assert_eq!(follower.lost, 0, "{follower}");
    in_order(&follower);
}

/// Where there is a replica set: nothing is missed, repeated out of order or lost when another member is elected.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_set_that_elects_another_primary() {
    let Some(uri) = replica_set() else {
        eprintln!("skipped: KITH_TEST_MONGODB_URI names no replica set");
        return;
    };
    let bench = Bench::of(&uri).await;
    let mut follower = Follower::of(&bench.log, &bench.source).await;
    let writers = Writers::start(&bench.log, 8);
    for _ in 0..cycles() {
        let more = follower.shown + 200;
        follower.follow(|seen| seen.shown >= more).await;
        // The connection may break before the answer is there.
        let _ = bench
            .documents
            .client()
            .database("admin")
            .run_command(doc! { "replSetStepDown": 10, "secondaryCatchUpPeriodSecs": 5, "force": true })
            .await;
    }
    let acknowledged = writers.finish().await;
    follower.follow(|seen| seen.has(&acknowledged)).await;
    assert_eq!(follower.lost, 0, "{follower}");
    in_order(&follower);
}

/// A server that neither answers nor closes its connections ends a stream all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_hangs() {
    let (standalone, set) = tokio::join!(Mongo::start(), MongoJava::start());
    let (mut standalone, mut set) = (standalone.unwrap(), set.unwrap());
    let impatient = frame_log_mongo::SourceOptions { patience: Duration::from_millis(500), ..quick() };
    for (uri, server) in [(standalone.uri(), &mut *standalone), (set.uri(), &mut *set)] {
        let bench = Bench::of(&uri).await;
        let source = bench.log.source(impatient);
        let start = source.now().await.unwrap();
        bench.append(&group(1), 0, 0..1).await;
        let mut stream = source.open(BucketRange::ALL, &start).await.unwrap();
        next_record(&mut stream).await;
        server.pause().unwrap();
        let ended = loop {
            if let Err(error) = next(&mut stream).await {
                break error;
            }
        };
        assert_eq!(ended, SourceError::Unavailable);
        assert_eq!(source.now().await, Err(SourceError::Unavailable));
    }
}

/// Long silence while others write, then a burst: the place moves on in silence, and the burst is shown whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn silence_and_then_a_burst() {
    let server = MongoJava::start().await.unwrap();
    let bench = Bench::of(&server.uri()).await;
    let partitions = Partitions::new(2).unwrap();
    let mine = partitions.buckets(partitions.get(1).unwrap());
    // By its first byte a group is in the lower or the upper half.
    let (other, ours) = (group(1), group(0xff << 56));
    let start = bench.source.now().await.unwrap();
    let mut stream = bench.source.open(mine, &start).await.unwrap();
    let mut places = vec![next(&mut stream).await.unwrap().after];
    for n in 0..3 {
        bench.append(&other, n, n..=n).await;
        let step = next(&mut stream).await.unwrap();
        assert_eq!(step.item, frame_log::SourceItem::Idle, "records of others are not shown");
        places.push(step.after);
    }
    assert!(places.windows(2).all(|pair| pair[0] != pair[1]), "the place stands still");
    bench.append(&ours, 0, 0..200).await;
    for at in 0..200 {
        let (group, seq, _) = next_record(&mut stream).await;
        assert_eq!((group, seq), (ours, at));
    }
    // Whoever went away during the silence finds the burst, too.
    let mut late = bench.source.open(mine, places.last().unwrap()).await.unwrap();
    assert_eq!(next_record(&mut late).await.1, 0);
}

/// A server that answers at once that there is nothing is not asked at once again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn silence_costs_little() {
    let server = MongoJava::start().await.unwrap();
    let proxy = Proxy::to_port(server.port()).await.unwrap();
    let uri = format!("mongodb://127.0.0.1:{}/?directConnection=true", proxy.port());
    let bench = Bench::of(&uri).await;
    let start = bench.source.now().await.unwrap();
    let mut stream = bench.open(&start).await;
    next(&mut stream).await.unwrap();
    let before = proxy.bytes_up();
    let silence = tokio::time::timeout(Duration::from_secs(1), next(&mut stream)).await;
    assert!(silence.is_err(), "{silence:?}");
    // A question has some 150 bytes, and comes no more than a hundred times a second.
    let sent = proxy.bytes_up() - before;
    assert!(sent < 30_000, "{sent} bytes were sent in a second of silence");
}

/// Two readers of two halves see all between them, each its own, under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_readers_share_the_buckets() {
    let (standalone, set) = tokio::join!(Mongo::start(), MongoJava::start());
    let (standalone, set) = (standalone.unwrap(), set.unwrap());
    for uri in [standalone.uri(), set.uri()] {
        let bench = Bench::of(&uri).await;
        let partitions = Partitions::new(2).unwrap();
        let mut followers = Vec::new();
        for partition in partitions.iter() {
            let mut follower = Follower::of(&bench.log, &bench.source).await;
            follower.buckets = partitions.buckets(partition);
            followers.push(follower);
        }
        let ids: Vec<_> = (0..8_u64).map(|n| group((n * 32) << 56)).collect();
        let appends = ids.iter().map(|id| bench.append(id, 0, 0..40));
        futures_util::future::join_all(appends).await;
        for follower in &mut followers {
            let counts: BTreeMap<_, _> =
                ids.iter().filter(|id| follower.buckets.holds(id)).map(|id| (*id, 40)).collect();
            assert_eq!(counts.len(), 4);
            follower.follow(|seen| seen.has(&counts)).await;
            assert!(follower.seen.keys().all(|id| follower.buckets.holds(id)), "a foreign group was shown");
        }
    }
}

/// Many records wait for a reader that does not read: nothing of them is fetched. When it reads, everything is there.
async fn waits_for_its_reader(uri: &str, port: u16, count: u64, most: u64) {
    let direct = Bench::of(uri).await;
    let proxy = Proxy::to_port(port).await.unwrap();
    let behind = format!("mongodb://127.0.0.1:{}/?directConnection=true", proxy.port());
    let behind = crate::databases::open(&behind, &direct.documents.namespace().db).await;
    let source = behind.source(quick());
    let start = source.now().await.unwrap();
    let mut stream = source.open(BucketRange::ALL, &start).await.unwrap();
    next(&mut stream).await.unwrap();

    direct.append(&group(1), 0, 0..1).await;
    let mut like = Document::try_from(direct.documents.find_one(doc! {}).await.unwrap().unwrap()).unwrap();
    like.insert("n", Timestamp { time: 0, increment: 0 });
    like.insert("f", Binary { subtype: BinarySubtype::Generic, bytes: vec![7; 2_048] });
    let documents: Vec<RawDocumentBuf> = (1..count)
        .map(|seq| {
            like.get_document_mut("_id").unwrap().insert("s", i64::try_from(seq).unwrap());
            RawDocumentBuf::try_from(&like).unwrap()
        })
        .collect();
    for some in documents.chunks(500) {
        direct.documents.insert_many(some).await.unwrap();
    }
    next_record(&mut stream).await;
    // Nothing tells that nothing happens: this is the time it would take.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let fetched = proxy.bytes_down();
    assert!(fetched < most, "{fetched} bytes were fetched for a reader that does not read");

    let mut missing: HashSet<u64> = (1..count).collect();
    while !missing.is_empty() {
        missing.remove(&next_record(&mut stream).await.1);
    }
    assert!(proxy.bytes_down() > count * 2_048);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_that_does_not_read() {
    let server = Mongo::start().await.unwrap();
    waits_for_its_reader(&server.uri(), server.port(), 12_000, 2 * 1024 * 1024).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_of_a_change_stream_that_does_not_read() {
    let server = MongoJava::start().await.unwrap();
    waits_for_its_reader(&server.uri(), server.port(), 3_000, 2 * 1024 * 1024).await;
}
