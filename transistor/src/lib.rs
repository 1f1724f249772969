//! Transistor: drops that are handed over once and then erased.
//!
//! It keeps ciphertext under an id, gives it to one reader and forgets it. It must never learn to open anything: links,
//! keys and sealing are the clients' (`sealed-drop`), and not among its dependencies.
//!
//! A request crosses [`http`] → [`drops`] → [`store`] and [`bodies`]. Who may read is decided by a pure function in
//! `drop-state`; a store applies it to one row in one transaction. [`service`] puts it on a listener, or gives its routes
//! to a program that has one.

pub mod bodies;
pub mod config;
pub mod drops;
pub mod http;
pub mod service;
pub mod store;

/// Bytes from the system's source of randomness, for keys, tokens and names.
fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
