//! Damage before the journal's end is refused by name, and repaired only when told to.

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

use std::fs;

use folders::{assert_exact, copy, files, fill, folder, one_segment, open, segments, small};
use frame_log_embedded::{EmbeddedFrameLog, OnDamage, OpenError, Options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_then_keeps_what_is_before() {
    let folder = folder();
    {
        let log = open(folder.path(), one_segment());
        fill(&log, 1, 0, 40).await;
        log.close().await;
    }
    let segment = segments(folder.path())[0].clone();
    let mut bytes = fs::read(&segment).unwrap();
    let written = bytes.iter().rposition(|b| *b != 0).unwrap();
    bytes[written / 2] ^= 4;
    fs::write(&segment, bytes).unwrap();

    for _ in 0..2 {
        let refused = EmbeddedFrameLog::open(folder.path(), one_segment()).unwrap_err();
        let OpenError::JournalDamaged { path, at } = &refused else { panic!("{refused}") };
        assert_eq!(*path, segment);
        assert!(*at > 0 && *at < written as u64 / 2 + 1);
        assert!(refused.to_string().contains("KeepBefore"), "it says what to do");
    }

    let repair = Options { on_damage: OnDamage::KeepBefore, ..one_segment() };
    let kept = {
        let log = open(folder.path(), repair);
        let kept = assert_exact(&log, 1, 5).await;
        assert!(kept < 40);
        fill(&log, 1, kept, kept + 10).await;
        log.verify().await.unwrap();
        log.close().await;
        kept
    };
    let aside = files(&folder.path().join("journal"));
    assert_eq!(aside.iter().filter(|f| f.extension().is_some_and(|e| e == "damaged")).count(), 1);
    let log = open(folder.path(), one_segment());
    assert_eq!(assert_exact(&log, 1, kept + 10).await, kept + 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_part_is_refused() {
    let folder = folder();
    let (pristine, image) = (folder.path().join("pristine"), folder.path().join("image"));
    {
        let log = open(&pristine, small());
        for group in 0..4 {
            fill(&log, group, 0, 100).await;
        }
        log.close().await;
    }
    let mut parts: Vec<_> =
        ["journal", "tree", "FORMAT", "tree/current"].into_iter().map(|p| image.join(p)).collect();
    parts.extend(segments(&pristine).iter().map(|s| image.join("journal").join(s.file_name().unwrap())));
    for part in parts {
        let _ = fs::remove_dir_all(&image);
        copy(&pristine, &image).unwrap();
        if part.is_dir() { fs::remove_dir_all(&part) } else { fs::remove_file(&part) }.unwrap();
        let refused = EmbeddedFrameLog::open(&image, small());
        let named = matches!(refused, Err(OpenError::Damaged { .. } | OpenError::JournalDamaged { .. }));
        assert!(named, "without {}: {refused:?}", part.display());
    }
}
