//! Settings that are shown to nobody.

use core::fmt;
use std::{fs::File, io::Read, path::PathBuf};

use serde::{Deserialize, Serialize, Serializer};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Longest secret that is read from a file, in bytes.
const MAX_SECRET: u64 = 64 * 1024;

const REDACTED: &str = "[redacted]";

/// A text that is wiped on drop, compared in constant time, and printed as `[redacted]`.
#[derive(Clone, Deserialize, ZeroizeOnDrop)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one call that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

/// A secret could not be read. The operator's fault, or the file system's.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The file cannot be read.
    #[error("the secret's file cannot be read")]
    Unreadable(#[source] std::io::Error),
    /// The file is longer than any secret.
    #[error("the secret's file is longer than 64 KiB")]
    TooLong,
    /// The file is not text.
    #[error("the secret's file is not UTF-8 text")]
    NotText,
    /// It is what stands in place of a secret where settings are shown.
    #[error("the secret is the text that stands for one in printed settings")]
    Placeholder,
    /// There is nothing in it.
    #[error("the secret is empty")]
    Empty,
}

/// Where a secret is: in the setting itself, or in a file named by it.
///
/// `password = "…"` and `password.file = "/run/secrets/password"` are both understood; the second is what
/// container platforms offer, and keeps the secret out of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a text, or a table with `file`")]
pub enum SecretSource {
    /// Here.
    Inline(Secret),
    /// There.
    File {
        /// Path of a file whose content, without the line break at its end, is the secret.
        file: PathBuf,
    },
}

impl SecretSource {
    /// Reads the secret.
    ///
    /// # Errors
    /// [`SecretError`] when the file cannot be read, is no text, too long or empty, and for `[redacted]`.
    pub fn load(&self) -> Result<Secret, SecretError> {
        let secret = match self {
            Self::Inline(secret) => secret.clone(),
            Self::File { file } => {
                let mut bytes = Zeroizing::new(Vec::new());
                File::open(file)
                    .and_then(|file| file.take(MAX_SECRET + 1).read_to_end(&mut bytes))
                    .map_err(SecretError::Unreadable)?;
                if bytes.len() as u64 > MAX_SECRET {
                    return Err(SecretError::TooLong);
                }
                let text = str::from_utf8(&bytes).map_err(|_| SecretError::NotText)?;
                Secret::new(text.trim_end_matches(['\r', '\n']).to_owned())
            }
        };
        match secret.expose() {
            "" => Err(SecretError::Empty),
            REDACTED => Err(SecretError::Placeholder),
            _ => Ok(secret),
        }
    }
}

impl Zeroize for Secret {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_not_shown() {
        let secret = Secret::new("hunter2hunter2".to_owned());
        let source = SecretSource::Inline(secret.clone());
        let shown = format!("{secret:?} {source:?} {}", serde_json::to_string(&source).unwrap());
        assert_eq!(shown, r#"Secret([redacted]) Inline(Secret([redacted])) "[redacted]""#);
    }

    #[test]
    fn is_read_from_a_file() {
        let shown = SecretSource::Inline(Secret::new(REDACTED.to_owned()));
        assert!(matches!(shown.load(), Err(SecretError::Placeholder)));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        let source = SecretSource::File { file: file.clone() };
        assert!(matches!(source.load(), Err(SecretError::Unreadable(_))));
        std::fs::write(&file, "hunter2\n").unwrap();
        assert_eq!(source.load().unwrap(), Secret::new("hunter2".to_owned()));
        std::fs::write(&file, "\n").unwrap();
        assert!(matches!(source.load(), Err(SecretError::Empty)));
        std::fs::write(&file, [0xff]).unwrap();
        assert!(matches!(source.load(), Err(SecretError::NotText)));
        std::fs::write(&file, vec![b'x'; 64 * 1024 + 1]).unwrap();
        assert!(matches!(source.load(), Err(SecretError::TooLong)));
    }
}
