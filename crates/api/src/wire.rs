//! The table of fields behind every body: protobuf tags and JSON names side by side.
//!
//! Nothing outside this crate sees these structs: their values are unchecked, the public types are what they convert
//! into. In JSON, ids and keys are lower-case hexadecimal, longer bytes standard base64, numbers numbers.

use core::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use prost::Message;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

mod hex_bytes {
    use super::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(text).map_err(|_| de::Error::custom("not hexadecimal"))
    }
}

mod hex_list {
    use super::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(list: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter().map(hex::encode))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
        let list = Vec::<String>::deserialize(deserializer)?;
        list.iter().map(|text| hex::decode(text).map_err(|_| de::Error::custom("not hexadecimal"))).collect()
    }
}

mod base64_bytes {
    use super::{Deserialize, Deserializer, Engine, STANDARD, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(|_| de::Error::custom("not base64"))
    }
}

mod base64_list {
    use super::{Deserialize, Deserializer, Engine, STANDARD, Serializer, de};

    pub(super) fn serialize<S: Serializer>(list: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter().map(|bytes| STANDARD.encode(bytes)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
        let list = Vec::<String>::deserialize(deserializer)?;
        list.iter().map(|text| STANDARD.decode(text).map_err(|_| de::Error::custom("not base64"))).collect()
    }
}

/// JSON only: as protobuf the body is the frame itself.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostFrame {
    #[serde(with = "base64_bytes")]
    pub(crate) frame: Vec<u8>,
}

/// Field for field the receipt of `protocol`, so that its bytes stand in the answer unchanged.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
pub(crate) struct Receipt {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "hex_bytes")]
    pub(crate) node: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    #[serde(with = "hex_bytes")]
    pub(crate) group: Vec<u8>,
    #[prost(uint64, tag = "3")]
    pub(crate) seq: u64,
    #[prost(bytes = "vec", tag = "4")]
    #[serde(with = "hex_bytes")]
    pub(crate) log: Vec<u8>,
    #[prost(uint64, tag = "5")]
    pub(crate) received_at_ms: u64,
    #[prost(bytes = "vec", tag = "6")]
    #[serde(with = "base64_bytes")]
    pub(crate) signature: Vec<u8>,
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
pub(crate) struct FrameReceipt {
    #[prost(message, optional, tag = "1")]
    pub(crate) receipt: Option<Receipt>,
    #[prost(bool, tag = "2")]
    pub(crate) duplicate: bool,
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
pub(crate) struct FramesPage {
    #[prost(uint64, tag = "1")]
    pub(crate) stream_epoch: u64,
    #[prost(bytes = "vec", repeated, tag = "2")]
    #[serde(with = "base64_list")]
    pub(crate) frames: Vec<Vec<u8>>,
    #[prost(uint64, tag = "3")]
    pub(crate) next: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) head: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) horizon: u64,
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
pub(crate) struct StateAnswer {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "base64_bytes")]
    pub(crate) state: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub(crate) epoch: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) seq: u64,
    #[prost(bytes = "vec", tag = "4")]
    #[serde(with = "hex_bytes")]
    pub(crate) log: Vec<u8>,
    #[prost(uint64, tag = "5")]
    pub(crate) stream_epoch: u64,
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
pub(crate) struct Challenge {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "hex_bytes")]
    pub(crate) nonce: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub(crate) expires: u64,
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenRequest {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "hex_bytes")]
    pub(crate) nonce: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub(crate) expires: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) epoch: u64,
    #[prost(message, optional, tag = "4")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) root: Option<RootClaims>,
    #[prost(message, optional, tag = "5")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) leaf: Option<LeafClaims>,
    #[prost(message, optional, tag = "6")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ticket: Option<TicketClaims>,
    #[prost(bytes = "vec", tag = "7")]
    #[serde(with = "base64_bytes")]
    pub(crate) signature: Vec<u8>,
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RootClaims {}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeafClaims {
    #[prost(uint32, tag = "1")]
    pub(crate) slot: u32,
    #[prost(uint64, tag = "2")]
    pub(crate) leaf_id: u64,
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TicketClaims {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "hex_bytes")]
    pub(crate) key: Vec<u8>,
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[prost(skip_debug)]
pub(crate) struct TokenAnswer {
    #[prost(string, tag = "1")]
    pub(crate) token: String,
    #[prost(uint64, tag = "2")]
    pub(crate) expires: u64,
    #[prost(enumeration = "Scope", tag = "3")]
    #[serde(with = "scope_name")]
    pub(crate) scope: i32,
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenAnswer(secret)")
    }
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[prost(skip_debug)]
pub(crate) struct CentrifugoTokens {
    #[prost(string, tag = "1")]
    pub(crate) channel: String,
    #[prost(string, tag = "2")]
    pub(crate) connection: String,
    #[prost(string, tag = "3")]
    pub(crate) subscription: String,
    #[prost(uint64, tag = "4")]
    pub(crate) expires: u64,
}

