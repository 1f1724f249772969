//! Appending: one look, one insert.

use frame_log::{AppendError, MAX_RECORD, ReadError, Record};
use futures_util::TryStreamExt as _;
use mongodb::{
    bson::{RawDocumentBuf, doc},
    options::{Hint, ReadConcern},
};
use protocol::{FrameId, GroupId, Seq};

use crate::{
    MongoFrameLog,
    committed::{Known, Patience},
    document::{binary, decode_known, encode, position},
    error::Fault,
    schema::BY_FRAME_ID,
};

/// What the look before an insert found.
enum Look {
    /// The record before is there and the id is not.
    Clear,
    /// The id is there.
    Known,
    /// A record that was committed is not there.
    Lost,
}

impl MongoFrameLog {
    pub(crate) async fn append_one(
        &self,
        group: &GroupId,
        expected: Seq,
        record: Record,
    ) -> Result<Seq, AppendError> {
        let len = record.frame.len();
        if len > MAX_RECORD {
            return Err(AppendError::TooLarge { len, max: MAX_RECORD });
        }
        let before = expected.get().checked_sub(1).map(Seq::new);
        let mut known = self.committed.known(group);
        if known.map(|known| known.seq) < before {
            known = self.newest(group).await.map_err(refused)?;
        }
        let (Some(at), true) = (position(expected), known.map(|known| known.seq) == before) else {
            return Err(self.refusal(group, &record.frame_id, None).await);
        };
        // From here on `known` is known to be committed: only now does a look for the id see all that could hold it.
        let look = match known {
            Some(known) => self.look(group, known, &record.frame_id).await?,
            None => Look::Clear,
        };
        match look {
            Look::Clear => {}
            Look::Known => return Err(self.refusal(group, &record.frame_id, None).await),
            Look::Lost => {
                tracing::error!(%group, seq = at, "the record before is gone; was the database restored?");
                return Err(AppendError::Unavailable);
            }
        }
        let document =
            RawDocumentBuf::try_from(&encode(group, at, &record)).map_err(|_| AppendError::Unavailable)?;
        match self.ask(self.frames().insert_one(document).into_future()).await {
            Ok(_) => {
                self.committed.note(group, Known { seq: expected, id: record.frame_id });
                Ok(expected)
            }
            Err(Fault::Taken) => Err(self.refusal(group, &record.frame_id, Some(expected)).await),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Looks for an id and for the record before the one to be written, in the primary's own latest state: what a
    /// majority has, and what may yet come of it. Both by their ids, which are two places of one index.
    async fn look(&self, group: &GroupId, before: Known, frame_id: &FrameId) -> Result<Look, Fault> {
        let ids = [binary(frame_id.as_bytes()), binary(before.id.as_bytes())];
        let either = doc! { "_id.g": binary(group.as_bytes()), "i": { "$in": ids } };
        let found: Vec<RawDocumentBuf> = self
            .ask(async {
                let find = self.frames().find(either).projection(doc! { "i": 1 });
                find.hint(Hint::Name(BY_FRAME_ID.into()))
                    .read_concern(ReadConcern::local())
                    .await?
                    .try_collect()
                    .await
            })
            .await?;
        let found: Vec<_> = found.iter().filter_map(|d| decode_known(d).ok()).collect();
        Ok(if found.iter().any(|(_, id)| id == frame_id) {
            Look::Known
        } else if found.contains(&(before.seq, before.id)) {
            Look::Clear
        } else {
            Look::Lost
        })
    }

    /// Why a record was not inserted: its id is there, or its position is not next.
    ///
    /// `taken` is a position somebody was seen to hold. Their insert may still be on its way to a majority, and may not
    /// be spoken of before it is there.
    async fn refusal(&self, group: &GroupId, frame_id: &FrameId, taken: Option<Seq>) -> AppendError {
        let mut patience = Patience::new(self.operation_timeout);
        let head = loop {
            match self.last(group).await {
                Ok(head) if head >= taken => break head,
                Ok(_) => {}
                Err(error) => return refused(error),
            }
            if let Err(fault) = patience.again().await {
                return fault.into();
            }
        };
        match self.locate(group, frame_id).await {
            Ok(Some((seq, th))) => AppendError::Duplicate { seq, th },
            Ok(None) => match head.map_or(Some(Seq::ZERO), Seq::next) {
                Some(next) => AppendError::Conflict { next },
                None => AppendError::Damaged,
            },
            Err(error) => refused(error),
        }
    }
}

/// A read that failed on the way to a refusal. Nothing was written by then, but saying less is safe.
fn refused(error: ReadError) -> AppendError {
    if matches!(error, ReadError::Damaged { .. }) { AppendError::Damaged } else { AppendError::Unavailable }
}
