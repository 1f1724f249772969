//! Measures how others hear of records: how many a second when many wait, and how soon after the acknowledgement.
//!
//! ```text
//! sources [WAITING] [LIVE] [PER SECOND]
//! ```
//!
//! `WAITING` records of 1 KiB are stored, then a source and a bare reader of the same server go through them, one after
//! the other. Then `LIVE` records are appended one by one, and the source and the bare reader hear of them side by side.
//!
//! A bare reader decodes nothing and gives no places: for polling it is one cursor over the index in the order of the
//! server's times; for a change stream, the driver's own stream with the same filter.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a program for one person at a terminal"
)]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use frame_log::{BucketRange, FrameLog as _, FrameSource, Place, Record, SourceItem, SourceKind, UnixMillis};
use frame_log_mongo::{ConnectionString, MongoFrameLog, Options, SourceOptions};
use futures_util::StreamExt as _;
use mongodb::{
    Client, Collection,
    bson::{Document, RawDocumentBuf, Timestamp, doc},
};
use protocol::{Epoch, FrameHash, FrameId, GroupId, Seq};
use servers::{Mongo, MongoJava, replica_set};
use tokio::time::{MissedTickBehavior, interval};

const FRAME: usize = 1_024;
const GROUPS: u64 = 100;

struct Bench {
    log: Arc<MongoFrameLog>,
    source: Arc<dyn FrameSource>,
    frames: Collection<RawDocumentBuf>,
}

fn group(n: u64) -> GroupId {
    let mut id = [0x6b; GroupId::LEN];
    id[..8].copy_from_slice(&(n << 48).to_be_bytes());
    GroupId::new(id)
}

fn record(n: u64) -> Record {
    let number: Vec<u8> = n.to_be_bytes().into_iter().cycle().take(FRAME).collect();
    Record {
        frame_id: FrameId::from_slice(&number[..FrameId::LEN]).unwrap(),
        th: FrameHash::from_slice(&number[..FrameHash::LEN]).unwrap(),
        frame: Bytes::from(number),
        received_at: UnixMillis::new(1_700_000_000_000 + n),
        epoch: Epoch::new(1),
        is_operation: false,
    }
}

impl Bench {
    async fn of(uri: &str, name: &str) -> Self {
        let options = Options::new(ConnectionString::new(uri), name);
        let log = Arc::new(MongoFrameLog::open(options).await.expect("opens"));
        let source = log.source(SourceOptions::default());
        let frames = Client::with_uri_str(uri).await.unwrap().database(name).collection("frames");
        Self { log, source, frames }
    }

    /// Stores many records at once, as no append does.
    async fn store(&self, count: u64) {
        self.log.append(&group(0), Seq::ZERO, record(0)).await.unwrap();
        let first = self.frames.find_one(doc! {}).await.unwrap().unwrap();
        let mut like = Document::try_from(first).unwrap();
        like.insert("n", Timestamp { time: 0, increment: 0 });
        let mut many = Vec::new();
        for seq in 1..count {
            like.get_document_mut("_id").unwrap().insert("s", i64::try_from(seq).unwrap());
            many.push(RawDocumentBuf::try_from(&like).unwrap());
            if many.len() == 500 || seq + 1 == count {
                self.frames.insert_many(std::mem::take(&mut many)).await.unwrap();
            }
        }
    }

    async fn read_waiting(&self, from: &Place, count: u64) -> Duration {
        let start = Instant::now();
        let mut stream = self.source.open(BucketRange::ALL, from).await.unwrap();
        let mut seen = 0;
        while seen < count {
            if let SourceItem::Record { .. } = stream.next().await.unwrap().unwrap().item {
                seen += 1;
            }
        }
        start.elapsed()
    }

    async fn read_bare(&self, count: u64, from: Timestamp) -> Duration {
        let start = Instant::now();
        let mut seen = 0;
        if self.source.kind() == SourceKind::Polling {
            let mut cursor =
                self.frames.find(doc! { "n": { "$gt": from } }).sort(doc! { "n": 1 }).await.unwrap();
            while seen < count && cursor.advance().await.unwrap() {
                seen += 1;
            }
        } else {
            let watch = self.frames.watch().pipeline(inserts()).start_at_operation_time(from);
            let mut stream = watch.batch_size(256).await.unwrap().with_type::<RawDocumentBuf>();
            while seen < count {
                stream.next().await.unwrap().unwrap();
                seen += 1;
            }
        }
        start.elapsed()
    }
}

fn inserts() -> Vec<Document> {
    vec![doc! { "$match": { "operationType": "insert", "fullDocument.p": { "$gte": 0, "$lt": 4_096 } } }]
}

/// When a record was acknowledged, heard of from the source, heard of by the bare reader.
type Moments = [Option<Instant>; 3];

/// The moments of all records.
#[derive(Default)]
struct Times(Mutex<HashMap<(GroupId, u64), Moments>>);

