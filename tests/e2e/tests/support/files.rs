//! Files that are sent around.

#![allow(dead_code, reason = "each program that includes this uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test helpers")]

use std::path::{Path, PathBuf};

use kith_client_sdk::{AttachmentState, Error, FetchOptions, Group, Position, What};

/// Bytes that look like nothing in particular, the same for the same seed.
pub(crate) fn content(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[7]
    };
    (0..len).map(|_| next()).collect()
}

/// The attachments in a timeline: place, name and size, and how far this home is with each.
pub(crate) async fn attachments(group: &Group) -> Vec<(Position, String, u64, AttachmentState)> {
    let entries = group.entries(Position(0), 10_000).await.unwrap().into_iter();
    entries
        .filter_map(|entry| {
            let What::Attachment { name, size, state, .. } = entry.what else { return None };
            Some((entry.position, name, size, state))
        })
        .collect()
}

/// Place and state of the only one.
pub(crate) async fn only(group: &Group) -> (Position, AttachmentState) {
    match attachments(group).await.as_slice() {
        [(position, _, _, state)] => (*position, *state),
        other => panic!("{} attachments", other.len()),
    }
}

/// Fetches the only attachment there is.
pub(crate) async fn fetch(group: &Group, to: &Path) -> Result<(), Error> {
    group.sync().await?;
    let (position, _) = only(group).await;
    group.fetch_attachment(position, to, FetchOptions::default()).await
}

/// An empty folder below another one.
pub(crate) fn folder(below: &Path, name: &str) -> PathBuf {
    let folder = below.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The names of the files in a folder, hidden ones too.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}
