//! A process that is killed at any moment has kept every promise it made.
//!
//! The writing process is this test's own executable, started again with one variable set. It reports each
//! acknowledgement in one write to its standard output, which is the ledger.

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
    collections::{HashMap, HashSet},
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use folders::{Numbers, assert_exact, folder, open, order, record_of, small, stored_of};
use frame_log::{AppendError, FrameLog as _, MailboxId, Mailboxes as _, NewPackage, conformance};
use protocol::{Seq, UnixSeconds};

const FOLDER: &str = "FRAME_LOG_UNDER_FIRE";
/// Set to run more cycles than usual.
const CYCLES: &str = "FRAME_LOG_CYCLES";
const WRITERS: u64 = 16;
/// Groups 0 to 3 have four writers each, who race; the other four have one each.
const RACED: u64 = 4;
const NOW: UnixSeconds = UnixSeconds::new(1_700_000_000);
const MAILBOX: MailboxId = MailboxId::new([5; 32]);

fn report(line: &str) {
    // One write of less than a pipe's atomic size: the ledger has whole lines.
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writing_process() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let log = Arc::new(open(folder.as_ref(), small()));
    for writer in 0..WRITERS {
        let log = Arc::clone(&log);
        let group = writer % (RACED * 2);
        tokio::spawn(async move {
            let id = conformance::group(group);
            let mut seq = log.head(&id).await.unwrap().map_or(0, |head| head.get() + 1);
            loop {
                match log.append(&id, Seq::new(seq), record_of(group, seq)).await {
                    Ok(at) => {
                        report(&format!("ack {group} {at}"));
                        seq += 1;
                    }
                    Err(AppendError::Conflict { next }) => seq = next.get(),
                    // Another writer of the group was faster with the very same record.
                    Err(AppendError::Duplicate { seq: at, .. }) => seq = at.get() + 1,
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    let mut n = std::process::id();
    loop {
        n = n.wrapping_add(0x0001_0000);
        let package = NewPackage {
            bytes: Bytes::from(n.to_be_bytes().to_vec()),
            last_resort: false,
            expires: NOW.saturating_add(1_000),
        };
        let _ = log.put(&MAILBOX, package, NOW).await;
        if n.is_multiple_of(3) {
            continue;
        }
        if let Some(claimed) = log.claim(&MAILBOX, NOW).await.unwrap() {
            report(&format!("claim {:?}", &claimed.package[..]));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_record_survives() {
    let folder = folder();
    let mut acknowledged: HashMap<u64, u64> = HashMap::new();
    let mut claimed = HashSet::new();
    let mut numbers = Numbers::new(9);
    let cycles = std::env::var(CYCLES).map_or(20, |n| n.parse().unwrap());
    for cycle in 0..cycles {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["writing_process", "--exact", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ledger = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut left = 1 + numbers.below(600);
        let mut lines = 0;
        // After the kill, what is in the pipe was still acknowledged before it.
        for line in ledger {
            let Ok(line) = line else { break };
            if let Some(ack) = line.strip_prefix("ack ") {
                let (group, seq) = ack.split_once(' ').unwrap();
                let (group, seq): (u64, u64) = (group.parse().unwrap(), seq.parse().unwrap());
                let next = acknowledged.entry(group).or_default();
                *next = (*next).max(seq + 1);
                lines += 1;
            } else if let Some(package) = line.strip_prefix("claim ") {
                assert!(claimed.insert(package.to_owned()), "a package was handed out twice");
            }
            left -= 1;
            if left == 0 {
                child.kill().unwrap();
                left = u64::MAX;
            }
        }
        assert!(!child.wait().unwrap().success(), "it was killed");
        assert!(lines > 0 || cycle > 0);

        let log = open(folder.path(), small());
        let all = order(&log).await;
        if cycle % 5 == 4 {
            assert_eq!(log.verify().await.unwrap().records, all.len() as u64);
        }
        for group in 0..RACED * 2 {
            let of_group = all.iter().filter(|(g, _)| *g == conformance::group(group));
            let mut next = 0;
            for (_, record) in of_group {
                assert_eq!(*record, stored_of(group, next), "group {group}, in order, without a gap");
                next += 1;
            }
            let acknowledged = acknowledged.get(&group).copied().unwrap_or(0);
            assert!(next >= acknowledged, "group {group} ends at {next}, {acknowledged} were acknowledged");
            if cycle + 1 == cycles {
                assert_eq!(assert_exact(&log, group, acknowledged).await, next);
            }
        }
        log.close().await;
    }
    assert!(acknowledged.values().sum::<u64>() > 500, "the writers got to write");
    assert!(claimed.len() > 20, "the claimants got to claim");
}
