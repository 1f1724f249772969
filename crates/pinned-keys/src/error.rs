//! Why keys are not used.

use std::{io, path::PathBuf};

use proofs::{Circuit, KeySetError, VerifyingKeyError};

use crate::manifest::ManifestHash;

/// Why keys of a folder are not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// A file cannot be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// A file is longer than any of its kind.
    #[error("{} is too long", .path.display())]
    TooLong {
        /// Which file.
        path: PathBuf,
    },
    /// The manifest is none.
    #[error("the manifest of keys is malformed: {0}")]
    Manifest(String),
    /// The manifest is not the pinned one.
    #[error("the manifest of keys has the hash {found}, but {pinned} is pinned")]
    OtherManifest {
        /// Its hash.
        found: ManifestHash,
        /// The pin.
        pinned: ManifestHash,
    },
    /// A key is not the one the manifest pins.
    #[error("{} is not the key that is pinned", .path.display())]
    OtherKey {
        /// Which file.
        path: PathBuf,
    },
    /// A verifying key cannot be used.
    #[error("the verifying key of {circuit} cannot be used")]
    VerifyingKey {
        /// Which circuit's.
        circuit: Circuit,
        /// Why.
        #[source]
        error: VerifyingKeyError,
    },
    /// The keys make no set.
    #[error("the keys make no set")]
    Set(#[source] KeySetError),
    /// There is no proving key for a circuit.
    #[error("there is no proving key for {0}")]
    NoProvingKey(Circuit),
}

impl KeysError {
    /// A name of the kind of error that does not change between versions.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "io",
            Self::OtherManifest { .. } | Self::OtherKey { .. } => "keys_not_pinned",
            Self::NoProvingKey(_) => "no_proving_key",
            Self::TooLong { .. } | Self::Manifest(_) | Self::VerifyingKey { .. } | Self::Set(_) => "bad_keys",
        }
    }
}
