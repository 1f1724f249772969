//! Reading a view: pages, heads, ids, snapshots, the common order, and a check of everything.

use bytes::Bytes;
use frame_log::{Cursor, Followed, Limit, MetaKey, MetaValue, Page, StoredRecord};
use protocol::{FrameHash, FrameId, GroupId, Seq};

use crate::{
    VerifyError,
    error::Damage,
    keys,
    store::{Value, View},
    values::{self, Horizons},
};

/// The group's next position, and thereby its head.
pub(crate) fn next(view: &View, group: &GroupId) -> Result<Seq, Damage> {
    let prefix = keys::records(group);
    match view.prefix(&prefix).next_back() {
        None => Ok(Seq::ZERO),
        Some(last) => {
            let (_, seq) = keys::parse_record(&last?.0).ok_or(Damage::UNKNOWN)?;
            seq.next().ok_or_else(|| Damage::of(*group, seq))
        }
    }
}

pub(crate) fn head(view: &View, group: &GroupId) -> Result<Option<Seq>, Damage> {
    Ok(next(view, group)?.get().checked_sub(1).map(Seq::new))
}

pub(crate) fn page(view: &View, group: &GroupId, from: Seq, limit: Limit) -> Result<Page, Damage> {
    let next = next(view, group)?;
    let horizon = view
        .get(&keys::pruned(group))?
        .map_or_else(|| Ok(Horizons::default()), |h| Horizons::decode(&h))?
        .held();
    let mut records = Vec::new();
    let mut bytes = 0;
    let mut at = from;
    if from < next {
        let end = keys::end_of(&keys::records(group));
        for entry in view.range(&keys::record(group, from), &end) {
            let (key, value) =
                entry.map_err(|d| if d == Damage::UNKNOWN { Damage::of(*group, at) } else { d })?;
            let record = record(&key, &value, group, at)?;
            let len = record.frame.as_ref().map_or(0, Bytes::len);
            if !limit.admits(records.len(), bytes, len) {
                break;
            }
            bytes += len;
            at = at.next().ok_or_else(|| Damage::of(*group, at))?;
            records.push(record);
        }
        // Positions are dense: something has to be there.
        if records.is_empty() {
            return Err(Damage::of(*group, from));
        }
    }
    Ok(Page { records, next: at, head: next.get().checked_sub(1).map(Seq::new), horizon })
}

/// The record of an entry that has to be the one at `at`.
fn record(key: &[u8], value: &Value, group: &GroupId, at: Seq) -> Result<StoredRecord, Damage> {
    let damage = Damage::of(*group, at);
    match keys::parse_record(key) {
        Some((_, seq)) if seq == at => values::decode_record(at, value).ok_or(damage),
        _ => Err(damage),
    }
}

pub(crate) fn find(view: &View, group: &GroupId, id: &FrameId) -> Result<Option<(Seq, FrameHash)>, Damage> {
    view.get(&keys::frame_id(group, id))?.map(|found| values::decode_found(&found)).transpose()
}

pub(crate) fn snapshot(
    view: &View,
    group: &GroupId,
    at_most: Option<Seq>,
) -> Result<Option<(Seq, Bytes)>, Damage> {
    let prefix = keys::snapshots(group);
    let end = match at_most.and_then(Seq::next) {
        Some(after) => keys::snapshot(group, after),
        None => keys::end_of(&prefix),
    };
    let newest = view.range(&prefix, &end).next_back().transpose()?;
    newest
        .map(|(key, state)| {
            let at = keys::trailing_number(&key).ok_or(Damage::UNKNOWN)?;
            Ok((Seq::new(at), Bytes::copy_from_slice(&state)))
        })
        .transpose()
}

/// Records in the log, which is also the number of the next one.
pub(crate) fn tail(view: &View) -> Result<Cursor, Damage> {
    let last = view.prefix(&keys::orders()).next_back().transpose()?;
    let next = last
        .map(|(key, _)| keys::trailing_number(&key).and_then(|n| n.checked_add(1)).ok_or(Damage::UNKNOWN));
    Ok(Cursor::new(next.transpose()?.unwrap_or(0)))
}

