//! Disks that fail, lie, fill up and lose power.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use frame_log::{
    AppendError, FrameLog as _, Keep, MailboxError, MailboxId, Mailboxes as _, Meta as _, MetaKey, MetaValue,
    NewPackage, Put, TotalOrder as _, WriteError,
    conformance::{group, record},
};
use protocol::{Seq, UnixSeconds};
use tempfile::TempDir;

use super::*;

const NOW: UnixSeconds = UnixSeconds::new(1_700_000_000);
const MAILBOX: MailboxId = MailboxId::new([1; 32]);
const KEY: MetaKey = MetaKey::new("key");

fn options() -> Options {
    Options { free_space_floor: 1_000, segment_bytes: 64 << 10, ..Options::default() }
}

fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// What the disk is to do, changed by the test while the log runs.
#[derive(Clone, Default)]
struct Orders(Arc<OrdersInner>);

#[derive(Default)]
struct OrdersInner {
    fail_sync: AtomicBool,
    fail_write: AtomicBool,
    fill: AtomicBool,
    below_floor: AtomicBool,
    syncs: AtomicU64,
}

struct FailingDisk(Orders);

impl Disk for FailingDisk {
    fn write_at(&mut self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        if self.0.0.fail_write.load(Ordering::SeqCst) {
            return Err(io::Error::other("the cable came off"));
        }
        if self.0.0.fill.load(Ordering::SeqCst) {
            // As a real one would: part of it is written before the disk is full.
            file.write_all_at(&bytes[..bytes.len() / 2], at)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        SystemDisk.write_at(file, bytes, at)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        self.0.0.syncs.fetch_add(1, Ordering::SeqCst);
        if self.0.0.fail_sync.load(Ordering::SeqCst) {
            return Err(io::Error::other("the sector is gone"));
        }
        SystemDisk.sync(file)
    }

    fn free(&mut self, _: &Path) -> io::Result<u64> {
        Ok(if self.0.0.below_floor.load(Ordering::SeqCst) { 999 } else { 1_000 })
    }
}

fn open(folder: &Path) -> (EmbeddedFrameLog, Orders) {
    let orders = Orders::default();
    let log = EmbeddedFrameLog::open_with(folder, options(), Box::new(FailingDisk(orders.clone()))).unwrap();
    (log, orders)
}

async fn append(log: &EmbeddedFrameLog, at: u64) -> Result<Seq, AppendError> {
    log.append(&group(1), Seq::new(at), record(at)).await
}

fn package(n: u8) -> NewPackage {
    NewPackage { bytes: Bytes::from(vec![n; 10]), last_resort: false, expires: NOW.saturating_add(10) }
}

/// Positions of the group, each checked to hold its record.
async fn positions(log: &EmbeddedFrameLog) -> u64 {
    let page = log.read(&group(1), Seq::ZERO, Limit::MAX).await.unwrap();
    for (at, stored) in (0..).zip(&page.records) {
        assert_eq!(*stored, frame_log::StoredRecord::new(Seq::new(at), record(at)));
    }
    page.records.len() as u64
}

async fn poisons(order: impl Fn(&Orders)) -> u64 {
    let folder = folder();
    let (log, orders) = open(folder.path());
    for at in 0..5 {
        append(&log, at).await.unwrap();
    }
    assert!(!orders.0.fail_sync.load(Ordering::SeqCst));
    order(&orders);
    assert_eq!(append(&log, 5).await, Err(AppendError::Poisoned));
    log.failed().await;
    let syncs = orders.0.syncs.load(Ordering::SeqCst);

    // The disk works again; the log must not, for it does not know what is on the disk.
    orders.0.fail_sync.store(false, Ordering::SeqCst);
    orders.0.fail_write.store(false, Ordering::SeqCst);
    assert_eq!(append(&log, 5).await, Err(AppendError::Poisoned));
    assert_eq!(append(&log, 0).await, Err(AppendError::Poisoned));
    assert_eq!(log.put_snapshot(&group(1), Seq::ZERO, Bytes::new()).await, Err(WriteError::Poisoned));
    assert_eq!(log.prune(&group(1), Seq::new(3), Keep::Nothing).await, Err(WriteError::Poisoned));
    assert_eq!(log.put(&MAILBOX, package(1), NOW).await, Err(MailboxError::Poisoned));
    assert_eq!(log.claim(&MAILBOX, NOW).await, Err(MailboxError::Poisoned));
    assert_eq!(log.save(KEY, MetaValue::new(vec![1])).await, Err(WriteError::Poisoned));
    assert_eq!(positions(&log).await, 5, "what was acknowledged can still be read, and nothing else");
    log.close().await;
    assert_eq!(orders.0.syncs.load(Ordering::SeqCst), syncs, "a failed sync is never repeated");
    drop(log);

    let (log, _) = open(folder.path());
    let kept = positions(&log).await;
    assert_eq!(append(&log, kept).await, Ok(Seq::new(kept)));
    log.verify().await.unwrap();
    kept
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_ends_all_writing() {
    // The bytes were written, and nobody was told: they may be there or not.
    assert!((5..=6).contains(&poisons(|orders| orders.0.fail_sync.store(true, Ordering::SeqCst)).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_write_ends_all_writing() {
    assert_eq!(poisons(|orders| orders.0.fail_write.store(true, Ordering::SeqCst)).await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_recovers() {
    let folder = folder();
    let (log, orders) = open(folder.path());
    for at in 0..5 {
        append(&log, at).await.unwrap();
    }
    orders.0.fill.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(append(&log, 5).await, Err(AppendError::NoSpace));
        assert_eq!(positions(&log).await, 5);
    }
    orders.0.fill.store(false, Ordering::SeqCst);
    assert_eq!(append(&log, 5).await, Ok(Seq::new(5)));
    orders.0.fill.store(true, Ordering::SeqCst);
    assert_eq!(append(&log, 6).await, Err(AppendError::NoSpace));
    drop(log);

    let (log, _) = open(folder.path());
    assert_eq!(positions(&log).await, 6);
    assert_eq!(append(&log, 6).await, Ok(Seq::new(6)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_the_floor_only_what_shrinks_is_accepted() {
    let folder = folder();
    let (log, orders) = open(folder.path());
    for at in 0..5 {
        append(&log, at).await.unwrap();
    }
    for n in 0..2 {
        assert_eq!(log.put(&MAILBOX, package(n), NOW).await, Ok(Put::Stored));
    }
    assert!(!log.is_low_on_space());
    orders.0.below_floor.store(true, Ordering::SeqCst);
    assert_eq!(append(&log, 5).await, Err(AppendError::NoSpace));
    assert!(log.is_low_on_space());
    assert_eq!(log.put(&MAILBOX, package(9), NOW).await, Err(MailboxError::NoSpace));
    assert_eq!(log.save(KEY, MetaValue::new(vec![1])).await, Err(WriteError::NoSpace));
    assert_eq!(log.put_snapshot(&group(1), Seq::ZERO, Bytes::new()).await, Err(WriteError::NoSpace));
    assert_eq!(log.claim(&MAILBOX, NOW).await.unwrap().unwrap().remaining, 1);
    assert_eq!(log.prune(&group(1), Seq::new(1), Keep::Nothing).await.unwrap().records, 1);
    assert_eq!(log.remove_expired(NOW.saturating_add(10), 10).await, Ok(2));
    orders.0.below_floor.store(false, Ordering::SeqCst);
    assert_eq!(append(&log, 5).await, Ok(Seq::new(5)));
    assert!(!log.is_low_on_space());
}

/// Where, and what.
type Write = (u64, Vec<u8>);

/// A disk whose writes stay in its cache until they are synced; the files hold what would survive a power cut.
#[derive(Clone, Default)]
struct Cache {
    /// By inode: a file has several handles over time.
    unsynced: Arc<Mutex<HashMap<u64, Vec<Write>>>>,
    /// Answers syncs without doing them.
    lies: bool,
}

impl Disk for Cache {
    fn write_at(&mut self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        let inode = file.metadata()?.ino();
        self.unsynced.lock().unwrap().entry(inode).or_default().push((at, bytes.to_vec()));
        Ok(())
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        if self.lies {
            return Ok(());
        }
        let writes = self.unsynced.lock().unwrap().remove(&file.metadata()?.ino()).unwrap_or_default();
        for (at, bytes) in writes {
            file.write_all_at(&bytes, at)?;
        }
        file.sync_data()
    }

    fn free(&mut self, _: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

/// Cuts the power in the middle of a run and returns how many were acknowledged and how many are there afterwards.
async fn power_cut(lies: bool, survives: impl Fn(usize) -> bool) -> (u64, u64) {
    let folder = folder();
    let (running, image) = (folder.path().join("running"), folder.path().join("image"));
    let cache = Cache { lies, ..Cache::default() };
    let log = EmbeddedFrameLog::open_with(&running, options(), Box::new(cache.clone())).unwrap();
    for at in 0..50 {
        append(&log, at).await.unwrap();
    }
    // A write the power cut interrupts: in the cache, not synced, and split into blocks any of which may survive.
    let mut half = Vec::new();
    let segment = fs::read_dir(running.join("journal")).unwrap().next().unwrap().unwrap().path();
    let inode = fs::metadata(&segment).unwrap().ino();
    let before = fs::read(&segment).unwrap();
    append(&log, 50).await.unwrap();
    let after = fs::read(&segment).unwrap();
    for (at, (old, new)) in before.iter().zip(&after).enumerate() {
        if old != new && survives(at / 32) {
            half.push((at, *new));
        }
    }
    let mut cut = before;
    for (at, byte) in half {
        cut[at] = byte;
    }
    for (at, bytes) in cache.unsynced.lock().unwrap().get(&inode).cloned().unwrap_or_default() {
        let at = usize::try_from(at).unwrap();
        for (offset, byte) in bytes.iter().enumerate().filter(|(offset, _)| survives((at + offset) / 32)) {
            cut[at + offset] = *byte;
        }
    }
    fs::create_dir_all(image.join("journal")).unwrap();
    fs::copy(running.join("FORMAT"), image.join("FORMAT")).unwrap();
    fs::write(image.join("journal").join(segment.file_name().unwrap()), cut).unwrap();

    let log = EmbeddedFrameLog::open(&image, options()).unwrap();
    (50, positions(&log).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_takes_only_what_was_not_acknowledged() {
    let patterns: [fn(usize) -> bool; 4] =
        [|_| false, |_| true, |block| block.is_multiple_of(2), |block| !block.is_multiple_of(3)];
    for survives in patterns {
        let (acknowledged, there) = power_cut(false, survives).await;
        assert!((acknowledged..=acknowledged + 1).contains(&there), "{there} of {acknowledged}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_lies_is_noticed_by_the_test() {
    let (acknowledged, there) = power_cut(true, |_| false).await;
    assert!(there < acknowledged, "with syncs that do nothing, the check above must fail");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_log_answers_nothing() {
    let folder = folder();
    let (log, _) = open(folder.path());
    append(&log, 0).await.unwrap();
    let mut follower = log.follow(Cursor::START);
    assert!(matches!(futures_util::StreamExt::next(&mut follower).await, Some(Ok(_))));
    log.close().await;
    log.close().await;
    assert_eq!(append(&log, 1).await, Err(AppendError::Unavailable));
    assert_eq!(log.head(&group(1)).await, Err(ReadError::Unavailable));
    assert_eq!(log.tail().await, Err(ReadError::Unavailable));
    assert_eq!(log.verify().await, Err(VerifyError::Unavailable));
    let end = futures_util::StreamExt::next(&mut follower).await;
    assert_eq!(end, Some(Err(ReadError::Unavailable)));
    assert_eq!(futures_util::StreamExt::next(&mut follower).await, None);
}