impl fmt::Debug for CentrifugoTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CentrifugoTokens(secret)")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum Scope {
    Unspecified = 0,
    Full = 1,
    Heads = 2,
    Removal = 3,
}

mod scope_name {
    use super::{Deserialize, Deserializer, Scope, Serializer, de};

    const NAMES: [(Scope, &str); 3] =
        [(Scope::Full, "full"), (Scope::Heads, "heads"), (Scope::Removal, "removal")];

    pub(super) fn serialize<S: Serializer>(scope: &i32, serializer: S) -> Result<S::Ok, S::Error> {
        let name = NAMES.iter().find(|(known, _)| Scope::try_from(*scope) == Ok(*known));
        serializer.serialize_str(name.map_or("unspecified", |(_, name)| name))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
        let text = String::deserialize(deserializer)?;
        let known = NAMES.iter().find(|(_, name)| *name == text);
        known.map(|(scope, _)| i32::from(*scope)).ok_or_else(|| de::Error::custom("not a scope"))
    }
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyPackage {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "base64_bytes")]
    pub(crate) sealed: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub(crate) expires: u64,
    #[prost(bool, tag = "3")]
    #[serde(default)]
    pub(crate) last_resort: bool,
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[prost(skip_debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutKeyPackages {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "hex_bytes")]
    pub(crate) write_key: Vec<u8>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) packages: Vec<KeyPackage>,
}

impl fmt::Debug for PutKeyPackages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PutKeyPackages({} packages)", self.packages.len())
    }
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
pub(crate) struct MailboxStatus {
    #[prost(uint32, tag = "1")]
    pub(crate) remaining: u32,
    #[prost(bool, tag = "2")]
    pub(crate) last_resort: bool,
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
pub(crate) struct ClaimedKeyPackage {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "base64_bytes")]
    pub(crate) sealed: Vec<u8>,
    #[prost(bool, tag = "2")]
    pub(crate) last_resort: bool,
    #[prost(uint32, tag = "3")]
    pub(crate) remaining: u32,
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
pub(crate) struct NodeInfo {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "hex_bytes")]
    pub(crate) node: Vec<u8>,
    #[prost(string, tag = "2")]
    pub(crate) origin: String,
    #[prost(string, tag = "3")]
    pub(crate) version: String,
    #[prost(uint64, tag = "4")]
    pub(crate) time: u64,
    #[prost(uint32, repeated, tag = "5")]
    pub(crate) protocol_versions: Vec<u32>,
    #[prost(uint32, repeated, tag = "6")]
    pub(crate) suites: Vec<u32>,
    #[prost(bytes = "vec", repeated, tag = "7")]
    #[serde(with = "hex_list")]
    pub(crate) params: Vec<Vec<u8>>,
    #[prost(bool, tag = "8")]
    pub(crate) development_keys: bool,
    #[prost(message, optional, tag = "9")]
    pub(crate) limits: Option<NodeLimits>,
    #[prost(string, optional, tag = "10")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) transistor: Option<String>,
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
pub(crate) struct NodeLimits {
    #[prost(uint32, tag = "1")]
    pub(crate) frame_bytes: u32,
    #[prost(uint32, tag = "2")]
    pub(crate) page_frames: u32,
    #[prost(uint32, tag = "3")]
    pub(crate) page_bytes: u32,
    #[prost(uint32, tag = "4")]
    pub(crate) clock_behind_seconds: u32,
    #[prost(uint32, tag = "5")]
    pub(crate) clock_ahead_seconds: u32,
    #[prost(uint32, tag = "6")]
    pub(crate) message_grace_seconds: u32,
    #[prost(uint32, tag = "7")]
    pub(crate) challenge_seconds: u32,
    #[prost(uint32, tag = "8")]
    pub(crate) token_seconds: u32,
    #[prost(uint32, tag = "9")]
    pub(crate) key_package_bytes: u32,
    #[prost(uint32, tag = "10")]
    pub(crate) key_packages_per_mailbox: u32,
}
