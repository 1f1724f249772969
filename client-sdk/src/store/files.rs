//! The files of a store and who may read them.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::StoreError;

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// Paths of one store.
#[derive(Debug)]
pub(super) struct Files {
    database: PathBuf,
    locks: PathBuf,
}

impl Files {
    /// Makes the folders.
    pub(super) fn prepare(database: &Path) -> Result<Self, StoreError> {
        // One path for one file, whatever the process's current folder becomes later.
        let database = std::path::absolute(database)?;
        let folder = database.parent().ok_or(io::ErrorKind::InvalidInput).map_err(io::Error::from)?;
        make_private_folder(folder)?;
        let locks = folder.join("locks");
        make_private_folder(&locks)?;
        Ok(Self { database, locks })
    }

    pub(super) fn database(&self) -> &Path {
        &self.database
    }

    /// Whether there is no store yet. A log of changes without its database is one half of a store, and would be
    /// applied to whatever database appears beside it.
    pub(super) fn is_missing(&self) -> Result<bool, StoreError> {
        if fs::exists(&self.database)? {
            return Ok(false);
        }
        let log = self.beside("-wal");
        match fs::metadata(&log) {
            Ok(meta) if meta.len() > 0 => Err(StoreError::Damaged),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Fills a new file and gives it the store's name when it is complete and on disk. Only under the lock `open`.
    pub(super) fn create(
        &self,
        fill: impl FnOnce(&Path) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let fresh = self.beside(".new");
        for leftover in [fresh.clone(), self.beside(".new-journal")] {
            match fs::remove_file(&leftover) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, FILE_MODE);
        drop(options.open(&fresh)?);
        fill(&fresh)?;
        File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, &self.database)?;
        sync_folder(&self.database)
    }

    /// Takes everybody else's rights to the file away. By name and not by an open file: closing any handle to the
    /// database would end the locks the engine holds on it in this process (fcntl).
    pub(super) fn restrict(&self) -> Result<(), StoreError> {
        restrict(&self.database, FILE_MODE)
    }

    /// Waits for and takes the lock file of this name; blocks.
    pub(super) fn lock(&self, name: &str) -> Result<File, StoreError> {
        let file = self.lock_file(name)?;
        file.lock()?;
        Ok(file)
    }

    /// Opens a lock file. Lock files stay when they are unlocked: removing one while somebody waits for it would let
    /// two hold it.
    pub(super) fn lock_file(&self, name: &str) -> Result<File, StoreError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, FILE_MODE);
        Ok(options.open(self.locks.join(name))?)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.database.clone().into_os_string();
        name.push(suffix);
        name.into()
    }
}

fn make_private_folder(folder: &Path) -> Result<(), StoreError> {
    if !fs::exists(folder)? {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, FOLDER_MODE);
        return Ok(builder.create(folder)?);
    }
    // A folder in use may be shared on purpose; the files in it are closed by themselves.
    if fs::read_dir(folder)?.next().is_none() {
        restrict(folder, FOLDER_MODE)?;
    }
    Ok(())
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;

    let now = fs::metadata(path)?.permissions().mode() & 0o777;
    if now & !mode != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(now & mode))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn restrict(_path: &Path, _mode: u32) -> Result<(), StoreError> {
    Ok(())
}

/// A new name is on disk once its folder is.
#[cfg(unix)]
fn sync_folder(file: &Path) -> Result<(), StoreError> {
    match file.parent() {
        Some(folder) => Ok(File::open(folder)?.sync_all()?),
        None => Ok(()),
    }
}

#[cfg(not(unix))]
fn sync_folder(_file: &Path) -> Result<(), StoreError> {
    Ok(())
}
