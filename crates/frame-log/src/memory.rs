//! A log in memory: the contract without the disk, for tests and simulations.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use protocol::{FrameHash, FrameId, GroupId, Seq, UnixSeconds};
use tokio::sync::watch;

use crate::{
    AppendError, Claimed, Cursor, FollowStream, Followed, FrameLog, Keep, Limit, MAX_GROUPS, MAX_META_VALUE,
    MAX_PACKAGE, MAX_PACKAGE_TTL, MAX_PACKAGES, MAX_RECORD, MAX_SNAPSHOT, MailboxError, MailboxId, Mailboxes,
    Meta, MetaKey, MetaValue, NewPackage, Page, Pruned, Put, ReadError, Record, Replaced, StoredRecord,
    TotalOrder, WriteError,
};

/// Everything in one map behind one lock; a clone is another handle to the same log.
///
/// "Durable" means here: as long as a handle lives.
#[derive(Clone, Debug)]
pub struct MemoryLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Records in the log; followers wait for it to grow.
    count: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    groups: HashMap<GroupId, Group>,
    /// Append order over all groups.
    order: Vec<(GroupId, usize)>,
    mailboxes: HashMap<MailboxId, Mailbox>,
    meta: HashMap<MetaKey, MetaValue>,
}

#[derive(Debug, Default)]
struct Group {
    records: Vec<StoredRecord>,
    ids: HashMap<FrameId, usize>,
    snapshots: BTreeMap<Seq, Bytes>,
    horizon: usize,
}

#[derive(Debug, Default)]
struct Mailbox {
    /// In order of arrival.
    one_time: Vec<NewPackage>,
    last_resort: Option<NewPackage>,
    /// Every package that may not be stored again, until it expires.
    known: HashMap<Bytes, UnixSeconds>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Shared { state: Mutex::default(), count: watch::Sender::new(0) }))
    }

    /// The lock is never held across an await, and no code under it leaves the state half changed if it panics.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn followed(&self, from: Cursor) -> Option<Followed> {
        let state = self.state();
        let (group, at) = *state.order.get(index(from.get()))?;
        let record = state.groups.get(&group)?.records.get(at)?.clone();
        Some(Followed { after: Cursor::new(from.get() + 1), group, record })
    }
}

/// Positions beyond the address space are positions beyond the end of any vector.
fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn seq(n: usize) -> Seq {
    Seq::new(n as u64)
}

impl Group {
    fn head(&self) -> Option<Seq> {
        self.records.last().map(|r| r.seq)
    }
}

#[async_trait]
impl FrameLog for MemoryLog {
    async fn append(&self, group: &GroupId, expected: Seq, record: Record) -> Result<Seq, AppendError> {
        let len = record.frame.len();
        if len > MAX_RECORD {
            return Err(AppendError::TooLarge { len, max: MAX_RECORD });
        }
        let mut state = self.state();
        let entry = state.groups.entry(*group).or_default();
        if let Some(there) = entry.ids.get(&record.frame_id).and_then(|&at| entry.records.get(at)) {
            return Err(AppendError::Duplicate { seq: there.seq, th: there.th });
        }
        let at = entry.records.len();
        if expected != seq(at) {
            return Err(AppendError::Conflict { next: seq(at) });
        }
        entry.ids.insert(record.frame_id, at);
        entry.records.push(StoredRecord::new(expected, record));
        state.order.push((*group, at));
        let count = state.order.len() as u64;
        drop(state);
        // Two appends may get here in either order; the count only ever grows.
        self.0.count.send_if_modified(|seen| {
            let grew = count > *seen;
            *seen = count.max(*seen);
            grew
        });
        Ok(expected)
    }

