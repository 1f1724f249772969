//! Sealing a content piece by piece.

use core::fmt;

use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::content::{
    CHUNK_LEN, ContentCipher, ContentKey, DIGEST_LEN, HEAD, LENGTH_LEN, MAX_CONTENT, SEALED_CHUNK_LEN,
    plaintext_len,
};

/// Why a content is not sealed (the caller's fault).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SealError {
    /// Longer than any content may be.
    #[error("{0} bytes to seal, the limit is {MAX_CONTENT}")]
    TooLong(u64),
    /// More came than was announced.
    #[error("the content is longer than the {announced} bytes announced")]
    More {
        /// Bytes announced.
        announced: u64,
    },
    /// Less came than was announced.
    #[error("the content ended {missing} bytes before the length announced")]
    Less {
        /// Bytes missing.
        missing: u64,
    },
}

/// Seals a content of known length piece by piece. Holds one chunk; what it makes is a function of key and content
/// alone.
pub struct Sealer {
    cipher: ContentCipher,
    announced: u64,
    left: u64,
    digest: Sha256,
    /// Bytes of padding behind the digest.
    padding: u64,
    begun: bool,
    index: u32,
    /// Plaintext of the chunk to come.
    chunk: Zeroizing<Vec<u8>>,
}

impl Sealer {
    /// Begins to seal a content of `len` bytes. A key is for one content only.
    ///
    /// # Errors
    /// [`SealError::TooLong`] above [`MAX_CONTENT`].
    pub fn new(key: &ContentKey, len: u64) -> Result<Self, SealError> {
        let whole = plaintext_len(len).ok_or(SealError::TooLong(len))?;
        let mut chunk = Zeroizing::new(Vec::with_capacity(SEALED_CHUNK_LEN));
        chunk.extend_from_slice(&len.to_be_bytes());
        Ok(Self {
            cipher: ContentCipher::new(key),
            announced: len,
            left: len,
            digest: Sha256::new(),
            padding: whole - len - (LENGTH_LEN + DIGEST_LEN) as u64,
            begun: false,
            index: 0,
            chunk,
        })
    }

    /// Takes the next piece of the content and appends to `out` what is sealed by it: nothing, or whole chunks.
    ///
    /// # Errors
    /// [`SealError::More`], with nothing taken, for a piece beyond the announced length.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        let left = u64::try_from(piece.len()).ok().and_then(|len| self.left.checked_sub(len));
        self.left = left.ok_or(SealError::More { announced: self.announced })?;
        self.digest.update(piece);
        self.write(piece, out);
        Ok(())
    }

    /// Appends the rest to `out`.
    ///
    /// # Errors
    /// [`SealError::Less`] when the announced length was not reached; what was put out opens nowhere.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), SealError> {
        if self.left > 0 {
            return Err(SealError::Less { missing: self.left });
        }
        let digest = core::mem::take(&mut self.digest).finalize();
        self.write(&digest, out);
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut padding = self.padding;
        while padding > 0 {
            let piece = ZEROS.get(..usize::try_from(padding).unwrap_or(usize::MAX)).unwrap_or(&ZEROS);
            self.write(piece, out);
            padding -= piece.len() as u64;
        }
        self.seal(true, out);
        Ok(())
    }

    fn write(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            // A full chunk is sealed only when something follows it: the last one is marked.
            if self.chunk.len() == CHUNK_LEN {
                self.seal(false, out);
            }
            let room = CHUNK_LEN - self.chunk.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.chunk.extend_from_slice(now);
            bytes = later;
        }
    }

    fn seal(&mut self, last: bool, out: &mut Vec<u8>) {
        if !self.begun {
            out.extend_from_slice(&HEAD);
            self.begun = true;
        }
        // The length is that of a chunk, and the counter cannot run over below the longest content.
        let sealed = self.cipher.seal_chunk(self.index, last, &mut self.chunk);
        debug_assert!(sealed, "a chunk of 1 to 65,536 bytes");
        out.extend_from_slice(&self.chunk);
        self.chunk.zeroize();
        self.index = self.index.wrapping_add(1);
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("announced", &self.announced)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
