//! Opening a sealed content piece by piece.

use core::fmt;

use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::content::{
    ContentCipher, ContentKey, DIGEST_LEN, HEAD, HEAD_LEN, LENGTH_LEN, SEALED_CHUNK_LEN, sealed_len,
};

/// How far around its place a chunk that does not open is looked for, to tell exchanged chunks from damaged ones.
const NEIGHBOURS: u32 = 16;

/// Why a sealed content does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It does not begin as a sealed content does.
    #[error("not a sealed drop")]
    NotADrop,
    /// It is a sealed content of a version, or with a chunk size, that this program does not know.
    #[error("sealed by a newer version than this program knows")]
    OtherVersion,
    /// The first chunk does not open: another key, another drop, or damaged.
    #[error("the key does not fit: this is another drop, or damaged from the start")]
    WrongKey,
    /// A chunk does not open, although the first one did.
    #[error("chunk {chunk} is damaged or of another drop")]
    Damaged {
        /// Its number, from 0.
        chunk: u32,
    },
    /// A chunk stands where another one belongs.
    #[error("chunk {found} stands where chunk {chunk} belongs")]
    OutOfOrder {
        /// Number of the chunk that belongs there.
        chunk: u32,
        /// Number of the chunk that is there.
        found: u32,
    },
    /// The end is missing.
    #[error("the end is missing")]
    Truncated,
    /// Something follows the end.
    #[error("something follows the end")]
    Trailing,
    /// The length inside is not the one outside or the one expected: whoever sealed it did it wrong.
    #[error("the length inside does not fit")]
    Length,
    /// The digest is not that of the content: whoever sealed it did it wrong.
    #[error("the digest does not fit")]
    Digest,
    /// The padding is not zeros: whoever sealed it did it wrong.
    #[error("the padding is malformed")]
    Padding,
}

/// What a whole content turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// Its length in bytes.
    pub len: u64,
    /// Its SHA-256.
    pub digest: [u8; 32],
}

/// Opens a sealed content piece by piece. Holds one chunk.
///
/// What it puts out is authentic but perhaps not all: until [`Self::finish`] has said that it is whole, nobody may be
/// told that it is there.
pub struct Opener {
    cipher: ContentCipher,
    /// Sealed bytes taken.
    taken: u64,
    /// Sealed bytes there have to be, as soon as that is known.
    expected: Option<u64>,
    index: u32,
    /// Sealed bytes of the chunk to come; before the first, of the head.
    chunk: Zeroizing<Vec<u8>>,
    inside: Inside,
    failed: Option<OpenError>,
}

impl Opener {
    /// Begins to open.
    #[must_use]
    pub fn new(key: &ContentKey) -> Self {
        Self {
            cipher: ContentCipher::new(key),
            taken: 0,
            expected: None,
            index: 0,
            chunk: Zeroizing::new(Vec::with_capacity(SEALED_CHUNK_LEN)),
            inside: Inside::new(),
            failed: None,
        }
    }

    /// Begins to open what should be a content of `len` bytes, as the drop's info says. So a cut is told from another
    /// key even within the first chunk, and another length is refused.
    #[must_use]
    pub fn expecting(key: &ContentKey, len: u64) -> Self {
        let mut opener = Self::new(key);
        opener.expected = sealed_len(len);
        opener.inside.announced = Some(len);
        opener.failed = opener.expected.is_none().then_some(OpenError::Length);
        opener
    }