/// Records after `from`, as many as fit the limit, none only if there is none.
pub(crate) fn follow(view: &View, from: Cursor, limit: Limit) -> Result<Vec<Followed>, Damage> {
    let end = keys::end_of(&keys::orders());
    let mut page = Vec::new();
    let mut bytes = 0;
    let mut at = from.get();
    for entry in view.range(&keys::order(at), &end) {
        let (key, place) = entry?;
        if keys::trailing_number(&key) != Some(at) {
            return Err(Damage::UNKNOWN);
        }
        let (group, seq) = values::decode_place(&place)?;
        let value = view.get(&keys::record(&group, seq))?.ok_or_else(|| Damage::of(group, seq))?;
        let record = values::decode_record(seq, &value).ok_or_else(|| Damage::of(group, seq))?;
        let len = record.frame.as_ref().map_or(0, Bytes::len);
        if !limit.admits(page.len(), bytes, len) {
            break;
        }
        bytes += len;
        at += 1;
        page.push(Followed { after: Cursor::new(at), group, record });
    }
    Ok(page)
}

/// Groups after `after` in the order of their ids; one look-up each, whatever they hold.
pub(crate) fn groups(view: &View, after: Option<GroupId>, limit: usize) -> Result<Vec<GroupId>, Damage> {
    let end = keys::end_of(&keys::all_records());
    let mut from = after.map_or_else(keys::all_records, |group| keys::end_of(&keys::records(&group)));
    let mut groups = Vec::new();
    while groups.len() < limit {
        let Some(first) = view.range(&from, &end).next().transpose()? else { break };
        let (group, _) = keys::parse_record(&first.0).ok_or(Damage::UNKNOWN)?;
        from = keys::end_of(&keys::records(&group));
        groups.push(group);
    }
    Ok(groups)
}

pub(crate) fn meta(view: &View, key: MetaKey) -> Result<Option<MetaValue>, Damage> {
    Ok(view.get(&keys::meta(key))?.map(|value| MetaValue::new(value.to_vec())))
}

/// What a full check found in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Verified {
    /// Groups with at least one record.
    pub groups: u64,
    /// Records, pruned ones included.
    pub records: u64,
    /// All stored values, records and their indexes, snapshots, packages.
    pub values: u64,
}

/// Reads every value, and for every record its place in the group, its id and its place in the common order.
pub(crate) fn verify(view: &View) -> Result<Verified, VerifyError> {
    let broken = |damage: Damage| match damage {
        Damage { group: Some(group), seq: Some(seq) } => VerifyError::Record { group, seq },
        _ => VerifyError::Damaged,
    };
    let mut verified = Verified::default();
    for entry in view.range(&[0], &[0xff]) {
        entry.map_err(broken)?;
        verified.values += 1;
    }
    let mut expected: Option<(GroupId, Seq)> = None;
    for entry in view.prefix(&keys::all_records()) {
        let (key, value) = entry.map_err(broken)?;
        let (group, seq) = keys::parse_record(&key).ok_or(VerifyError::Damaged)?;
        let at = match expected {
            Some((same, at)) if same == group => at,
            _ => {
                verified.groups += 1;
                Seq::ZERO
            }
        };
        let record = record(&key, &value, &group, at).map_err(broken)?;
        let found = find(view, &group, &record.frame_id).map_err(broken)?;
        if found != Some((seq, record.th)) {
            return Err(VerifyError::Record { group, seq });
        }
        verified.records += 1;
        expected = seq.next().map(|next| (group, next));
    }
    let mut ordinal = 0;
    for entry in view.prefix(&keys::orders()) {
        let (key, place) = entry.map_err(broken)?;
        let (group, seq) = values::decode_place(&place).map_err(broken)?;
        let there = view.get(&keys::record(&group, seq)).map_err(broken)?.is_some();
        if keys::trailing_number(&key) != Some(ordinal) || !there {
            return Err(VerifyError::Record { group, seq });
        }
        ordinal += 1;
    }
    if ordinal == verified.records { Ok(verified) } else { Err(VerifyError::Damaged) }
}
