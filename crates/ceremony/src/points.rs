//! Points and field elements in snarkjs' two encodings.
//!
//! In files: affine coordinates, each 32 bytes little-endian in Montgomery form, an element of the quadratic extension
//! as its two halves, the identity as zeros. In hashes: coordinates as big-endian integers, the extension's second half
//! first, the identity as zeros.

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine, g1, g2};
use ark_ec::{
    AffineRepr, CurveConfig, CurveGroup,
    short_weierstrass::{Affine, SWCurveConfig},
};
use ark_ff::{AdditiveGroup, BigInt, BigInteger, Field, MontConfig, PrimeField};

use crate::{
    container::{Container, Section},
    error::CeremonyError,
};

/// Bytes of a point of G1 in a file.
pub(crate) const G1_LEN: usize = 64;
/// Bytes of a point of G2 in a file.
pub(crate) const G2_LEN: usize = 128;
/// Points read at once.
const CHUNK: usize = 1 << 12;

fn limbs(bytes: &[u8; 32]) -> BigInt<4> {
    let mut limbs = [0; 4];
    for (limb, bytes) in limbs.iter_mut().zip(bytes.as_chunks().0) {
        *limb = u64::from_le_bytes(*bytes);
    }
    BigInt::new(limbs)
}

fn bytes_of(limbs: &BigInt<4>) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (piece, limb) in bytes.as_chunks_mut().0.iter_mut().zip(limbs.0) {
        *piece = limb.to_le_bytes();
    }
    bytes
}

/// A coordinate in Montgomery form; none unless it is below the modulus.
pub(crate) fn coordinate(bytes: &[u8; 32]) -> Option<Fq> {
    let limbs = limbs(bytes);
    (limbs < Fq::MODULUS).then(|| Fq::new_unchecked(limbs))
}

/// A scalar as a plain little-endian integer.
pub(crate) fn scalar_bytes(scalar: &Fr) -> [u8; 32] {
    bytes_of(&scalar.into_bigint())
}

/// A coefficient as a key holds it: little-endian, times the square of the Montgomery radix.
pub(crate) fn coefficient_bytes(value: &Fr) -> [u8; 32] {
    scalar_bytes(&(Fr::new(<ark_bn254::FrConfig as MontConfig<4>>::R2) * value))
}

/// The modulus of the curve's coordinates, little-endian.
pub(crate) fn base_modulus() -> [u8; 32] {
    bytes_of(&Fq::MODULUS)
}

/// The order of the groups, little-endian.
pub(crate) fn order() -> [u8; 32] {
    bytes_of(&Fr::MODULUS)
}

fn pair(bytes: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let (mut first, mut second) = ([0; 32], [0; 32]);
    let (low, high) = bytes.split_at(32);
    first.copy_from_slice(low);
    second.copy_from_slice(high);
    (first, second)
}

fn extension(bytes: &[u8; 64]) -> Option<Fq2> {
    let (c0, c1) = pair(bytes);
    Some(Fq2::new(coordinate(&c0)?, coordinate(&c1)?))
}

/// Points as files and hashes hold them.
pub(crate) trait FilePoint: AffineRepr<ScalarField = Fr> {
    const LEN: usize;

    /// A point of the curve; where the curve is larger than the group, it may be outside the group.
    fn on_curve(bytes: &[u8]) -> Option<Self>;

    /// Whether it is in the group of prime order.
    fn in_group(&self) -> bool;

    /// As a hash takes it.
    fn for_hash(&self, sink: &mut dyn FnMut(&[u8]));
}

impl FilePoint for Affine<g1::Config> {
    const LEN: usize = G1_LEN;

    fn on_curve(bytes: &[u8]) -> Option<Self> {
        let (x, y) = pair(bytes.try_into().ok()?);
        let (x, y) = (coordinate(&x)?, coordinate(&y)?);
        if x == Fq::ZERO && y == Fq::ZERO {
            return Some(Self::identity());
        }
        let point = Self::new_unchecked(x, y);
        point.is_on_curve().then_some(point)
    }

    fn in_group(&self) -> bool {
        // The curve's order is the group's.
        true
    }

    fn for_hash(&self, sink: &mut dyn FnMut(&[u8])) {
        let (x, y) = self.xy().unwrap_or_default();
        sink(&x.into_bigint().to_bytes_be());
        sink(&y.into_bigint().to_bytes_be());
    }
}

impl FilePoint for Affine<g2::Config> {
    const LEN: usize = G2_LEN;

    fn on_curve(bytes: &[u8]) -> Option<Self> {
        let (x, y) = bytes.split_at_checked(64)?;
        let (x, y) = (extension(x.try_into().ok()?)?, extension(y.try_into().ok()?)?);
        if x == Fq2::ZERO && y == Fq2::ZERO {
            return Some(Self::identity());
        }
        let point = Self::new_unchecked(x, y);
        point.is_on_curve().then_some(point)
    }

