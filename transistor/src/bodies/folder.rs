//! What a folder needs beyond what a bucket does.

use std::{
    fs::{self, File, ReadDir},
    io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use futures_util::{StreamExt as _, stream::BoxStream};
use object_store::{ObjectStore, local::LocalFileSystem};

use super::{BodyError, Broken, CheckError, Found, blocking, body_of};

/// A file by which the folder is known to be the one that was opened.
const MARK: &str = "bodies-of-drops";

/// Makes the folder, for its owner alone, and opens it. Writing is followed by telling the disk, file and folders.
pub(super) fn open(path: &Path) -> Result<(Box<dyn ObjectStore>, PathBuf), CheckError> {
    make(path).map_err(CheckError::NoFolder)?;
    let path = fs::canonicalize(path).map_err(CheckError::NoFolder)?;
    let mark = File::options().append(true).create(true).open(path.join(MARK));
    mark.and_then(|mark| mark.sync_all())
        .and_then(|()| File::open(&path)?.sync_all())
        .map_err(CheckError::NoFolder)?;
    let objects = LocalFileSystem::new_with_prefix(&path).map_err(|_| CheckError::Settings)?;
    Ok((Box::new(objects.with_fsync(true)), path))
}

#[cfg(unix)]
fn make(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Bytes that the file system has left for this user.
#[cfg(unix)]
pub(super) fn free(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(not(unix))]
pub(super) const fn free(_: &Path) -> Option<u64> {
    None
}

/// Whether the folder is still there. A disk that went away must not be written past, and nobody must forget that there
/// is something to remove on it.
pub(super) fn is_there(root: &Path) -> Result<(), BodyError> {
    match fs::symlink_metadata(root.join(MARK)) {
        Ok(_) => Ok(()),
        Err(error) => Err(BodyError::Unavailable(Broken::of(&error))),
    }
}

/// Removes a body's folder with everything in it, half-written files too.
pub(super) fn remove(root: &Path, path: &Path) -> Result<(), BodyError> {
    is_there(root)?;
    match fs::remove_dir_all(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    // Otherwise a power cut could bring it back after it was forgotten.
    File::open(root)?.sync_all()?;
    Ok(())
}

/// All bodies, `page` at a time. An empty folder counts: a crash can leave one.
pub(super) fn list(root: PathBuf, page: usize) -> BoxStream<'static, Result<Vec<Found>, BodyError>> {
    enum At {
        Start(PathBuf),
        Within(ReadDir),
        End,
    }
    futures_util::stream::unfold(At::Start(root), move |at| async move {
        if let At::End = at {
            return None;
        }
        let read = blocking(move || {
            let mut entries = match at {
                At::Start(root) => fs::read_dir(root)?,
                At::Within(entries) => entries,
                At::End => return Ok((Vec::new(), None)),
            };
            let mut found = Vec::new();
            while found.len() < page {
                let Some(entry) = entries.next() else { return Ok((found, None)) };
                found.extend(recognise(&entry?));
            }
            Ok::<_, BodyError>((found, Some(entries)))
        });
        Some(match read.await.and_then(|read| read) {
            Ok((found, Some(entries))) => (Ok(found), At::Within(entries)),
            Ok((found, None)) => (Ok(found), At::End),
            Err(error) => (Err(error), At::End),
        })
    })
    .boxed()
}

fn recognise(entry: &fs::DirEntry) -> Option<Found> {
    let body = body_of(entry.file_name().to_str()?)?;
    // The folder changes with every file that is made in it. One that was removed meanwhile needs nothing any more.
    let written = entry.metadata().ok()?.modified().ok()?;
    let written = written.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Some(Found { body, written: u64::try_from(written).unwrap_or(u64::MAX) })
}
