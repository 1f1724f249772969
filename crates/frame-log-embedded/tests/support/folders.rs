//! Folders for logs, records to put in them, and the question whether they are all still there.

#![allow(dead_code, unreachable_pub, reason = "a module of several tests, each of which uses some of it")]

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use frame_log::{Cursor, FrameLog as _, Limit, Record, StoredRecord, TotalOrder as _, conformance};
use frame_log_embedded::{EmbeddedFrameLog, Options};
use futures_util::StreamExt as _;
use protocol::{GroupId, Seq};
use tempfile::TempDir;

/// A folder in memory where there is one: these tests ask what is in files, not how fast a disk is.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder")
}

/// Settings under which a few hundred records rotate segments, flush and merge.
pub fn small() -> Options {
    Options { free_space_floor: 0, segment_bytes: 16 << 10, memtable_bytes: 32 << 10, ..Options::default() }
}

/// Settings under which everything stays in one segment.
pub fn one_segment() -> Options {
    Options { free_space_floor: 0, segment_bytes: 64 << 10, ..Options::default() }
}

pub fn open(folder: &Path, options: Options) -> EmbeddedFrameLog {
    EmbeddedFrameLog::open(folder, options).expect("opens")
}

/// The record a group has at a position.
pub fn record_of(group: u64, seq: u64) -> Record {
    conformance::record(group * 1_000_000 + seq)
}

pub fn stored_of(group: u64, seq: u64) -> StoredRecord {
    StoredRecord::new(Seq::new(seq), record_of(group, seq))
}

/// Appends positions `from..to` of a group.
pub async fn fill(log: &EmbeddedFrameLog, group: u64, from: u64, to: u64) {
    for seq in from..to {
        let at = Seq::new(seq);
        assert_eq!(log.append(&conformance::group(group), at, record_of(group, seq)).await, Ok(at));
    }
}

/// Checks that a group has at least `acknowledged` records and nothing but what was appended.
pub async fn assert_exact(log: &EmbeddedFrameLog, group: u64, acknowledged: u64) -> u64 {
    let id: GroupId = conformance::group(group);
    let mut seq = 0;
    loop {
        let page = log.read(&id, Seq::new(seq), Limit::MAX).await.expect("readable");
        for record in &page.records {
            assert_eq!(*record, stored_of(group, seq), "group {group}");
            let found = log.find(&id, &record.frame_id).await;
            assert_eq!(found, Ok(Some((record.seq, record.th))), "the index knows the record");
            seq += 1;
        }
        if page.records.is_empty() {
            assert_eq!(page.head, seq.checked_sub(1).map(Seq::new));
            break;
        }
    }
    assert!(seq >= acknowledged, "group {group} ends at {seq}, {acknowledged} were acknowledged");
    seq
}

/// Reads the common order from the start to the end.
pub async fn order(log: &EmbeddedFrameLog) -> Vec<(GroupId, StoredRecord)> {
    let tail = log.tail().await.expect("readable").get();
    let records = log.follow(Cursor::START).take(usize::try_from(tail).expect("small"));
    records.map(|followed| followed.expect("readable")).map(|f| (f.group, f.record)).collect().await
}

/// Copies a log's folder, as a machine that stopped now would leave it.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// All files below a folder, in a stable order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("listed") {
        let path = entry.expect("listed").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The segments of a log's journal, oldest first.
pub fn segments(folder: &Path) -> Vec<PathBuf> {
    let journal = files(&folder.join("journal"));
    journal.into_iter().filter(|path| path.extension().is_some_and(|e| e == "journal")).collect()
}

/// Numbers that look random and are the same every time.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}