    /// How many sealed bytes were taken: the position of the next one, where a broken download goes on.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.taken
    }

    /// Takes the next piece of the sealed bytes and appends to `out` what it opens.
    ///
    /// # Errors
    /// [`OpenError`], again at every later call: nothing that was put out is to be used.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError> {
        self.guarded(|this| this.take(piece, out))
    }

    /// Ends: opens the last chunk, and checks length, digest and padding.
    ///
    /// # Errors
    /// [`OpenError`]: nothing that was put out is to be used.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<Opened, OpenError> {
        self.guarded(|this| {
            if this.taken <= HEAD_LEN as u64 {
                return Err(OpenError::Truncated);
            }
            this.open(true, out)?;
            let opened = this.inside.finish()?;
            if sealed_len(opened.len) == Some(this.taken) { Ok(opened) } else { Err(OpenError::Length) }
        })
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, OpenError>) -> Result<T, OpenError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        work(self).inspect_err(|error| self.failed = Some(*error))
    }

    fn take(&mut self, mut piece: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError> {
        while !piece.is_empty() {
            let in_head = self.taken < HEAD_LEN as u64;
            // A full chunk that something follows is not the last.
            if !in_head && self.chunk.len() == SEALED_CHUNK_LEN {
                self.open(false, out)?;
            }
            if self.expected.is_some_and(|expected| self.taken >= expected) {
                return Err(OpenError::Trailing);
            }
            let room = if in_head { HEAD_LEN } else { SEALED_CHUNK_LEN } - self.chunk.len();
            let (now, later) = piece.split_at(room.min(piece.len()));
            self.chunk.extend_from_slice(now);
            self.taken += now.len() as u64;
            piece = later;
            if in_head {
                self.check_head()?;
            }
        }
        Ok(())
    }

    /// Checks as much of the head as there is.
    fn check_head(&mut self) -> Result<(), OpenError> {
        let (name, rest) = HEAD.split_at(5);
        let (given_name, given_rest) = self.chunk.split_at(self.chunk.len().min(5));
        if !name.starts_with(given_name) {
            return Err(OpenError::NotADrop);
        }
        if !rest.starts_with(given_rest) {
            return Err(OpenError::OtherVersion);
        }
        if self.chunk.len() == HEAD_LEN {
            self.chunk.clear();
        }
        Ok(())
    }

    fn open(&mut self, last: bool, out: &mut Vec<u8>) -> Result<(), OpenError> {
        if !self.cipher.open_chunk(self.index, last, &mut self.chunk) {
            return Err(self.diagnose(last));
        }
        self.inside.take(&self.chunk, out)?;
        self.chunk.clear();
        if let (None, Some(len)) = (self.expected, self.inside.len()) {
            self.expected = Some(sealed_len(len).ok_or(OpenError::Length)?);
        }
        match self.index.checked_add(1) {
            Some(next) => self.index = next,
            None if last => {}
            None => return Err(OpenError::Length),
        }
        Ok(())
    }

    /// Why the chunk in hand does not open.
    fn diagnose(&mut self, last: bool) -> OpenError {
        // Where more or less came than belongs there, that is the reason.
        match self.expected {
            Some(expected) if last && self.taken < expected => return OpenError::Truncated,
            Some(expected) if self.taken > expected => return OpenError::Trailing,
            Some(_) | None => {}
        }
        if self.cipher.open_chunk(self.index, !last, &mut self.chunk) {
            return if last { OpenError::Truncated } else { OpenError::Trailing };
        }
        let first = self.index.saturating_sub(NEIGHBOURS);
        for found in first..=self.index.saturating_add(NEIGHBOURS) {
            let other = found != self.index;
            if other && [false, true].into_iter().any(|l| self.cipher.open_chunk(found, l, &mut self.chunk)) {
                return OpenError::OutOfOrder { chunk: self.index, found };
            }
        }
        if self.index == 0 { OpenError::WrongKey } else { OpenError::Damaged { chunk: self.index } }
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("taken", &self.taken).finish_non_exhaustive()
    }
}

/// The plaintext: length, content, digest, zeros.
struct Inside {
    /// The length expected, where one is.
    announced: Option<u64>,
    length: [u8; LENGTH_LEN],
    digest: [u8; DIGEST_LEN],
    /// Bytes taken.
    at: u64,
    hash: Sha256,
}

impl Inside {
    fn new() -> Self {
        Self { announced: None, length: [0; LENGTH_LEN], digest: [0; DIGEST_LEN], at: 0, hash: Sha256::new() }
    }

    /// The length of the content, once it was read.
    fn len(&self) -> Option<u64> {
        (self.at >= LENGTH_LEN as u64).then(|| u64::from_be_bytes(self.length))
    }

    fn take(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError> {
        while !bytes.is_empty() {
            let end = match self.len() {
                None => LENGTH_LEN as u64,
                Some(len) => len.saturating_add(LENGTH_LEN as u64),
            };
            let digest_end = end.saturating_add(DIGEST_LEN as u64);
            let is_content = self.at >= LENGTH_LEN as u64 && self.at < end;
            let until = if self.at < end {
                end
            } else if self.at < digest_end {
                digest_end
            } else {
                u64::MAX
            };
            let many = usize::try_from(until - self.at).unwrap_or(usize::MAX).min(bytes.len());
            let (now, later) = bytes.split_at(many);
            if is_content {
                self.hash.update(now);
                out.extend_from_slice(now);
            } else if self.at < end {
                fill(&mut self.length, self.at, now);
            } else if self.at < digest_end {
                fill(&mut self.digest, self.at - end, now);
            } else if now.iter().fold(0, |seen, byte| seen | byte) != 0 {
                return Err(OpenError::Padding);
            }
            self.at += now.len() as u64;
            bytes = later;
            if self.at == LENGTH_LEN as u64 && self.announced.is_some_and(|len| self.len() != Some(len)) {
                return Err(OpenError::Length);
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Opened, OpenError> {
        let len = self.len().ok_or(OpenError::Length)?;
        let end = len.checked_add((LENGTH_LEN + DIGEST_LEN) as u64).ok_or(OpenError::Length)?;
        if self.at < end {
            return Err(OpenError::Length);
        }
        let digest: [u8; 32] = core::mem::take(&mut self.hash).finalize().into();
        if digest == self.digest { Ok(Opened { len, digest }) } else { Err(OpenError::Digest) }
    }
}

/// Writes bytes into a field from a position on; callers stay within it.
fn fill(field: &mut [u8], from: u64, bytes: &[u8]) {
    let place = usize::try_from(from).ok().and_then(|from| field.get_mut(from..)).unwrap_or_default();
    for (to, byte) in place.iter_mut().zip(bytes) {
        *to = *byte;
    }
}
