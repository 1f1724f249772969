//! Measures what the log could have been built on, and what it was built as.
//!
//! ```text
//! engines rates FOLDER             durable commits a second, one record and 64 records each
//! engines restart FOLDER RECORDS   time to open after the process was killed, bytes on the disk
//! engines flips FOLDER             what a flipped bit does to a log that was closed, or killed
//! ```
//!
//! A record is 512 or 4,096 random bytes under (group, position), with one entry of an index by frame id, as the log
//! needs it. `bare` is the limit: the same bytes appended to a file and synced with `fdatasync`, no index, no read.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program for one person at a terminal"
)]

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use frame_log::{FrameLog as _, Limit, Record, UnixMillis};
use frame_log_embedded::{EmbeddedFrameLog, Options};
use protocol::{Epoch, FrameHash, FrameId, GroupId, Seq};
use redb::ReadableDatabase as _;

const GROUPS: u64 = 1_000;
const TABLE: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("log");

/// The same bytes on every run.
struct Records {
    state: u64,
    made: u64,
    size: usize,
}

struct Made {
    group: u64,
    seq: u64,
    frame: Vec<u8>,
}

impl Records {
    fn new(size: usize) -> Self {
        Self { state: 0x9e37_79b9, made: 0, size }
    }

    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn make(&mut self) -> Made {
        // Every group in turn, in an order of no meaning: records of one commit are of different groups.
        self.made += 1;
        let (group, seq) = (self.made * 617 % GROUPS, (self.made - 1) / GROUPS);
        let mut frame = Vec::with_capacity(self.size + 8);
        while frame.len() < self.size {
            frame.extend_from_slice(&self.random().to_be_bytes());
        }
        frame.truncate(self.size);
        Made { group, seq, frame }
    }
}

impl Made {
    fn group_id(group: u64) -> GroupId {
        let mut id = [0; 32];
        for (at, part) in id.chunks_mut(8).enumerate() {
            let mixed = (group + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(at as u32 * 7);
            part.copy_from_slice(&mixed.to_be_bytes());
        }
        GroupId::new(id)
    }

    fn id(&self) -> FrameId {
        FrameId::from_slice(&self.frame[..16]).unwrap()
    }

    fn key(&self) -> Vec<u8> {
        [b"R", &Self::group_id(self.group).as_bytes()[..], &self.seq.to_be_bytes()].concat()
    }

    fn index(&self) -> Vec<u8> {
        [b"I", &Self::group_id(self.group).as_bytes()[..], self.id().as_bytes()].concat()
    }

    fn record(&self) -> Record {
        Record {
            frame: Bytes::copy_from_slice(&self.frame),
            frame_id: self.id(),
            th: FrameHash::new([7; 32]),
            received_at: UnixMillis::new(1),
            epoch: Epoch::new(1),
            is_operation: false,
        }
    }
}

/// Something that can make a batch of records durable.
trait Engine {
    fn commit(&mut self, records: &[Made]);
    fn has(&self, record: &Made) -> Option<bool>;
}

struct Bare(File);

impl Engine for Bare {
    fn commit(&mut self, records: &[Made]) {
        let bytes: Vec<u8> = records.iter().flat_map(|r| [r.key(), r.frame.clone()].concat()).collect();
        self.0.write_all(&bytes).unwrap();
        self.0.sync_data().unwrap();
    }

    fn has(&self, _: &Made) -> Option<bool> {
        None
    }
}

struct Fjall(fjall::Database, fjall::Keyspace);

impl Engine for Fjall {
    fn commit(&mut self, records: &[Made]) {
        let mut batch = self.0.batch().durability(Some(fjall::PersistMode::SyncData));
        for record in records {
            batch.insert(&self.1, record.key(), record.frame.as_slice());
            batch.insert(&self.1, record.index(), record.seq.to_be_bytes());
        }
        batch.commit().unwrap();
    }

    fn has(&self, record: &Made) -> Option<bool> {
        self.1.get(record.key()).unwrap().map(|found| *found == *record.frame)
    }
}

struct Redb(redb::Database);

impl Engine for Redb {
    fn commit(&mut self, records: &[Made]) {
        let write = self.0.begin_write().unwrap();
        {
            let mut table = write.open_table(TABLE).unwrap();
            for record in records {
                table.insert(record.key().as_slice(), record.frame.as_slice()).unwrap();
                table.insert(record.index().as_slice(), &record.seq.to_be_bytes()[..]).unwrap();
            }
        }
        write.commit().unwrap();
    }

