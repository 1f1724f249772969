//! One piece: gathered, sealed, opened.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use aes_gcm::{
    Aes256Gcm, Nonce, Tag,
    aead::{AeadInOut as _, KeyInit as _},
};
use bytes::{Buf as _, Bytes, BytesMut};
use drop_state::BodyId;

use super::BodyError;
use crate::store::{BodyKey, Segment};

const NONCE: usize = 12;
const TAG: usize = 16;
/// What a buffer begins with, so that texts do not cost a whole segment.
const FIRST: usize = 64 * 1024;

/// Bytes of the object that a piece of `len` bytes becomes.
pub(super) const fn sealed_len(len: u64) -> u64 {
    len.saturating_add((NONCE + TAG) as u64)
}

/// How many large buffers there are. That they stay few is what keeps memory bounded.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(super) fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn hold(&self) -> Live {
        self.0.fetch_add(1, Ordering::Relaxed);
        Live(Arc::clone(&self.0))
    }
}

/// One of them.
#[derive(Debug)]
pub(super) struct Live(Arc<AtomicUsize>);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A piece while it is gathered, with space for what sealing adds.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    full: usize,
    live: Live,
}

impl Buffer {
    pub(super) fn new(full: usize, counted: &Counted) -> Self {
        let mut bytes = Vec::with_capacity(NONCE + TAG + full.min(FIRST));
        bytes.resize(NONCE, 0);
        Self { bytes, full, live: counted.hold() }
    }

    /// Bytes that were gathered.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(NONCE)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len() >= self.full
    }

    /// Takes as much of `from` as there is room for, and says how much that was.
    pub(crate) fn fill(&mut self, from: &[u8]) -> usize {
        let taken = from.len().min(self.full.saturating_sub(self.len()));
        let needed = self.bytes.len() + taken + TAG;
        if needed > self.bytes.capacity() {
            // Doubled by hand: left to itself it would grow to more than a segment can need.
            let most = NONCE + self.full + TAG;
            let grown = self.bytes.capacity().saturating_mul(2).clamp(needed, most);
            self.bytes.reserve_exact(grown.saturating_sub(self.bytes.len()));
        }
        self.bytes.extend_from_slice(from.get(..taken).unwrap_or_default());
        taken
    }

    /// What was gathered, as it is.
    pub(crate) fn into_plain(self) -> Bytes {
        Bytes::copy_from_slice(self.bytes.get(NONCE..).unwrap_or_default())
    }

    /// Seals it in its place.
    pub(super) fn seal(self, body: BodyId, key: &BodyKey, segment: Segment) -> Result<Bytes, BodyError> {
        let Self { mut bytes, live, .. } = self;
        let nonce: [u8; NONCE] = crate::random().map_err(|_| BodyError::NoRandomness)?;
        let (head, plain) = bytes.split_at_mut(NONCE);
        head.copy_from_slice(&nonce);
        let tag = cipher(key)
            .encrypt_inout_detached(&Nonce::from(nonce), &bound_to(body, segment), plain.into())
            .map_err(|_| BodyError::Damaged("a piece is too long to be sealed"))?;
        bytes.extend_from_slice(&tag);
        Ok(Bytes::from_owner(Held { bytes: bytes.into(), _live: live }))
    }
}

/// Opens an object in its place.
pub(super) fn open(
    body: BodyId,
    key: &BodyKey,
    segment: Segment,
    sealed: Bytes,
    live: Live,
) -> Result<Bytes, BodyError> {
    const DAMAGED: BodyError = BodyError::Damaged("a piece does not open with the key of its body");
    let mut bytes = BytesMut::from(sealed);
    let whole = bytes.len().checked_sub(TAG).filter(|end| *end >= NONCE).ok_or(DAMAGED)?;
    let tag: [u8; TAG] = bytes.get(whole..).and_then(|tag| tag.try_into().ok()).ok_or(DAMAGED)?;
    bytes.truncate(whole);
    let nonce: [u8; NONCE] = bytes.get(..NONCE).and_then(|nonce| nonce.try_into().ok()).ok_or(DAMAGED)?;
    bytes.advance(NONCE);
    cipher(key)
        .decrypt_inout_detached(
            &Nonce::from(nonce),
            &bound_to(body, segment),
            bytes.as_mut().into(),
            &Tag::from(tag),
        )
        .map_err(|_| DAMAGED)?;
    Ok(Bytes::from_owner(Held { bytes: bytes.freeze(), _live: live }))
}

