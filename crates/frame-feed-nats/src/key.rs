//! The key by which those who share a log know each other's messages.

use std::fmt;

use frame_log::{Meta, MetaKey, MetaValue, ReadError, Replaced, WriteError};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

/// Where the key is kept.
const FEED_KEY: MetaKey = MetaKey::new("feed/key");
const LEN: usize = 32;

/// A secret of 32 bytes kept in the log's own store, which relay and nodes share and NATS does not know.
///
/// Without it, whoever may publish on NATS could put frames of his own in front of followers: a member knows the key
/// that signs messages, and a node cannot tell by the frame alone which of two stands in the log.
#[derive(Clone)]
pub struct FeedKey(Zeroizing<[u8; LEN]>);

/// The key cannot be had.
#[derive(Debug, Error)]
pub enum FeedKeyError {
    /// The store cannot be read.
    #[error("the key of the feed cannot be read")]
    Read(#[source] ReadError),
    /// The store cannot be written to.
    #[error("the key of the feed cannot be stored")]
    Write(#[source] WriteError),
    /// What is stored is not 32 bytes long.
    #[error("the stored key of the feed has a wrong length")]
    Damaged,
    /// The machine has no randomness to give.
    #[error("no randomness")]
    NoRandomness,
}

impl FeedKey {
    /// Wraps a key.
    #[must_use]
    pub fn new(bytes: [u8; LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Loads the key, and makes it if there is none. Of several who do so at once all get the same.
    ///
    /// # Errors
    /// [`FeedKeyError`].
    pub async fn load<M: Meta + ?Sized>(meta: &M) -> Result<Self, FeedKeyError> {
        let stored = match meta.load(FEED_KEY).await.map_err(FeedKeyError::Read)? {
            Some(stored) => stored,
            None => {
                let mut fresh = vec![0; LEN];
                getrandom::fill(&mut fresh).map_err(|_| FeedKeyError::NoRandomness)?;
                let fresh = MetaValue::new(fresh);
                match meta.replace(FEED_KEY, None, fresh.clone()).await.map_err(FeedKeyError::Write)? {
                    Replaced::Done => fresh,
                    Replaced::Differs(stored) => stored.ok_or(FeedKeyError::Damaged)?,
                }
            }
        };
        stored.as_bytes().try_into().map(Self::new).map_err(|_| FeedKeyError::Damaged)
    }

    fn mac(&self, digest: &[u8; 32]) -> Hmac<Sha256> {
        // A key shorter than a block is padded with zeros to one (RFC 2104); done here, there is no length to refuse.
        let mut block = Zeroizing::new([0; 64]);
        let (key, _padding) = block.split_at_mut(LEN);
        key.copy_from_slice(&*self.0);
        let mut mac = Hmac::<Sha256>::new((&*block).into());
        mac.update(digest);
        mac
    }

    /// The code of a digest.
    pub(crate) fn code(&self, digest: &[u8; 32]) -> [u8; 32] {
        self.mac(digest).finalize().into_bytes().into()
    }

    /// Whether this is the code of the digest; takes the same time either way.
    pub(crate) fn agrees(&self, digest: &[u8; 32], code: &[u8; 32]) -> bool {
        self.mac(digest).verify_slice(code).is_ok()
    }
}

impl fmt::Debug for FeedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FeedKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frame_log::memory::MemoryLog;

    #[tokio::test]
    async fn those_who_share_a_store_share_the_key() {
        let store = MemoryLog::new();
        let (first, second) = tokio::join!(FeedKey::load(&store), FeedKey::load(&store));
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_eq!(first.0, second.0);
        assert_eq!(FeedKey::load(&store).await.unwrap().0, first.0);
        assert_ne!(FeedKey::load(&MemoryLog::new()).await.unwrap().0, first.0);
        assert_eq!(format!("{first:?}"), "FeedKey");
    }
}
