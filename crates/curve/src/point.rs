//! Public keys: checked, canonical points of the prime-order subgroup.

use core::{cmp::Ordering, fmt, hash};
use std::sync::OnceLock;

use ark_ec::AffineRepr;
use ark_ed_on_bn254::{EdwardsAffine, EdwardsProjective, Fq};
use ark_ff::AdditiveGroup;
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use sha2::{Digest, Sha256};

use crate::{constant_time, subgroup};

/// Why 32 bytes are no [`Point`]. Always the fault of whoever sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PointError {
    /// No point of the curve has this y-coordinate, or the coordinate is no field element.
    #[error("bytes do not encode a point of the curve")]
    NotOnCurve,
    /// The bytes decode, but the point's one valid encoding is another.
    #[error("point encoding is not canonical")]
    NotCanonical,
    /// The point has a component in the subgroup of order eight.
    #[error("point is outside the prime-order subgroup")]
    NotInSubgroup,
    /// The neutral element, which no secret has as its public key.
    #[error("point is the identity")]
    Identity,
}

/// A public key on Baby Jubjub: on the curve, in the prime-order subgroup, not the identity.
///
/// The curve is the twisted Edwards curve x² + y² = 1 + (168696/168700)·x²y² over the scalar field of BN254. The
/// encoding is 32 bytes: y little-endian, and the top bit set iff x is the larger of x and −x. Equality, order and hash
/// are those of the encoding.
#[derive(Clone, Copy)]
pub struct Point {
    affine: EdwardsAffine,
    bytes: [u8; Point::LEN],
}

impl Point {
    /// Length of an encoded point in bytes.
    pub const LEN: usize = 32;

    /// Decodes a point and makes every check the type promises.
    ///
    /// # Errors
    ///
    /// One [`PointError`] for each promise that does not hold.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, PointError> {
        let affine = EdwardsAffine::deserialize_compressed_unchecked(&bytes[..])
            .map_err(|_| PointError::NotOnCurve)?;
        if affine.is_zero() {
            return Err(PointError::Identity);
        }
        if compress(&affine) != *bytes {
            return Err(PointError::NotCanonical);
        }
        if !affine.is_on_curve() {
            return Err(PointError::NotOnCurve);
        }
        if !subgroup::contains(&affine) {
            return Err(PointError::NotInSubgroup);
        }
        Ok(Self { affine, bytes: *bytes })
    }

    /// The 32 canonical bytes.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; Self::LEN] {
        self.bytes
    }

    /// The 32 canonical bytes, borrowed.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.bytes
    }

    /// The affine twisted Edwards coordinates.
    pub const fn as_affine(&self) -> &EdwardsAffine {
        &self.affine
    }

    /// G, the generator of the prime-order subgroup; `K = k·G` for every key.
    #[must_use]
    pub fn generator() -> Self {
        static GENERATOR: OnceLock<Point> = OnceLock::new();
        *GENERATOR.get_or_init(|| Self::from_affine_unchecked(EdwardsAffine::generator()))
    }

    /// H, the sibling of the sign level, with a logarithm to base G that nobody knows.
    ///
    /// Try-and-increment: SHA-256 of the label `kith/v1/sign-base` and a 32-bit big-endian counter gives y (the two top
    /// bits cleared) and the choice between x and −x (bit 255); the first counter that hits the curve is taken, and the
    /// point multiplied by the cofactor 8.
    #[must_use]
    pub fn sign_base() -> Self {
        static SIGN_BASE: OnceLock<Point> = OnceLock::new();
        *SIGN_BASE.get_or_init(|| {
            let mut counter = 0u32;
            loop {
                if let Some(point) = sign_base_candidate(counter) {
                    return point;
                }
                counter = counter.wrapping_add(1);
            }
        })
    }

    /// Whether the point is one of ±G and ±H, which must not be anybody's key.
    ///
    /// A leaf with such a key would make the Diffie–Hellman value of its sibling's level a public point or the sign
    /// level's.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        // A point and its negative share y; Edwards points with equal y differ at most in the sign of x.
        [Self::generator(), Self::sign_base()].iter().any(|base| base.affine.y == self.affine.y)
    }

    /// Takes a point that is known to be in the subgroup and not the identity.
    pub(crate) fn from_affine_unchecked(affine: EdwardsAffine) -> Self {
        Self { affine, bytes: compress(&affine) }
    }

    /// Takes the result of a multiplication by a secret, `None` if it is the identity.
    pub(crate) fn from_subgroup(point: EdwardsProjective) -> Option<Self> {
        let affine = constant_time::to_affine(&point);
        (!affine.is_zero()).then(|| Self::from_affine_unchecked(affine))
    }
}

fn sign_base_candidate(counter: u32) -> Option<Point> {
    let mut digest: [u8; 32] = Sha256::new()
        .chain_update(b"kith/v1/sign-base")
        .chain_update(counter.to_be_bytes())
        .finalize()
        .into();
    let greatest = digest[31] & 0x80 != 0;
    digest[31] &= 0x3f;
    let y = Fq::deserialize_compressed(&digest[..]).ok()?;
    let point = EdwardsAffine::get_point_from_y_unchecked(y, greatest)?;
    Point::from_subgroup(point.into_group().double().double().double())
}

/// The canonical encoding of any affine point, the identity included.
pub(crate) fn compress(affine: &EdwardsAffine) -> [u8; Point::LEN] {
    let mut bytes = [0; Point::LEN];
    // Writing 32 bytes into 32 bytes cannot fail; were it to, the all-zero string encodes no point of the subgroup.
    if affine.serialize_compressed(&mut bytes[..]).is_err() {
        bytes = [0; Point::LEN];
    }
    bytes
}

impl PartialEq for Point {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Point {}

impl hash::Hash for Point {
    fn hash<S: hash::Hasher>(&self, state: &mut S) {
        self.bytes.hash(state);
    }
}

impl PartialOrd for Point {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Point {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Point(")?;
        for byte in self.bytes.iter().take(4) {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("..)")
    }
}

impl AsRef<[u8]> for Point {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
