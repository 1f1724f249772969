//! Key packages: one document of `packages` each, kept until it expires even when it was handed out.
//!
//! | field | what |
//! |---|---|
//! | `_id.m`, `_id.o` | mailbox, and the package's number in it |
//! | `d` | SHA-256 of the package |
//! | `b` | the package; absent once claimed or replaced |
//! | `w` | there and true while a one-time package waits to be claimed |
//! | `l` | there and true on the package of last resort |
//! | `x` | when it expires, in seconds by the caller's clock |
//! | `z` | a day after that by the server's clock, when the server deletes it if nobody did |
//!
//! Numbers are taken as positions of a log are: who inserts `o` has seen `o - 1` committed and looked at the mailbox after
//! that. So of two who put a package at once one takes the number and the other looks again, and neither the
//! bound nor the rule that the same bytes are taken once can be overrun together.

use async_trait::async_trait;
use bytes::Bytes;
use frame_log::{
    Claimed, MAX_PACKAGE, MAX_PACKAGE_TTL, MAX_PACKAGES, MailboxError, MailboxId, Mailboxes, NewPackage, Put,
};
use futures_util::TryStreamExt as _;
use mongodb::{
    bson::{Bson, Document, doc},
    options::{Hint, ReadConcern},
};
use protocol::UnixSeconds;
use sha2::{Digest as _, Sha256};

use crate::{
    MongoFrameLog,
    committed::Patience,
    document::binary,
    error::Fault,
    read::by_id,
    schema::{BY_DIGEST, BY_EXPIRY, LAST_RESORT, WAITING},
};

/// How long after its expiry the server deletes a package, in milliseconds: a day.
const GRACE: i64 = 24 * 3_600 * 1_000;
/// Packages swept away by one request.
const SWEEP: usize = 500;

fn mailbox_id(mailbox: &MailboxId) -> Bson {
    binary(mailbox.as_bytes())
}

fn number(mailbox: &MailboxId, o: i64) -> Document {
    doc! { "m": mailbox_id(mailbox), "o": o }
}

/// Seconds as they are stored; what does not fit is beyond any time that comes.
fn seconds(at: UnixSeconds) -> i64 {
    i64::try_from(at.get()).unwrap_or(i64::MAX)
}

/// The one-time packages a mailbox can hand out.
fn waiting(mailbox: &MailboxId, now: UnixSeconds) -> Document {
    doc! { "_id.m": mailbox_id(mailbox), "w": true, "x": { "$gt": seconds(now) } }
}

fn hint(index: &str) -> Hint {
    Hint::Name(index.into())
}

#[async_trait]
impl Mailboxes for MongoFrameLog {
    async fn put(
        &self,
        mailbox: &MailboxId,
        package: NewPackage,
        now: UnixSeconds,
    ) -> Result<Put, MailboxError> {
        let len = package.bytes.len();
        if len > MAX_PACKAGE {
            return Err(MailboxError::TooLarge { len, max: MAX_PACKAGE });
        }
        if package.expires <= now {
            return Err(MailboxError::Expired);
        }
        let expires = package.expires.min(now.saturating_add(MAX_PACKAGE_TTL));
        let digest = binary(&Sha256::digest(&package.bytes));
        let mut patience = Patience::new(self.operation_timeout);
        loop {
            // First how far the mailbox has got, then what is in it: whatever comes after takes another number.
            let last = self.last_number(mailbox).await?;
            if let Some(known) = self.known(mailbox, &digest, now).await? {
                if Some(known) > last {
                    patience.again().await?;
                    continue;
                }
                if package.last_resort {
                    self.demote(mailbox).await?;
                }
                return Ok(Put::AlreadyKnown);
            }
            if !package.last_resort && self.count(mailbox, now, ReadConcern::local()).await? >= MAX_PACKAGES {
                return Err(MailboxError::Full);
            }
            let next = last.map_or(0, |o| o.saturating_add(1));
            match self.insert(mailbox, next, &package, expires, now, &digest).await {
                Ok(()) => {}
                Err(Fault::Taken) => {
                    patience.again().await?;
                    continue;
                }
                Err(fault) => return Err(fault.into()),
            }
            if package.last_resort {
                self.demote(mailbox).await?;
            }
            return Ok(Put::Stored);
        }
    }

    async fn claim(&self, mailbox: &MailboxId, now: UnixSeconds) -> Result<Option<Claimed>, MailboxError> {
        let packages = &self.collections.packages;
        let take =
            packages.find_one_and_update(waiting(mailbox, now), doc! { "$unset": { "w": "", "b": "" } });
        let take = take.sort(doc! { "_id.o": 1 }).projection(doc! { "b": 1 }).hint(hint(WAITING));
        if let Some(taken) = self.ask(take.into_future()).await? {
            let package = bytes(&taken)?;
            let remaining = self.count(mailbox, now, ReadConcern::majority()).await?;
            let remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
            return Ok(Some(Claimed { package, last_resort: false, remaining }));
        }
        // The newest whatever its expiry: what it replaced does not come back when it is gone.
        let find = packages.find_one(doc! { "_id.m": mailbox_id(mailbox), "l": true });
        let find = find.sort(doc! { "_id.o": -1 }).hint(hint(LAST_RESORT));
        match self.ask(find.into_future()).await? {
            Some(found) if found.get_i64("x").is_ok_and(|x| x > seconds(now)) => {
                Ok(Some(Claimed { package: bytes(&found)?, last_resort: true, remaining: 0 }))
            }
            _ => Ok(None),
        }
    }

