//! Mailboxes of key packages: who may fill one, and how fast one can be emptied.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use api::{
    frames::StreamEpoch,
    key_packages::{
        ClaimedKeyPackage, MailboxId, MailboxStatus, MailboxWriteKey, PutKeyPackages, SealedKeyPackage,
    },
};
use bytes::Bytes;
use frame_log::{Claimed, MAX_PACKAGE_TTL, MAX_PACKAGES, MailboxError, NewPackage, Put};
use protocol::{UnixSeconds, digest::Hasher};
use service_kit::limiter::{Limiter, Quota};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    access::mac,
    failure::{Failure, too_fast},
    metrics::Metrics,
    store::SharedStore,
};

/// Locks that keep two first requests to one mailbox from each setting its key.
const LOCKS: usize = 64;
/// How long one of several nodes may take to set a mailbox's key, in seconds, before another may.
const SETTING: u64 = 30;
/// How often a node looks whether another has set the key, and how long it waits in between.
const TRIES: usize = 40;
const PAUSE: Duration = Duration::from_millis(50);
/// How long what is known of a mailbox's filling counts where other nodes give packages out as well.
const COUNTED_FOR: Duration = Duration::from_secs(30);
/// Mailboxes whose filling is remembered.
const COUNTS: usize = 4_096;
/// Buckets for the mailboxes claimed from.
const CLAIM_BUCKETS: usize = 1 << 14;
/// A key's record is written anew after so many seconds, well before it would expire.
const REFRESH: u64 = MAX_PACKAGE_TTL / 3;

/// The node's side of mailboxes.
///
/// The store keeps packages and knows neither owners nor rates, so one mailbox is three in the store, under names that
/// only this node can compute:
///
/// - the packages. The name depends on the life of the log: what was claimed after a backup was made is not given out
///   again once the backup is brought back, because nothing of what it contains is found any more;
/// - the package of last resort, once more, for those who come while the mailbox is claimed from too fast;
/// - the hash of the write key. It lives as long as the longest-lived package, counted from the owner's last visit.
pub(crate) struct KeyPackages {
    store: SharedStore,
    secret: Zeroizing<[u8; 32]>,
    stream_epoch: StreamEpoch,
    locks: Box<[tokio::sync::Mutex<()>]>,
    claims: Limiter,
    counts: Mutex<Counts>,
    metrics: Arc<Metrics>,
    /// Other nodes work on the same store.
    shared: bool,
}

/// What is known of how full mailboxes are: the store tells only when it gives a package out. An unknown mailbox
/// counts as empty, which at worst makes its owner refill early; where other nodes give packages out as well, one is
/// unknown again after a while.
#[derive(Default)]
struct Counts(std::collections::HashMap<MailboxId, (MailboxStatus, Instant)>);

const EMPTY: MailboxStatus = MailboxStatus { remaining: 0, last_resort: false };

/// A mailbox request that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MailboxFailure {
    /// The write key is not the mailbox's.
    NotOwner,
    /// Nothing of the request fits in any more.
    Full,
    /// A package expires in the past.
    BadExpiry,
    /// There is no package to give.
    Gone,
    /// Not the mailbox's fault.
    Other(Failure),
}

impl<T: Into<Failure>> From<T> for MailboxFailure {
    fn from(error: T) -> Self {
        Self::Other(error.into())
    }
}

impl KeyPackages {
    pub(crate) fn new(
        store: SharedStore,
        secret: Zeroizing<[u8; 32]>,
        stream_epoch: StreamEpoch,
        claims: Quota,
        metrics: Arc<Metrics>,
        shared: bool,
    ) -> Self {
        Self {
            store,
            secret,
            stream_epoch,
            locks: (0..LOCKS).map(|_| tokio::sync::Mutex::default()).collect(),
            claims: Limiter::new(claims, CLAIM_BUCKETS),
            counts: Mutex::default(),
            metrics,
            shared,
        }
    }

