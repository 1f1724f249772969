//! What a node says of itself to anybody.

use protocol::{ParamsHash, Suite, UnixSeconds, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::{BodyError, NodeOrigin, TransistorUrl, wire};

/// Answer of `GET /v1/node`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "wire::NodeInfo", try_from = "wire::NodeInfo")]
pub struct NodeInfo {
    /// The key its receipts are signed with.
    pub node: VerifyingKey,
    /// The origin challenges are bound to.
    pub origin: NodeOrigin,
    /// Version of the software.
    pub version: String,
    /// The node's clock.
    pub time: UnixSeconds,
    /// Protocol versions it speaks.
    pub protocol_versions: Vec<u32>,
    /// Suites it accepts.
    pub suites: Vec<Suite>,
    /// Proof parameters it can verify.
    pub params: Vec<ParamsHash>,
    /// Whether some of them come from the public seed, which gives no security.
    pub development_keys: bool,
    /// Its bounds.
    pub limits: NodeLimits,
    /// Where its clients find drops, if there is such a service.
    pub transistor: Option<TransistorUrl>,
}

/// Bounds a client has to respect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeLimits {
    /// Longest frame, in bytes.
    pub frame_bytes: u32,
    /// Frames in one page.
    pub page_frames: u32,
    /// Bytes in one page, unless its first frame alone is longer.
    pub page_bytes: u32,
    /// How far behind the node's clock an operation may be dated, in seconds.
    pub clock_behind_seconds: u32,
    /// How far ahead of the node's clock an operation may be dated, in seconds.
    pub clock_ahead_seconds: u32,
    /// How long messages of an earlier epoch are taken after it ended, in seconds.
    pub message_grace_seconds: u32,
    /// Life of a challenge, in seconds.
    pub challenge_seconds: u32,
    /// Life of a token, in seconds.
    pub token_seconds: u32,
    /// Longest sealed key package, in bytes.
    pub key_package_bytes: u32,
    /// Key packages in one mailbox.
    pub key_packages_per_mailbox: u32,
}

impl From<NodeInfo> for wire::NodeInfo {
    fn from(info: NodeInfo) -> Self {
        let limits = info.limits;
        Self {
            node: info.node.as_bytes().to_vec(),
            origin: info.origin.to_string(),
            version: info.version,
            time: info.time.get(),
            protocol_versions: info.protocol_versions,
            suites: info.suites.iter().map(|suite| suite.code()).collect(),
            params: info.params.iter().map(|params| params.as_bytes().to_vec()).collect(),
            development_keys: info.development_keys,
            limits: Some(wire::NodeLimits {
                frame_bytes: limits.frame_bytes,
                page_frames: limits.page_frames,
                page_bytes: limits.page_bytes,
                clock_behind_seconds: limits.clock_behind_seconds,
                clock_ahead_seconds: limits.clock_ahead_seconds,
                message_grace_seconds: limits.message_grace_seconds,
                challenge_seconds: limits.challenge_seconds,
                token_seconds: limits.token_seconds,
                key_package_bytes: limits.key_package_bytes,
                key_packages_per_mailbox: limits.key_packages_per_mailbox,
            }),
            transistor: info.transistor.map(|url| url.to_string()),
        }
    }
}

impl TryFrom<wire::NodeInfo> for NodeInfo {
    type Error = BodyError;

    fn try_from(info: wire::NodeInfo) -> Result<Self, BodyError> {
        let limits = info.limits.ok_or(BodyError::Field("limits"))?;
        let transistor = info.transistor.map(|url| url.parse()).transpose();
        let params = info.params.iter().map(|hash| ParamsHash::from_slice(hash)).collect::<Result<_, _>>();
        Ok(Self {
            node: VerifyingKey::from_slice(&info.node).map_err(|_| BodyError::Field("node"))?,
            origin: info.origin.parse().map_err(|_| BodyError::Field("origin"))?,
            version: info.version,
            time: UnixSeconds::new(info.time),
            protocol_versions: info.protocol_versions,
            // A suite this client does not know is one it cannot use.
            suites: info.suites.into_iter().filter_map(Suite::from_code).collect(),
            params: params.map_err(|_| BodyError::Field("params"))?,
            development_keys: info.development_keys,
            limits: NodeLimits {
                frame_bytes: limits.frame_bytes,
                page_frames: limits.page_frames,
                page_bytes: limits.page_bytes,
                clock_behind_seconds: limits.clock_behind_seconds,
                clock_ahead_seconds: limits.clock_ahead_seconds,
                message_grace_seconds: limits.message_grace_seconds,
                challenge_seconds: limits.challenge_seconds,
                token_seconds: limits.token_seconds,
                key_package_bytes: limits.key_package_bytes,
                key_packages_per_mailbox: limits.key_packages_per_mailbox,
            },
            transistor: transistor.map_err(|_| BodyError::Field("transistor"))?,
        })
    }
}
