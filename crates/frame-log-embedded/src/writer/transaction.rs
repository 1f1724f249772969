//! What the requests of one commit see and change.

use std::collections::HashMap;

use frame_log::{MetaKey, MetaValue, Replaced, WriteError};
use protocol::{GroupId, Seq};

use super::heads::Heads;
use crate::{
    batch::Batch,
    error::Damage,
    keys::{self, Key},
    read,
    store::View,
};

/// The changes of one commit, and what is known once it succeeded.
pub(super) struct Staged {
    pub(super) batch: Batch,
    pub(super) heads: HashMap<GroupId, Seq>,
    pub(super) next_ordinal: u64,
}

/// A view with the commit's own changes on top.
pub(super) struct Transaction<'a> {
    view: &'a View,
    cached: &'a mut Heads,
    staged: Staged,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(view: &'a View, cached: &'a mut Heads, next_ordinal: u64) -> Self {
        let staged = Staged { batch: Batch::default(), heads: HashMap::new(), next_ordinal };
        Self { view, cached, staged }
    }

    pub(super) fn finish(self) -> Staged {
        self.staged
    }

    pub(super) fn bytes(&self) -> usize {
        self.staged.batch.bytes()
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Damage> {
        match self.staged.batch.get(key) {
            Some(changed) => Ok(changed.map(<[u8]>::to_vec)),
            None => Ok(self.view.get(key)?.map(|value| value.to_vec())),
        }
    }

    /// The first `limit` entries with keys from `from` on and below `to`.
    ///
    /// Every removal staged in the range can hide a stored entry, so that many more are read.
    pub(super) fn scan(&self, from: Key, to: Key, limit: usize) -> Result<Vec<(Key, Vec<u8>)>, Damage> {
        let batch = &self.staged.batch;
        let mut found: Vec<(Key, Vec<u8>)> = batch
            .range(from.clone(), to.clone())
            .filter_map(|(key, value)| value.map(|value| (key.to_vec(), value.to_vec())))
            .collect();
        let mut taken = 0;
        for entry in self.view.range(&from, &to) {
            if taken == limit {
                break;
            }
            let (key, value) = entry?;
            if batch.get(&key).is_none() {
                found.push((key, value.to_vec()));
                taken += 1;
            }
        }
        found.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        found.truncate(limit);
        Ok(found)
    }

    pub(super) fn put(&mut self, key: Key, value: Vec<u8>) {
        self.staged.batch.put(key, value);
    }

    /// Sets a value of the service if it is the expected one.
    pub(super) fn replace(
        &mut self,
        key: MetaKey,
        expected: Option<MetaValue>,
        value: MetaValue,
    ) -> Result<Replaced, WriteError> {
        let name = keys::meta(key);
        let current = self.get(&name).map_err(|_| WriteError::Damaged)?.map(MetaValue::new);
        if current != expected {
            return Ok(Replaced::Differs(current));
        }
        self.put(name, value.as_bytes().to_vec());
        Ok(Replaced::Done)
    }

    pub(super) fn remove(&mut self, key: Key) {
        self.staged.batch.remove(key);
    }

    /// The group's next position.
    pub(super) fn next(&mut self, group: &GroupId) -> Result<Seq, Damage> {
        if let Some(next) = self.staged.heads.get(group) {
            return Ok(*next);
        }
        if let Some(next) = self.cached.get(group) {
            return Ok(next);
        }
        let next = read::next(self.view, group)?;
        self.cached.insert(*group, next);
        Ok(next)
    }

    /// Stages a record's key and its place in the order over all groups, and moves the group's head past it.
    pub(super) fn push_record(
        &mut self,
        group: &GroupId,
        seq: Seq,
        after: Seq,
        record: Vec<u8>,
        place: Vec<u8>,
    ) {
        self.put(keys::record(group, seq), record);
        self.put(keys::order(self.staged.next_ordinal), place);
        self.staged.next_ordinal += 1;
        self.staged.heads.insert(*group, after);
    }
}
