//! Reading: pages, heads, ids, groups.

use frame_log::{Limit, MAX_GROUPS, Page, ReadError, StoredRecord};
use futures_util::{TryStreamExt as _, future::try_join3};
use mongodb::{
    bson::{Document, doc},
    error::Error,
    options::{Hint, ReadConcern},
};
use protocol::{FrameHash, FrameId, GroupId, Seq};

use crate::{
    MongoFrameLog,
    committed::{Known, Patience},
    document::{BadDocument, binary, decode, decode_id, decode_known, decode_place, id, position},
    schema::BY_GROUP,
};

/// The index every collection has.
pub(crate) fn by_id() -> Hint {
    Hint::Name("_id_".into())
}

/// The records of a group from `from` up to and including `to`.
///
/// The group is named beside the range so that a router of a sharded cluster knows where to ask.
pub(crate) fn range(group: &GroupId, from: i64, to: i64) -> Document {
    doc! { "_id.g": binary(group.as_bytes()), "_id": { "$gte": id(group, from), "$lte": id(group, to) } }
}

impl From<BadDocument> for ReadError {
    fn from(bad: BadDocument) -> Self {
        tracing::error!(group = ?bad.group, seq = ?bad.seq, what = bad.what, "a stored record cannot be read");
        Self::Damaged { group: bad.group, seq: bad.seq }
    }
}

/// A page in the making.
struct Filling {
    records: Vec<StoredRecord>,
    bytes: usize,
    next: Seq,
    /// Whether there is, or may be, more than the page holds.
    cut: bool,
    bad: Option<BadDocument>,
}

impl MongoFrameLog {
    pub(crate) async fn page(&self, group: &GroupId, from: Seq, limit: Limit) -> Result<Page, ReadError> {
        let mut patience = Patience::new(self.operation_timeout);
        loop {
            let known = self.committed.get(group);
            let (filling, head, mut horizon) =
                try_join3(self.fill(group, from, limit), self.last(group), self.horizon(group)).await?;
            let Filling { records, next, cut, .. } = filling;
            // The three answers are of three moments: see that there is one they could all be of.
            let head = match records.last().map(|r| r.seq) {
                // The records end here, so the group did then; unless that is less than was there before.
                Some(last) if !cut => (Some(last) >= known).then_some(Some(last)),
                Some(last) => Some(head.max(Some(last))),
                // Nothing at `from`, yet the head is there or beyond: it came in between, or the view is old.
                None => (head < Some(from)).then_some(head),
            };
            let Some(head) = head else {
                patience.again().await?;
                continue;
            };
            if let Some(last) = records.last() {
                self.confirm(group, Known { seq: last.seq, id: last.frame_id }).await?;
            }
            if let Some(pruned) = records.iter().rfind(|r| r.frame.is_none()).map(|r| r.seq) {
                // Retention moves the horizon before it takes bytes, so the horizon of now covers what was seen.
                if pruned >= horizon {
                    horizon = self.horizon(group).await?;
                }
                if pruned >= horizon {
                    let what = "a record above the horizon has lost its frame";
                    return Err(BadDocument { group: Some(*group), seq: Some(pruned), what }.into());
                }
            }
            return Ok(Page { records, next, head, horizon });
        }
    }

    /// Fetches what fits a page, in requests sized by how long the group's frames turn out to be.
    async fn fill(&self, group: &GroupId, from: Seq, limit: Limit) -> Result<Filling, ReadError> {
        let mut page = Filling { records: Vec::new(), bytes: 0, next: from, cut: false, bad: None };
        let mut usual = self.committed.usual_frame();
        while !page.cut {
            let Some(at) = position(page.next) else { break };
            let fit = limit.bytes().saturating_sub(page.bytes) / usual.max(1);
            let want = fit.max(4).min(limit.records() - page.records.len());
            let got = self.ask(self.take(group, at, want, limit, &mut page)).await?;
            if let Some(bad) = page.bad {
                return Err(bad.into());
            }
            if got < want {
                break;
            }
            page.cut |= page.records.len() >= limit.records();
            usual = page.bytes.checked_div(page.records.len()).unwrap_or(usual);
        }
        self.committed.saw_frames(page.records.len(), page.bytes);
        Ok(page)
    }

