//! Keys for development, and the hashes that pin them.
//!
//! IMPORTANT: their randomness comes from public seeds, so anybody can forge proofs that verify under them. They exist
//! so that all machines agree without a ceremony.

use std::sync::OnceLock;

use crate::{
    hash::{ProvingKeyHash, VerifyingKeyHash},
    tier::Tier,
    verifier::VerifyingKeys,
    verifying_key::VerifyingKey,
};

/// The pinned facts about the development keys of one tier.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct DevelopmentKey {
    /// The circuit.
    pub tier: Tier,
    /// The verifying key as checked in.
    pub verifying_key: &'static [u8],
    /// [`VerifyingKey::hash`] of it.
    pub verifying_key_hash: VerifyingKeyHash,
    /// Hash of the proving-key file that the public seed gives.
    pub proving_key_hash: ProvingKeyHash,
    /// Length of that file in bytes.
    pub proving_key_len: u64,
}

/// The development keys, one for each tier, ascending.
pub const DEVELOPMENT_KEYS: [DevelopmentKey; Tier::ALL.len()] = [
    DevelopmentKey {
        tier: Tier::T8,
        verifying_key: include_bytes!("../keys/development-t8.vk"),
        verifying_key_hash: VerifyingKeyHash::new([
            0x3c, 0xb0, 0x3b, 0x56, 0xcc, 0x43, 0x42, 0xed, 0xb2, 0x15, 0x2c, 0x7b, 0xb1, 0x9b, 0xc7, 0x6d,
            0xdd, 0x80, 0x9d, 0x29, 0x49, 0x72, 0x52, 0x35, 0x3e, 0x3b, 0x45, 0x39, 0xb3, 0x55, 0x8c, 0xe2,
        ]),
        proving_key_hash: ProvingKeyHash::new([
            0x50, 0xfe, 0x29, 0x54, 0xfe, 0x68, 0xfa, 0x80, 0x39, 0x88, 0x6d, 0x2a, 0x6e, 0xe2, 0xf8, 0xa6,
            0x0b, 0x8f, 0x51, 0x24, 0x90, 0xe4, 0x0e, 0xee, 0x8a, 0xb7, 0xcb, 0x22, 0x6d, 0x12, 0xd4, 0x8b,
        ]),
        proving_key_len: 3_884_496,
    },
    DevelopmentKey {
        tier: Tier::T16,
        verifying_key: include_bytes!("../keys/development-t16.vk"),
        verifying_key_hash: VerifyingKeyHash::new([
            0x28, 0x18, 0x25, 0x63, 0x44, 0xb1, 0xaa, 0xa7, 0x66, 0x73, 0x40, 0x12, 0xbb, 0x8c, 0x04, 0x12,
            0xfd, 0x30, 0x03, 0xc4, 0x6b, 0xd4, 0x95, 0x86, 0x2e, 0x39, 0x9d, 0xcc, 0x25, 0x3d, 0xbc, 0x0d,
        ]),
        proving_key_hash: ProvingKeyHash::new([
            0xf1, 0x32, 0x2f, 0xdd, 0xa6, 0x53, 0xce, 0x5e, 0xcc, 0xe9, 0xa3, 0xf9, 0xea, 0x59, 0x8a, 0x48,
            0x12, 0x98, 0xff, 0x10, 0x41, 0x3f, 0x01, 0xdd, 0x98, 0xd9, 0x44, 0x3d, 0xc2, 0x9e, 0xa6, 0x28,
        ]),
        proving_key_len: 7_629_776,
    },
];

/// Whether a hash is that of a development key.
pub(crate) fn is_development_key(hash: VerifyingKeyHash) -> bool {
    DEVELOPMENT_KEYS.iter().any(|pinned| pinned.verifying_key_hash == hash)
}

impl VerifyingKeys {
    /// The development keys, prepared once per process.
    ///
    /// A key whose bytes do not have the pinned hash is left out, and with it every proof of its tier refused; a test
    /// keeps that from happening.
    #[must_use]
    pub fn development() -> &'static Self {
        static KEYS: OnceLock<VerifyingKeys> = OnceLock::new();
        KEYS.get_or_init(|| {
            Self::prepare(DEVELOPMENT_KEYS.iter().filter_map(|pinned| {
                let key = VerifyingKey::from_bytes(pinned.tier, pinned.verifying_key).ok()?;
                (key.hash() == pinned.verifying_key_hash).then_some(key)
            }))
        })
    }
}
