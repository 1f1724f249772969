//! Encryption of single rows.
//!
//! XChaCha20-Poly1305: its 192-bit nonces may be drawn at random for every write of a home's life, and stay unique
//! when a copy of the file is restored and written on.

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{AeadInOut, KeyInit},
};
use protocol::GroupId;
use zeroize::Zeroizing;

use super::{StoreError, Table, key::Keys, schema::FORMAT};

const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

/// Longest plaintext of one row, in bytes (64 MiB).
pub(super) const MAX_VALUE: usize = 64 * 1024 * 1024;
/// Longest sealed row, in bytes.
pub(super) const MAX_SEALED: usize = MAX_VALUE + NONCE_LEN + TAG_LEN;

/// Number of the home's rows, where groups have the number of their row.
pub(super) const HOME_ROW: i64 = 0;

/// Where a row belongs: the associated data that keeps it from being read anywhere else.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) table: Table,
    /// Number of the group's row; never reused, so that rows of a deleted group do not fit its successor.
    pub(super) row: i64,
    /// The group itself, none for the home.
    pub(super) group: Option<&'a GroupId>,
    /// Name or position within the table, empty where there is one row a group.
    pub(super) item: &'a [u8],
}

impl Place<'_> {
    /// Fixed lengths first, the one of variable length last, so that no two places share the bytes.
    fn associated_data(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(64 + self.item.len());
        data.extend_from_slice(b"kith/v1/store");
        data.extend_from_slice(&FORMAT.to_be_bytes());
        data.push(self.table.number());
        data.extend_from_slice(&self.row.to_be_bytes());
        data.push(u8::from(self.group.is_some()));
        data.extend_from_slice(self.group.map_or(&[0; GroupId::LEN], |group| group.as_bytes()));
        data.extend_from_slice(self.item);
        data
    }
}

/// Seals `plaintext` for one place: nonce ‖ ciphertext ‖ tag.
pub(super) fn seal(keys: &Keys, place: Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, StoreError> {
    if plaintext.len() > MAX_VALUE {
        return Err(StoreError::TooLarge { len: plaintext.len(), max: MAX_VALUE });
    }
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce).map_err(|_| StoreError::NoRandomness)?;
    // Room for everything at once: a buffer that grew would leave plaintext behind in the freed one.
    let mut sealed = Vec::with_capacity(NONCE_LEN + plaintext.len() + TAG_LEN);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plaintext);
    let (_, buffer) = sealed.split_at_mut(NONCE_LEN);
    let tag = cipher(keys)
        .encrypt_inout_detached(&XNonce::from(nonce), &place.associated_data(), buffer.into())
        .map_err(|_| StoreError::TooLarge { len: plaintext.len(), max: MAX_VALUE })?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// Opens what [`seal`] made for the same place.
pub(super) fn open(keys: &Keys, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let tampered = StoreError::Tampered(place.table);
    let Some((nonce, body)) = sealed.split_first_chunk::<NONCE_LEN>() else { return Err(tampered) };
    let Some((body, tag)) = body.split_last_chunk::<TAG_LEN>() else { return Err(tampered) };
    let mut plaintext = Zeroizing::new(body.to_vec());
    let opened = cipher(keys).decrypt_inout_detached(
        &XNonce::from(*nonce),
        &place.associated_data(),
        plaintext.as_mut_slice().into(),
        &(*tag).into(),
    );
    opened.map(|()| plaintext).map_err(|_| tampered)
}

fn cipher(keys: &Keys) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(keys.seal().into())
}
