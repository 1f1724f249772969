//! Opening the journal after whatever happened.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
};

use super::{
    Disk, Journal, Place, Spares, list,
    segment::{self, End},
    start_segment,
};
use crate::{OnDamage, OpenError, error::Context as _, folder::sync_folder};

/// A journal ready to be written, and what recovery had to do.
pub(crate) struct Recovered {
    pub(crate) journal: Journal,
    /// Entries handed to the caller.
    pub(crate) entries: u64,
    /// Whether an incomplete entry at the end was dropped.
    pub(crate) torn: bool,
    /// Whether segments were set aside because of damage.
    pub(crate) cut: bool,
}

/// Reads every entry after `applied`, hands it to `entry` in order, and gets ready to append.
///
/// `entry` returns whether it understood the payload. With [`OnDamage::KeepBefore`], `settle` is called with
/// the number of the last entry handed over, before damaged segments are set aside: all up to it must by then be
/// durable elsewhere.
pub(crate) fn recover(
    place: Place,
    disk: Box<dyn Disk>,
    spares: Spares,
    applied: u64,
    on_damage: OnDamage,
    mut entry: impl FnMut(&[u8]) -> bool,
    settle: impl FnOnce(u64) -> Result<(), OpenError>,
) -> Result<Recovered, OpenError> {
    tidy(&place, &spares)?;
    let segments = list(&place.folder).context("list", &place.folder)?;
    let missing = |what| Err(OpenError::Damaged { path: place.folder.clone(), at: 0, what });
    match segments.first() {
        None if applied > 0 => return missing("the journal is missing"),
        Some((first, _)) if *first > applied + 1 => {
            return missing("the tables end before the journal begins; one of them is older than the other");
        }
        _ => {}
    }

    let (mut next, mut entries, mut last) = (applied + 1, 0, None);
    let mut damage = None;
    for (at, (first, path)) in segments.iter().enumerate() {
        let following = segments.get(at + 1).map(|(first, _)| *first);
        if following.is_some_and(|following| following <= applied + 1) {
            continue; // All of it is in the tables; whatever it looks like, it is not needed.
        }
        let bytes = fs::read(path).context("read", path)?;
        let mut understood = true;
        let scan = segment::scan(&bytes, place.seed, *first, |number, payload| {
            if number == next && understood {
                understood = entry(payload);
                if understood {
                    next += 1;
                    entries += 1;
                }
            }
        });
        let Some(scan) = scan else {
            damage = Some((at, 0));
            break;
        };
        // The next segment was made when this one was complete, so this one's end cannot be a torn one.
        let complete = following.is_none_or(|following| following == scan.next);
        if scan.end == End::Damaged || !complete || !understood {
            damage = Some((at, scan.offset as u64));
            break;
        }
        last = Some((path, scan, bytes.len() as u64));
    }

    let cut = damage.is_some();
    if let Some((at, offset)) = damage {
        let (before, broken) = segments.split_at(at);
        let path = broken.first().map_or(&place.folder, |(_, path)| path).clone();
        if on_damage == OnDamage::Refuse {
            return Err(OpenError::JournalDamaged { path, at: offset });
        }
        // IMPORTANT: what was handed over is durable in the tables before its only other copy goes.
        settle(next - 1)?;
        set_aside(&place.folder, before, broken)?;
    } else if last.is_some_and(|(_, scan, _)| scan.next <= applied) {
        // The segment after the last applied entry is made before that entry goes into the tables.
        return missing("the journal ends before the tables do; one of them is older than the other");
    }

    let (file, len, offset, torn) = match last {
        Some((path, scan, len)) if !cut => {
            let file = OpenOptions::new().read(true).write(true).open(path).context("open", path)?;
            (file, len, scan.offset as u64, scan.end == End::Torn)
        }
        // The very first segment, or after a cut one that begins with the number the damaged entry had.
        _ => {
            let (file, len) =
                start_segment(&place, &spares, next, 0).context("make a segment in", &place.folder)?;
            (file, len, segment::HEAD as u64, false)
        }
    };
    let journal = Journal { place, disk, spares, file, len, offset, next, entry: Vec::new() };
    Ok(Recovered { journal, entries, torn, cut })
}

/// Takes over finished segments and removes what a crash left half made.
fn tidy(place: &Place, spares: &Spares) -> Result<(), OpenError> {
    for found in fs::read_dir(&place.folder).context("list", &place.folder)? {
        let path = found.context("list", &place.folder)?.path();
        let extension = path.extension().and_then(|e| e.to_str());
        let usable = extension == Some("spare")
            && fs::metadata(&path).context("look at", &path)?.len() == place.segment_bytes
            && spares.offer(path.clone());
        if matches!(extension, Some("spare" | "new")) && !usable {
            fs::remove_file(&path).context("remove", &path)?;
        }
    }
    Ok(())
}

/// Renames the damaged segments and removes the ones before, whose content is in the tables.
fn set_aside(folder: &Path, before: &[(u64, PathBuf)], broken: &[(u64, PathBuf)]) -> Result<(), OpenError> {
    for (_, path) in broken {
        fs::rename(path, path.with_extension("damaged")).context("set aside", path)?;
    }
    for (_, path) in before {
        fs::remove_file(path).context("remove", path)?;
    }
    sync_folder(folder).context("sync", folder)
}
