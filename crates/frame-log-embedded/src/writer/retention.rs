//! Dropping bytes and snapshots, a bounded step at a time.

use frame_log::{Keep, Pruned, WriteError};
use protocol::{GroupId, Seq};

use super::transaction::Transaction;
use crate::{
    error::Damage,
    keys,
    values::{self, Horizons},
};

/// Records one step looks at.
const STEP: usize = 128;

/// What a step of pruning did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PruneStep {
    pub(crate) pruned: Pruned,
    pub(crate) finished: bool,
}

/// What a step of dropping snapshots did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DropStep {
    pub(crate) dropped: u64,
    pub(crate) finished: bool,
}

impl Transaction<'_> {
    /// Prunes the next records that have not been pruned as thoroughly; progress is kept with the group.
    pub(super) fn prune(
        &mut self,
        group: &GroupId,
        before: Seq,
        keep: Keep,
    ) -> Result<PruneStep, WriteError> {
        let before = before.min(self.next(group)?).get();
        let key = keys::pruned(group);
        let mut horizons =
            self.get(&key)?.map_or_else(|| Ok(Horizons::default()), |h| Horizons::decode(&h))?;
        let from = match keep {
            Keep::Operations => horizons.messages,
            Keep::Nothing => horizons.operations,
        };
        let to = before.min(from.saturating_add(STEP as u64));
        let mut records = 0;
        for (at, entry) in (from..to).zip(self.scan(
            keys::record(group, Seq::new(from)),
            keys::record(group, Seq::new(to)),
            STEP,
        )?) {
            let (key, body) = entry;
            if keys::trailing_number(&key) != Some(at) {
                return Err(Damage::of(*group, Seq::new(at)).into());
            }
            if let Some(pruned) = values::prune_record(&body, keep == Keep::Operations)? {
                self.put(key, pruned);
                records += 1;
            }
        }
        if from < to {
            horizons.messages = horizons.messages.max(to);
            if keep == Keep::Nothing {
                horizons.operations = to;
            }
            self.put(key, horizons.encode());
        }
        Ok(PruneStep { pruned: Pruned { records, horizon: horizons.held() }, finished: to >= before })
    }

    pub(super) fn drop_snapshots(&mut self, group: &GroupId, before: Seq) -> Result<DropStep, WriteError> {
        // The newest one stays, so one more is looked at: the last of these is only dropped if another follows.
        let prefix = keys::snapshots(group);
        let end = keys::end_of(&prefix);
        // One at a time, for one may have 64 MiB.
        let found = self.scan(prefix, end, 2)?;
        let mut dropped = 0;
        for pair in found.windows(2) {
            let [(key, _), _] = pair else { continue };
            if keys::trailing_number(key).ok_or(Damage::UNKNOWN)? < before.get() {
                self.remove(key.clone());
                dropped += 1;
            }
        }
        Ok(DropStep { dropped, finished: dropped == 0 })
    }
}
