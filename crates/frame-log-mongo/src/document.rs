//! How a record is stored: one document of the collection `frames`.
//!
//! | field | type | what |
//! |---|---|---|
//! | `_id.g` | binary | group, 32 bytes |
//! | `_id.s` | 64-bit integer | position, dense from 0 |
//! | `i` | binary | the sender's id of the frame, 16 bytes |
//! | `h` | binary | `th`, 32 bytes |
//! | `t` | date | when the node took it |
//! | `e` | 64-bit integer | epoch |
//! | `o` | boolean | whether it is an operation |
//! | `p` | 32-bit integer | bucket of the group |
//! | `n` | timestamp | when the server took it, set by the server |
//! | `f` | binary | the frame; absent once pruned |
//!
//! Fields nobody knows are passed over: what an older program must not read is told by the schema's number, see
//! [`schema`](crate::schema).

use bytes::Bytes;
use frame_log::{Bucket, MAX_RECORD, Record, StoredRecord, UnixMillis};
use mongodb::bson::{
    Binary, Bson, DateTime, Document, RawBinaryRef, RawDocument, Timestamp, doc, spec::BinarySubtype,
};
use protocol::{Epoch, FrameHash, FrameId, GroupId, Seq};
use thiserror::Error;

/// A document of `frames` that is not what an append writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{what}")]
pub(crate) struct BadDocument {
    /// The group, if the document still names one.
    pub(crate) group: Option<GroupId>,
    /// The position, if the document still names one.
    pub(crate) seq: Option<Seq>,
    /// What is wrong with it.
    pub(crate) what: &'static str,
}

/// Bytes as BSON keeps them.
pub(crate) fn binary(bytes: &[u8]) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() })
}

/// A number of 64 bits in the field BSON has for it. Nothing compares such a field except positions, which
/// [`position`] keeps below the sign.
const fn bits(n: u64) -> i64 {
    n.cast_signed()
}

/// A position as it is stored; positions beyond 2^63 are never reached.
pub(crate) fn position(seq: Seq) -> Option<i64> {
    i64::try_from(seq.get()).ok()
}

/// The `_id` of a record.
pub(crate) fn id(group: &GroupId, position: i64) -> Document {
    doc! { "g": binary(group.as_bytes()), "s": position }
}

/// The document an append inserts.
pub(crate) fn encode(group: &GroupId, position: i64, record: &Record) -> Document {
    doc! {
        "_id": id(group, position),
        "i": binary(record.frame_id.as_bytes()),
        "h": binary(record.th.as_bytes()),
        "t": DateTime::from_millis(bits(record.received_at.get())),
        "e": bits(record.epoch.get()),
        "o": record.is_operation,
        "p": i32::from(Bucket::of(group).get()),
        // A zero at the top level of an inserted document is replaced by the server.
        "n": Timestamp { time: 0, increment: 0 },
        "f": binary(&record.frame),
    }
}

/// The group and position of a document, whatever else is wrong with it.
pub(crate) fn decode_id(document: &RawDocument) -> Result<(GroupId, Seq), BadDocument> {
    let bad = |what| BadDocument { group: None, seq: None, what };
    let id = document.get_document("_id").map_err(|_| bad("the id is no document"))?;
    let group = id.get_binary("g").ok().and_then(bytes_of).and_then(|b| GroupId::from_slice(b).ok());
    let seq = id.get_i64("s").ok().and_then(|s| u64::try_from(s).ok()).map(Seq::new);
    match (group, seq) {
        (Some(group), Some(seq)) => Ok((group, seq)),
        (group, seq) => Err(BadDocument { group, seq, what: "the id names no group and position" }),
    }
}

/// The place and hash in a document that may lack everything else.
pub(crate) fn decode_place(document: &RawDocument) -> Result<(Seq, FrameHash), BadDocument> {
    let (group, seq) = decode_id(document)?;
    let hash = document.get_binary("h").ok().and_then(bytes_of).and_then(|b| FrameHash::from_slice(b).ok());
    let bad = BadDocument { group: Some(group), seq: Some(seq), what: "the hash is not 32 bytes" };
    Ok((seq, hash.ok_or(bad)?))
}

/// The position and frame id in a document that may lack everything else.
pub(crate) fn decode_known(document: &RawDocument) -> Result<(Seq, FrameId), BadDocument> {
    let (group, seq) = decode_id(document)?;
    let id = document.get_binary("i").ok().and_then(bytes_of).and_then(|b| FrameId::from_slice(b).ok());
    let bad = BadDocument { group: Some(group), seq: Some(seq), what: "the frame's id is not 16 bytes" };
    Ok((seq, id.ok_or(bad)?))
}

