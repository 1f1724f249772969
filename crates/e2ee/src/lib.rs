//! What a client needs to derive keys, to seal and to open: the key schedule, the secret tree, payloads, credentials,
//! key packages and invites.
//!
//! Only clients link this crate; a server image does not contain it. It is pure: no I/O, no clock, no global
//! randomness. Time is an argument where something expires, randomness is an argument where something is drawn.
//!
//! Where to start: [`schedule`] turns a root secret into the secrets of an epoch; [`message`] seals and opens messages
//! with them, on the [`secret_tree`]; [`payload`] and [`content`] are what is inside; [`credential`] and [`roster`] say
//! who is behind a leaf; [`attachment`] names files outside the log; [`key_package`], [`contact`], [`invite`] and [`ticket`] bring people in; [`admins`] tells
//! admins that they are; [`comparison`] is what two people read to each other.
//!
//! Every derivation, hash and signature has a label of its own that begins with `kith/v1/`. Secrets are wiped on drop,
//! compared in constant time and shown by no `Debug`.

pub mod admins;
mod aead;
pub mod attachment;
pub mod comparison;
pub mod contact;
pub mod content;
pub mod credential;
mod hybrid;
pub mod invite;
mod kdf;
pub mod key_package;
pub mod message;
pub mod name;
pub mod node_url;
pub mod padding;
pub mod payload;
pub mod roster;
pub mod schedule;
mod secret;
pub mod secret_tree;
pub mod text;
pub mod ticket;
mod wire;

pub use aead::{OpenError, SealError};
pub use wire::Malformed;
