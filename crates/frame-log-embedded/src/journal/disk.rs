//! What the writer asks of the operating system, so that a test can refuse it.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path};

use rustix::fs::FallocateFlags;

/// The calls whose failure decides whether a commit happened.
pub(crate) trait Disk: Send {
    /// Writes all bytes at a place in the file, without syncing.
    fn write_at(&mut self, file: &File, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Makes everything written to the file durable.
    fn sync(&mut self, file: &File) -> io::Result<()>;

    /// Free bytes for this process on the disk of a path.
    fn free(&mut self, path: &Path) -> io::Result<u64>;
}

/// The real disk.
#[derive(Debug)]
pub(crate) struct SystemDisk;

impl Disk for SystemDisk {
    fn write_at(&mut self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn free(&mut self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Gives a new file its full length with blocks behind it, so that no later write to it finds the disk full.
pub(super) fn allocate(file: &File, len: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len) {
        Ok(()) => Ok(()),
        // A file system that cannot reserve blocks can still hold a journal; the free-space floor has to do there.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => file.set_len(len),
        Err(error) => Err(error.into()),
    }
}
