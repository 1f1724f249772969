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
            0x3b, 0x70, 0x6c, 0x8b, 0x2d, 0x5a, 0xee, 0x04, 0x83, 0x70, 0xb6, 0x4d, 0xee, 0x26, 0x04, 0x5f,
            0xa6, 0x8d, 0xf8, 0x83, 0xb4, 0x0a, 0x81, 0xc2, 0x6e, 0x41, 0x0f, 0xf8, 0x2c, 0xd5, 0xd2, 0xbf,
        ]),
        proving_key_hash: ProvingKeyHash::new([
            0xa8, 0x65, 0xb0, 0x9b, 0xf7, 0x6b, 0x8d, 0x19, 0x5e, 0x7f, 0x1c, 0x72, 0xb4, 0x25, 0x03, 0x31,
            0x28, 0xf7, 0x26, 0x50, 0xf8, 0x24, 0x76, 0x0e, 0xc2, 0xc3, 0x8c, 0x8b, 0xb9, 0x9f, 0x2b, 0xf7,
        ]),
        proving_key_len: 3_811_792,
    },
    DevelopmentKey {
        tier: Tier::T16,
        verifying_key: include_bytes!("../keys/development-t16.vk"),
        verifying_key_hash: VerifyingKeyHash::new([
            0x9e, 0xfa, 0x95, 0x0e, 0x03, 0x2e, 0x3e, 0x81, 0x03, 0x7b, 0x4b, 0xf7, 0xc5, 0x0f, 0x65, 0x5c,
            0xbf, 0x52, 0x06, 0x83, 0xb0, 0x64, 0xd2, 0x61, 0x8e, 0x7f, 0xc8, 0xc5, 0x20, 0x30, 0xf3, 0x94,
        ]),
        proving_key_hash: ProvingKeyHash::new([
            0x35, 0x85, 0x12, 0x55, 0x31, 0x8f, 0xcf, 0x70, 0xad, 0x82, 0x2c, 0x34, 0x8b, 0x68, 0x1f, 0xc0,
            0x04, 0x4a, 0x0a, 0xeb, 0xeb, 0xa8, 0xdd, 0xb6, 0x63, 0xbd, 0x83, 0xf4, 0x41, 0x7e, 0xca, 0x12,
        ]),
        proving_key_len: 7_484_368,
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
