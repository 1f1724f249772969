//! Stored records in the form they are served in.
//!
//! A stored frame is served without being decoded: its bytes were checked before they were stored, and decoding
//! costs a subgroup check for every point in it. The messages below are those of `protocol`'s served frames with the
//! parts that only pass through left as bytes; a test holds the two together.

use bytes::Bytes;
use frame_log::StoredRecord;
use prost::Message;
use protocol::digest;

#[derive(Clone, PartialEq, Message)]
struct Served {
    #[prost(uint64, tag = "1")]
    seq: u64,
    #[prost(uint64, tag = "2")]
    received_at_ms: u64,
    #[prost(bytes = "bytes", optional, tag = "3")]
    frame: Option<Bytes>,
    #[prost(bytes = "vec", optional, tag = "4")]
    message_hash: Option<Vec<u8>>,
    #[prost(message, optional, tag = "5")]
    operation: Option<PrunedOperation>,
}

#[derive(Clone, PartialEq, Message)]
struct PrunedOperation {
    #[prost(bytes = "bytes", tag = "1")]
    head: Bytes,
    #[prost(bytes = "vec", tag = "2")]
    sealed_hash: Vec<u8>,
    /// A message in `protocol`; on the wire a message is bytes behind their length, as here.
    #[prost(bytes = "bytes", optional, tag = "3")]
    auth: Option<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "4")]
    proofs: Vec<Bytes>,
    #[prost(bool, tag = "5")]
    sealed_empty: bool,
}

#[derive(Clone, PartialEq, Message)]
struct FrameParts {
    #[prost(bytes = "bytes", tag = "1")]
    head: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    sealed: Bytes,
    #[prost(bytes = "bytes", optional, tag = "3")]
    auth: Option<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "4")]
    proofs: Vec<Bytes>,
}

/// Everything that is kept of a record: the frame, or the hash that stands for a pruned one.
pub(crate) fn full(record: &StoredRecord) -> Bytes {
    let served = match &record.frame {
        Some(frame) => Served { frame: Some(frame.clone()), ..place(record) },
        None => hash_only(record),
    };
    served.encode_to_vec().into()
}

/// What folding and checking the log's hashes needs: an operation without its sealed part, the hash of a message.
pub(crate) fn heads(record: &StoredRecord) -> Bytes {
    let parts = match (&record.frame, record.is_operation) {
        // Cheap: bytes are shared with the record, nothing is decoded further down.
        (Some(frame), true) => FrameParts::decode(frame.clone()).ok(),
        (Some(_), false) | (None, _) => None,
    };
    let served = match parts {
        Some(parts) => Served {
            operation: Some(PrunedOperation {
                sealed_hash: digest::sealed_hash(&parts.sealed).as_bytes().to_vec(),
                sealed_empty: parts.sealed.is_empty(),
                head: parts.head,
                auth: parts.auth,
                proofs: parts.proofs,
            }),
            ..place(record)
        },
        None => hash_only(record),
    };
    served.encode_to_vec().into()
}

fn place(record: &StoredRecord) -> Served {
    Served { seq: record.seq.get(), received_at_ms: record.received_at.get(), ..Served::default() }
}

fn hash_only(record: &StoredRecord) -> Served {
    Served { message_hash: Some(record.th.as_bytes().to_vec()), ..place(record) }
}
