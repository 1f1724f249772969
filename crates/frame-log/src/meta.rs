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

    /// Sets the value of a key if it is `expected` now (`None`: if there is none); otherwise changes nothing and says
    /// what it is. Of several who replace the same value at once exactly one does, in one process or many.
    ///
    /// # Errors
    /// See [`WriteError`].
    async fn replace(
        &self,
        key: MetaKey,
        expected: Option<MetaValue>,
        value: MetaValue,
    ) -> Result<Replaced, WriteError>;
}

/// What became of a replacement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Replaced {
    /// The new value stands.
    Done,
    /// Nothing changed; this is the value.
    Differs(Option<MetaValue>),
}

/// Where the log's life is kept, see [`LogLife`].
pub const LOG_LIFE: MetaKey = MetaKey::new("node/stream-epoch");

/// Which life of a log this is. A log brought back from a copy may give positions again that were given before, so it
/// begins a new life then; what carries positions elsewhere carries the life along.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LogLife(u64);

/// A stored life that is not eight bytes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored life of the log is not a number")]
pub struct BadLogLife;

impl LogLife {
    /// Wraps the number; later lives have greater ones.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The stored form: eight bytes big-endian.
    #[must_use]
    pub fn to_value(self) -> MetaValue {
        MetaValue::new(self.0.to_be_bytes().to_vec())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`BadLogLife`].
    pub fn from_value(value: &MetaValue) -> Result<Self, BadLogLife> {
        value.as_bytes().try_into().map(|bytes| Self(u64::from_be_bytes(bytes))).map_err(|_| BadLogLife)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_printed() {
        assert_eq!(format!("{:?}", MetaValue::new(b"seed".to_vec())), "MetaValue(4 bytes)");
    }
}