impl Times {
    fn note(&self, what: usize, group: GroupId, seq: u64) {
        self.0.lock().unwrap().entry((group, seq)).or_default()[what].get_or_insert_with(Instant::now);
    }

    fn count(&self, what: usize) -> usize {
        self.0.lock().unwrap().values().filter(|times| times[what].is_some()).count()
    }

    /// Milliseconds after the acknowledgement, sorted; nothing for what was heard of before it.
    fn after(&self, what: usize) -> Vec<f64> {
        let times = self.0.lock().unwrap();
        let mut all: Vec<f64> = times
            .values()
            .map(|times| {
                times[what].unwrap().saturating_duration_since(times[0].unwrap()).as_secs_f64() * 1e3
            })
            .collect();
        all.sort_by(f64::total_cmp);
        all
    }
}

async fn live(bench: &Bench, count: u64, per_second: u64) {
    let times = Arc::new(Times::default());
    let from = bench.source.now().await.unwrap();
    let mut stream = bench.source.open(BucketRange::ALL, &from).await.unwrap();
    stream.next().await.unwrap().unwrap();
    let heard = Arc::clone(&times);
    let ours = tokio::spawn(async move {
        while let Some(Ok(step)) = stream.next().await {
            if let SourceItem::Record { group, record } = step.item {
                heard.note(1, group, record.seq.get());
            }
        }
    });
    let bare = if bench.source.kind() == SourceKind::ChangeStream {
        let watch = bench.frames.watch().pipeline(inserts()).max_await_time(Duration::from_secs(1));
        let mut stream = watch.await.unwrap().with_type::<RawDocumentBuf>();
        let heard = Arc::clone(&times);
        Some(tokio::spawn(async move {
            while let Some(Ok(event)) = stream.next().await {
                let id = event.get_document("fullDocument").unwrap().get_document("_id").unwrap();
                let group = GroupId::from_slice(id.get_binary("g").unwrap().bytes).unwrap();
                heard.note(2, group, u64::try_from(id.get_i64("s").unwrap()).unwrap());
            }
        }))
    } else {
        None
    };
    let mut ticks = interval(Duration::from_secs(1) / u32::try_from(per_second).unwrap());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for n in 0..count {
        ticks.tick().await;
        let (group, seq) = (group(1 + n % GROUPS), n / GROUPS);
        bench.log.append(&group, Seq::new(seq), record(1_000_000 + n)).await.unwrap();
        times.note(0, group, seq);
    }
    let readers = if bare.is_some() { 2 } else { 1 };
    while (1..=readers).any(|reader| times.count(reader) < usize::try_from(count).unwrap()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ours.abort();
    for (what, name) in [(1, "source"), (2, "bare")].into_iter().take(readers) {
        let after = times.after(what);
        let at = |percent: usize| after[(after.len() - 1) * percent / 100];
        println!("  {name:<8} shown after the acknowledgement: p50 {:.1} ms, p99 {:.1} ms", at(50), at(99));
    }
}

async fn measure(name: &str, uri: &str, waiting: u64, count: u64, per_second: u64) {
    let bench = Bench::of(uri, &format!("kith_sources_{}", std::process::id())).await;
    println!(
        "{name}: {}, {waiting} records waiting, {count} live at {per_second} a second",
        bench.source.kind().name()
    );
    let from = bench.source.now().await.unwrap();
    let admin = bench.frames.client().database("admin");
    let hello = admin.run_command(doc! { "hello": 1 }).await.unwrap();
    let time = hello.get_timestamp("operationTime").unwrap_or(Timestamp { time: 1, increment: 1 });
    bench.store(waiting).await;
    for _ in 0..3 {
        let ours = bench.read_waiting(&from, waiting).await;
        let bare = bench.read_bare(waiting, time).await;
        let rate = |took: Duration| waiting as f64 / took.as_secs_f64();
        println!(
            "  waiting: source {:.0} records/s, bare {:.0} records/s, {:.0} %",
            rate(ours),
            rate(bare),
            100.0 * rate(ours) / rate(bare)
        );
    }
    live(&bench, count, per_second).await;
    bench.frames.client().database(&bench.frames.namespace().db).drop().await.unwrap();
}

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("a number"));
    let waiting = numbers.next().unwrap_or(50_000);
    let count = numbers.next().unwrap_or(1_000);
    let per_second = numbers.next().unwrap_or(100);
    let standalone = Mongo::start().await.expect("starts");
    measure("engine", &standalone.uri(), waiting, count, per_second).await;
    drop(standalone);
    if let Some(uri) = replica_set() {
        measure("replica set", &uri, waiting, count, per_second).await;
        return;
    }
    let set = MongoJava::start().await.expect("starts");
    // It looks through all its changes for every answer.
    measure("server in memory", &set.uri(), waiting.min(3_000), count.min(500), per_second).await;
}
