//! The manifest: which keys there are, and their hashes.

use std::{fmt, str::FromStr};

use proofs::{Circuit, ProvingKeyHash, VerifyingKeyHash};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::KeysError;

/// Name of the manifest in its folder.
pub const MANIFEST: &str = "keys.toml";

/// SHA-256 of a manifest's bytes, as `sha256sum` prints it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ManifestHash([u8; 32]);

impl ManifestHash {
    /// Wraps 32 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash of a manifest's bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for ManifestHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ManifestHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManifestHash({self})")
    }
}

impl FromStr for ManifestHash {
    type Err = KeysError;

    fn from_str(text: &str) -> Result<Self, KeysError> {
        parse_hash(text).map(Self)
    }
}

/// The keys of one circuit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The circuit.
    pub circuit: Circuit,
    /// Name of the verifying key's file in the folder.
    pub verifying_key: String,
    /// [`proofs::VerifyingKey::hash`] of it.
    pub verifying_key_hash: VerifyingKeyHash,
    /// The proving key, which nodes do without.
    pub proving_key: Option<ProvingEntry>,
}

/// The file of a proving key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvingEntry {
    /// Its name in the folder.
    pub file: String,
    /// SHA-256 of it.
    pub hash: ProvingKeyHash,
    /// Its length.
    pub bytes: u64,
}

/// What a folder of keys lists: at most one entry for each circuit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    entries: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    keys: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    circuit: String,
    verifying_key: String,
    verifying_key_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    proving_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proving_key_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proving_key_bytes: Option<u64>,
}

const VERSION: u32 = 1;

impl Manifest {
    /// The entries, ascending by circuit.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds an entry in the place of what there was for its circuit.
    pub fn insert(&mut self, entry: Entry) {
        self.entries.retain(|known| known.circuit != entry.circuit);
        self.entries.push(entry);
        self.entries.sort_by_key(|entry| entry.circuit.number());
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// [`KeysError::Manifest`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeysError> {
        let malformed = |what: String| KeysError::Manifest(what);
        let text = str::from_utf8(bytes).map_err(|_| malformed("it is no text".to_owned()))?;
        let file: File = toml::from_str(text).map_err(|error| malformed(error.message().to_owned()))?;
        if file.version != VERSION {
            return Err(malformed("it is of another version".to_owned()));
        }
        let mut manifest = Self::default();
        for line in file.keys {
            let entry = line.into_entry()?;
            if manifest.entries.iter().any(|known| known.circuit == entry.circuit) {
                return Err(malformed(format!("it lists {} twice", entry.circuit)));
            }
            manifest.insert(entry);
        }
        Ok(manifest)
    }

    /// The manifest as a file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let lines = self.entries.iter().map(|entry| Line {
            circuit: entry.circuit.name().to_owned(),
            verifying_key: entry.verifying_key.clone(),
            verifying_key_hash: entry.verifying_key_hash.to_string(),
            proving_key: entry.proving_key.as_ref().map(|key| key.file.clone()),
            proving_key_hash: entry.proving_key.as_ref().map(|key| key.hash.to_string()),
            proving_key_bytes: entry.proving_key.as_ref().map(|key| key.bytes),
        });
        let file = File { version: VERSION, keys: lines.collect() };
        // Strings and numbers always have a TOML.
        toml::to_string(&file).unwrap_or_default().into_bytes()
    }
}

impl Line {
    fn into_entry(self) -> Result<Entry, KeysError> {
        let malformed = |what: &str| KeysError::Manifest(what.to_owned());
        let circuit =
            Circuit::from_name(&self.circuit).ok_or_else(|| malformed("it names an unknown circuit"))?;
        let proving_key = match (self.proving_key, self.proving_key_hash, self.proving_key_bytes) {
            (None, None, None) => None,
            (Some(file), Some(hash), Some(bytes)) => Some(ProvingEntry {
                file: plain(file)?,
                hash: ProvingKeyHash::new(parse_hash(&hash)?),
                bytes,
            }),
            _ => return Err(malformed("a proving key lacks its file, hash or length")),
        };
        Ok(Entry {
            circuit,
            verifying_key: plain(self.verifying_key)?,
            verifying_key_hash: VerifyingKeyHash::new(parse_hash(&self.verifying_key_hash)?),
            proving_key,
        })
    }
}

/// A name that stays within the folder.
fn plain(name: String) -> Result<String, KeysError> {
    let within = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
    if within { Ok(name) } else { Err(KeysError::Manifest("a file is not in its folder".to_owned())) }
}

fn parse_hash(text: &str) -> Result<[u8; 32], KeysError> {
    let mut bytes = [0; 32];
    let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    match hex::decode_to_slice(text, &mut bytes) {
        Ok(()) if lower => Ok(bytes),
        _ => Err(KeysError::Manifest("a hash is not 64 lowercase hexadecimal digits".to_owned())),
    }
}
