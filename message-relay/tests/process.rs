//! The relay as a process: settings, exit codes, servers that are not there yet, and a whole way from a database to NATS.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use frame_log::{FrameLog as _, LOG_LIFE, LogLife, Meta as _, Record, UnixMillis};
use frame_log_mongo::{ConnectionString, MongoFrameLog, Options};
use futures_util::StreamExt as _;
use protocol::{Epoch, FrameHash, FrameId, GroupId, Seq};
use servers::{Mongo, MongoJava, Nats, PATIENCE, Port, Process, Program, nats};
use service_kit::clock::{Clock as _, SystemClock};

fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_message-relay")).env("KITH__LISTEN__ADMIN", "127.0.0.1:0")
}

async fn run(program: Program) -> (Option<i32>, String) {
    let mut process = program.start().await.unwrap();
    let status = process.wait(PATIENCE).await.unwrap();
    (status.code(), process.log())
}

#[tokio::test]
async fn settings_are_shown_and_checked() {
    let shown = program()
        .env("KITH__STORE__MONGODB__URI", "mongodb://kith:hunter2@db.example/")
        .env("KITH__NATS__PARTITIONS", "3")
        .arg("--print-config");
    let (code, text) = run(shown).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("partitions = 3") && text.contains("[relay.streams]"), "{text}");
    assert!(!text.contains("hunter2"));

    let (code, text) = run(program().args(["--set", "relay.window=0", "--set", "nats.prefix=a.b"])).await;
    assert_eq!(code, Some(2));
    for problem in ["store.mongodb.uri", "relay.window", "nats.prefix"] {
        assert!(text.contains(problem), "{problem} is not in {text}");
    }
}

async fn start(nats: &str, mongo: &str) -> Process {
    program()
        .env("KITH__STORE__MONGODB__URI", mongo)
        .env("KITH__NATS__PARTITIONS", "2")
        .args(["--set", &format!("nats.urls=[\"{nats}\"]"), "--set", "relay.lease=1s"])
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_database_that_is_not_there_is_waited_for() {
    let (nats, mongo) = (Port::free().unwrap(), Port::free().unwrap());
    let [nats, mongo] = [("nats", nats.number()), ("mongodb", mongo.number())]
        .map(|(scheme, port)| format!("{scheme}://127.0.0.1:{port}"));
    let mut process = start(&nats, &mongo).await;
    process.line("the database cannot be reached; waiting for it").await.unwrap();
    let status = process.terminate(PATIENCE).await.unwrap();
    assert_eq!(status.code(), Some(0), "told to stop while it waited");
}

#[tokio::test]
async fn bad_credentials_end_it() {
    let credentials = Some(("relay".to_owned(), "right".to_owned()));
    let nats = Nats::start(nats::Options { credentials, ..nats::Options::default() }).await.unwrap();
    let mongo = Mongo::start().await.unwrap();
    let wrong = program()
        .env("KITH__STORE__MONGODB__URI", mongo.uri())
        .env("KITH__NATS__URLS", format!("[\"{}\"]", nats.url()))
        .env("KITH__NATS__USER", "relay")
        .env("KITH__NATS__PASSWORD", "wrong-password");
    let (code, text) = run(wrong).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("NATS refuses the credentials"), "{text}");
    assert!(!text.contains("wrong-password"));
}

fn group(n: u8) -> GroupId {
    GroupId::new([n.wrapping_mul(37); GroupId::LEN])
}

async fn append(log: &MongoFrameLog, groups: u8, from: u64, to: u64) {
    for (n, seq) in (0..groups).flat_map(|n| (from..to).map(move |seq| (n, seq))) {
        let mut id = [n; 16];
        id[8..].copy_from_slice(&seq.to_be_bytes());
        let record = Record {
            frame: Bytes::from(format!("{n}/{seq}")),
            frame_id: FrameId::new(id),
            th: FrameHash::new([n; 32]),
            received_at: UnixMillis::new(SystemClock.now_ms()),
            epoch: Epoch::new(0),
            is_operation: false,
        };
        log.append(&group(n), Seq::new(seq), record).await.unwrap();
    }
}

/// How many messages each stream holds of each subject.
async fn counts(nats: &Nats) -> BTreeMap<String, usize> {
    let client = async_nats::connect(nats.url()).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let mut counts = BTreeMap::new();
    for stream in ["kith-frames-0", "kith-frames-1"] {
        let Ok(stream) = jetstream.get_stream(stream).await else { continue };
        let mut subjects = stream.info_with_subjects(">").await.unwrap();
        while let Some(entry) = subjects.next().await {
            let (subject, count) = entry.unwrap();
            counts.insert(subject, count);
        }
    }
    counts
}

async fn relayed(nats: &Nats, groups: usize, records: usize) {
    let end = Instant::now() + PATIENCE;
    loop {
        let counts = counts(nats).await;
        if counts.len() == groups && counts.values().all(|count| *count == records) {
            return;
        }
        assert!(Instant::now() < end, "{counts:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn from_a_database_into_streams(mongo: &str, source: &str) {
    let log = MongoFrameLog::open(Options::new(ConnectionString::new(mongo), "kith")).await.unwrap();
    log.save(LOG_LIFE, LogLife::new(1).to_value()).await.unwrap();
    append(&log, 10, 0, 3).await;
    let nats = Nats::start(nats::Options::default()).await.unwrap();
    let mut first = start(&nats.url(), mongo).await;
    first.line(source).await.unwrap();
    append(&log, 10, 3, 6).await;
    relayed(&nats, 10, 6).await;
    // The second takes over from the first, and nothing is published twice.
    let mut second = start(&nats.url(), mongo).await;
    second.line("leading").await.unwrap();
    assert_eq!(first.terminate(PATIENCE).await.unwrap().code(), Some(0));
    append(&log, 10, 6, 9).await;
    relayed(&nats, 10, 9).await;
    assert_eq!(second.terminate(PATIENCE).await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn from_a_database_that_pushes_changes() {
    let mongo = MongoJava::start().await.unwrap();
    from_a_database_into_streams(&mongo.uri(), "change-stream").await;
}

#[tokio::test]
async fn from_a_database_that_is_asked() {
    let mongo = Mongo::start().await.unwrap();
    from_a_database_into_streams(&mongo.uri(), "polling").await;
}
