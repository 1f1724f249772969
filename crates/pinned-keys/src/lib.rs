//! A folder of proof keys, and the manifest that pins them.
//!
//! The manifest `keys.toml` names for each circuit the files of its keys and their hashes. Node and clients read the
//! same one; its own hash, [`ManifestHash`], pins everything in it. No file is used whose hash is not the pinned one.

mod error;
mod manifest;
mod write;

use std::{
    fmt, fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use proofs::{Circuit, ProvingKeyHash, VerifyingKey, VerifyingKeys};

pub use error::KeysError;
pub use manifest::{Entry, MANIFEST, Manifest, ManifestHash, ProvingEntry};
pub use write::write_whole;

/// Longest manifest and verifying key that are read, in bytes.
const MOST: u64 = 1 << 16;

/// Keys of a folder: the verifying keys loaded and compared with their pins, the proving keys named.
#[derive(Clone)]
pub struct PinnedKeys {
    folder: PathBuf,
    manifest: Manifest,
    hash: ManifestHash,
    keys: &'static VerifyingKeys,
}

impl PinnedKeys {
    /// Reads the manifest of a folder and the verifying keys it names. Blocks on the disk, and for the milliseconds it
    /// takes to prepare keys.
    ///
    /// With a `pin`, the manifest has to have that hash. Verifying keys are prepared once for each set of keys and
    /// process, and stay in memory as long as the process lives.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn open(folder: &Path, pin: Option<ManifestHash>) -> Result<Self, KeysError> {
        let bytes = read(&folder.join(MANIFEST))?;
        let hash = ManifestHash::of(&bytes);
        if let Some(pin) = pin
            && pin != hash
        {
            return Err(KeysError::OtherManifest { found: hash, pinned: pin });
        }
        let manifest = Manifest::from_bytes(&bytes)?;
        let mut keys = Vec::new();
        for entry in manifest.entries() {
            let path = folder.join(&entry.verifying_key);
            let key = VerifyingKey::from_bytes(entry.circuit, &read(&path)?)
                .map_err(|error| KeysError::VerifyingKey { circuit: entry.circuit, error })?;
            if key.hash() != entry.verifying_key_hash {
                return Err(KeysError::OtherKey { path });
            }
            keys.push(key);
        }
        let keys = prepared(VerifyingKeys::new(keys).map_err(KeysError::Set)?);
        Ok(Self { folder: folder.to_owned(), manifest, hash, keys })
    }

    /// The verifying keys.
    #[must_use]
    pub const fn verifying_keys(&self) -> &'static VerifyingKeys {
        self.keys
    }

    /// What the folder lists.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The manifest's own hash.
    #[must_use]
    pub const fn hash(&self) -> ManifestHash {
        self.hash
    }

    /// Reads the file of a proving key and compares it with its pin. Blocks; up to tens of megabytes.
    ///
    /// # Errors
    /// [`KeysError::NoProvingKey`] if the folder has none for the circuit, [`KeysError::OtherKey`] if the file is not
    /// the pinned one, [`KeysError::Read`].
    pub fn proving_key_file(&self, circuit: Circuit) -> Result<Vec<u8>, KeysError> {
        let entry = self.manifest.entries().iter().find(|entry| entry.circuit == circuit);
        let pinned = entry.and_then(|entry| entry.proving_key.as_ref());
        let pinned = pinned.ok_or(KeysError::NoProvingKey(circuit))?;
        let path = self.folder.join(&pinned.file);
        let failed = |error| KeysError::Read { path: path.clone(), error };
        // The length first: a file of another length is not worth reading, and could be of any.
        if fs::metadata(&path).map_err(failed)?.len() != pinned.bytes {
            return Err(KeysError::OtherKey { path });
        }
        let bytes = fs::read(&path).map_err(failed)?;
        if ProvingKeyHash::of(&bytes) == pinned.hash { Ok(bytes) } else { Err(KeysError::OtherKey { path }) }
    }
}

impl fmt::Debug for PinnedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinnedKeys")
            .field("folder", &self.folder)
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}

/// Reads a small file.
fn read(path: &Path) -> Result<Vec<u8>, KeysError> {
    let failed = |error| KeysError::Read { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST {
        return Err(KeysError::TooLong { path: path.to_owned() });
    }
    Ok(bytes)
}

/// The one copy of a set of keys in this process. Verifiers everywhere borrow it for as long as the process lives.
fn prepared(keys: VerifyingKeys) -> &'static VerifyingKeys {
    static SETS: Mutex<Vec<&'static VerifyingKeys>> = Mutex::new(Vec::new());
    let mut sets = SETS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = sets.iter().find(|known| known.params_hash() == keys.params_hash()) {
        return known;
    }
    let kept: &'static VerifyingKeys = Box::leak(Box::new(keys));
    sets.push(kept);
    kept
}
