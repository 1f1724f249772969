//! Putting packages into mailboxes, and taking each out once.

use bytes::Bytes;
use frame_log::{
    Claimed, MAX_PACKAGE, MAX_PACKAGE_TTL, MAX_PACKAGES, MailboxError, MailboxId, NewPackage, Put,
};
use protocol::UnixSeconds;
use sha2::{Digest as _, Sha256};

use super::transaction::Transaction;
use crate::{
    error::Damage,
    keys::{self, Digest, Key},
    values::{self, Place, StoredPackage},
};

/// Packages one sweep removes at most.
const MAX_SWEEP: usize = 1_024;

impl Transaction<'_> {
    pub(super) fn put_package(
        &mut self,
        mailbox: &MailboxId,
        package: &NewPackage,
        now: UnixSeconds,
    ) -> Result<Put, MailboxError> {
        let NewPackage { bytes, last_resort, expires } = package;
        if bytes.len() > MAX_PACKAGE {
            return Err(MailboxError::TooLarge { len: bytes.len(), max: MAX_PACKAGE });
        }
        if *expires <= now {
            return Err(MailboxError::Expired);
        }
        let expires = (*expires).min(now.saturating_add(MAX_PACKAGE_TTL));
        let digest: Digest = Sha256::digest(bytes).into();
        let known = keys::known_package(mailbox, &digest);
        if let Some(until) = self.get(&known)? {
            let until = UnixSeconds::new(values::decode_number(&until)?);
            if until > now {
                return Ok(Put::AlreadyKnown);
            }
            // Seen before, and expired since: what is left of it goes, lest its expiry take the new one along.
            self.forget(mailbox, until, &digest)?;
        }
        let (place, key) = if *last_resort {
            (Place::LastResort, keys::last_resort(mailbox))
        } else {
            let (one_time, last_order) = self.one_time(mailbox, now)?;
            if one_time.len() >= MAX_PACKAGES {
                return Err(MailboxError::Full);
            }
            let order = last_order.map_or(Some(0), |last| last.checked_add(1)).ok_or(Damage::UNKNOWN)?;
            (Place::OneTime(order), keys::package(mailbox, order))
        };
        self.put(key, StoredPackage { expires, digest, bytes }.encode());
        self.put(known, values::encode_number(expires.get()));
        self.put(keys::expiry(expires, mailbox, &digest), place.encode());
        Ok(Put::Stored)
    }

    pub(super) fn claim(
        &mut self,
        mailbox: &MailboxId,
        now: UnixSeconds,
    ) -> Result<Option<Claimed>, MailboxError> {
        let (one_time, _) = self.one_time(mailbox, now)?;
        if let Some((key, body)) = one_time.first() {
            let package = Bytes::copy_from_slice(StoredPackage::decode(body)?.bytes);
            self.remove(key.clone());
            let remaining = u32::try_from(one_time.len() - 1).unwrap_or(u32::MAX);
            return Ok(Some(Claimed { package, last_resort: false, remaining }));
        }
        let Some(body) = self.get(&keys::last_resort(mailbox))? else { return Ok(None) };
        let package = StoredPackage::decode(&body)?;
        Ok((package.expires > now).then(|| Claimed {
            package: Bytes::copy_from_slice(package.bytes),
            last_resort: true,
            remaining: 0,
        }))
    }

    pub(super) fn remove_expired(&mut self, now: UnixSeconds, limit: usize) -> Result<usize, MailboxError> {
        let expired = self.scan(keys::expiries(), keys::expiries_after(now), limit.min(MAX_SWEEP))?;
        for (key, _) in &expired {
            let (at, mailbox, digest) = keys::parse_expiry(key).ok_or(Damage::UNKNOWN)?;
            self.forget(&mailbox, at, &digest)?;
        }
        Ok(expired.len())
    }

    /// One-time packages that have not expired, oldest first, and the highest order in use. Expired ones go.
    #[expect(clippy::type_complexity, reason = "entries as `scan` gives them, and a number")]
    fn one_time(
        &mut self,
        mailbox: &MailboxId,
        now: UnixSeconds,
    ) -> Result<(Vec<(Key, Vec<u8>)>, Option<u64>), Damage> {
        let prefix = keys::packages(mailbox);
        let end = keys::end_of(&prefix);
        let all = self.scan(prefix, end, MAX_PACKAGES + 1)?;
        let last_order =
            all.last().map(|(key, _)| keys::trailing_number(key).ok_or(Damage::UNKNOWN)).transpose()?;
        let mut valid = Vec::with_capacity(all.len());
        for (key, body) in all {
            let StoredPackage { expires, digest, .. } = StoredPackage::decode(&body)?;
            if expires > now {
                valid.push((key, body));
            } else {
                self.forget(mailbox, expires, &digest)?;
            }
        }
        Ok((valid, last_order))
    }

    /// Removes what is left of an expired package: itself if it is still there, and every trace of it.
    fn forget(&mut self, mailbox: &MailboxId, expired: UnixSeconds, digest: &Digest) -> Result<(), Damage> {
        let expiry = keys::expiry(expired, mailbox, digest);
        let Some(place) = self.get(&expiry)? else { return Ok(()) };
        let key = match Place::decode(&place)? {
            Place::OneTime(order) => keys::package(mailbox, order),
            Place::LastResort => keys::last_resort(mailbox),
        };
        // The place may hold another package by now.
        let there = match self.get(&key)? {
            Some(body) => StoredPackage::decode(&body)?.digest == *digest,
            None => false,
        };
        if there {
            self.remove(key);
        }
        self.remove(keys::known_package(mailbox, digest));
        self.remove(expiry);
        Ok(())
    }
}