fn cipher(key: &BodyKey) -> Aes256Gcm {
    Aes256Gcm::new(key.expose().into())
}

/// What a piece cannot be moved away from: its body and its place in it.
fn bound_to(body: BodyId, segment: Segment) -> [u8; 32] {
    let mut bound = [0; 32];
    let (name, place) = bound.split_at_mut(16);
    name.copy_from_slice(body.as_bytes());
    let (start, len) = place.split_at_mut(8);
    start.copy_from_slice(&segment.start.to_be_bytes());
    len.copy_from_slice(&segment.len.to_be_bytes());
    bound
}

/// Bytes that count as long as anybody has a part of them.
struct Held {
    bytes: Bytes,
    _live: Live,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: BodyId = BodyId::from_bytes([3; 16]);

    fn sealed(plain: &[u8]) -> (Bytes, Segment, BodyKey) {
        let key = BodyKey::from_bytes([5; 32]);
        let segment = Segment { start: 7, len: plain.len() as u64, name: [9; 16] };
        let mut buffer = Buffer::new(1 << 20, &Counted::default());
        assert_eq!(buffer.fill(plain), plain.len());
        (buffer.seal(BODY, &key, segment).unwrap(), segment, key)
    }

    #[test]
    fn opens_only_where_it_belongs() {
        let plain = vec![0xab; 100_000];
        let (object, segment, key) = sealed(&plain);
        assert_eq!(object.len() as u64, sealed_len(100_000));
        let live = || Counted::default().hold();
        assert_eq!(open(BODY, &key, segment, object.clone(), live()).unwrap(), plain);

        let elsewhere = Segment { start: 8, ..segment };
        assert!(open(BODY, &key, elsewhere, object.clone(), live()).is_err());
        assert!(open(BodyId::from_bytes([4; 16]), &key, segment, object.clone(), live()).is_err());
        assert!(open(BODY, &BodyKey::from_bytes([6; 32]), segment, object.clone(), live()).is_err());
        for at in [0, 11, 12, 50_000, object.len() - 1] {
            let mut bad = object.to_vec();
            bad[at] ^= 1;
            assert!(open(BODY, &key, segment, bad.into(), live()).is_err(), "{at}");
        }
        for len in [0, 11, 12, 27] {
            assert!(open(BODY, &key, segment, object.slice(..len), live()).is_err(), "{len}");
        }
    }

    /// Written by hand from the description on top of `bodies`, so that what is stored stays readable.
    #[test]
    fn golden() {
        let key = BodyKey::from_bytes(core::array::from_fn(|i| u8::try_from(i).unwrap()));
        let segment = Segment { start: 4_194_304, len: 4, name: [0; 16] };
        let mut object = vec![0xaa; 12];
        let mut text = b"kith".to_vec();
        let mut bound = vec![3; 16];
        bound.extend(4_194_304_u64.to_be_bytes());
        bound.extend(4_u64.to_be_bytes());
        Aes256Gcm::new(key.expose().into())
            .encrypt_in_place(&Nonce::from([0xaa; 12]), &bound, &mut text)
            .unwrap();
        object.extend(text);
        assert_eq!(hex::encode(&object), GOLDEN);
        let opened = open(BODY, &key, segment, object.into(), Counted::default().hold()).unwrap();
        assert_eq!(opened, b"kith".as_slice());
    }

    const GOLDEN: &str = "aaaaaaaaaaaaaaaaaaaaaaaac4c8994cd62dffd0fc72a1fb6398329400ab0f3f";

    #[test]
    fn a_buffer_takes_a_segment_and_no_more() {
        let counted = Counted::default();
        let mut buffer = Buffer::new(300_000, &counted);
        let most = buffer.bytes.capacity().max(NONCE + TAG + 300_000);
        let mut taken = 0;
        while !buffer.is_full() {
            taken += buffer.fill(&[1; 7_777]);
            assert!(buffer.bytes.capacity() <= most);
        }
        assert_eq!((taken, buffer.len()), (300_000, 300_000));
        assert_eq!(buffer.fill(b"more"), 0);
        assert_eq!(counted.now(), 1);
        let segment = Segment { start: 0, len: 300_000, name: [0; 16] };
        let object = buffer.seal(BODY, &BodyKey::from_bytes([1; 32]), segment).unwrap();
        let part = object.slice(5..6);
        drop(object);
        assert_eq!(counted.now(), 1);
        drop(part);
        assert_eq!(counted.now(), 0);
    }
}
