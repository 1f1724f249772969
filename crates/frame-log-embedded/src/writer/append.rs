//! Appending records and keeping snapshots.

use frame_log::{AppendError, MAX_RECORD, MAX_SNAPSHOT, Record, WriteError};
use protocol::{GroupId, Seq};

use super::transaction::Transaction;
use crate::{error::Damage, keys, values};

impl Transaction<'_> {
    pub(super) fn append(
        &mut self,
        group: &GroupId,
        expected: Seq,
        record: &Record,
    ) -> Result<Seq, AppendError> {
        let len = record.frame.len();
        if len > MAX_RECORD {
            return Err(AppendError::TooLarge { len, max: MAX_RECORD });
        }
        let id = keys::frame_id(group, &record.frame_id);
        if let Some(found) = self.get(&id)? {
            let (seq, th) = values::decode_found(&found)?;
            return Err(AppendError::Duplicate { seq, th });
        }
        let next = self.next(group)?;
        if expected != next {
            return Err(AppendError::Conflict { next });
        }
        let after = next.next().ok_or_else(|| Damage::of(*group, next))?;
        self.put(id, values::encode_found(next, &record.th));
        let place = values::encode_place(group, next);
        self.push_record(group, next, after, values::encode_record(record), place);
        Ok(next)
    }

    pub(super) fn put_snapshot(&mut self, group: &GroupId, at: Seq, state: &[u8]) -> Result<(), WriteError> {
        if state.len() > MAX_SNAPSHOT {
            return Err(WriteError::TooLarge { len: state.len(), max: MAX_SNAPSHOT });
        }
        if at >= self.next(group)? {
            return Err(WriteError::BeyondHead);
        }
        self.put(keys::snapshot(group, at), state.to_vec());
        Ok(())
    }
}