    async fn read(&self, group: &GroupId, from: Seq, limit: Limit) -> Result<Page, ReadError> {
        let state = self.state();
        let Some(entry) = state.groups.get(group) else {
            return Ok(Page { records: Vec::new(), next: from, head: None, horizon: Seq::ZERO });
        };
        let mut bytes = 0;
        let mut records = Vec::new();
        for record in entry.records.iter().skip(index(from.get())) {
            let next = record.frame.as_ref().map_or(0, Bytes::len);
            if !limit.admits(records.len(), bytes, next) {
                break;
            }
            bytes += next;
            records.push(record.clone());
        }
        let next = records.last().and_then(|r| r.seq.next()).unwrap_or(from);
        Ok(Page { records, next, head: entry.head(), horizon: seq(entry.horizon) })
    }

    async fn head(&self, group: &GroupId) -> Result<Option<Seq>, ReadError> {
        Ok(self.state().groups.get(group).and_then(Group::head))
    }

    async fn find(&self, group: &GroupId, id: &FrameId) -> Result<Option<(Seq, FrameHash)>, ReadError> {
        let state = self.state();
        let Some(entry) = state.groups.get(group) else { return Ok(None) };
        Ok(entry.ids.get(id).and_then(|&at| entry.records.get(at)).map(|r| (r.seq, r.th)))
    }

    async fn put_snapshot(&self, group: &GroupId, at: Seq, bytes: Bytes) -> Result<(), WriteError> {
        if bytes.len() > MAX_SNAPSHOT {
            return Err(WriteError::TooLarge { len: bytes.len(), max: MAX_SNAPSHOT });
        }
        let mut state = self.state();
        match state.groups.get_mut(group) {
            Some(entry) if entry.head() >= Some(at) => {
                entry.snapshots.insert(at, bytes);
                Ok(())
            }
            _ => Err(WriteError::BeyondHead),
        }
    }

    async fn snapshot(
        &self,
        group: &GroupId,
        at_most: Option<Seq>,
    ) -> Result<Option<(Seq, Bytes)>, ReadError> {
        let state = self.state();
        let Some(entry) = state.groups.get(group) else { return Ok(None) };
        let newest = entry.snapshots.range(..=at_most.unwrap_or(Seq::new(u64::MAX))).next_back();
        Ok(newest.map(|(at, bytes)| (*at, bytes.clone())))
    }

    async fn drop_snapshots(&self, group: &GroupId, before: Seq) -> Result<u64, WriteError> {
        let mut state = self.state();
        let Some(entry) = state.groups.get_mut(group) else { return Ok(0) };
        let newest = entry.snapshots.last_key_value().map(|(at, _)| *at);
        let had = entry.snapshots.len();
        entry.snapshots.retain(|at, _| *at >= before || Some(*at) == newest);
        Ok((had - entry.snapshots.len()) as u64)
    }

    async fn prune(&self, group: &GroupId, before: Seq, keep: Keep) -> Result<Pruned, WriteError> {
        let mut state = self.state();
        let Some(entry) = state.groups.get_mut(group) else {
            return Ok(Pruned { records: 0, horizon: Seq::ZERO });
        };
        let mut records = 0;
        for record in entry.records.iter_mut().take(index(before.get())) {
            let kept = record.is_operation && keep == Keep::Operations;
            if !kept && record.frame.take().is_some() {
                records += 1;
            }
        }
        entry.horizon = entry.horizon.max(index(before.get()).min(entry.records.len()));
        Ok(Pruned { records, horizon: seq(entry.horizon) })
    }

    async fn groups(&self, after: Option<&GroupId>, limit: usize) -> Result<Vec<GroupId>, ReadError> {
        let state = self.state();
        let mut ids: Vec<GroupId> = state
            .groups
            .iter()
            .filter(|(id, entry)| !entry.records.is_empty() && after.is_none_or(|after| *id > after))
            .map(|(id, _)| *id)
            .collect();
        ids.sort_unstable();
        ids.truncate(limit.clamp(1, MAX_GROUPS));
        Ok(ids)
    }
}

#[async_trait]
impl TotalOrder for MemoryLog {
    fn follow(&self, from: Cursor) -> FollowStream {
        let start = (self.clone(), from, self.0.count.subscribe());
        stream::unfold(start, |(log, from, mut count)| async move {
            loop {
                // Marked as seen before looking, so that a record taken in between wakes the wait below.
                count.borrow_and_update();
                if let Some(followed) = log.followed(from) {
                    let after = followed.after;
                    return Some((Ok(followed), (log, after, count)));
                }
                // `log` holds the sender, so this cannot fail.
                count.changed().await.ok()?;
            }
        })
        .boxed()
    }