    /// Puts packages into a mailbox whose owner shows its key; the first request sets it. Packages that were put
    /// before are passed over, so a request can be sent again.
    ///
    /// # Errors
    /// [`MailboxFailure`]; when the mailbox becomes full halfway, what fits stays and the status shows it.
    ///
    /// # Cancel safety
    /// Packages up to some one are put, the others not; sending the request again completes it.
    pub(crate) async fn put(
        &self,
        mailbox: &MailboxId,
        body: PutKeyPackages,
        now: UnixSeconds,
    ) -> Result<MailboxStatus, MailboxFailure> {
        if body.packages.iter().any(|package| package.expires <= now) {
            return Err(MailboxFailure::BadExpiry);
        }
        self.check_owner(mailbox, &body.write_key, now).await?;
        let name = self.packages_of(mailbox);
        for (taken, entry) in body.packages.into_iter().enumerate() {
            let package = NewPackage {
                bytes: Bytes::from(entry.sealed.into_bytes()),
                last_resort: entry.last_resort,
                expires: entry.expires,
            };
            if entry.last_resort {
                let beside = self.last_resort_of(mailbox);
                self.store.put(&beside, package.clone(), now).await.map_err(Failure::from)?;
            }
            match self.store.put(&name, package, now).await {
                Ok(Put::Stored) => self.count(mailbox, |status| {
                    if entry.last_resort {
                        status.last_resort = true;
                    } else {
                        status.remaining = status.remaining.saturating_add(1).min(most());
                    }
                }),
                Ok(Put::AlreadyKnown) => {}
                Err(MailboxError::Full) => {
                    self.count(mailbox, |status| status.remaining = most());
                    return if taken == 0 { Err(MailboxFailure::Full) } else { Ok(self.status(mailbox)) };
                }
                Err(MailboxError::Expired) => return Err(MailboxFailure::BadExpiry),
                Err(error) => return Err(Failure::from(error).into()),
            }
        }
        Ok(self.status(mailbox))
    }

    /// How many packages are left, as far as known.
    pub(crate) fn status(&self, mailbox: &MailboxId) -> MailboxStatus {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.0.get(mailbox).filter(|known| self.counts_still(known.1)).map_or(EMPTY, |known| known.0)
    }

    fn counts_still(&self, since: Instant) -> bool {
        !self.shared || since.elapsed() < COUNTED_FOR
    }

    /// Takes a package out: a one-time one while the mailbox is not claimed from too fast, else the last resort.
    ///
    /// # Errors
    /// [`MailboxFailure::Gone`] when there is none, whether or not the mailbox exists; a refusal for those who come too
    /// fast where there is no last resort.
    pub(crate) async fn claim(
        &self,
        mailbox: &MailboxId,
        now: UnixSeconds,
    ) -> Result<ClaimedKeyPackage, MailboxFailure> {
        if let Err(wait) = self.claims.take(mailbox, 1) {
            let beside = self.store.claim(&self.last_resort_of(mailbox), now).await.map_err(Failure::from)?;
            let last_resort = beside.ok_or_else(|| too_fast(wait))?;
            let sealed =
                SealedKeyPackage::new(last_resort.package.to_vec()).map_err(|_| Failure::Internal)?;
            self.metrics.package_claimed();
            let remaining = self.status(mailbox).remaining;
            return Ok(ClaimedKeyPackage { sealed, last_resort: true, remaining });
        }
        let claimed = self.store.claim(&self.packages_of(mailbox), now).await.map_err(Failure::from)?;
        let Some(claimed) = claimed else {
            self.count(mailbox, |status| *status = EMPTY);
            return Err(MailboxFailure::Gone);
        };
        self.metrics.package_claimed();
        self.count(mailbox, |status| {
            status.remaining = claimed.remaining;
            status.last_resort |= claimed.last_resort;
        });
        let sealed = SealedKeyPackage::new(claimed.package.to_vec()).map_err(|_| Failure::Internal)?;
        Ok(ClaimedKeyPackage { sealed, last_resort: claimed.last_resort, remaining: claimed.remaining })
    }

