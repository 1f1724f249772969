//! What makes a node the same node after a restart.

use std::fmt;

use api::frames::StreamEpoch;
use frame_log::{Meta, MetaKey, MetaValue};
use protocol::{SigningKey, UnixSeconds};
use zeroize::Zeroizing;

use crate::{failure::Failure, store::Store};

const SIGNING_SEED: MetaKey = MetaKey::new("node/signing-seed");
const TOKEN_SECRET: MetaKey = MetaKey::new("node/token-secret");
const STREAM_EPOCH: MetaKey = MetaKey::new("node/stream-epoch");

/// A node's lasting secrets, and which life of its log this is.
///
/// They are kept in the store itself: replicas that share a store are one node to their clients, sign with one key
/// and take each other's tokens. Start the first of several replicas alone, so that they do not each make their own.
pub(crate) struct Identity {
    /// Signs receipts.
    pub(crate) receipts: SigningKey,
    /// Authenticates challenges, tokens and the names of internal mailboxes.
    pub(crate) secret: Zeroizing<[u8; 32]>,
    /// Part of every event id.
    pub(crate) stream_epoch: StreamEpoch,
}

impl Identity {
    /// Loads what the store holds and makes what it lacks.
    ///
    /// `restored` says that the store was brought back from a copy: positions given after the copy was made may then
    /// be given again, so the log begins a new life.
    ///
    /// # Errors
    /// [`Failure`] of the store; [`Failure::Internal`] for stored values of a wrong length.
    pub(crate) async fn load(store: &dyn Store, now: UnixSeconds, restored: bool) -> Result<Self, Failure> {
        let seed = secret(store, SIGNING_SEED).await?;
        let stored = match Meta::load(store, STREAM_EPOCH).await? {
            Some(value) => {
                Some(u64::from_be_bytes(value.as_bytes().try_into().map_err(|_| Failure::Internal)?))
            }
            None => None,
        };
        let stream_epoch = match stored {
            Some(epoch) if !restored => epoch,
            // The time of a log's birth names its life; a new life is always later than the one before.
            earlier => {
                let fresh = now.get().max(earlier.map_or(1, |epoch| epoch.saturating_add(1)));
                store.save(STREAM_EPOCH, MetaValue::new(fresh.to_be_bytes().to_vec())).await?;
                fresh
            }
        };
        Ok(Self {
            receipts: SigningKey::from_seed(&seed),
            secret: secret(store, TOKEN_SECRET).await?,
            stream_epoch: StreamEpoch::new(stream_epoch),
        })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("stream_epoch", &self.stream_epoch).finish_non_exhaustive()
    }
}

async fn secret(store: &dyn Store, key: MetaKey) -> Result<Zeroizing<[u8; 32]>, Failure> {
    if let Some(value) = Meta::load(store, key).await? {
        let bytes = value.as_bytes().try_into().map_err(|_| Failure::Internal)?;
        return Ok(Zeroizing::new(bytes));
    }
    let mut fresh = Zeroizing::new([0; 32]);
    getrandom::fill(fresh.as_mut_slice()).map_err(|_| Failure::Internal)?;
    store.save(key, MetaValue::new(fresh.to_vec())).await?;
    Ok(fresh)
}

#[cfg(test)]
mod tests {
    use super::*;
    use frame_log::memory::MemoryLog;

    #[tokio::test]
    async fn survives_a_restart_and_notices_a_restore() {
        let store = MemoryLog::new();
        let first = Identity::load(&store, UnixSeconds::new(100), false).await.unwrap();
        let second = Identity::load(&store, UnixSeconds::new(200), false).await.unwrap();
        assert_eq!(first.receipts.verifying_key(), second.receipts.verifying_key());
        assert_eq!(first.secret, second.secret);
        assert_eq!(first.stream_epoch, second.stream_epoch);
        let restored = Identity::load(&store, UnixSeconds::new(50), true).await.unwrap();
        assert!(restored.stream_epoch > first.stream_epoch);
        assert_eq!(restored.secret, first.secret);
    }
}
