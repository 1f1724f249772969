//! A folder written by an earlier version opens and holds what was put in it.
//!
//! `vectors/format-1` was written by the ignored test below and is never written again: a change that makes this
//! test fail needs a new format number and a way to come from the old one.

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

use std::path::{Path, PathBuf};

use bytes::Bytes;
use folders::{assert_exact, copy, fill, folder, open, order, stored_of};
use frame_log::{
    FrameLog as _, Keep, Limit, MailboxId, Mailboxes as _, Meta as _, MetaKey, MetaValue, NewPackage, Put,
    conformance,
};
use frame_log_embedded::Options;
use protocol::{Seq, UnixSeconds};

const NOW: UnixSeconds = UnixSeconds::new(1_700_000_000);
const MAILBOX: MailboxId = MailboxId::new([9; 32]);
const SEED: MetaKey = MetaKey::new("seed");

fn options() -> Options {
    Options { free_space_floor: 0, segment_bytes: 8 << 10, memtable_bytes: 8 << 10, ..Options::default() }
}

fn vector() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/format-1")
}

fn package(n: u8, last_resort: bool) -> NewPackage {
    NewPackage { bytes: Bytes::from(vec![n; 30]), last_resort, expires: NOW.saturating_add(1_000) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "wrote the folder, once"]
async fn write_the_folder() {
    let log = open(&vector(), options());
    for group in 0..3 {
        fill(&log, group, 0, 12).await;
    }
    log.prune(&conformance::group(2), Seq::new(5), Keep::Operations).await.unwrap();
    log.put_snapshot(&conformance::group(1), Seq::new(4), Bytes::from_static(b"state")).await.unwrap();
    for n in 0..3 {
        log.put(&MAILBOX, package(n, n == 2), NOW).await.unwrap();
    }
    log.claim(&MAILBOX, NOW).await.unwrap();
    log.save(SEED, MetaValue::new(b"value".to_vec())).await.unwrap();
    log.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn format_1_is_read() {
    let folder = folder();
    let at = folder.path().join("log");
    copy(&vector(), &at).unwrap();
    let log = open(&at, options());
    let verified = log.verify().await.unwrap();
    assert_eq!((verified.groups, verified.records), (3, 36));
    for group in 0..2 {
        assert_eq!(assert_exact(&log, group, 12).await, 12);
    }
    let page = log.read(&conformance::group(2), Seq::ZERO, Limit::MAX).await.unwrap();
    assert_eq!((page.records.len(), page.horizon), (12, Seq::new(5)));
    for (seq, record) in (0..).zip(page.records) {
        let whole = stored_of(2, seq);
        let kept = seq >= 5 || whole.is_operation;
        assert_eq!(record, if kept { whole } else { whole.pruned() });
    }
    assert_eq!(order(&log).await.len(), 36);
    let snapshot = log.snapshot(&conformance::group(1), None).await;
    assert_eq!(snapshot, Ok(Some((Seq::new(4), Bytes::from_static(b"state")))));
    assert_eq!(log.put(&MAILBOX, package(0, false), NOW).await, Ok(Put::AlreadyKnown));
    let claimed = log.claim(&MAILBOX, NOW).await.unwrap().unwrap();
    assert_eq!((claimed.package, claimed.last_resort), (package(1, false).bytes, false));
    let claimed = log.claim(&MAILBOX, NOW).await.unwrap().unwrap();
    assert_eq!((claimed.package, claimed.last_resort), (package(2, true).bytes, true));
    assert_eq!(log.load(SEED).await, Ok(Some(MetaValue::new(b"value".to_vec()))));
    fill(&log, 0, 12, 40).await;
    log.close().await;
}
