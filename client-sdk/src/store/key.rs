//! The store's key and what is derived from it.

use core::fmt;

use hkdf::Hkdf;
use protocol::GroupId;
use rand_core::CryptoRng;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The 32-byte secret that opens a store. Wiped on drop, shown by nothing.
///
/// Where it is kept (a keyring, a file beside the store, a passphrase hash) is the application's choice; whoever has it
/// and the file has everything in the file.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct StoreKey([u8; StoreKey::LEN]);

impl StoreKey {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// Takes 32 secret bytes, which must be uniformly random or the output of a password hash.
    #[must_use]
    pub const fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        Self(*bytes)
    }

    /// Draws a key.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut key = Self([0; Self::LEN]);
        rng.fill_bytes(&mut key.0);
        key
    }

    /// The 32 bytes, to keep them somewhere safe; wiped when dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::LEN]> {
        Zeroizing::new(self.0)
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

/// Length of a keyed name, in bytes.
pub(super) const TAG_LEN: usize = 16;
/// A row's name as the file shows it.
pub(super) type Tag = [u8; TAG_LEN];

/// Length of a store's salt, in bytes.
pub(super) const SALT_LEN: usize = 32;

/// The keys of one store: its salt makes them differ between stores that share a [`StoreKey`].
#[derive(ZeroizeOnDrop)]
pub(super) struct Keys {
    seal: [u8; 32],
    name: [u8; 32],
    check: [u8; 32],
}

impl Keys {
    pub(super) fn derive(key: &StoreKey, salt: &[u8; SALT_LEN]) -> Self {
        let (mut root, hkdf) = Hkdf::<Sha256>::extract(Some(salt), &key.0);
        root.as_mut_slice().zeroize();
        let mut keys = Self { seal: [0; 32], name: [0; 32], check: [0; 32] };
        expand(&hkdf, &[b"kith/v1/store/seal"], &mut keys.seal);
        expand(&hkdf, &[b"kith/v1/store/name"], &mut keys.name);
        expand(&hkdf, &[b"kith/v1/store/check"], &mut keys.check);
        keys
    }

    /// The key rows are sealed under.
    pub(super) const fn seal(&self) -> &[u8; 32] {
        &self.seal
    }

    /// What the file keeps to tell a wrong key from a damaged row.
    pub(super) const fn check(&self) -> &[u8; 32] {
        &self.check
    }

    /// Whether the file's check value is the one of these keys.
    pub(super) fn fits(&self, check: &[u8]) -> bool {
        self.check.ct_eq(check).into()
    }

    /// Name of a group's row.
    pub(super) fn group_tag(&self, group: &GroupId) -> Tag {
        self.tag(&[b"group", group.as_bytes()])
    }

    /// Name of a part, the same in every group: which part is largest is no secret, which group it is of is.
    pub(super) fn part_tag(&self, name: &'static str) -> Tag {
        self.tag(&[b"part", name.as_bytes()])
    }

    /// Name of a group's lock file.
    pub(super) fn lock_tag(&self, group: &GroupId) -> Tag {
        self.tag(&[b"lock", group.as_bytes()])
    }

    /// HKDF-Expand as a keyed hash; the words in front have no prefix in common, so no two inputs meet.
    fn tag(&self, input: &[&[u8]]) -> Tag {
        let mut tag = [0; TAG_LEN];
        if let Ok(hkdf) = Hkdf::<Sha256>::from_prk(&self.name) {
            expand(&hkdf, input, &mut tag);
        }
        tag
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

#[expect(clippy::expect_used, reason = "expansions here are 32 bytes at most, HKDF-SHA-256 gives 8,160")]
fn expand(hkdf: &Hkdf<Sha256>, info: &[&[u8]], out: &mut [u8]) {
    hkdf.expand_multi_info(info, out).expect("an output within the bound of HKDF");
}
