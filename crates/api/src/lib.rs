//! What a node and its clients say to each other over HTTP: paths, bodies, events, error codes.
//!
//! Both sides compile this crate, so that a body one of them writes is a body the other reads. It holds no logic
//! beyond that: it must never learn of storage, of the tree or of keys that open messages. Status codes of HTTP
//! appear here and nowhere deeper; the layers below have their own errors, and one match per service turns those into
//! an [`ErrorCode`].
//!
//! Every body of a node has two encodings, Protocol Buffers for machines and JSON for people, made from one table of fields
//! (`wire`), so that they cannot drift apart; see [`Body`] and [`Format`]. The protobuf schema is
//! `proto/kith_api.proto` in this crate.
//!
//! What belongs to drops is in [`transistor`], with paths, headers and documents of its own.
//!
//! Start with [`paths`] (what can be asked), [`ErrorCode`] (how it can fail) and [`challenge`] (what a reader signs).

mod body;
pub mod centrifugo;
pub mod challenge;
mod error_code;
pub mod events;
pub mod frames;
pub mod key_packages;
mod node_info;
mod origin;
pub mod paths;
mod problem;
mod state;
pub mod token;
pub mod transistor;
mod transistor_url;
mod wire;

pub use body::{Body, BodyError, Format};
pub use error_code::{ErrorCode, UnknownCode};
pub use node_info::{NodeInfo, NodeLimits};
pub use origin::{NodeOrigin, OriginError};
pub use problem::{PROBLEM_JSON, Problem};
pub use protocol::{UnixSeconds, refusal::Retry};
pub use state::{StateAnswer, StateSnapshot};
pub use transistor_url::{TransistorUrl, TransistorUrlError};
