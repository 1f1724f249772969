//! The engine is killed under 32 writers, again and again: what was acknowledged is there, whole and in order, and the
//! log object recovers by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use frame_log::{AppendError, FrameLog as _, Limit, Record, conformance};
use frame_log_mongo::MongoFrameLog;
use protocol::{GroupId, Seq};
use servers::{Entry, Ledger, Mongo};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::databases::{cycles, hasty, name};

const WRITERS: u64 = 32;
const GROUPS: u64 = 8;
const PATIENCE: Duration = Duration::from_secs(60);

/// Appends records of its own to one group, four writers of which share it, and never gives a frame up half done.
async fn write(
    log: Arc<MongoFrameLog>,
    writer: u64,
    ledger: Ledger,
    stop: Arc<AtomicBool>,
    acks: Arc<AtomicU64>,
) {
    let group = conformance::group(writer % GROUPS);
    let mut at = Seq::ZERO;
    let mut n = writer * 1_000_000;
    'frames: while !stop.load(Ordering::Relaxed) {
        let record: Record = conformance::record(n);
        n += 1;
        ledger.attempted(*group.as_bytes(), *record.th.as_bytes());
        loop {
            let seq = match log.append(&group, at, record.clone()).await {
                Ok(seq) => seq,
                Err(AppendError::Duplicate { seq, th }) if th == record.th => seq,
                Err(AppendError::Conflict { next }) => {
                    at = next;
                    continue;
                }
                // Unknown: the same append again tells. A frame in doubt when the test ends stays in doubt.
                Err(AppendError::Unavailable) if stop.load(Ordering::Relaxed) => break 'frames,
                Err(AppendError::Unavailable) => {
                    sleep(Duration::from_millis(20)).await;
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            ledger.acknowledged(Entry::new(*group.as_bytes(), seq.get(), *record.th.as_bytes()));
            acks.fetch_add(1, Ordering::Relaxed);
            at = seq.next().expect("small");
            break;
        }
    }
}

async fn observe(log: &MongoFrameLog, group: &GroupId, into: &mut Vec<Entry>) {
    let mut from = Seq::ZERO;
    loop {
        let page = log.read(group, from, Limit::MAX).await.expect("readable");
        for record in &page.records {
            let frame = record.frame.as_ref().expect("whole");
            let n = u64::from_be_bytes(frame[..8].try_into().expect("eight bytes"));
            assert_eq!(*frame, conformance::record(n).frame, "the frame is the one that was sent");
            assert_eq!(record.th, conformance::record(n).th);
            into.push(Entry::new(*group.as_bytes(), record.seq.get(), *record.th.as_bytes()));
        }
        if page.records.is_empty() {
            return;
        }
        from = page.next;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_acknowledged_is_lost() {
    let mut server = Mongo::start().await.expect("starts");
    let options = hasty(&server.uri(), &name());
    let log = Arc::new(MongoFrameLog::open(options.clone()).await.expect("opens"));
    let (ledger, stop, acks) = (Ledger::new(), Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (log, ledger) = (Arc::clone(&log), ledger.clone());
        writers.spawn(write(log, writer, ledger, Arc::clone(&stop), Arc::clone(&acks)));
    }
    for cycle in 0..cycles(3) {
        let before = acks.load(Ordering::Relaxed);
        let until = Instant::now() + PATIENCE;
        while acks.load(Ordering::Relaxed) < before + 200 {
            assert!(Instant::now() < until, "cycle {cycle}: the log does not come back");
            sleep(Duration::from_millis(5)).await;
        }
        server.kill().expect("killed");
        server.restart().await.expect("starts again");
    }
    stop.store(true, Ordering::Relaxed);
    timeout(PATIENCE, writers.join_all()).await.expect("the writers end");

    // By the same object, and by one that knows nothing.
    for reader in [Arc::clone(&log), Arc::new(MongoFrameLog::open(options).await.expect("opens"))] {
        let mut observed = Vec::new();
        let until = Instant::now() + PATIENCE;
        while let Err(error) = reader.head(&conformance::group(0)).await {
            assert!(Instant::now() < until, "the log does not come back: {error}");
        }
        for group in 0..GROUPS {
            observe(&reader, &conformance::group(group), &mut observed).await;
        }
        ledger.check_exact(observed).expect("what was acknowledged is there");
    }
    assert!(ledger.len() >= 200, "{} acknowledged", ledger.len());
}
