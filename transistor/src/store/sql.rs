//! Records of drops in tables, the same for every database.

mod error;
mod link;
mod records;
mod row;

use drop_state::{Answer, BodyId, Command, DropId, Millis, Refusal, TokenHash, View, Write, apply};

pub(super) use error::{from_database, lost_a_race};
pub(super) use link::{Link, SqlError, Value};

use self::records::Erased;
use super::{Applied, BodyKey, Copy, Parts, Payload, Segment, StoreId, Usage};

/// One drop changed, within the transaction that the link is in.
pub(super) async fn change(
    link: &mut Link<'_>,
    id: &DropId,
    command: &Command,
    payload: &Payload,
    now: Millis,
) -> Result<Applied, SqlError> {
    let stored = records::select(link, id).await?;
    let step = apply(stored.as_ref(), command, now);
    let mut bytes = None;
    if let Ok(Answer::Given(given)) = &step.answer
        && given.inline
    {
        bytes = Some(records::bytes(link, &given.body).await?);
    }
    let mut erased = Erased::default();
    match (&step.write, &stored) {
        (Write::Keep, _) => {}
        (Write::Put(record), _) => {
            records::update(link, id, record).await?;
            if let (Payload::Segment(segment), Ok(_)) = (payload, &step.answer) {
                records::insert_segment(link, &record.body, segment).await?;
            }
        }
        (Write::Insert(record) | Write::Replace(record), stored) => {
            if let Some(stored) = stored {
                erased = records::erase(link, id, stored).await?;
            }
            records::insert_body(link, record, payload).await?;
            records::insert(link, id, record).await?;
        }
        (Write::Erase, Some(stored)) => erased = records::erase(link, id, stored).await?,
        (Write::Erase, None) => {}
    }
    Ok(Applied { answer: step.answer, bytes, to_erase: erased.outside })
}

/// Copies made, within the transaction that the link is in. Refused, the transaction must be rolled back.
pub(super) async fn share(
    link: &mut Link<'_>,
    of: &DropId,
    deleter: &TokenHash,
    copies: &[Copy],
    now: Millis,
) -> Result<Result<View, Refusal>, SqlError> {
    let settled = change(link, of, &Command::Settle, &Payload::None, now).await?;
    debug_assert!(settled.answer.is_ok(), "time is never refused");
    let Some(original) = records::select(link, of).await? else { return Ok(Err(Refusal::Gone)) };
    let Some(view) = original.shareable(deleter) else { return Ok(Err(Refusal::Gone)) };
    let mut made = 0;
    for copy in copies {
        let settled = change(link, &copy.id, &Command::Settle, &Payload::None, now).await?;
        debug_assert!(settled.answer.is_ok(), "time is never refused");
        match records::select(link, &copy.id).await? {
            Some(there) if there.body == original.body => continue,
            Some(_) => return Ok(Err(Refusal::Exists)),
            None => {}
        }
        let record = original.copy(copy.info.clone(), copy.access, copy.unlock);
        records::insert(link, &copy.id, &record).await?;
        made += 1;
    }
    if made > 0 {
        let values = [Value::Int(made), Value::bytes(original.body.as_bytes())];
        link.execute("UPDATE bodies SET refs = refs + $1 WHERE id = $2", &values).await?;
    }
    Ok(Ok(view))
}

pub(super) async fn by_upload(link: &mut Link<'_>, upload: &TokenHash) -> Result<Option<DropId>, SqlError> {
    let sql = "SELECT id FROM drops WHERE upload = $1";
    let rows = link.rows(sql, &[Value::bytes(upload.as_bytes())]).await?;
    rows.first().map(|row| row.drop_id(0)).transpose()
}

pub(super) async fn parts(link: &mut Link<'_>, body: &BodyId) -> Result<Option<Parts>, SqlError> {
    let id = [Value::bytes(body.as_bytes())];
    let keys = link.rows("SELECT key FROM bodies WHERE id = $1 AND key IS NOT NULL", &id).await?;
    let Some(key) = keys.first() else { return Ok(None) };
    let key = BodyKey::from_bytes(key.array(0)?);
    let sql = "SELECT start, len, name FROM segments WHERE body = $1 ORDER BY start";
    let mut segments = Vec::new();
    let mut end = 0;
    for row in link.rows(sql, &id).await? {
        let segment = Segment { start: row.count(0)?, len: row.count(1)?, name: row.array(2)? };
        if segment.start != end {
            return Err(SqlError::Damaged("segments do not follow each other"));
        }
        end = segment.start.saturating_add(segment.len);
        segments.push(segment);
    }
    Ok(Some(Parts { key, segments }))
}

