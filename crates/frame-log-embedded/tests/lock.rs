//! A folder has one owner, and says so.

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

use std::{fs, os::unix::fs::PermissionsExt as _};

use folders::{assert_exact, fill, folder, one_segment, open};
use frame_log_embedded::{EmbeddedFrameLog, OpenError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_owner_is_refused() {
    let folder = folder();
    let at = folder.path().join("made/on/the/way");
    let log = open(&at, one_segment());
    fill(&log, 1, 0, 3).await;
    let refused = EmbeddedFrameLog::open(&at, one_segment()).unwrap_err();
    assert!(matches!(&refused, OpenError::Locked { path } if *path == at), "{refused}");
    assert!(refused.to_string().contains("in use by another process"));
    fill(&log, 1, 3, 6).await;

    // A closed log still owns its folder; a dropped one does not, even with a follower left behind.
    let follower = frame_log::TotalOrder::follow(&log, frame_log::Cursor::START);
    log.close().await;
    assert!(EmbeddedFrameLog::open(&at, one_segment()).is_err());
    drop(log);
    let log = open(&at, one_segment());
    assert_eq!(assert_exact(&log, 1, 6).await, 6);
    drop(follower);

    let mode = fs::metadata(&at).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "the node's secrets are nobody else's");
}

#[tokio::test]
async fn another_format_is_refused() {
    let folder = folder();
    drop(open(folder.path(), one_segment()));
    let format = folder.path().join("FORMAT");
    let text = fs::read_to_string(&format).unwrap();
    assert!(text.starts_with("kith frame log\nformat 1\nseed "));
    for (other, expected) in
        [(text.replace("format 1", "format 2"), true), (text.replace("seed ", "seed 1"), false)]
    {
        fs::write(&format, other).unwrap();
        let refused = EmbeddedFrameLog::open(folder.path(), one_segment()).unwrap_err();
        assert_eq!(matches!(refused, OpenError::Format { found: 2, known: 1, .. }), expected, "{refused}");
        assert_eq!(matches!(refused, OpenError::Damaged { .. }), !expected, "{refused}");
    }
    fs::write(&format, text).unwrap();
    drop(open(folder.path(), one_segment()));
}
