//! Canonical encodings and the preimages of hashes and signatures.

use prost::Message;
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

/// Bytes that are not the one encoding of an acceptable value (the fault of whoever made them).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not the canonical encoding of an acceptable value")]
pub struct Malformed;

impl From<protocol::ids::WrongLength> for Malformed {
    fn from(_: protocol::ids::WrongLength) -> Self {
        Self
    }
}

impl From<protocol::key::KeyError> for Malformed {
    fn from(_: protocol::key::KeyError) -> Self {
        Self
    }
}

/// Encodes into a buffer that is never reallocated and is wiped on drop, since most of what passes here is secret.
pub(crate) fn encode(message: &impl Message) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(message.encoded_len()));
    message.encode_raw(&mut *out);
    out
}

/// Decodes what encodes to the same bytes again: one value has one encoding, and unknown fields are refused.
pub(crate) fn decode<M: Message + Default>(bytes: &[u8]) -> Result<M, Malformed> {
    let message = M::decode(bytes).map_err(|_| Malformed)?;
    if encode(&message).as_slice() == bytes { Ok(message) } else { Err(Malformed) }
}

/// Copies a field of fixed length.
pub(crate) fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| Malformed)
}

/// Copies a secret field of fixed length.
pub(crate) fn secret_array(bytes: &[u8]) -> Result<Zeroizing<[u8; 32]>, Malformed> {
    let mut out = Zeroizing::new([0; 32]);
    if bytes.len() != out.len() {
        return Err(Malformed);
    }
    out.copy_from_slice(bytes);
    Ok(out)
}

/// Builds the bytes that are hashed or signed: `label ‖ 0 ‖ fields`.
///
/// Labels contain no zero byte, hence none is a prefix of another's preimage. Fields are of fixed length or carry a
/// 32-bit length. The buffer is wiped on drop.
pub(crate) struct Preimage(Zeroizing<Vec<u8>>);

impl Preimage {
    pub(crate) fn new(label: &str) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(512));
        bytes.extend_from_slice(label.as_bytes());
        bytes.push(0);
        Self(bytes)
    }

    /// Appends a field of fixed length.
    pub(crate) fn fixed(mut self, bytes: &[u8]) -> Self {
        self.reserve(bytes.len());
        self.0.extend_from_slice(bytes);
        self
    }

    /// Appends a field of variable length.
    pub(crate) fn sized(self, bytes: &[u8]) -> Self {
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX)).fixed(bytes)
    }

    /// Appends a field that may be absent: one byte 1 and the field, or one byte 0.
    pub(crate) fn optional(self, bytes: Option<&[u8]>) -> Self {
        match bytes {
            Some(bytes) => self.fixed(&[1]).fixed(bytes),
            None => self.fixed(&[0]),
        }
    }

    pub(crate) fn u32(self, n: u32) -> Self {
        self.fixed(&n.to_be_bytes())
    }

    pub(crate) fn u64(self, n: u64) -> Self {
        self.fixed(&n.to_be_bytes())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&*self.0).into()
    }

    /// Grows into a new buffer by hand, because `Vec` would free the old one without wiping it.
    fn reserve(&mut self, additional: usize) {
        if self.0.capacity() - self.0.len() < additional {
            let mut larger = Zeroizing::new(Vec::with_capacity((self.0.len() + additional) * 2));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
    }
}