    async fn check_owner(
        &self,
        mailbox: &MailboxId,
        key: &MailboxWriteKey,
        now: UnixSeconds,
    ) -> Result<(), MailboxFailure> {
        let name = self.name("kith/v1/node/mailbox/key", mailbox, 0);
        let hash =
            Hasher::new("kith/v1/node/write-key").fixed(mailbox.as_bytes()).fixed(key.expose()).finish();
        let lock = usize::from(name.as_bytes()[0]) % LOCKS;
        let _held = match self.locks.get(lock) {
            Some(lock) => Some(lock.lock().await),
            None => None,
        };
        let mut known = self.store.claim(&name, now).await.map_err(Failure::from)?;
        if known.is_none() && self.shared {
            known = self.first_of_several(mailbox, &name, now).await?;
        }
        let written = match known.as_ref().and_then(|known| known.package.split_first_chunk::<32>()) {
            Some((owner, _)) if !bool::from(owner.ct_eq(&hash)) => return Err(MailboxFailure::NotOwner),
            Some((_, written)) => written.try_into().map(u64::from_be_bytes).unwrap_or(0),
            None => 0,
        };
        if now.get().saturating_sub(written) >= REFRESH {
            let mut bytes = hash.to_vec();
            bytes.extend_from_slice(&now.get().to_be_bytes());
            let expires = now.saturating_add(MAX_PACKAGE_TTL);
            let record = NewPackage { bytes: bytes.into(), last_resort: true, expires };
            self.store.put(&name, record, now).await.map_err(Failure::from)?;
        }
        Ok(())
    }

    /// Waits until another node that sets the mailbox's key in this moment has done so, and returns it; `None` if this
    /// node may set it, for the next [`SETTING`] seconds alone.
    async fn first_of_several(
        &self,
        mailbox: &MailboxId,
        key: &frame_log::MailboxId,
        now: UnixSeconds,
    ) -> Result<Option<Claimed>, MailboxFailure> {
        let turn = self.name("kith/v1/node/mailbox/first", mailbox, 0);
        for _ in 0..TRIES {
            let expires = now.saturating_add(SETTING);
            let mark = NewPackage { bytes: Bytes::from_static(b"first"), last_resort: false, expires };
            // Of any number who put the same bytes into one mailbox, one is told that they are new.
            let mine = self.store.put(&turn, mark, now).await.map_err(Failure::from)? == Put::Stored;
            // Looked at after the turn was taken: whoever had it before may have set the key.
            let known = self.store.claim(key, now).await.map_err(Failure::from)?;
            if mine || known.is_some() {
                return Ok(known);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(MailboxFailure::Other(Failure::busy()))
    }

    fn packages_of(&self, mailbox: &MailboxId) -> frame_log::MailboxId {
        self.name("kith/v1/node/mailbox/packages", mailbox, self.stream_epoch.get())
    }

    fn last_resort_of(&self, mailbox: &MailboxId) -> frame_log::MailboxId {
        self.name("kith/v1/node/mailbox/last-resort", mailbox, self.stream_epoch.get())
    }

    fn name(&self, label: &'static str, mailbox: &MailboxId, life: u64) -> frame_log::MailboxId {
        let digest = Hasher::new(label).fixed(mailbox.as_bytes()).u64(life).finish();
        frame_log::MailboxId::new(mac(&self.secret, &digest))
    }

    fn count(&self, mailbox: &MailboxId, change: impl FnOnce(&mut MailboxStatus)) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.0.len() >= COUNTS && !counts.0.contains_key(mailbox) {
            counts.0.clear();
        }
        let now = Instant::now();
        let (status, since) = counts.0.entry(*mailbox).or_insert((EMPTY, now));
        if !self.counts_still(*since) {
            *status = EMPTY;
        }
        *since = now;
        change(status);
    }
}

impl std::fmt::Debug for KeyPackages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyPackages")
    }
}

fn most() -> u32 {
    u32::try_from(MAX_PACKAGES).unwrap_or(u32::MAX)
}
