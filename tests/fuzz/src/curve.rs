//! The decoders of points, secrets and signatures.

use ::curve::{
    Point, TreeSecret,
    schnorr::{self, SchnorrSignature},
};

/// What a good signature is made of: key, digest, signature.
const SIGNED: &[u8; 128] = include_bytes!("../corpus/signature/good");

/// A point. What is taken is on the curve, of prime order and not the identity by the plain definitions, and has one
/// form.
pub fn point(bytes: &[u8]) {
    let Ok(bytes) = <&[u8; 32]>::try_from(bytes) else { return };
    let Ok(point) = Point::from_bytes(bytes) else { return };
    assert!(point.to_bytes() == *bytes, "a point has two forms");
    let affine = point.as_affine();
    assert!(affine.is_on_curve(), "off the curve");
    assert!(affine.is_in_correct_subgroup_assuming_on_curve(), "outside the subgroup");
    let mut negative = *bytes;
    negative[31] ^= 0x80;
    let negative = Point::from_bytes(&negative).map(|point| *point.as_affine());
    assert!(negative == Ok(-*affine), "the sign bit is the sign");
}

/// A secret. What is taken has one form and a key that is a point.
pub fn secret(bytes: &[u8]) {
    let Ok(bytes) = <&[u8; 32]>::try_from(bytes) else { return };
    let Ok(secret) = TreeSecret::from_bytes(bytes) else { return };
    assert!(*secret.to_bytes() == *bytes, "a secret has two forms");
    let public = secret.public();
    assert!(Point::from_bytes(public.as_bytes()) == Ok(public), "a key that is no point");
}

/// Key, digest and signature in 128 bytes. Nothing but the good one verifies.
pub fn signature(bytes: &[u8]) {
    let Ok(bytes) = <&[u8; 128]>::try_from(bytes) else { return };
    let (parts, _) = bytes.as_chunks::<32>();
    let [key, digest, _, _] = parts else { return };
    let Ok(key) = Point::from_bytes(key) else { return };
    let mut signature = [0; 64];
    signature.copy_from_slice(&bytes[64..]);
    let verdict = schnorr::verify(&key, digest, &SchnorrSignature::from_bytes(signature));
    assert!(verdict.is_ok() == (bytes == SIGNED), "a forged signature, or a good one refused");
}