pub(super) async fn due(link: &mut Link<'_>, now: Millis, limit: u32) -> Result<Vec<DropId>, SqlError> {
    let sql = "SELECT id FROM drops WHERE due <= $1 ORDER BY due LIMIT $2";
    let values = [Value::count(now.get())?, Value::Int(i64::from(limit))];
    link.rows(sql, &values).await?.iter().map(|row| row.drop_id(0)).collect()
}

pub(super) async fn to_erase(link: &mut Link<'_>, limit: u32) -> Result<Vec<BodyId>, SqlError> {
    let rows = link.rows("SELECT body FROM to_erase LIMIT $1", &[Value::Int(i64::from(limit))]).await?;
    rows.iter().map(|row| row.array(0).map(BodyId::from_bytes)).collect()
}

pub(super) async fn erased(link: &mut Link<'_>, body: &BodyId) -> Result<(), SqlError> {
    link.execute("DELETE FROM to_erase WHERE body = $1", &[Value::bytes(body.as_bytes())]).await?;
    Ok(())
}

pub(super) async fn unknown(link: &mut Link<'_>, bodies: &[BodyId]) -> Result<Vec<BodyId>, SqlError> {
    let sql = "SELECT 1 FROM bodies WHERE id = $1 UNION ALL SELECT 1 FROM to_erase WHERE body = $1";
    let mut unknown = Vec::new();
    for body in bodies {
        if link.rows(sql, &[Value::bytes(body.as_bytes())]).await?.is_empty() {
            unknown.push(*body);
        }
    }
    Ok(unknown)
}

pub(super) async fn usage(link: &mut Link<'_>) -> Result<Usage, SqlError> {
    let sql = "SELECT (SELECT COUNT(*) FROM drops), (SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM bodies), \
               (SELECT COUNT(*) FROM to_erase)";
    let rows = link.rows(sql, &[]).await?;
    let row = rows.first().ok_or(SqlError::Damaged("no answer to a count"))?;
    Ok(Usage { drops: row.count(0)?, bytes: row.count(1)?, to_erase: row.count(2)? })
}

/// Erases every drop; how many there were.
pub(super) async fn discard(link: &mut Link<'_>) -> Result<u64, SqlError> {
    let drops = link.execute("DELETE FROM drops", &[]).await?;
    let keep = "INSERT INTO to_erase (body) SELECT id FROM bodies WHERE key IS NOT NULL";
    link.execute(keep, &[]).await?;
    link.execute("DELETE FROM segments", &[]).await?;
    link.execute("DELETE FROM bodies", &[]).await?;
    Ok(drops)
}

/// The store's name, chosen now if there is none yet.
pub(super) async fn store_id(link: &mut Link<'_>) -> Result<StoreId, SqlError> {
    let chosen = crate::random::<16>().map_err(|_| SqlError::Damaged("the machine gives no randomness"))?;
    let sql = "INSERT INTO life (id, mark) VALUES (2, $1) ON CONFLICT (id) DO NOTHING";
    link.execute(sql, &[Value::bytes(&chosen)]).await?;
    let rows = link.rows("SELECT mark FROM life WHERE id = 2", &[]).await?;
    rows.first().ok_or(SqlError::Damaged("its name is missing"))?.array(0).map(StoreId)
}

/// The mark of the database's life, if one was ever written.
pub(super) async fn life(link: &mut Link<'_>) -> Result<Option<Vec<u8>>, SqlError> {
    let rows = link.rows("SELECT mark FROM life WHERE id = 1", &[]).await?;
    rows.first().map(|row| row.bytes(0)).transpose()
}

pub(super) async fn set_life(link: &mut Link<'_>, mark: &[u8]) -> Result<(), SqlError> {
    let sql =
        "INSERT INTO life (id, mark) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET mark = excluded.mark";
    link.execute(sql, &[Value::Bytes(mark.to_vec())]).await?;
    Ok(())
}
