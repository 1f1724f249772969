//! HPKE base mode (RFC 9180): DHKEM(X25519, HKDF-SHA-256), HKDF-SHA-256, the suite's AEAD.

use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable,
    aead::{Aead, AesGcm256, ChaCha20Poly1305},
    kdf::HkdfSha256,
    kem::X25519HkdfSha256,
};
use protocol::Suite;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::wire::array;

type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type EncappedKey = <X25519HkdfSha256 as Kem>::EncappedKey;

/// A key that cannot be sealed to, or a sealed text that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HybridError;

/// A fresh X25519 secret with its public key.
pub(crate) fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> (Zeroizing<[u8; 32]>, [u8; 32]) {
    let mut ikm = Zeroizing::new([0; 32]);
    rng.fill_bytes(ikm.as_mut_slice());
    let (secret, public) = X25519HkdfSha256::derive_keypair(&*ikm);
    let mut bytes = secret.to_bytes();
    let mut out = Zeroizing::new([0; 32]);
    out.copy_from_slice(&bytes);
    zeroize::Zeroize::zeroize(bytes.as_mut_slice());
    (out, public.to_bytes().into())
}

/// The public key of a stored secret.
pub(crate) fn public_key(secret: &[u8; 32]) -> Result<[u8; 32], HybridError> {
    let secret = PrivateKey::from_bytes(secret).map_err(|_| HybridError)?;
    Ok(X25519HkdfSha256::sk_to_pk(&secret).to_bytes().into())
}

/// Seals to a public key; gives the encapsulated key and the ciphertext.
pub(crate) fn seal(
    suite: Suite,
    recipient: &[u8; 32],
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<([u8; 32], Vec<u8>), HybridError> {
    match suite {
        Suite::Aes256Gcm => seal_with::<AesGcm256>(recipient, info, aad, plaintext, rng),
        Suite::ChaCha20Poly1305 => seal_with::<ChaCha20Poly1305>(recipient, info, aad, plaintext, rng),
    }
}

/// Opens what was sealed to the public key of `secret`.
pub(crate) fn open(
    suite: Suite,
    secret: &[u8; 32],
    encapsulated: &[u8; 32],
    info: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, HybridError> {
    match suite {
        Suite::Aes256Gcm => open_with::<AesGcm256>(secret, encapsulated, info, aad, ciphertext),
        Suite::ChaCha20Poly1305 => open_with::<ChaCha20Poly1305>(secret, encapsulated, info, aad, ciphertext),
    }
}

fn seal_with<A: Aead>(
    recipient: &[u8; 32],
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
    mut rng: &mut (impl CryptoRng + ?Sized),
) -> Result<([u8; 32], Vec<u8>), HybridError> {
    let recipient = PublicKey::from_bytes(recipient).map_err(|_| HybridError)?;
    let (encapsulated, ciphertext) = hpke::single_shot_seal_with_rng::<A, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &recipient,
        info,
        plaintext,
        aad,
        &mut rng,
    )
    .map_err(|_| HybridError)?;
    Ok((array(&encapsulated.to_bytes()).map_err(|_| HybridError)?, ciphertext))
}

fn open_with<A: Aead>(
    secret: &[u8; 32],
    encapsulated: &[u8; 32],
    info: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, HybridError> {
    let secret = PrivateKey::from_bytes(secret).map_err(|_| HybridError)?;
    let encapsulated = EncappedKey::from_bytes(encapsulated).map_err(|_| HybridError)?;
    hpke::single_shot_open::<A, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &encapsulated,
        info,
        ciphertext,
        aad,
    )
    .map(Zeroizing::new)
    .map_err(|_| HybridError)
}
