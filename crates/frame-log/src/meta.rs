//! The few values a service keeps about itself.

use std::fmt;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::{ReadError, WriteError};

/// Longest key, in bytes.
pub const MAX_META_KEY: usize = 64;
/// Longest value, in bytes.
pub const MAX_META_VALUE: usize = 4 * 1024;

/// Name of a value, fixed in the program.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct MetaKey(&'static str);

impl MetaKey {
    /// Wraps a name of 1 to [`MAX_META_KEY`] bytes.
    ///
    /// # Panics
    /// At compile time where the key is a constant: when the name is empty or too long.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        assert!(!name.is_empty() && name.len() <= MAX_META_KEY, "a key has 1 to 64 bytes");
        Self(name)
    }

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// A value, possibly a secret: wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct MetaValue(Zeroizing<Vec<u8>>);

impl MetaValue {
    /// Takes bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for MetaValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MetaValue({} bytes)", self.0.len())
    }
}

/// Small durable values: a node's signing seed, a format version.
///
/// They are stored as they are, protected by the folder's permissions alone.
#[async_trait]
pub trait Meta: Send + Sync + 'static {
    /// The value of a key, `None` before it was first saved.
    ///
    /// # Errors
    /// See [`ReadError`].
    async fn load(&self, key: MetaKey) -> Result<Option<MetaValue>, ReadError>;

    /// Sets the value of a key, at most [`MAX_META_VALUE`] bytes; an `Ok` survives the loss of power.
    ///
    /// # Errors
    /// See [`WriteError`].
    async fn save(&self, key: MetaKey, value: MetaValue) -> Result<(), WriteError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_printed() {
        assert_eq!(format!("{:?}", MetaValue::new(b"seed".to_vec())), "MetaValue(4 bytes)");
    }
}