    async fn remove_expired(&self, now: UnixSeconds, limit: usize) -> Result<usize, MailboxError> {
        let expired = doc! { "x": { "$lte": seconds(now) } };
        let mut removed = 0;
        while removed < limit {
            let some = i64::try_from(SWEEP.min(limit - removed)).unwrap_or(1);
            let find = self.collections.packages.find(expired.clone()).limit(some).hint(hint(BY_EXPIRY));
            let found: Vec<Document> =
                self.ask(async { find.projection(doc! { "_id": 1 }).await?.try_collect().await }).await?;
            if found.is_empty() {
                break;
            }
            let ids: Vec<&Bson> = found.iter().filter_map(|d| d.get("_id")).collect();
            let mut which = expired.clone();
            which.insert("_id", doc! { "$in": ids });
            let delete = self.collections.packages.delete_many(which);
            let deleted = self.ask(delete.into_future()).await?.deleted_count;
            removed += usize::try_from(deleted).unwrap_or(usize::MAX);
        }
        Ok(removed)
    }
}

fn bytes(package: &Document) -> Result<Bytes, MailboxError> {
    package.get_binary_generic("b").map(|b| Bytes::from(b.clone())).map_err(|_| MailboxError::Damaged)
}

fn number_of(package: &Document) -> Result<i64, MailboxError> {
    package.get_document("_id").and_then(|id| id.get_i64("o")).map_err(|_| MailboxError::Damaged)
}

impl MongoFrameLog {
    /// The last number a majority has seen taken.
    async fn last_number(&self, mailbox: &MailboxId) -> Result<Option<i64>, MailboxError> {
        let all = doc! { "_id": { "$gte": number(mailbox, 0), "$lte": number(mailbox, i64::MAX) } };
        let find = self.collections.packages.find_one(all).sort(doc! { "_id": -1 }).hint(by_id());
        let found = self.ask(find.projection(doc! { "_id": 1 }).into_future()).await?;
        found.as_ref().map(number_of).transpose()
    }

    /// The number of the package of this digest, waiting or claimed.
    async fn known(
        &self,
        mailbox: &MailboxId,
        digest: &Bson,
        now: UnixSeconds,
    ) -> Result<Option<i64>, MailboxError> {
        let same = doc! { "_id.m": mailbox_id(mailbox), "d": digest, "x": { "$gt": seconds(now) } };
        let find = self.collections.packages.find_one(same).hint(hint(BY_DIGEST));
        let find = find.projection(doc! { "_id": 1 }).read_concern(ReadConcern::local());
        self.ask(find.into_future()).await?.as_ref().map(number_of).transpose()
    }

    /// One-time packages a mailbox can hand out, counted up to its bound.
    async fn count(&self, mailbox: &MailboxId, now: UnixSeconds, of: ReadConcern) -> Result<usize, Fault> {
        let count = self.collections.packages.count_documents(waiting(mailbox, now)).hint(hint(WAITING));
        let counted = self.ask(count.limit(MAX_PACKAGES as u64).read_concern(of).into_future()).await?;
        Ok(usize::try_from(counted).unwrap_or(usize::MAX))
    }

    /// Inserts a package under a number, unless that is taken.
    ///
    /// An update that inserts, since only there does the server put in its own time; it matches nothing, since
    /// every package has a digest, so a package that is there is never touched.
    async fn insert(
        &self,
        mailbox: &MailboxId,
        o: i64,
        package: &NewPackage,
        expires: UnixSeconds,
        now: UnixSeconds,
        digest: &Bson,
    ) -> Result<(), Fault> {
        let none = doc! { "_id": number(mailbox, o), "d": { "$exists": false } };
        let left = seconds(expires).saturating_sub(seconds(now)).saturating_mul(1_000);
        let kind = if package.last_resort { "l" } else { "w" };
        let whole = doc! { "$set": {
            "d": digest,
            "b": binary(&package.bytes),
            kind: true,
            "x": seconds(expires),
            "z": { "$add": ["$$NOW", left.saturating_add(GRACE)] },
        } };
        let update = self.collections.packages.update_one(none, vec![whole]).upsert(true);
        self.ask(update.into_future()).await.map(drop)
    }

    /// Leaves a mailbox one package of last resort, its newest.
    async fn demote(&self, mailbox: &MailboxId) -> Result<(), MailboxError> {
        let last_resorts = doc! { "_id.m": mailbox_id(mailbox), "l": true };
        let find = self.collections.packages.find_one(last_resorts.clone()).sort(doc! { "_id.o": -1 });
        let find = find.projection(doc! { "_id": 1 }).hint(hint(LAST_RESORT));
        let Some(newest) = self.ask(find.into_future()).await? else { return Ok(()) };
        let mut older = last_resorts;
        older.insert("_id.o", doc! { "$lt": number_of(&newest)? });
        let demote = self.collections.packages.update_many(older, doc! { "$unset": { "l": "", "b": "" } });
        self.ask(demote.hint(hint(LAST_RESORT)).into_future()).await?;
        Ok(())
    }
}
