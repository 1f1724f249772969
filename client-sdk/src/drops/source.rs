//! What is put into a drop.

use core::{fmt, pin::Pin};
use std::path::Path;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use zeroize::Zeroizing;

use super::DropError;

/// A content of known length: bytes, a file, or anything that can be read.
pub struct Source {
    pub(super) len: u64,
    reader: Reader,
}

enum Reader {
    Bytes(Zeroizing<Vec<u8>>, usize),
    Stream(Pin<Box<dyn AsyncRead + Send>>),
}

impl Source {
    /// Bytes in memory, wiped afterwards.
    #[must_use]
    pub fn bytes(bytes: impl Into<Zeroizing<Vec<u8>>>) -> Self {
        let bytes = bytes.into();
        Self { len: bytes.len() as u64, reader: Reader::Bytes(bytes, 0) }
    }

    /// A reader that gives exactly `len` bytes.
    #[must_use]
    pub fn reader(reader: impl AsyncRead + Send + 'static, len: u64) -> Self {
        Self { len, reader: Reader::Stream(Box::pin(reader)) }
    }

    /// A file, as long as it is now.
    ///
    /// # Errors
    /// [`DropError::Source`] when it cannot be opened, or is a folder.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn file(path: &Path) -> Result<Self, DropError> {
        let file = tokio::fs::File::open(path).await.map_err(DropError::Source)?;
        let data = file.metadata().await.map_err(DropError::Source)?;
        if !data.is_file() {
            return Err(DropError::Source(std::io::Error::other("not a file")));
        }
        Ok(Self::reader(file, data.len()))
    }

    /// Reads some bytes; none at the end.
    pub(super) async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, DropError> {
        match &mut self.reader {
            Reader::Bytes(bytes, at) => {
                let rest = bytes.get(*at..).unwrap_or_default();
                let len = rest.len().min(buffer.len());
                for (to, byte) in buffer.iter_mut().zip(rest) {
                    *to = *byte;
                }
                *at += len;
                Ok(len)
            }
            Reader::Stream(reader) => reader.read(buffer).await.map_err(DropError::Source),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("len", &self.len).finish_non_exhaustive()
    }
}
