//! The protobuf messages behind the checked types. Private: nothing outside this crate sees an unchecked value.
//!
//! No message refers to itself, so decoding depth is fixed by these definitions and a decoder needs no recursion.

use prost::Message;

use crate::Refusal;

/// Decodes bytes that must be exactly what encoding their value gives: no unknown fields, no defaults spelled out,
/// no fields out of order, nothing repeated. One value has one byte string.
pub(crate) fn decode_canonical<M: Message + Default>(bytes: &[u8]) -> Result<M, Refusal> {
    let message = M::decode(bytes).map_err(|_| Refusal::Malformed)?;
    if message.encoded_len() == bytes.len() && message.encode_to_vec() == bytes {
        Ok(message)
    } else {
        Err(Refusal::Malformed)
    }
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Frame {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) head: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) sealed: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    pub(crate) auth: Option<Authorization>,
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub(crate) proofs: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Authorization {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) leaf: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) new_leaf: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) owner: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) new_owner: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) ticket: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) sign: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    pub(crate) admin_proof: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Head {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(uint32, tag = "2")]
    pub(crate) suite: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) group: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) frame_id: Vec<u8>,
    #[prost(uint32, tag = "5")]
    pub(crate) kind: u32,
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) body: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    pub(crate) base: Vec<u8>,
    #[prost(uint64, tag = "8")]
    pub(crate) at: u64,
    #[prost(bytes = "vec", tag = "9")]
    pub(crate) tree_hash_after: Vec<u8>,
    #[prost(uint64, tag = "10")]
    pub(crate) epoch: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Change {
    #[prost(uint32, tag = "1")]
    pub(crate) slot: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) keys: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Policy {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) params: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub(crate) max_members: u32,
    #[prost(uint64, tag = "3")]
    pub(crate) message_retention: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) operation_retention: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) invite_ttl: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Init {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) nonce: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) owner: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) admin_root: Vec<u8>,
    #[prost(message, optional, tag = "4")]
    pub(crate) policy: Option<Policy>,
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) recovery: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) sig: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    pub(crate) keys: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Added {
    #[prost(message, optional, tag = "1")]
    pub(crate) change: Option<Change>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) sig: Vec<u8>,
    #[prost(uint64, tag = "3")]
    pub(crate) expires: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AddMembers {
    #[prost(uint32, tag = "1")]
    pub(crate) doer: u32,
    #[prost(message, repeated, tag = "2")]
    pub(crate) added: Vec<Added>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct UpdateKey {
    #[prost(message, optional, tag = "1")]
    pub(crate) change: Option<Change>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) new_sig: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct IssueTicket {
    #[prost(uint32, tag = "1")]
    pub(crate) doer: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) ticket: Vec<u8>,
    #[prost(uint32, tag = "3")]
    pub(crate) uses: u32,
    #[prost(uint64, tag = "4")]
    pub(crate) expires: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RevokeTicket {
    #[prost(uint32, tag = "1")]
    pub(crate) doer: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) ticket: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Join {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) ticket: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    pub(crate) change: Option<Change>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) sig: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) external: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Rejoin {
    #[prost(message, optional, tag = "1")]
    pub(crate) change: Option<Change>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) external: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Leave {
    #[prost(uint32, tag = "1")]
    pub(crate) slot: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Marks {
    #[prost(uint32, repeated, tag = "1")]
    pub(crate) slots: Vec<u32>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) admin_root: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct DoerMarks {
    #[prost(uint32, tag = "1")]
    pub(crate) doer: u32,
    #[prost(uint32, repeated, tag = "2")]
    pub(crate) slots: Vec<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Heal {
    #[prost(uint32, tag = "1")]
    pub(crate) doer: u32,
    #[prost(message, optional, tag = "2")]
    pub(crate) marks: Option<Marks>,
    #[prost(message, optional, tag = "3")]
    pub(crate) update: Option<UpdateKey>,
    #[prost(message, optional, tag = "4")]
    pub(crate) rejoin: Option<Rejoin>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) changes: Vec<Change>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SetPolicy {
    #[prost(message, optional, tag = "1")]
    pub(crate) policy: Option<Policy>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SetAdmins {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) admin_root: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TransferOwner {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) new_owner: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Empty {}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Receipt {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) node: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) group: Vec<u8>,
    #[prost(uint64, tag = "3")]
    pub(crate) seq: u64,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) log: Vec<u8>,
    #[prost(uint64, tag = "5")]
    pub(crate) received_at_ms: u64,
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) signature: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ServedFrame {
    #[prost(uint64, tag = "1")]
    pub(crate) seq: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) received_at_ms: u64,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(crate) frame: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(crate) message_hash: Option<Vec<u8>>,
    #[prost(message, optional, tag = "5")]
    pub(crate) operation: Option<PrunedOperation>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PrunedOperation {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) head: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) sealed_hash: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    pub(crate) auth: Option<Authorization>,
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub(crate) proofs: Vec<Vec<u8>>,
    /// Whether the sealed part is empty: the fold needs it (a Mark seals nothing).
    #[prost(bool, tag = "5")]
    pub(crate) sealed_empty: bool,
}
