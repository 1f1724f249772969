//! The journal: every commit as one synced entry, in segments that are allocated once and used again.
//!
//! An entry is durable before anything else knows of it. Entries are numbered from 1 without a gap, which is what
//! tells the three ends of a segment apart: an entry of a lower number is left over from the segment's previous use,
//! bytes that are no entry are a write the crash cut off, and bytes that are no entry *followed by an entry of a
//! higher number* are damage, because an entry is only written once the one before it is synced.

mod disk;
mod recovery;
mod segment;

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

pub(crate) use disk::{Disk, SystemDisk};
pub(crate) use recovery::{Recovered, recover};
use segment::{ENTRY_HEAD, HEAD};

use crate::folder::sync_folder;

/// Longest entry, in bytes: a snapshot of the largest size, and requests that share its commit.
pub(crate) const MAX_ENTRY: usize = 80 * 1024 * 1024;
/// Finished segments kept for their next use; more are deleted.
const MAX_SPARES: usize = 2;

/// Finished segments, put in by the background thread and taken out by the writer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spares(Arc<Mutex<Vec<PathBuf>>>);

impl Spares {
    fn take(&self) -> Option<PathBuf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Keeps the path unless there are enough.
    fn offer(&self, path: PathBuf) -> bool {
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = spares.len() < MAX_SPARES;
        if wanted {
            spares.push(path);
        }
        wanted
    }
}

/// Where the journal is and how its segments are made.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    pub(crate) seed: u64,
    pub(crate) segment_bytes: u64,
}

/// The writing end.
pub(crate) struct Journal {
    place: Place,
    disk: Box<dyn Disk>,
    spares: Spares,
    file: File,
    /// Length of the current segment.
    len: u64,
    /// Where in it the next entry goes.
    offset: u64,
    /// Number of the next entry.
    next: u64,
    entry: Vec<u8>,
}

/// Whether a failed append left the journal as it was.
#[derive(Debug)]
pub(crate) enum AppendFailure {
    /// No byte of the entry is durable and the next one may be tried.
    NoSpace,
    /// It is open what is on the disk.
    Io(io::Error),
}

impl Journal {
    /// Number of the last entry, 0 before the first.
    pub(crate) fn last(&self) -> u64 {
        self.next - 1
    }

    pub(crate) fn disk(&mut self) -> &mut dyn Disk {
        &mut *self.disk
    }

    /// Whether an entry of this payload goes into the current segment.
    pub(crate) fn has_room(&self, payload: usize) -> bool {
        self.len.saturating_sub(self.offset) >= (ENTRY_HEAD + payload) as u64
    }

    /// Writes one entry and syncs it; the number it got.
    ///
    /// The caller has made room. A failed sync is never repeated: the kernel may have dropped the bytes it could not
    /// write and a second sync would succeed without them.
    pub(crate) fn append(&mut self, payload: impl FnOnce(&mut Vec<u8>)) -> Result<u64, AppendFailure> {
        segment::encode_entry(&mut self.entry, self.place.seed, self.next, payload);
        match self.disk.write_at(&self.file, &self.entry, self.offset) {
            Ok(()) => {}
            Err(error) if is_full(&error) => return Err(AppendFailure::NoSpace),
            Err(error) => return Err(AppendFailure::Io(error)),
        }
        self.disk.sync(&self.file).map_err(AppendFailure::Io)?;
        self.offset += self.entry.len() as u64;
        let number = self.next;
        self.next += 1;
        // One large snapshot is no reason to hold its size for ever.
        if self.entry.capacity() > 4 * 1024 * 1024 {
            self.entry = Vec::new();
        }
        Ok(number)
    }

    /// Goes on in a new segment with room for an entry of this payload.
    ///
    /// On failure the current segment is still the current one.
    pub(crate) fn rotate(&mut self, payload: usize) -> Result<(), AppendFailure> {
        let needed = (HEAD + ENTRY_HEAD + payload) as u64;
        let (file, len) = start_segment(&self.place, &self.spares, self.next, needed).map_err(|error| {
            if is_full(&error) { AppendFailure::NoSpace } else { AppendFailure::Io(error) }
        })?;
        self.file = file;
        self.len = len;
        self.offset = HEAD as u64;
        Ok(())
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn segment_path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}.journal"))
}

/// Makes the segment whose first entry will have number `first`. It gets its name only when its head is synced, so
/// a segment found under such a name is complete.
fn start_segment(place: &Place, spares: &Spares, first: u64, needed: u64) -> io::Result<(File, u64)> {
    let len = place.segment_bytes.max(needed);
    let spare = if len == place.segment_bytes { spares.take() } else { None };
    let (draft, file) = match spare {
        Some(path) => (path.clone(), OpenOptions::new().read(true).write(true).open(path)?),
        None => {
            let draft = place.folder.join(format!("{first:020}.new"));
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&draft)?;
            if let Err(error) = disk::allocate(&file, len) {
                drop(file);
                // Nothing refers to the draft; if it stays, recovery removes it.
                let _ = fs::remove_file(&draft);
                return Err(error);
            }
            (draft, file)
        }
    };
    let head = segment::encode_head(place.seed, first);
    SystemDisk.write_at(&file, &head, 0)?;
    file.sync_all()?;
    fs::rename(&draft, segment_path(&place.folder, first))?;
    sync_folder(&place.folder)?;
    Ok((file, len))
}

/// Gives up every segment whose entries are all numbered `applied` or less, for they are in synced tables.
///
/// The newest segment stays, being written to. A crash in between leaves segments that recovery finds unneeded.
pub(crate) fn retire(place: &Place, spares: &Spares, applied: u64) -> io::Result<()> {
    let segments = list(&place.folder)?;
    for pair in segments.windows(2) {
        let [(first, path), (next, _)] = pair else { continue };
        if *next > applied + 1 {
            break;
        }
        let standard = fs::metadata(path)?.len() == place.segment_bytes;
        let spare = place.folder.join(format!("{first:020}.spare"));
        if standard && spares.offer(spare.clone()) {
            fs::rename(path, spare)?;
        } else {
            fs::remove_file(path)?;
        }
    }
    sync_folder(&place.folder)
}

/// The segments in order, each with the number of its first entry.
fn list(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str());
        if let Some(first) = name.and_then(|n| n.strip_suffix(".journal")).and_then(|n| n.parse().ok()) {
            segments.push((first, path));
        }
    }
    segments.sort_unstable();
    Ok(segments)
}
