//! HKDF-SHA-256 (RFC 5869) with labels, and the password's own derivation.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Pseudorandom key of a secret: HKDF-Extract with a salt, which may be empty.
pub(crate) fn extract(salt: &[u8], secret: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let (prk, _) = Hkdf::<Sha256>::extract(Some(salt), secret);
    Zeroizing::new(prk.into())
}

/// HKDF-Expand to `N` bytes; the info is the label with what it is applied to.
#[expect(clippy::expect_used, reason = "a 32-byte key is long enough for SHA-256, and `N` is bounded")]
pub(crate) fn expand<const N: usize>(prk: &[u8; 32], label: &str, of: &[u8]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 255 * 32, "one expansion gives at most 8,160 bytes") };
    let mut out = Zeroizing::new([0; N]);
    Hkdf::<Sha256>::from_prk(prk)
        .expect("a pseudorandom key of hash length")
        .expand_multi_info(&[label.as_bytes(), of], out.as_mut_slice())
        .expect("an output within the bound");
    out
}

/// PBKDF2-HMAC-SHA-256 of a password, 32 bytes.
pub(crate) fn stretch(password: &[u8], salt: &[u8; 16], rounds: u32) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, out.as_mut_slice());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hkdf_is_that_of_rfc_5869() {
        // Appendix A, test case 3: empty salt and info. The secret there has 22 bytes, so only expansion is compared.
        let prk: [u8; 32] = hex::decode("19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04")
            .unwrap()
            .try_into()
            .unwrap();
        let okm = expand::<42>(&prk, "", b"");
        assert_eq!(
            hex::encode(*okm),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
        );
    }

    #[test]
    fn pbkdf2_is_that_of_rfc_7914() {
        // Section 11: password "passwd", salt "salt", 1 round, the first 32 of 64 bytes; the salt is shorter than ours.
        let mut out = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(b"passwd", b"salt", 1, &mut out);
        assert_eq!(hex::encode(out), "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
    }
}