/// Reads a whole document of `frames`.
///
/// # Errors
/// [`BadDocument`] for anything [`encode`] does not write.
pub(crate) fn decode(document: &RawDocument) -> Result<(GroupId, StoredRecord), BadDocument> {
    let (group, seq) = decode_id(document)?;
    let bad = |what| BadDocument { group: Some(group), seq: Some(seq), what };
    let (_, frame_id) = decode_known(document)?;
    let (_, th) = decode_place(document)?;
    let received_at = document.get_datetime("t").map_err(|_| bad("the time is no date"))?;
    let epoch = document.get_i64("e").map_err(|_| bad("the epoch is no 64-bit integer"))?;
    let is_operation = document.get_bool("o").map_err(|_| bad("whether it is an operation is not said"))?;
    if document.get_i32("p").ok() != Some(i32::from(Bucket::of(&group).get())) {
        return Err(bad("the bucket is not the group's"));
    }
    document.get_timestamp("n").map_err(|_| bad("the server's time is no timestamp"))?;
    let frame = match document.get("f") {
        Ok(None) => None,
        Ok(Some(value)) => {
            let bytes = value.as_binary().and_then(bytes_of);
            let bytes = bytes.filter(|b| b.len() <= MAX_RECORD);
            Some(Bytes::copy_from_slice(bytes.ok_or_else(|| bad("the frame is not bytes, or too many"))?))
        }
        Err(_) => return Err(bad("the document cannot be read")),
    };
    let record = StoredRecord {
        seq,
        frame,
        frame_id,
        th,
        received_at: UnixMillis::new(received_at.timestamp_millis().cast_unsigned()),
        epoch: Epoch::new(epoch.cast_unsigned()),
        is_operation,
    };
    Ok((group, record))
}

/// The bytes of a field that holds nothing but bytes.
pub(crate) fn bytes_of(binary: RawBinaryRef<'_>) -> Option<&[u8]> {
    (binary.subtype == BinarySubtype::Generic).then_some(binary.bytes)
}

#[cfg(test)]
mod tests {
    use frame_log::conformance::{group, record};
    use mongodb::bson::RawDocumentBuf;
    use proptest::prelude::*;

    use super::*;

    fn raw(document: &Document) -> RawDocumentBuf {
        RawDocumentBuf::try_from(document).unwrap()
    }

    /// What is stored today is read by every later version, so these bytes never change.
    #[test]
    fn the_document_is_golden() {
        let record = Record {
            frame: Bytes::from_static(b"frame"),
            frame_id: FrameId::new([0x11; 16]),
            th: FrameHash::new([0x22; 32]),
            received_at: UnixMillis::new(1_700_000_000_123),
            epoch: Epoch::new(7),
            is_operation: true,
        };
        let bytes = encode(&GroupId::new([0xab; 32]), 5, &record).to_vec().unwrap();
        assert_eq!(hex::encode(&bytes), include_str!("../tests/golden/frame.hex").trim());
        let (group, stored) = decode(RawDocument::from_bytes(&bytes).unwrap()).unwrap();
        assert_eq!(group, GroupId::new([0xab; 32]));
        assert_eq!(stored, StoredRecord::new(Seq::new(5), record));
    }

    #[test]
    fn a_pruned_record_lacks_its_frame() {
        let mut document = encode(&group(3), 9, &record(4));
        document.remove("f");
        let pruned = StoredRecord::new(Seq::new(9), record(4)).pruned();
        assert_eq!(decode(&raw(&document)), Ok((group(3), pruned)));
    }

    /// Every field that is missing or of another type is noticed, and the report says where.
    #[test]
    fn any_wrong_field_is_noticed() {
        let whole = encode(&group(3), 9, &record(4));
        for key in ["_id", "i", "h", "t", "e", "o", "p", "n"] {
            let mut without = whole.clone();
            without.remove(key);
            let bad = decode(&raw(&without)).expect_err(key);
            assert_eq!(bad.seq.is_some(), key != "_id", "{key}");
        }
        for key in ["_id", "i", "h", "t", "e", "o", "p", "n", "f"] {
            let mut other = whole.clone();
            other.insert(key, "text");
            decode(&raw(&other)).expect_err(key);
        }
        for (key, value) in
            [("p", Bson::Int32(1)), ("f", binary(&vec![0; MAX_RECORD + 1])), ("i", binary(&[0; 15]))]
        {
            let mut other = whole.clone();
            other.insert(key, value);
            decode(&raw(&other)).expect_err(key);
        }
        let mut negative = whole;
        negative.insert("_id", id(&group(3), -1));
        let bad = decode(&raw(&negative)).unwrap_err();
        assert_eq!((bad.group, bad.seq), (Some(group(3)), None));
    }

    proptest! {
        #[test]
        fn any_record_comes_back(
            g in any::<[u8; 32]>(), s in 0..=i64::MAX, frame in any::<Vec<u8>>(), i in any::<[u8; 16]>(),
            h in any::<[u8; 32]>(), t in any::<u64>(), e in any::<u64>(), is_operation in any::<bool>(),
        ) {
            let record = Record {
                frame: frame.into(),
                frame_id: FrameId::new(i),
                th: FrameHash::new(h),
                received_at: UnixMillis::new(t),
                epoch: Epoch::new(e),
                is_operation,
            };
            let group = GroupId::new(g);
            let stored = StoredRecord::new(Seq::new(s.cast_unsigned()), record.clone());
            prop_assert_eq!(decode(&raw(&encode(&group, s, &record))), Ok((group, stored)));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
            if let Ok(document) = RawDocument::from_bytes(&bytes) {
                let _ = decode(document);
            }
        }

        #[test]
        fn no_damage_makes_it_panic(at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
            let mut bytes = encode(&group(3), 9, &record(4)).to_vec().unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(document) = RawDocument::from_bytes(&bytes) {
                let _ = decode(document);
            }
        }
    }
}
