//! Retention: a document per group says how far it went, and goes ahead of it.
//!
//! | field of `retention` | what |
//! |---|---|
//! | `_id` | group |
//! | `z` | horizon: positions from here on have their frames |
//! | `m` | below this, messages are known to be pruned |
//! | `a` | below this, operations are, too |
//!
//! All three only ever grow, whoever writes them. A step first moves `z` to its end, then takes the frames, then moves
//! `m` or `a`; one that is broken off leaves a horizon that is true and work that the next call finds.

use frame_log::{Keep, Pruned, ReadError, WriteError};
use mongodb::bson::doc;
use protocol::{GroupId, Seq};

use crate::{
    MongoFrameLog,
    committed::Patience,
    document::{binary, position},
    error::Fault,
    read::{by_id, range},
};

/// Positions one step goes over.
const STEP: i64 = 512;

impl MongoFrameLog {
    pub(crate) async fn prune_group(
        &self,
        group: &GroupId,
        before: Seq,
        keep: Keep,
    ) -> Result<Pruned, WriteError> {
        let Some(head) = self.last(group).await.map_err(written)? else {
            return Ok(Pruned { records: 0, horizon: Seq::ZERO });
        };
        let end = head.next().map_or(head, |end| end.min(before));
        let (Some(end), done) = (position(end), self.pruned(group).await?) else {
            return Err(WriteError::Damaged);
        };
        let mut at = match keep {
            Keep::Operations => done.messages.max(done.operations),
            Keep::Nothing => done.operations,
        };
        let mut records = 0;
        while at < end {
            let to = at.saturating_add(STEP).min(end);
            self.mark(group, "z", to).await?;
            records += self.take_frames(group, at, to - 1, keep).await?;
            self.mark(group, if keep == Keep::Nothing { "a" } else { "m" }, to).await?;
            at = to;
        }
        let horizon = self.horizon(group).await.map_err(written)?;
        Ok(Pruned { records, horizon })
    }

    async fn take_frames(&self, group: &GroupId, from: i64, to: i64, keep: Keep) -> Result<u64, Fault> {
        let mut with_frame = range(group, from, to);
        with_frame.insert("f", doc! { "$exists": true });
        if keep == Keep::Operations {
            with_frame.insert("o", false);
        }
        let take = self.frames().update_many(with_frame, doc! { "$unset": { "f": "" } }).hint(by_id());
        Ok(self.ask(take.into_future()).await?.modified_count)
    }

    /// Moves one of the fields of `retention` forward, never back.
    async fn mark(&self, group: &GroupId, field: &str, to: i64) -> Result<(), Fault> {
        let mut patience = Patience::new(self.operation_timeout);
        loop {
            let which = doc! { "_id": binary(group.as_bytes()) };
            let update =
                self.collections.retention.update_one(which, doc! { "$max": { field: to } }).upsert(true);
            match self.ask(update.into_future()).await {
                // Another call made the document between the look and the insert of the same upsert.
                Err(Fault::Taken) => patience.again().await?,
                outcome => return outcome.map(drop),
            }
        }
    }

    async fn pruned(&self, group: &GroupId) -> Result<Done, Fault> {
        let found = self.collections.retention.find_one(doc! { "_id": binary(group.as_bytes()) });
        let found = self.ask(found.into_future()).await?.unwrap_or_default();
        let mark = |field| found.get_i64(field).unwrap_or(0).max(0);
        Ok(Done { messages: mark("m"), operations: mark("a") })
    }
}

/// How far earlier calls have got.
struct Done {
    messages: i64,
    operations: i64,
}

/// A read that failed on the way to a write.
pub(crate) fn written(error: ReadError) -> WriteError {
    if matches!(error, ReadError::Damaged { .. }) { WriteError::Damaged } else { WriteError::Unavailable }
}
