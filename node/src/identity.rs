//! What makes a node the same node after a restart.

use std::fmt;

use api::frames::StreamEpoch;
use frame_log::{LOG_LIFE, LogLife, Meta, MetaKey, MetaValue, Replaced};
use protocol::{SigningKey, UnixSeconds};
use zeroize::Zeroizing;

use crate::{failure::Failure, store::Store};

const SIGNING_SEED: MetaKey = MetaKey::new("node/signing-seed");
const TOKEN_SECRET: MetaKey = MetaKey::new("node/token-secret");

/// A node's lasting secrets, and which life of its log this is.
///
/// They are kept in the store itself: replicas that share a store are one node to their clients, sign with one key
/// and take each other's tokens. Any number of them may start together, on an empty store as well: each value is set
/// once, and whoever comes second takes what is there.
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
        Ok(Self {
            receipts: SigningKey::from_seed(&*secret(store, SIGNING_SEED).await?),
            secret: secret(store, TOKEN_SECRET).await?,
            stream_epoch: StreamEpoch::new(life(store, now, restored).await?.get()),
        })
    }

    /// Which life of its log this is.
    pub(crate) const fn life(&self) -> LogLife {
        LogLife::new(self.stream_epoch.get())
    }
}

/// Which life of the log this is now, for those who have loaded it before.
///
/// # Errors
/// [`Failure`] of the store; [`Failure::Internal`] for a stored value of a wrong length, or none.
pub(crate) async fn current_life(store: &dyn Store) -> Result<LogLife, Failure> {
    let stored = Meta::load(store, LOG_LIFE).await?.ok_or(Failure::Internal)?;
    LogLife::from_value(&stored).map_err(|_| Failure::Internal)
}

async fn life(store: &dyn Store, now: UnixSeconds, restored: bool) -> Result<LogLife, Failure> {
    let mut stored = Meta::load(store, LOG_LIFE).await?;
    let mut restored = restored;
    loop {
        let known = stored.as_ref().map(LogLife::from_value).transpose().map_err(|_| Failure::Internal)?;
        if let Some(life) = known
            && !restored
        {
            return Ok(life);
        }
        // The time of a log's birth names its life; a new life is always later than the one before.
        let fresh = LogLife::new(now.get().max(known.map_or(1, |life| life.get().saturating_add(1))));
        match Meta::replace(store, LOG_LIFE, stored, fresh.to_value()).await? {
            Replaced::Done => return Ok(fresh),
            // Somebody else has begun a life in this moment, and that is as good.
            Replaced::Differs(there) => (stored, restored) = (there, false),
        }
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
    let mut fresh = vec![0; 32];
    getrandom::fill(&mut fresh).map_err(|_| Failure::Internal)?;
    let fresh = MetaValue::new(fresh);
    let set = match Meta::replace(store, key, None, fresh.clone()).await? {
        Replaced::Done => fresh,
        Replaced::Differs(there) => there.ok_or(Failure::Internal)?,
    };
    set.as_bytes().try_into().map(Zeroizing::new).map_err(|_| Failure::Internal)
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

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn replicas_that_start_together_are_one_node() {
        for restored in [false, true] {
            let store = MemoryLog::new();
            if restored {
                Identity::load(&store, UnixSeconds::new(7), false).await.unwrap();
            }
            let loads = (0..16).map(|n| {
                let store = store.clone();
                tokio::spawn(async move {
                    // A yield between the steps of one, so that the steps of others come in between.
                    tokio::task::yield_now().await;
                    Identity::load(&store, UnixSeconds::new(100 + n), restored).await.unwrap()
                })
            });
            let loaded: Vec<Identity> = futures_util::future::join_all(loads.collect::<Vec<_>>())
                .await
                .into_iter()
                .map(|loaded| loaded.unwrap())
                .collect();
            for other in &loaded {
                assert_eq!(other.receipts.verifying_key(), loaded[0].receipts.verifying_key());
                assert_eq!(other.secret, loaded[0].secret);
            }
            // Whoever reads it afterwards has the last one, and all who did not begin one have that too.
            let last = current_life(&store).await.unwrap();
            assert!(loaded.iter().any(|one| one.life() == last));
            if !restored {
                assert!(loaded.iter().all(|one| one.life() == last));
            }
        }
    }
}
