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

#[cfg(test)]
mod tests {
    use core::convert::Infallible;

    use rand_core::{TryCryptoRng, TryRng};

    use super::*;

    /// Gives out a vector's ephemeral key material.
    struct Fixed(Vec<u8>);

    impl TryRng for Fixed {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            Ok(0)
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            Ok(0)
        }

        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
            out.copy_from_slice(&self.0);
            Ok(())
        }
    }

    impl TryCryptoRng for Fixed {}

    fn bytes(hex: &str) -> Vec<u8> {
        hex::decode(hex).unwrap()
    }

    fn key(hex: &str) -> [u8; 32] {
        bytes(hex).try_into().unwrap()
    }

    /// RFC 9180, appendix A.2.1: base mode with ChaCha20-Poly1305.
    #[test]
    fn is_rfc_9180_with_chacha() {
        let secret = key("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb");
        let public = key("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a");
        let enc = key("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a");
        let info = bytes("4f6465206f6e2061204772656369616e2055726e");
        let plaintext = bytes("4265617574792069732074727574682c20747275746820626561757479");
        let ciphertext = bytes(
            "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28",
        );
        assert_eq!(public_key(&secret), Ok(public));
        let suite = Suite::ChaCha20Poly1305;
        let opened = open(suite, &secret, &enc, &info, b"Count-0", &ciphertext).unwrap();
        assert_eq!(*opened, plaintext);
        let mut rng = Fixed(bytes("909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b"));
        let sealed = seal(suite, &public, &info, b"Count-0", &plaintext, &mut rng).unwrap();
        assert_eq!(sealed, (enc, ciphertext));
    }

    /// The RFC has no vector for AES-256-GCM with X25519; this one comes from an independent implementation.
    #[test]
    fn is_rfc_9180_with_aes() {
        let sealed = bytes(
            "7e81e916e3afcdb31ef74d8db923f2ba15b82a1aa6594ea228dcdf27d7b54f6cb9986f13003b140207c74406632ca7e17022841104",
        );
        let (enc, ciphertext) = sealed.split_first_chunk::<32>().unwrap();
        let opened = open(Suite::Aes256Gcm, &[0x0e; 32], enc, b"info", b"aad", ciphertext).unwrap();
        assert_eq!(*opened, b"plain");
    }

    #[test]
    fn everything_is_bound() {
        let mut rng = Fixed(vec![1; 32]);
        let (secret, public) = generate(&mut rng);
        assert_eq!(public_key(&secret), Ok(public));
        let suite = Suite::Aes256Gcm;
        let (enc, sealed) = seal(suite, &public, b"info", b"aad", b"plain", &mut Fixed(vec![2; 32])).unwrap();
        assert!(open(suite, &secret, &enc, b"info", b"aad", &sealed).is_ok());
        assert!(open(suite, &secret, &enc, b"inf", b"aad", &sealed).is_err());
        assert!(open(suite, &secret, &enc, b"info", b"aa", &sealed).is_err());
        assert!(open(suite, &[3; 32], &enc, b"info", b"aad", &sealed).is_err());
        assert!(open(suite, &secret, &[0; 32], b"info", b"aad", &sealed).is_err(), "the point of order one");
        assert!(open(Suite::ChaCha20Poly1305, &secret, &enc, b"info", b"aad", &sealed).is_err());
        assert!(seal(suite, &[0; 32], b"", b"", b"", &mut Fixed(vec![2; 32])).is_err());
    }
}