    async fn tail(&self) -> Result<Cursor, ReadError> {
        Ok(Cursor::new(self.state().order.len() as u64))
    }
}

#[async_trait]
impl Mailboxes for MemoryLog {
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
        let package = NewPackage { expires, ..package };
        let mut state = self.state();
        let entry = state.mailboxes.entry(*mailbox).or_default();
        entry.remove_expired(now, usize::MAX);
        if entry.known.contains_key(&package.bytes) {
            return Ok(Put::AlreadyKnown);
        }
        if !package.last_resort && entry.one_time.len() >= MAX_PACKAGES {
            return Err(MailboxError::Full);
        }
        entry.known.insert(package.bytes.clone(), expires);
        if package.last_resort {
            entry.last_resort = Some(package);
        } else {
            entry.one_time.push(package);
        }
        Ok(Put::Stored)
    }

    async fn claim(&self, mailbox: &MailboxId, now: UnixSeconds) -> Result<Option<Claimed>, MailboxError> {
        let mut state = self.state();
        let Some(entry) = state.mailboxes.get_mut(mailbox) else { return Ok(None) };
        entry.remove_expired(now, usize::MAX);
        if entry.one_time.is_empty() {
            let package = entry.last_resort.as_ref().map(|p| p.bytes.clone());
            return Ok(package.map(|package| Claimed { package, last_resort: true, remaining: 0 }));
        }
        let package = entry.one_time.remove(0).bytes;
        let remaining = u32::try_from(entry.one_time.len()).unwrap_or(u32::MAX);
        Ok(Some(Claimed { package, last_resort: false, remaining }))
    }

    async fn remove_expired(&self, now: UnixSeconds, limit: usize) -> Result<usize, MailboxError> {
        let mut state = self.state();
        let mut removed = 0;
        for entry in state.mailboxes.values_mut() {
            removed += entry.remove_expired(now, limit - removed);
        }
        Ok(removed)
    }
}

impl Mailbox {
    /// Forgets up to `limit` packages that expired, claimed ones included, and returns how many.
    fn remove_expired(&mut self, now: UnixSeconds, limit: usize) -> usize {
        let expired: Vec<Bytes> = self
            .known
            .iter()
            .filter(|(_, at)| **at <= now)
            .take(limit)
            .map(|(bytes, _)| bytes.clone())
            .collect();
        for bytes in &expired {
            self.known.remove(bytes);
            self.one_time.retain(|p| p.bytes != *bytes);
            if self.last_resort.as_ref().is_some_and(|p| p.bytes == *bytes) {
                self.last_resort = None;
            }
        }
        expired.len()
    }
}

#[async_trait]
impl Meta for MemoryLog {
    async fn load(&self, key: MetaKey) -> Result<Option<MetaValue>, ReadError> {
        Ok(self.state().meta.get(&key).cloned())
    }

    async fn save(&self, key: MetaKey, value: MetaValue) -> Result<(), WriteError> {
        let len = value.as_bytes().len();
        if len > MAX_META_VALUE {
            return Err(WriteError::TooLarge { len, max: MAX_META_VALUE });
        }
        self.state().meta.insert(key, value);
        Ok(())
    }

    async fn replace(
        &self,
        key: MetaKey,
        expected: Option<MetaValue>,
        value: MetaValue,
    ) -> Result<Replaced, WriteError> {
        let len = value.as_bytes().len();
        if len > MAX_META_VALUE {
            return Err(WriteError::TooLarge { len, max: MAX_META_VALUE });
        }
        let mut state = self.state();
        let current = state.meta.get(&key).cloned();
        if current != expected {
            return Ok(Replaced::Differs(current));
        }
        state.meta.insert(key, value);
        Ok(Replaced::Done)
    }
}
