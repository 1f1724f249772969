//! HKDF-SHA-256 (RFC 5869) with labels: the only key derivation of this crate.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// What every label begins with; bumped together with the protocol version.
const PREFIX: &[u8] = b"kith/v1/";

/// Longest output of one expansion, in bytes (RFC 5869, section 2.3).
pub(crate) const MAX_OUTPUT: usize = 255 * 32;

/// HKDF-Extract of several parts of input keying material, which have to be of fixed length each.
pub(crate) fn extract(salt: &[u8], ikm: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut joined = Zeroizing::new(Vec::with_capacity(ikm.iter().map(|part| part.len()).sum()));
    for part in ikm {
        joined.extend_from_slice(part);
    }
    let (prk, _) = Hkdf::<Sha256>::extract(Some(salt), &joined);
    Zeroizing::new(prk.into())
}

/// HKDF-Expand of a 32-byte secret to `N` bytes.
///
/// `info` is `u16 N ‖ u8 length ‖ "kith/v1/" label ‖ u32 length ‖ context`: the output length and the lengths of label
/// and context are inside, so that no two derivations share an info string.
pub(crate) fn expand<const N: usize>(secret: &[u8; 32], label: &str, context: &[u8]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= MAX_OUTPUT, "one expansion gives at most 8,160 bytes") };
    let mut out = Zeroizing::new([0; N]);
    expand_into(secret, label, context, out.as_mut_slice());
    out
}

/// As [`expand`], into a slice of at most [`MAX_OUTPUT`] bytes.
#[expect(
    clippy::expect_used,
    reason = "a 32-byte key is long enough for SHA-256 and callers bound the output"
)]
pub(crate) fn expand_into(secret: &[u8; 32], label: &str, context: &[u8], out: &mut [u8]) {
    let out_len = u16::try_from(out.len()).unwrap_or(u16::MAX).to_be_bytes();
    let label_len = [u8::try_from(PREFIX.len() + label.len()).unwrap_or(u8::MAX)];
    let context_len = u32::try_from(context.len()).unwrap_or(u32::MAX).to_be_bytes();
    let info = [&out_len[..], &label_len, PREFIX, label.as_bytes(), &context_len, context];
    Hkdf::<Sha256>::from_prk(secret)
        .expect("a pseudorandom key of hash length")
        .expand_multi_info(&info, out)
        .expect("an output within the bound");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hkdf_is_that_of_rfc_5869() {
        // Appendix A, test case 1.
        let salt = hex::decode("000102030405060708090a0b0c").unwrap();
        let prk = extract(&salt, &[&[0x0b; 11], &[0x0b; 11]]);
        assert_eq!(hex::encode(*prk), "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
        let info = hex::decode("f0f1f2f3f4f5f6f7f8f9").unwrap();
        let mut okm = [0; 42];
        Hkdf::<Sha256>::from_prk(&*prk).unwrap().expand(&info, &mut okm).unwrap();
        assert_eq!(
            hex::encode(okm),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
    }

    #[test]
    fn info_is_length_prefixed() {
        let secret = [7; 32];
        let mut plain = [0; 32];
        let info = b"\x00\x20\x0ckith/v1/test\x00\x00\x00\x03abc";
        Hkdf::<Sha256>::from_prk(&secret).unwrap().expand(info, &mut plain).unwrap();
        assert_eq!(*expand::<32>(&secret, "test", b"abc"), plain);
        assert_ne!(*expand::<32>(&secret, "testa", b"bc"), plain);
    }
}
