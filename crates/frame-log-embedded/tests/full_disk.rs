//! A disk that is really full: the log refuses, loses nothing, and goes on once there is space.
//!
//! Needs a small file system of its own, which only root can mount; without that it says so and passes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

#[path = "support/folders.rs"]
mod folders;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use bytes::Bytes;
use folders::{folder, open};
use frame_log::{AppendError, FrameLog as _, Limit, Record, StoredRecord, conformance};
use frame_log_embedded::{EmbeddedFrameLog, Options};
use protocol::Seq;

struct Mount(PathBuf);

impl Mount {
    fn new(at: &Path) -> Option<Self> {
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(at).output().ok()?;
        done.status.success().then(|| Self(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn large(n: u64) -> Record {
    let bytes: Vec<u8> = n.to_be_bytes().into_iter().cycle().take(8_000).collect();
    Record { frame: Bytes::from(bytes), ..conformance::record(n) }
}

/// Appends until the log refuses and returns the next position.
async fn append_until_full(log: &EmbeddedFrameLog, mut next: u64) -> u64 {
    let group = conformance::group(1);
    for _ in 0..5_000 {
        match log.append(&group, Seq::new(next), large(next)).await {
            Ok(at) => next = at.get() + 1,
            Err(error) => {
                assert_eq!(error, AppendError::NoSpace);
                return next;
            }
        }
    }
    panic!("the disk cannot hold that much");
}

async fn assert_all(log: &EmbeddedFrameLog, next: u64) {
    let group = conformance::group(1);
    let mut from = Seq::ZERO;
    while from < Seq::new(next) {
        let page = log.read(&group, from, Limit::MAX).await.unwrap();
        for record in page.records {
            assert_eq!(record, StoredRecord::new(from, large(from.get())));
            from = from.next().unwrap();
        }
    }
    assert_eq!(log.head(&group).await, Ok(next.checked_sub(1).map(Seq::new)));
}

/// Fills the disk, gives space back, goes on, opens again. With a floor the log stops in time; without one it meets
/// the end of the disk in the middle of writing segments and tables.
async fn full_and_back(floor: u64) {
    let folder = folder();
    let Some(mount) = Mount::new(folder.path()) else {
        println!("skipped: no permission to mount a file system");
        return;
    };
    let at = mount.0.join("log");
    let options = Options {
        free_space_floor: floor,
        segment_bytes: 256 << 10,
        memtable_bytes: 256 << 10,
        ..Options::default()
    };
    let ballast = mount.0.join("ballast");
    fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let mut next = {
        let log = open(&at, options);
        let next = append_until_full(&log, 0).await;
        assert!(next > 50, "{next} records fit");
        assert_all(&log, next).await;
        assert_eq!(append_until_full(&log, next).await, next, "full stays full");

        fs::remove_file(&ballast).unwrap();
        // The log looks again on every append; writing tables is tried again every so often.
        let mut after = next;
        while after == next {
            after = append_until_full(&log, next).await;
        }
        assert_all(&log, after).await;
        log.close().await;
        after
    };
    for _ in 0..2 {
        let log = open(&at, options);
        assert_all(&log, next).await;
        log.verify().await.unwrap();
        next = append_until_full(&log, next).await;
        log.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_at_the_floor_and_goes_on() {
    full_and_back(1 << 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_at_the_end_and_goes_on() {
    full_and_back(0).await;
}
