//! Wherever a bit of a closed log flips, what is read is what was written, or an error.

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

use std::{fs, path::Path};

use folders::{Numbers, copy, files, fill, folder, small, stored_of};
use frame_log::{Cursor, FrameLog as _, Limit, ReadError, TotalOrder as _, conformance};
use frame_log_embedded::{EmbeddedFrameLog, OpenError};
use futures_util::StreamExt as _;
use protocol::Seq;

const GROUPS: u64 = 4;
const RECORDS: u64 = 60;
const FLIPS: u64 = 400;

/// What came of one flip.
enum Seen {
    Refused,
    Reported,
    Harmless,
}

/// Reads everything there is to read; panics on anything that was not written.
async fn look(folder: &Path) -> Seen {
    let log = match EmbeddedFrameLog::open(folder, small()) {
        Ok(log) => log,
        Err(OpenError::Locked { .. }) => panic!("nobody has it open"),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return Seen::Refused;
        }
    };
    let mut reported = false;
    for group in 0..GROUPS {
        let id = conformance::group(group);
        match log.head(&id).await {
            Ok(head) => {
                assert_eq!(head, Some(Seq::new(RECORDS - 1)), "a lost record is an error, not a shorter log")
            }
            Err(error) => reported |= matches!(error, ReadError::Damaged { .. }),
        }
        for seq in 0..RECORDS {
            match log.read(&id, Seq::new(seq), Limit::new(1, 0)).await {
                Ok(page) => assert_eq!(page.records, [stored_of(group, seq)]),
                Err(error) => reported |= matches!(error, ReadError::Damaged { .. }),
            }
            let written = stored_of(group, seq);
            match log.find(&id, &written.frame_id).await {
                Ok(found) => assert_eq!(found, Some((written.seq, written.th))),
                Err(error) => reported |= matches!(error, ReadError::Damaged { .. }),
            }
        }
    }
    match log.tail().await {
        Ok(tail) => {
            assert_eq!(tail, Cursor::new(GROUPS * RECORDS));
            let mut next = 0;
            let mut all = log.follow(Cursor::START).take(usize::try_from(GROUPS * RECORDS).unwrap());
            while let Some(followed) = all.next().await {
                match followed {
                    Ok(followed) => {
                        let (group, seq) = (next / RECORDS, next % RECORDS);
                        assert_eq!(
                            (followed.group, followed.record),
                            (conformance::group(group), stored_of(group, seq))
                        );
                        next += 1;
                    }
                    Err(_) => reported = true,
                }
            }
        }
        Err(_) => reported = true,
    }
    assert_eq!(log.verify().await.is_err(), reported, "a full check finds what reading finds");
    log.close().await;
    if reported { Seen::Reported } else { Seen::Harmless }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wrong_byte_is_ever_served() {
    let folder = folder();
    let pristine = folder.path().join("pristine");
    {
        let log = folders::open(&pristine, small());
        for group in 0..GROUPS {
            fill(&log, group, 0, RECORDS).await;
        }
        log.close().await;
    }
    assert!(matches!(look(&pristine).await, Seen::Harmless));
    // A panic inside the engine is caught and reported as damage; its message is of no interest here.
    std::panic::set_hook(Box::new(|info| {
        if info.location().is_none_or(|at| at.file().contains("bit_flips") || at.file().contains("folders")) {
            println!("{info}");
        }
    }));
    let image = folder.path().join("image");
    let targets: Vec<_> =
        files(&pristine).into_iter().filter(|f| fs::metadata(f).unwrap().len() > 0).collect();
    let (mut refused, mut reported, mut harmless) = (0, 0, 0);
    let mut numbers = Numbers::new(1);
    for flip in 0..FLIPS {
        let target = &targets[usize::try_from(flip).unwrap() % targets.len()];
        let relative = target.strip_prefix(&pristine).unwrap();
        let _ = fs::remove_dir_all(&image);
        copy(&pristine, &image).unwrap();
        let mut bytes = fs::read(target).unwrap();
        // Only what has been written: the rest of a segment is not looked at.
        let written = bytes.iter().rposition(|b| *b != 0).unwrap() as u64 + 1;
        let bit = numbers.below(written * 8);
        bytes[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
        fs::write(image.join(relative), bytes).unwrap();
        println!("bit {bit} of {}", relative.display());
        match look(&image).await {
            Seen::Refused => refused += 1,
            Seen::Reported => reported += 1,
            Seen::Harmless => harmless += 1,
        }
    }
    println!("{refused} refused to open, {reported} were reported when read, {harmless} changed nothing");
    assert!(refused > 0 && reported > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_of_tables_is_believed_only_whole() {
    let folder = folder();
    let at = folder.path().join("log");
    {
        let log = folders::open(&at, small());
        fill(&log, 0, 0, 300).await;
        log.close().await;
    }
    let current = at.join("tree/current");
    let number = u64::from_le_bytes(fs::read(&current).unwrap()[..8].try_into().unwrap());
    let lists = [current, at.join(format!("tree/v{number}"))];
    for list in lists {
        let pristine = fs::read(&list).unwrap();
        for byte in 0..pristine.len() {
            let mut bytes = pristine.clone();
            bytes[byte] ^= 1 << (byte % 8);
            fs::write(&list, bytes).unwrap();
            let refused = EmbeddedFrameLog::open(&at, small());
            assert!(refused.is_err(), "byte {byte} of {}", list.display());
        }
        fs::write(&list, pristine).unwrap();
    }
    let log = folders::open(&at, small());
    assert_eq!(folders::assert_exact(&log, 0, 300).await, 300);
}