    fn in_group(&self) -> bool {
        self.is_in_correct_subgroup_assuming_on_curve()
    }

    fn for_hash(&self, sink: &mut dyn FnMut(&[u8])) {
        let (x, y) = self.xy().unwrap_or_default();
        for value in [x.c1, x.c0, y.c1, y.c0] {
            sink(&value.into_bigint().to_bytes_be());
        }
    }
}

/// A point of a group from a file; none unless it is canonical and in the group of prime order.
pub(crate) fn point<P: FilePoint>(bytes: &[u8]) -> Option<P> {
    P::on_curve(bytes).filter(P::in_group)
}

/// Reads points of a section one chunk after the other: canonical, on the curve, and in the group if `check` says so.
pub(crate) fn points<P: FilePoint>(
    container: &Container<'_>,
    section: Section,
    first: u64,
    count: usize,
    check: Membership,
) -> Result<Vec<P>, CeremonyError> {
    let malformed = || container.malformed("something is no point of the group");
    let needed = (first + count as u64).checked_mul(P::LEN as u64);
    if needed.is_none_or(|needed| needed > section.len) {
        return Err(container.malformed("a section is too short"));
    }
    let mut points = Vec::with_capacity(count);
    let mut buffer = vec![0; CHUNK.min(count) * P::LEN];
    while points.len() < count {
        let now = CHUNK.min(count - points.len());
        let buffer = buffer.get_mut(..now * P::LEN).unwrap_or_default();
        container.read(section, (first + points.len() as u64) * P::LEN as u64, buffer)?;
        let decode = |bytes: &[u8]| match check {
            Membership::Group => point(bytes),
            Membership::Curve => P::on_curve(bytes),
        };
        #[cfg(feature = "parallel")]
        let chunk: Option<Vec<P>> = {
            use rayon::prelude::*;
            buffer.par_chunks_exact(P::LEN).with_min_len(64).map(decode).collect()
        };
        #[cfg(not(feature = "parallel"))]
        let chunk: Option<Vec<P>> = buffer.chunks_exact(P::LEN).map(decode).collect();
        points.extend(chunk.ok_or_else(malformed)?);
    }
    Ok(points)
}

/// What is demanded of points that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    /// To be in the group of prime order.
    Group,
    /// To be on the curve.
    Curve,
}

/// snarkjs' way to a point from a stream of 32-bit words, the second group's cofactor cleared.
pub(crate) fn random_g2(words: &mut dyn FnMut() -> u32) -> G2Affine {
    loop {
        let x = Fq2::new(random_coordinate(words), random_coordinate(words));
        let largest = words() & 1 == 1;
        let square = x.square() * x + g2::Config::COEFF_B;
        let Some(mut y) = square.sqrt() else { continue };
        if is_largest2(&y) != largest {
            y = -y;
        }
        let cofactor = <g2::Config as CurveConfig>::COFACTOR;
        return G2Affine::new_unchecked(x, y).mul_bigint(cofactor).into_affine();
    }
}

/// The same for the first group, which has no cofactor.
pub(crate) fn random_g1(words: &mut dyn FnMut() -> u32) -> G1Affine {
    loop {
        let x = random_coordinate(words);
        let largest = words() & 1 == 1;
        let square = x.square() * x + g1::Config::COEFF_B;
        let Some(mut y) = square.sqrt() else { continue };
        if is_largest(&y) != largest {
            y = -y;
        }
        return G1Affine::new_unchecked(x, y);
    }
}

/// A scalar from a stream of words, taken for the Montgomery form.
pub(crate) fn random_scalar(words: &mut dyn FnMut() -> u32) -> Fr {
    Fr::new_unchecked(random_below(words, &Fr::MODULUS))
}

fn random_coordinate(words: &mut dyn FnMut() -> u32) -> Fq {
    Fq::new_unchecked(random_below(words, &Fq::MODULUS))
}

/// 254 bits until they are below the modulus. Of each 64 the upper 32 come first.
fn random_below(words: &mut dyn FnMut() -> u32, modulus: &BigInt<4>) -> BigInt<4> {
    loop {
        let mut limbs = [0; 4];
        for limb in &mut limbs {
            let upper = u64::from(words());
            *limb = upper << 32 | u64::from(words());
        }
        let [.., top] = &mut limbs;
        *top &= u64::MAX >> 2;
        let value = BigInt::new(limbs);
        if value < *modulus {
            return value;
        }
    }
}

fn is_largest(value: &Fq) -> bool {
    value.into_bigint() > (-*value).into_bigint()
}

fn is_largest2(value: &Fq2) -> bool {
    is_largest(if value.c1 == Fq::ZERO { &value.c0 } else { &value.c1 })
}