    fn has(&self, record: &Made) -> Option<bool> {
        let read = self.0.begin_read().unwrap();
        let table = read.open_table(TABLE).unwrap();
        table.get(record.key().as_slice()).unwrap().map(|found| found.value() == record.frame)
    }
}

struct Ours(tokio::runtime::Runtime, Arc<EmbeddedFrameLog>);

impl Engine for Ours {
    fn commit(&mut self, records: &[Made]) {
        let log = &self.1;
        self.0.block_on(async {
            let appends = records.iter().map(|made| async {
                let group = Made::group_id(made.group);
                log.append(&group, Seq::new(made.seq), made.record()).await.unwrap()
            });
            futures_util::future::join_all(appends).await;
        });
    }

    fn has(&self, record: &Made) -> Option<bool> {
        let group = Made::group_id(record.group);
        let page = self.0.block_on(self.1.read(&group, Seq::new(record.seq), Limit::new(1, 0))).unwrap();
        let found = page.records.first()?;
        Some(found.frame.as_deref() == Some(&record.frame[..]))
    }
}

fn open(engine: &str, folder: &Path) -> Box<dyn Engine> {
    fs::create_dir_all(folder).unwrap();
    match engine {
        "bare" => {
            Box::new(Bare(OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap()))
        }
        "fjall" => {
            let database = fjall::Database::builder(folder).manual_journal_persist(true).open().unwrap();
            let keyspace = database.keyspace("log", fjall::KeyspaceCreateOptions::default).unwrap();
            Box::new(Fjall(database, keyspace))
        }
        "redb" => Box::new(Redb(redb::Database::create(folder.join("log.redb")).unwrap())),
        "ours" => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let log = EmbeddedFrameLog::open(folder, Options::default()).unwrap();
            Box::new(Ours(runtime, Arc::new(log)))
        }
        other => panic!("no engine {other}"),
    }
}

fn disk_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let meta = entry.metadata().unwrap();
            if meta.is_dir() { disk_bytes(&entry.path()) } else { meta.blocks() * 512 }
        })
        .sum()
}

/// One short run: records a second, the median commit, and processor time.
struct Run {
    rate: f64,
    median: Duration,
    processor_ms: u64,
    records: usize,
}

/// Takes turns and keeps each engine's best of 24 short runs: whatever else the machine does can only make a run
/// slower, and it does not pick its victim.
fn rates(folder: &Path) {
    println!("size batch engine     rec/s  of bare   median  processor/rec");
    for size in [512, 4_096] {
        for batch in [1, 64] {
            let engines = ["bare", "ours", "fjall", "redb"];
            let mut runs: Vec<Vec<Run>> = engines.iter().map(|_| Vec::new()).collect();
            for _ in 0..24 {
                for (engine, runs) in engines.iter().zip(&mut runs) {
                    runs.push(run(engine, folder, size, batch));
                }
            }
            let best = |runs: &[Run]| runs.iter().map(|r| r.rate).fold(0.0, f64::max);
            let bare = best(&runs[0]);
            for (engine, runs) in engines.iter().zip(&runs) {
                let (rate, median) = (best(runs), runs.iter().map(|r| r.median).min().unwrap());
                let processor_us = runs.iter().map(|r| r.processor_ms).sum::<u64>() as f64 * 1_000.0
                    / runs.iter().map(|r| r.records).sum::<usize>() as f64;
                let share = rate / bare * 100.0;
                println!(
                    "{size:4} {batch:5} {engine:6} {rate:9.0} {share:6.0} % {median:8.0?} {processor_us:11.1} µs"
                );
            }
        }
    }
}

/// Processor time of this process, all threads, in milliseconds; the kernel counts hundredths of a second.
fn processor_ms() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum()
}

fn run(engine: &str, folder: &Path, size: usize, batch: usize) -> Run {
    let _ = fs::remove_dir_all(folder);
    let mut log = open(engine, folder);
    let mut records = Records::new(size);
    let mut took = Vec::new();
    let mut total = Duration::ZERO;
    let mut processor = 0;
    while total < Duration::from_millis(250) {
        let made: Vec<Vec<Made>> = (0..32).map(|_| (0..batch).map(|_| records.make()).collect()).collect();
        let (start, before) = (Instant::now(), processor_ms());
        for made in made {
            let start = Instant::now();
            log.commit(&made);
            took.push(start.elapsed());
        }
        total += start.elapsed();
        processor += processor_ms() - before;
    }
    let records = took.len() * batch;
    let rate = records as f64 / total.as_secs_f64();
    took.sort_unstable();
    Run { rate, median: took[took.len() / 2], processor_ms: processor, records }
}

