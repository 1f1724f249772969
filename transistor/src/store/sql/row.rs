//! A record as a row, and back.

use drop_state::{BodyId, Millis, Record, Slices, Stage, TokenHash, due};

use super::link::{Row, SqlError, Value};

const UPLOADING: i64 = 0;
const READY: i64 = 1;
const CLAIMED: i64 = 2;

/// The columns of a record behind its id, in the order of [`values`] and [`record`].
pub(super) fn values(record: &Record) -> Result<[Value; 18], SqlError> {
    let (stage, whole, segments, holder, until) = match record.stage {
        Stage::Uploading { whole, segments, deadline } => (UPLOADING, whole, segments, None, deadline),
        Stage::Ready => (READY, None, 0, None, Millis::default()),
        Stage::Claimed { by, until } => (CLAIMED, None, 0, Some(by), until),
    };
    let hash = |hash: Option<TokenHash>| Value::MaybeBytes(hash.map(|hash| hash.as_bytes().to_vec()));
    let whole = match whole.map(Value::count).transpose()? {
        Some(Value::Int(whole)) => Some(whole),
        _ => None,
    };
    Ok([
        Value::bytes(record.body.as_bytes()),
        Value::count(record.size)?,
        Value::Int(record.inline.into()),
        Value::Int(record.text.into()),
        Value::Bytes(record.info.clone()),
        hash(record.access),
        hash(record.unlock),
        Value::Int(record.wrong.into()),
        Value::bytes(record.deleter.as_bytes()),
        hash(record.upload),
        Value::count(record.expires.get())?,
        Value::Int(record.given.bits().cast_signed()),
        Value::Int(stage),
        Value::MaybeInt(whole),
        Value::Int(segments.into()),
        hash(holder),
        Value::count(until.get())?,
        Value::count(due(record).get())?,
    ])
}

/// A record from the columns of [`values`].
pub(super) fn record(row: &Row) -> Result<Record, SqlError> {
    let hash = |index| Ok::<_, SqlError>(row.maybe_array(index)?.map(TokenHash::from_bytes));
    let small = |index| Ok::<_, SqlError>(u32::try_from(row.count(index)?).unwrap_or(u32::MAX));
    let until = Millis::new(row.count(16)?);
    let stage = match row.int(12)? {
        UPLOADING => Stage::Uploading { whole: row.maybe_count(13)?, segments: small(14)?, deadline: until },
        READY => Stage::Ready,
        CLAIMED => {
            let by = hash(15)?.ok_or(SqlError::Damaged("a claim without a holder"))?;
            Stage::Claimed { by, until }
        }
        _ => return Err(SqlError::Damaged("a stage that there is not")),
    };
    Ok(Record {
        body: BodyId::from_bytes(row.array(0)?),
        size: row.count(1)?,
        inline: row.int(2)? != 0,
        text: row.int(3)? != 0,
        info: row.bytes(4)?,
        access: hash(5)?,
        unlock: hash(6)?,
        wrong: u8::try_from(row.int(7)?).unwrap_or(u8::MAX),
        deleter: TokenHash::from_bytes(row.array(8)?),
        upload: hash(9)?,
        expires: Millis::new(row.count(10)?),
        given: Slices::from_bits(row.int(11)?.cast_unsigned()),
        stage,
    })
}
