//! Statements on one drop and its body.

use bytes::Bytes;
use drop_state::{BodyId, DropId, Record};

use super::{
    link::{Link, SqlError, Value},
    row,
};
use crate::store::{Payload, Segment};

const SELECT: &str = "SELECT body, size, inline, text, info, access, unlock, wrong, deleter, upload, expires, given, \
                      stage, whole, segments, holder, until, due FROM drops WHERE id = $1";
const SELECT_LOCKED: &str = "SELECT body, size, inline, text, info, access, unlock, wrong, deleter, upload, expires, \
                             given, stage, whole, segments, holder, until, due FROM drops WHERE id = $1 FOR UPDATE";
const INSERT: &str = "INSERT INTO drops (body, size, inline, text, info, access, unlock, wrong, deleter, upload, \
                      expires, given, stage, whole, segments, holder, until, due, id) VALUES ($1, $2, $3, $4, $5, $6, \
                      $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
const UPDATE: &str = "UPDATE drops SET body = $1, size = $2, inline = $3, text = $4, info = $5, access = $6, \
                      unlock = $7, wrong = $8, deleter = $9, upload = $10, expires = $11, given = $12, stage = $13, \
                      whole = $14, segments = $15, holder = $16, until = $17, due = $18 WHERE id = $19";

/// What an erasure leaves to be done.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Erased {
    /// A body outside the database has lost its last drop.
    pub(super) outside: bool,
}

pub(super) async fn select(link: &mut Link<'_>, id: &DropId) -> Result<Option<Record>, SqlError> {
    let sql = if link.locks_rows() { SELECT_LOCKED } else { SELECT };
    let rows = link.rows(sql, &[Value::bytes(id.as_bytes())]).await?;
    rows.first().map(row::record).transpose()
}

pub(super) async fn insert(link: &mut Link<'_>, id: &DropId, record: &Record) -> Result<(), SqlError> {
    write(link, INSERT, id, record).await
}

pub(super) async fn update(link: &mut Link<'_>, id: &DropId, record: &Record) -> Result<(), SqlError> {
    write(link, UPDATE, id, record).await
}

async fn write(link: &mut Link<'_>, sql: &'static str, id: &DropId, record: &Record) -> Result<(), SqlError> {
    let mut values = row::values(record)?.to_vec();
    values.push(Value::bytes(id.as_bytes()));
    if link.execute(sql, &values).await? == 1 { Ok(()) } else { Err(SqlError::Damaged("a drop is missing")) }
}

/// The body of a drop that is made.
pub(super) async fn insert_body(
    link: &mut Link<'_>,
    record: &Record,
    payload: &Payload,
) -> Result<(), SqlError> {
    let (key, bytes) = match payload {
        Payload::Inline(bytes) => (None, Some(bytes.to_vec())),
        Payload::Key(key) => (Some(key.expose().to_vec()), None),
        Payload::None | Payload::Segment(_) => return Err(SqlError::Damaged("a drop without a body")),
    };
    let sql = "INSERT INTO bodies (id, refs, size, key, bytes) VALUES ($1, 1, $2, $3, $4)";
    let values = [
        Value::bytes(record.body.as_bytes()),
        Value::count(record.size)?,
        Value::MaybeBytes(key),
        Value::MaybeBytes(bytes),
    ];
    link.execute(sql, &values).await?;
    Ok(())
}

pub(super) async fn insert_segment(
    link: &mut Link<'_>,
    body: &BodyId,
    segment: &Segment,
) -> Result<(), SqlError> {
    let (start, len) = (Value::count(segment.start)?, Value::count(segment.len)?);
    let body = Value::bytes(body.as_bytes());
    let sql = "INSERT INTO segments (body, start, len, name) VALUES ($1, $2, $3, $4)";
    link.execute(sql, &[body.clone(), start, len.clone(), Value::bytes(&segment.name)]).await?;
    link.execute("UPDATE bodies SET size = size + $1 WHERE id = $2", &[len, body]).await?;
    Ok(())
}

/// The bytes of a body that is kept in the database.
pub(super) async fn bytes(link: &mut Link<'_>, body: &BodyId) -> Result<Bytes, SqlError> {
    let sql = "SELECT bytes FROM bodies WHERE id = $1 AND bytes IS NOT NULL";
    let rows = link.rows(sql, &[Value::bytes(body.as_bytes())]).await?;
    let row = rows.first().ok_or(SqlError::Damaged("a body is missing"))?;
    row.bytes(0).map(Bytes::from)
}

/// Erases a drop, and its body with the last one that refers to it.
pub(super) async fn erase(link: &mut Link<'_>, id: &DropId, record: &Record) -> Result<Erased, SqlError> {
    let body = [Value::bytes(record.body.as_bytes())];
    link.execute("DELETE FROM drops WHERE id = $1", &[Value::bytes(id.as_bytes())]).await?;
    let left = link.rows("UPDATE bodies SET refs = refs - 1 WHERE id = $1 RETURNING refs", &body).await?;
    let left = left.first().ok_or(SqlError::Damaged("a body is missing"))?.int(0)?;
    if left > 0 {
        return Ok(Erased::default());
    }
    if !record.inline {
        link.execute("DELETE FROM segments WHERE body = $1", &body).await?;
        link.execute("INSERT INTO to_erase (body) VALUES ($1)", &body).await?;
    }
    link.execute("DELETE FROM bodies WHERE id = $1", &body).await?;
    Ok(Erased { outside: !record.inline })
}
