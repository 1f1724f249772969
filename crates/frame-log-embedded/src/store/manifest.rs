//! The engine's list of tables, checked before the engine may believe it.
//!
//! `current` holds the number of the newest list `v<number>` and the XXH3-128 of that file. The engine removes
//! tables its list does not name, so a list with a flipped bit must not reach it.

use std::{fs, path::Path};

use xxhash_rust::xxh3::xxh3_128;

use crate::{OpenError, error::Context as _};

/// Passes if there is a consistent list, or no tables at all.
pub(super) fn check(tree: &Path) -> Result<(), OpenError> {
    let current = tree.join("current");
    let damaged = |path: &Path, what| Err(OpenError::Damaged { path: path.to_owned(), at: 0, what });
    if !current.try_exists().context("look for", &current)? {
        let tables = tree.join("tables");
        let made = tables.try_exists().context("look for", &tables)?;
        if made && fs::read_dir(&tables).context("list", &tables)?.next().is_some() {
            return damaged(&current, "the list of tables is missing");
        }
        return Ok(());
    }
    let bytes = fs::read(&current).context("read", &current)?;
    let parts =
        bytes.split_first_chunk::<8>().and_then(|(number, rest)| Some((number, rest.split_first_chunk()?)));
    let Some((number, (check, [0]))) = parts else {
        return damaged(&current, "it is not a number, a checksum and its kind");
    };
    let list = tree.join(format!("v{}", u64::from_le_bytes(*number)));
    if !list.try_exists().context("look for", &list)? {
        return damaged(&list, "the list of tables is missing");
    }
    if xxh3_128(&fs::read(&list).context("read", &list)?) != u128::from_le_bytes(*check) {
        return damaged(&list, "the list of tables is not the one that was written");
    }
    Ok(())
}