    /// Adds up to `want` records to a page and returns how many there were to add.
    async fn take(
        &self,
        group: &GroupId,
        at: i64,
        want: usize,
        limit: Limit,
        page: &mut Filling,
    ) -> Result<usize, Error> {
        let want_bson = i64::try_from(want).unwrap_or(i64::MAX);
        let find = self.frames().find(range(group, at, i64::MAX)).sort(doc! { "_id": 1 }).hint(by_id());
        let mut cursor = find.limit(want_bson).batch_size(u32::try_from(want).unwrap_or(u32::MAX)).await?;
        let mut got = 0;
        while cursor.advance().await? {
            got += 1;
            let record = match decode(cursor.current()) {
                Ok((_, record)) if record.seq == page.next => record,
                Ok((group, _)) => {
                    let what = "the record is missing, but a later one is there";
                    page.bad = Some(BadDocument { group: Some(group), seq: Some(page.next), what });
                    break;
                }
                Err(bad) => {
                    page.bad = Some(bad);
                    break;
                }
            };
            let len = record.frame.as_ref().map_or(0, bytes::Bytes::len);
            if !limit.admits(page.records.len(), page.bytes, len) {
                page.cut = true;
                break;
            }
            let Some(next) = page.next.next() else { break };
            page.bytes += len;
            page.next = next;
            page.records.push(record);
        }
        Ok(got)
    }

    /// The last position a majority has, and no less than this process has known a majority to have.
    pub(crate) async fn last(&self, group: &GroupId) -> Result<Option<Seq>, ReadError> {
        Ok(self.newest(group).await?.map(|newest| newest.seq))
    }

    /// The record there.
    pub(crate) async fn newest(&self, group: &GroupId) -> Result<Option<Known>, ReadError> {
        let mut patience = Patience::new(self.operation_timeout);
        loop {
            let known = self.committed.get(group);
            let find = self.frames().find_one(range(group, 0, i64::MAX)).sort(doc! { "_id": -1 });
            let found = self.ask(find.hint(by_id()).projection(doc! { "i": 1 }).into_future()).await?;
            let head = found.map(|d| decode_known(&d)).transpose()?.map(|(seq, id)| Known { seq, id });
            if head.map(|head| head.seq) >= known {
                if let Some(head) = head {
                    self.confirm(group, head).await?;
                }
                return Ok(head);
            }
            patience.again().await?;
        }
    }

    /// Where the record of an id is.
    ///
    /// Looked for in the primary's own latest state, where it is if it is anywhere, and told once a majority has it.
    pub(crate) async fn locate(
        &self,
        group: &GroupId,
        frame_id: &FrameId,
    ) -> Result<Option<(Seq, FrameHash)>, ReadError> {
        let mut patience = Patience::new(self.operation_timeout);
        loop {
            let wanted = doc! { "_id.g": binary(group.as_bytes()), "i": binary(frame_id.as_bytes()) };
            let find = self.frames().find_one(wanted).projection(doc! { "h": 1 });
            let Some(found) = self.ask(find.read_concern(ReadConcern::local()).into_future()).await? else {
                return Ok(None);
            };
            let (seq, th) = decode_place(&found)?;
            if self.committed.get(group) >= Some(seq) || self.last(group).await? >= Some(seq) {
                return Ok(Some((seq, th)));
            }
            patience.again().await?;
        }
    }

    /// Below which position retention has been.
    pub(crate) async fn horizon(&self, group: &GroupId) -> Result<Seq, ReadError> {
        let found = self.collections.retention.find_one(doc! { "_id": binary(group.as_bytes()) });
        let Some(found) = self.ask(found.into_future()).await? else { return Ok(Seq::ZERO) };
        let horizon = found.get_i64("z").ok().and_then(|z| u64::try_from(z).ok()).map(Seq::new);
        let bad = BadDocument { group: Some(*group), seq: None, what: "the horizon is no position" };
        Ok(horizon.ok_or(bad)?)
    }

    /// Groups by their first records, which an index of its own holds and nothing else.
    pub(crate) async fn list(
        &self,
        after: Option<&GroupId>,
        limit: usize,
    ) -> Result<Vec<GroupId>, ReadError> {
        let limit = i64::try_from(limit.clamp(1, MAX_GROUPS)).unwrap_or(1);
        // Binaries compare by length first: nothing but ids of groups lies between these two, whatever else is stored.
        let begin = match after {
            Some(after) => doc! { "$gt": binary(after.as_bytes()), "$lte": binary(&[0xff; GroupId::LEN]) },
            None => doc! { "$gte": binary(&[0; GroupId::LEN]), "$lte": binary(&[0xff; GroupId::LEN]) },
        };
        let first = doc! { "_id.s": 0_i64, "_id.g": begin };
        let find = self.frames().find(first).sort(doc! { "_id.g": 1 }).limit(limit).batch_size(1_024);
        let found: Vec<_> = self
            .ask(async {
                find.hint(Hint::Name(BY_GROUP.into()))
                    .projection(doc! { "_id": 1 })
                    .await?
                    .try_collect()
                    .await
            })
            .await?;
        let groups = found.iter().map(|d| decode_id(d).map(|(group, _)| group));
        Ok(groups.collect::<Result<_, _>>()?)
    }
}
