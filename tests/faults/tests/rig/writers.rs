//! Writers: they append to the log as nodes do, and note what they were told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use frame_log::{AppendError, FrameLog, Record, UnixMillis};
use protocol::{Epoch, FrameHash, FrameId, GroupId, Seq};
use servers::{Entry, Ledger};
use tokio::task::JoinHandle;

/// Groups of a test, spread over all partitions.
pub(crate) fn group(n: usize) -> GroupId {
    let mut id = [0; 32];
    id[0] = u8::try_from((n * 101) % 256).unwrap();
    id[31] = u8::try_from(n).unwrap();
    GroupId::new(id)
}

fn record(group: &GroupId, n: u64) -> Record {
    let frame = format!("record {n} of group {group}, {}", "x".repeat(usize::try_from(n % 200).unwrap()));
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    let mut th = [0; 32];
    th[..8].copy_from_slice(&n.to_be_bytes());
    th[31] = 1;
    Record {
        frame: Bytes::from(frame),
        frame_id: FrameId::new(id),
        th: FrameHash::new(th),
        received_at: UnixMillis::new(now()),
        epoch: Epoch::new(0),
        is_operation: n.is_multiple_of(5),
    }
}

#[allow(clippy::disallowed_methods, reason = "a test stands for a node, which has a clock")]
fn now() -> u64 {
    u64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

/// One writer to one group. It goes on where an earlier one of the same test stopped.
pub(crate) struct Writer {
    log: Arc<dyn FrameLog>,
    ledger: Ledger,
    group: GroupId,
    next: u64,
    /// How often it was told that nobody knows what became of a record.
    pub(crate) unknown: u64,
}

impl Writer {
    pub(crate) fn new(log: Arc<dyn FrameLog>, ledger: Ledger, group: GroupId) -> Self {
        Self { log, ledger, group, next: 0, unknown: 0 }
    }

    /// Appends one record and repeats it, as a node does for a client that repeats, until its place is known.
    pub(crate) async fn append(&mut self) {
        let record = record(&self.group, self.next);
        let bytes = record.frame.to_vec();
        self.ledger.attempted(*self.group.as_bytes(), bytes.clone());
        let seq = loop {
            match self.log.append(&self.group, Seq::new(self.next), record.clone()).await {
                Ok(seq) => break seq,
                Err(AppendError::Duplicate { seq, th }) => {
                    assert_eq!(th, record.th, "another record has this id");
                    assert!(self.unknown > 0, "a record nobody was told of is there twice");
                    break seq;
                }
                Err(AppendError::Unavailable) => {
                    self.unknown += 1;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("append: {error}"),
            }
        };
        assert_eq!(seq.get(), self.next, "the only writer of a group is told another place");
        self.ledger.acknowledged(Entry::new(*self.group.as_bytes(), seq.get(), bytes));
        self.next += 1;
    }
}

/// Writers that go on until they are stopped.
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Writer>>,
}

impl Writers {
    /// Lets each of these write, with a pause after every record.
    pub(crate) fn start(writers: Vec<Writer>, pause: Duration) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let tasks = writers
            .into_iter()
            .map(|mut writer| {
                let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
                tokio::spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        writer.append().await;
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(pause).await;
                    }
                    writer
                })
            })
            .collect();
        Self { stop, acknowledged, tasks }
    }

    /// Records that were acknowledged since the start.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits for so many more acknowledgements.
    pub(crate) async fn more(&self, records: u64) -> Duration {
        let goal = self.acknowledged() + records;
        super::until("more acknowledgements", async || self.acknowledged() >= goal).await
    }

    /// Stops them, each after its current record.
    pub(crate) async fn stop(self) -> Vec<Writer> {
        self.stop.store(true, Ordering::Relaxed);
        let mut writers = Vec::new();
        for task in self.tasks {
            writers.push(task.await.unwrap());
        }
        writers
    }
}
