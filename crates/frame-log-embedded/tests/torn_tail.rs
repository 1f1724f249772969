//! A machine that stops while the last entry is being written loses that entry at most, wherever it was cut.

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

use folders::{Numbers, assert_exact, copy, fill, folder, one_segment, open, segments};

const BEFORE: u64 = 20;

/// The folder of a running log before and after one more record, and where in the segment that record went.
async fn images(at: &Path) -> (Vec<u8>, usize, usize) {
    let log = open(&at.join("log"), one_segment());
    fill(&log, 1, 0, BEFORE).await;
    let before = fs::read(&segments(&at.join("log"))[0]).unwrap();
    fill(&log, 1, BEFORE, BEFORE + 1).await;
    copy(&at.join("log"), &at.join("image")).unwrap();
    let after = fs::read(&segments(&at.join("image"))[0]).unwrap();
    let differs = |(a, b): (&u8, &u8)| a != b;
    let start = before.iter().zip(&after).position(differs).unwrap();
    let end = before.iter().zip(&after).rposition(differs).unwrap() + 1;
    (after, start, end)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_cut_entry_is_lost() {
    let folder = folder();
    let (after, start, end) = images(folder.path()).await;
    assert!(end - start > 100);
    let image = folder.path().join("image");
    let segment = segments(&image)[0].clone();
    let pristine = folder.path().join("pristine");
    copy(&image, &pristine).unwrap();
    let mut numbers = Numbers::new(3);
    for cut in start..=end + 1 {
        for kind in 0..3 {
            if kind > 0 && cut % 5 != 0 {
                continue;
            }
            fs::remove_dir_all(&image).unwrap();
            copy(&pristine, &image).unwrap();
            let mut bytes = after.clone();
            match kind {
                // The file ends there.
                0 => bytes.truncate(cut),
                // The blocks behind were never written.
                1 => bytes[cut..].fill(0),
                // One block was written and the one before was not.
                _ => bytes[start..cut.min(end)]
                    .iter_mut()
                    .for_each(|b| *b = numbers.below(256).to_be_bytes()[7]),
            }
            fs::write(&segment, bytes).unwrap();
            let log = open(&image, one_segment());
            let kept = assert_exact(&log, 1, BEFORE).await;
            let whole = cut >= end && kind < 2;
            assert_eq!(kept, BEFORE + u64::from(whole), "cut at {cut}, kind {kind}");
            fill(&log, 1, kept, kept + 3).await;
            log.close().await;
            drop(log);
            let log = open(&image, one_segment());
            assert_eq!(assert_exact(&log, 1, kept + 3).await, kept + 3);
        }
    }
}
