//! The connection is lost between a request and its answer: the log says that it does not know, and later it does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use frame_log::{AppendError, FrameLog as _, Limit, StoredRecord, conformance};
use frame_log_mongo::MongoFrameLog;
use protocol::Seq;
use servers::{Entry, Ledger, Mongo, Network, Proxy};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::databases::{cycles, hasty, name, open};

const PATIENCE: Duration = Duration::from_secs(30);

async fn behind_proxy(server: &Mongo, database: &str) -> (Proxy, Arc<MongoFrameLog>) {
    let proxy = Proxy::to_port(server.port()).await.expect("a proxy");
    let uri = format!("mongodb://127.0.0.1:{}/?directConnection=true", proxy.port());
    let log = MongoFrameLog::open(hasty(&uri, database)).await.expect("opens");
    (proxy, Arc::new(log))
}

/// Asks until the log can be reached again.
async fn found(log: &MongoFrameLog, group: u64, n: u64) -> Option<Seq> {
    let until = Instant::now() + PATIENCE;
    loop {
        match log.find(&conformance::group(group), &conformance::id(n)).await {
            Ok(found) => return found.map(|(seq, _)| seq),
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_is_lost_and_find_tells() {
    let server = Mongo::start().await.expect("starts");
    let database = name();
    let direct = open(&server.uri(), &database).await;
    let (proxy, log) = behind_proxy(&server, &database).await;
    let group = conformance::group(1);
    log.append(&conformance::group(9), Seq::ZERO, conformance::record(1))
        .await
        .expect("a connection is there");

    // The insert arrives and is done; its answer is not heard.
    proxy.set(Network::deaf_client());
    let append = tokio::spawn({
        let log = Arc::clone(&log);
        async move { log.append(&group, Seq::ZERO, conformance::record(2)).await }
    });
    let until = Instant::now() + PATIENCE;
    while direct.find(&group, &conformance::id(2)).await.expect("readable").is_none() {
        assert!(Instant::now() < until, "the insert does not arrive");
        sleep(Duration::from_millis(2)).await;
    }
    proxy.cut();
    assert_eq!(append.await.expect("ends"), Err(AppendError::Unavailable));
    proxy.clear();
    assert_eq!(found(&log, 1, 2).await, Some(Seq::ZERO));
    let again = log.append(&group, Seq::ZERO, conformance::record(2)).await;
    assert_eq!(again, Err(AppendError::Duplicate { seq: Seq::ZERO, th: conformance::record(2).th }));

    // The request itself is held up, perhaps for ever.
    proxy.set(Network::black_hole());
    let lost = log.append(&conformance::group(2), Seq::ZERO, conformance::record(3)).await;
    assert_eq!(lost, Err(AppendError::Unavailable), "the log does not wait for ever");
    proxy.cut();
    proxy.clear();
    let there = found(&log, 2, 3).await;
    assert!(there.is_none_or(|seq| seq == Seq::ZERO));
    // Whether it was lost or comes in just now, there is one record in the end.
    match log.append(&conformance::group(2), Seq::ZERO, conformance::record(3)).await {
        Ok(seq) | Err(AppendError::Duplicate { seq, .. }) => assert_eq!(seq, Seq::ZERO),
        Err(error) => panic!("{error}"),
    }
    assert_eq!(direct.head(&conformance::group(2)).await, Ok(Some(Seq::ZERO)));
}

/// Connections are cut again and again. Whoever repeats an append until it is told something ends up with each frame
/// once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn repeating_is_always_safe() {
    const WRITERS: u64 = 6;
    let cuts = cycles(4);
    let server = Mongo::start().await.expect("starts");
    let database = name();
    let (proxy, log) = behind_proxy(&server, &database).await;
    let group = conformance::group(1);
    let (ledger, stop) = (Ledger::new(), Arc::new(AtomicBool::new(false)));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (log, ledger, stop) = (Arc::clone(&log), ledger.clone(), Arc::clone(&stop));
        writers.spawn(async move {
            let mut at = Seq::ZERO;
            let mut n = writer * 1_000_000;
            while !stop.load(Ordering::Relaxed) {
                let record = conformance::record(n);
                n += 1;
                let seq = loop {
                    match log.append(&group, at, record.clone()).await {
                        Ok(seq) => break seq,
                        Err(AppendError::Duplicate { seq, th }) => {
                            assert_eq!(th, record.th);
                            break seq;
                        }
                        Err(AppendError::Conflict { next }) => at = next,
                        Err(AppendError::Unavailable) => sleep(Duration::from_millis(2)).await,
                        Err(error) => panic!("{error}"),
                    }
                };
                ledger.acknowledged(Entry::new(*group.as_bytes(), seq.get(), *record.th.as_bytes()));
            }
        });
    }
    for cut in 0..cuts {
        let before = ledger.len();
        let until = Instant::now() + PATIENCE;
        while ledger.len() < before + 20 {
            assert!(Instant::now() < until, "cut {cut}: the log does not come back");
            sleep(Duration::from_millis(1)).await;
        }
        proxy.cut();
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(one) = timeout(PATIENCE, writers.join_next()).await.expect("a writer ends") {
        one.expect("a writer ends well");
    }
    let direct = open(&server.uri(), &database).await;
    let mut all: Vec<StoredRecord> = Vec::new();
    let mut from = Seq::ZERO;
    loop {
        let page = direct.read(&group, from, Limit::MAX).await.expect("readable");
        if page.records.is_empty() {
            break;
        }
        from = page.next;
        all.extend(page.records);
    }
    assert_eq!(all.len(), ledger.len(), "each frame once");
    let observed = all.iter().map(|r| Entry::new(*group.as_bytes(), r.seq.get(), *r.th.as_bytes()));
    ledger.check_exact(observed).expect("what was acknowledged is there");
}
