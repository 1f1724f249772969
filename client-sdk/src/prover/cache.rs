//! Proving keys on disk.
//!
//! A file under its final name is whole, and is compared with the pinned hash on every load all the same. A folder that
//! cannot be used costs the time to make keys again, never a proof.

use core::time::Duration;
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use proofs::{DevelopmentKey, ProvingKey, ProvingKeyHash};

use super::ProverError;

/// How often to look whether another process has finished making a key.
const LOOK: Duration = Duration::from_millis(50);

/// A folder of proving keys, which any number of homes and processes may share.
#[derive(Debug)]
pub(super) struct KeyCache {
    folder: PathBuf,
}

/// The right to make a key: no other process makes it meanwhile. Given up when dropped and when the process ends.
#[derive(Debug)]
pub(super) struct Turn {
    path: PathBuf,
    _lock: File,
}

impl KeyCache {
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Named after the pinned hash, so that keys of different versions never meet.
    fn path(&self, pinned: &DevelopmentKey) -> PathBuf {
        let short: String = pinned.proving_key_hash.to_string().chars().take(32).collect();
        self.folder.join(format!("development-{}-{short}.pk", pinned.circuit.name()))
    }

    /// Reads a key if its file is there and is the pinned one, byte by byte.
    pub(super) fn load(&self, pinned: &DevelopmentKey) -> Option<ProvingKey> {
        let path = self.path(pinned);
        let len = fs::metadata(&path).ok()?.len();
        // The length first: a file of another length is not worth reading, and could be of any.
        let bytes = (len == pinned.proving_key_len).then(|| fs::read(&path).ok()).flatten();
        let bytes = bytes.filter(|bytes| ProvingKeyHash::of(bytes) == pinned.proving_key_hash);
        if bytes.is_none() {
            tracing::warn!(circuit = %pinned.circuit, "a cached proving key is damaged; it is made again");
        }
        ProvingKey::from_bytes_trusted(&bytes?).ok()
    }

    /// Waits until nobody else makes this key; `None` where the folder cannot hold a lock, and then nothing is kept.
    pub(super) fn wait_for_turn(
        &self,
        pinned: &DevelopmentKey,
        abandoned: &AtomicBool,
    ) -> Result<Option<Turn>, ProverError> {
        let path = self.path(pinned);
        let lock = fs::create_dir_all(&self.folder).and_then(|()| {
            OpenOptions::new().create(true).truncate(false).write(true).open(path.with_extension("lock"))
        });
        let lock = match lock {
            Ok(lock) => lock,
            Err(error) => {
                tracing::warn!(kind = ?error.kind(), "proving keys cannot be cached here");
                return Ok(None);
            }
        };
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Some(Turn { path, _lock: lock })),
                // Tried again rather than waited for, so that giving up ends the wait.
                Err(TryLockError::WouldBlock) if abandoned.load(Ordering::Relaxed) => {
                    return Err(ProverError::Abandoned);
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK),
                Err(TryLockError::Error(error)) => {
                    tracing::warn!(kind = ?error.kind(), "proving keys cannot be cached here");
                    return Ok(None);
                }
            }
        }
    }
}

impl Turn {
    /// Puts the key's file in place. That it could not be is no reason not to prove.
    pub(super) fn keep(&self, file: &[u8]) {
        if let Err(error) = write_whole(&self.path, file) {
            tracing::warn!(kind = ?error.kind(), "a proving key could not be cached");
        }
    }
}

/// Written aside, flushed, then renamed. Whoever writes holds the turn, so the name aside is its own, and what a killed
/// process left there is overwritten.
fn write_whole(path: &Path, file: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("new");
    let written = File::create(&aside).and_then(|mut aside| {
        aside.write_all(file)?;
        aside.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&aside, path));
    if renamed.is_err() {
        let _ = fs::remove_file(&aside);
    }
    renamed
}

#[cfg(test)]
impl KeyCache {
    /// The path of a key's file, to damage it.
    pub(super) fn file(&self, pinned: &DevelopmentKey) -> PathBuf {
        self.path(pinned)
    }
}