/// Fills a log in a process that then dies without closing it.
fn fill(engine: &str, folder: &Path, count: usize, close: bool) {
    let _ = fs::remove_dir_all(folder);
    let close = if close { "close" } else { "die" };
    let arguments = ["fill", engine, folder.to_str().unwrap(), &count.to_string(), close];
    let mut child = Command::new(std::env::current_exe().unwrap());
    // It is meant to die, so how it ended says nothing.
    let _ = child.args(arguments).stderr(std::process::Stdio::null()).status().unwrap();
}

fn filling(engine: &str, folder: &Path, count: usize, close: bool) {
    let mut log = open(engine, folder);
    let mut records = Records::new(512);
    let mut left = count;
    while left > 0 {
        let made: Vec<Made> = (0..left.min(256)).map(|_| records.make()).collect();
        log.commit(&made);
        left -= made.len();
    }
    if !close {
        std::process::abort();
    }
}

fn restart(folder: &Path, count: usize) {
    println!("engine   filled in    opened in   on disk");
    for engine in ["ours", "fjall", "redb"] {
        let start = Instant::now();
        fill(engine, folder, count, false);
        let filled = start.elapsed();
        let start = Instant::now();
        let log = open(engine, folder);
        let opened = start.elapsed();
        let megabytes = disk_bytes(folder) / 1_000_000;
        println!("{engine:6} {filled:11.1?} {opened:12.1?} {megabytes:6} MB");
        drop(log);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Flips bits in the middle of the file that holds the records and counts what becomes of it.
fn flips(folder: &Path) {
    const COUNT: usize = 4_000;
    std::panic::set_hook(Box::new(|_| {}));
    println!("engine state  refused  error on read  records silently lost  wrong bytes  harmless");
    for engine in ["ours", "fjall", "redb"] {
        for (close, state) in [(false, "killed"), (true, "closed")] {
            let (pristine, image) = (folder.join("pristine"), folder.join("image"));
            fill(engine, &pristine, COUNT, close);
            let mut counts = [0; 5];
            for flip in 0..120_u64 {
                let _ = fs::remove_dir_all(&image);
                copy(&pristine, &image);
                let target = largest(&image);
                let file = OpenOptions::new().read(true).write(true).open(&target).unwrap();
                // Every eleventh byte around the middle of what was written: records, their heads, their index.
                let at = 1_300_000 + flip * 11;
                let mut byte = [0];
                file.read_exact_at(&mut byte, at).unwrap();
                byte[0] ^= 1 << (flip % 8);
                file.write_all_at(&byte, at).unwrap();
                counts[consequence(engine, &image, COUNT)] += 1;
            }
            let [refused, failed, lost, wrong, harmless] = counts;
            println!("{engine:6} {state} {refused:8} {failed:14} {lost:22} {wrong:12} {harmless:9}");
        }
    }
}

fn largest(folder: &Path) -> PathBuf {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().map(|entry| entry.unwrap()) {
            let meta = entry.metadata().unwrap();
            if meta.is_dir() { folders.push(entry.path()) } else { files.push((meta.len(), entry.path())) }
        }
    }
    files.into_iter().max().unwrap().1
}

fn consequence(engine: &str, folder: &Path, count: usize) -> usize {
    let Ok(log) = catch_unwind(AssertUnwindSafe(|| open(engine, folder))) else { return 0 };
    let mut records = Records::new(512);
    let (mut failed, mut lost, mut wrong) = (false, false, false);
    for _ in 0..count {
        let made = records.make();
        match catch_unwind(AssertUnwindSafe(|| log.has(&made))) {
            Ok(Some(true)) => {}
            Ok(Some(false)) => wrong = true,
            Ok(None) => lost = true,
            Err(_) => failed = true,
        }
    }
    match (failed, lost, wrong) {
        (_, _, true) => 3,
        (_, true, _) => 2,
        (true, ..) => 1,
        _ => 4,
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["rates", folder] => rates(Path::new(folder)),
        ["restart", folder, count] => restart(Path::new(folder), count.parse().unwrap()),
        ["flips", folder] => flips(Path::new(folder)),
        ["fill", engine, folder, count, close] => {
            filling(engine, Path::new(folder), count.parse().unwrap(), close == "close");
        }
        _ => println!("engines rates FOLDER | restart FOLDER RECORDS | flips FOLDER"),
    }
}
