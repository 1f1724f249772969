//! The client for end-to-end encrypted, verifiable groups.
//!
//! [`Client`] is one home: an identity and its groups, in an encrypted store. [`Group`] is the handle of one group:
//! send, invite, remove, follow. Both are cheap to clone, and any number of processes may work on one home at once.
//!
//! What makes the hard part easy: operations are proved here and built again by themselves when others were faster;
//! what is sent is stored first, so that a client killed at any moment goes on without a gap, a repeat or a lost key;
//! what is received becomes [`Entry`]s in order, each once; and every frame is verified here as it was by the node.
//!
//! ```no_run
//! # async fn example() -> Result<(), kith_client_sdk::Error> {
//! use kith_client_sdk::{Client, LinkOptions, Options, StoreKey, Suite};
//!
//! let key = StoreKey::from_bytes(&[7; 32]); // from the system's key chain, say
//! let client = Client::open(Options::new("./home", key, "./cache")).await?;
//! client.create_identity("Ann").await?;
//! let group = client.create_group("Trip", "http://127.0.0.1:8080", Suite::Aes256Gcm).await?;
//! let link = group.invite_link(LinkOptions::default()).await?;
//! group.send_text("hello").await?;
//! # let _ = link; Ok(())
//! # }
//! ```
//!
//! This crate holds no server code. Start reading at [`Group`], then `live` (one group in hand) and `session` (the
//! pure part).

mod attachments;
mod client;
pub mod clock;
pub mod drops;
mod entry;
mod error;
mod follow;
mod group;
pub mod http;
mod identity;
mod live;
mod packages;
mod prover;
mod session;
pub mod store;

pub use api::centrifugo::CentrifugoTokens;
pub use client::{Client, GroupSummary, OnProgress, Options};
pub use entry::{AttachmentState, Entry, Person, Position, What};
pub use error::Error;
pub use group::{AdminInfo, FetchOptions, ForkInfo, Group, GroupInfo, LinkOptions, MemberInfo, SendOptions};
pub use identity::IdentityInfo;
pub use pinned_keys::{KeysError, ManifestHash, PinnedKeys};
pub use protocol::{GroupId, Suite};
pub use prover::{ProverError, ProverProgress, Stage};
pub use store::StoreKey;
