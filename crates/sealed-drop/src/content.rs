//! The chunks of a sealed content: STREAM over AES-256-GCM.

use core::fmt;

use aead_stream::{NewStream, StreamBE32, StreamPrimitive};
use aes_gcm::Aes256Gcm;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::padding;

/// Bytes of plaintext in every chunk but the last, which has 1 to as many.
pub const CHUNK_LEN: usize = 65_536;
/// Bytes by which a sealed chunk is longer than its plaintext.
const TAG_LEN: usize = 16;
/// Bytes of every sealed chunk but the last.
pub const SEALED_CHUNK_LEN: usize = CHUNK_LEN + TAG_LEN;
/// What every sealed content begins with: name, version, chunk size, and a byte that is zero. Authenticated with each
/// chunk.
pub const HEAD: [u8; HEAD_LEN] = *b"kdrop\x01\x10\x00";
/// Length of [`HEAD`] in bytes.
pub const HEAD_LEN: usize = 8;
/// Longest content in bytes: 16 TiB, a sixteenth of what the chunks' counter allows.
pub const MAX_CONTENT: u64 = 1 << 44;

/// Bytes of key and nonce prefix together.
pub(crate) const KEY_BYTES: usize = 39;
/// Bytes of the length that the plaintext begins with.
pub(crate) const LENGTH_LEN: usize = 8;
/// Bytes of the digest behind the content.
pub(crate) const DIGEST_LEN: usize = 32;

const KEY_LEN: usize = 32;

/// How long the sealed form of `len` bytes is; `None` above [`MAX_CONTENT`].
#[must_use]
pub const fn sealed_len(len: u64) -> Option<u64> {
    match plaintext_len(len) {
        Some(plaintext) => {
            let tags = plaintext.div_ceil(CHUNK_LEN as u64) * TAG_LEN as u64;
            Some(HEAD_LEN as u64 + plaintext + tags)
        }
        None => None,
    }
}

/// Length of what is sealed for a content of `len` bytes: length, content, digest, padding.
pub(crate) const fn plaintext_len(len: u64) -> Option<u64> {
    if len > MAX_CONTENT { None } else { padding::padded(len + (LENGTH_LEN + DIGEST_LEN) as u64) }
}

/// What seals a content: a key and the constant part of the nonces, 39 bytes. For one content only. Wiped on drop,
/// compared in constant time, not shown by `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ContentKey([u8; KEY_BYTES]);

impl ContentKey {
    /// Length in bytes.
    pub const LEN: usize = KEY_BYTES;

    /// Takes 39 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(*bytes)
    }

    /// The bytes, for what is sealed itself; wiped when dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; KEY_BYTES]> {
        Zeroizing::new(self.0)
    }

    pub(crate) const fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl PartialEq for ContentKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for ContentKey {}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey(..)")
    }
}

/// Seals and opens single chunks, wherever they stand. Most callers want [`crate::Sealer`] and [`crate::Opener`].
pub struct ContentCipher {
    stream: StreamBE32<Aes256Gcm>,
}

impl ContentCipher {
    /// The cipher of a content.
    #[must_use]
    pub fn new(key: &ContentKey) -> Self {
        let (mut cipher, mut prefix) = ([0; KEY_LEN], [0; KEY_BYTES - KEY_LEN]);
        let (front, back) = key.expose().split_at(KEY_LEN);
        cipher.copy_from_slice(front);
        prefix.copy_from_slice(back);
        let stream = StreamBE32::new(&cipher.into(), &prefix.into());
        cipher.zeroize();
        prefix.zeroize();
        Self { stream }
    }

    /// Where the sealed chunk of that number begins in the sealed content, in bytes.
    #[must_use]
    pub const fn offset(chunk: u32) -> u64 {
        HEAD_LEN as u64 + chunk as u64 * SEALED_CHUNK_LEN as u64
    }

    /// Seals a chunk in place: 1 to [`CHUNK_LEN`] bytes of plaintext become 16 bytes longer. Two different plaintexts
    /// under the same number betray each other: a content is sealed once, or the same way again.
    ///
    /// Returns false, and leaves nothing in the buffer, for another length.
    #[must_use]
    pub fn seal_chunk(&self, chunk: u32, last: bool, buffer: &mut Vec<u8>) -> bool {
        let fits = (1..=CHUNK_LEN).contains(&buffer.len());
        if fits && self.stream.encrypt_in_place(chunk, last, &HEAD, buffer).is_ok() {
            return true;
        }
        buffer.zeroize();
        false
    }

    /// Opens a chunk in place: what remains is its plaintext. Returns false, and leaves the buffer as it was, for
    /// bytes that were not sealed under this key as the chunk of this number, last or not.
    #[must_use]
    pub fn open_chunk(&self, chunk: u32, last: bool, buffer: &mut Vec<u8>) -> bool {
        let fits = (TAG_LEN + 1..=SEALED_CHUNK_LEN).contains(&buffer.len());
        fits && self.stream.decrypt_in_place(chunk, last, &HEAD, buffer).is_ok()
    }
}

impl fmt::Debug for ContentCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentCipher(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_known_beforehand() {
        let cases = [
            (0, 8 + 256 + 16),
            (216, 8 + 256 + 16),
            (217, 8 + 272 + 16),
            // One chunk filled to its last byte, and one byte more.
            (65_536 - 40, 8 + 65_536 + 16),
            (65_536 - 39, 8 + 67_584 + 32),
            (1 << 30, 8 + (1 << 30) + (1 << 25) + 16 * 16_896),
        ];
        for (len, sealed) in cases {
            assert_eq!(sealed_len(len), Some(sealed), "{len}");
        }
        assert!(sealed_len(MAX_CONTENT).is_some());
        assert_eq!(sealed_len(MAX_CONTENT + 1), None);
        assert_eq!(ContentCipher::offset(0), 8);
        assert_eq!(ContentCipher::offset(u32::MAX), 8 + 0xffff_ffff * 65_552);
    }

    #[test]
    fn chunks_of_other_lengths_are_refused() {
        let cipher = ContentCipher::new(&ContentKey::from_bytes(&[1; 39]));
        assert!(!cipher.seal_chunk(0, true, &mut Vec::new()));
        let mut long = vec![1; CHUNK_LEN + 1];
        assert!(!cipher.seal_chunk(0, true, &mut long));
        assert!(long.is_empty());
        assert!(!cipher.open_chunk(0, true, &mut vec![0; 16]));
        assert!(!cipher.open_chunk(0, true, &mut vec![0; SEALED_CHUNK_LEN + 1]));
    }
}
