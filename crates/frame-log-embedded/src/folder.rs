//! The folder: who owns it, which format it has, where things are in it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Context as _, OpenError};

/// The format this version writes and the only one it reads.
const FORMAT: u32 = 1;

/// An open folder, locked until it is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    seed: u64,
    /// The lock ends with the handle, however the process ends.
    _lock: File,
}

impl Folder {
    /// Opens the folder, making it if it is not there; only its owner may read it, for it holds the node's secrets.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        if !path.try_exists().context("look for", path)? {
            DirBuilder::new().recursive(true).mode(0o700).create(path).context("make", path)?;
            if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
                sync_folder(parent).context("sync", parent)?;
            }
        }
        let lock_path = path.join("LOCK");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.context("open", &lock_path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(source).context("lock", &lock_path),
        }
        let format = path.join("FORMAT");
        let seed = if format.try_exists().context("look for", &format)? {
            read_format(path, &format)?
        } else {
            for made_later in ["journal", "tree"] {
                if path.join(made_later).try_exists().context("look for", path)? {
                    return Err(OpenError::Damaged { path: format, at: 0, what: "the file is missing" });
                }
            }
            write_format(path, &format)?
        };
        let folder = Self { path: path.to_owned(), seed, _lock: lock };
        for part in [folder.journal(), folder.tree()] {
            if !part.try_exists().context("look for", &part)? {
                DirBuilder::new().mode(0o700).create(&part).context("make", &part)?;
                sync_folder(path).context("sync", path)?;
            }
        }
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    pub(crate) fn tree(&self) -> PathBuf {
        self.path.join("tree")
    }

    /// Seeds every checksum, so that no frame can contain bytes that pass for an entry of the journal.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }
}

fn format_text(seed: u64) -> String {
    let text = format!("kith frame log\nformat {FORMAT}\nseed {seed:016x}\n");
    format!("{text}check {:016x}\n", xxh3_64(text.as_bytes()))
}

fn write_format(path: &Path, format: &Path) -> Result<u64, OpenError> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(io::Error::other).context("draw randomness for", path)?;
    let seed = u64::from_be_bytes(seed);
    let draft = path.join("FORMAT.new");
    let mut file = File::create(&draft).context("make", &draft)?;
    file.write_all(format_text(seed).as_bytes()).context("write", &draft)?;
    file.sync_all().context("sync", &draft)?;
    fs::rename(&draft, format).context("rename", &draft)?;
    sync_folder(path).context("sync", path)?;
    Ok(seed)
}

fn read_format(path: &Path, format: &Path) -> Result<u64, OpenError> {
    let damaged =
        OpenError::Damaged { path: format.to_owned(), at: 0, what: "it does not say what was written" };
    let bytes = fs::read(format).context("read", format)?;
    let Ok(text) = String::from_utf8(bytes) else { return Err(damaged) };
    let mut lines = text.lines();
    if lines.next() != Some("kith frame log") {
        return Err(damaged);
    }
    let Some(found) = lines.next().and_then(|l| l.strip_prefix("format ")).and_then(|n| n.parse().ok())
    else {
        return Err(damaged);
    };
    let seed =
        lines.next().and_then(|l| l.strip_prefix("seed ")).and_then(|n| u64::from_str_radix(n, 16).ok());
    match seed {
        Some(seed) if found == FORMAT && text == format_text(seed) => Ok(seed),
        _ if found == FORMAT => Err(damaged),
        _ => Err(OpenError::Format { path: path.to_owned(), found, known: FORMAT }),
    }
}

/// Makes names in a folder durable: a synced file is lost if its name is not.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
