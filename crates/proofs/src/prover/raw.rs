//! Points as a proving-key file holds them: coordinates in Montgomery form, as arithmetic needs them.

use ark_bn254::{Fq, Fq2};
use ark_ec::{
    AffineRepr,
    short_weierstrass::{Affine, SWCurveConfig},
};
use ark_ff::{BigInt, Zero};

/// Bytes of a field element: four limbs, least significant first, each little-endian.
const FIELD_LEN: usize = 32;

/// A coordinate of a point, of fixed length in a file.
pub(super) trait Coordinate: Zero + Copy {
    /// Bytes of a coordinate.
    const LEN: usize;

    /// Appends the coordinate.
    fn write(&self, file: &mut Vec<u8>);

    /// The coordinate of [`Coordinate::LEN`] bytes; that it is below the modulus is not checked.
    fn read(bytes: &[u8]) -> Option<Self>;
}

impl Coordinate for Fq {
    const LEN: usize = FIELD_LEN;

    fn write(&self, file: &mut Vec<u8>) {
        self.0.0.iter().for_each(|limb| file.extend_from_slice(&limb.to_le_bytes()));
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (limbs, _) = bytes.as_chunks::<8>();
        let limbs: &[[u8; 8]; 4] = limbs.try_into().ok()?;
        Some(Self::new_unchecked(BigInt(limbs.map(u64::from_le_bytes))))
    }
}

impl Coordinate for Fq2 {
    const LEN: usize = 2 * FIELD_LEN;

    fn write(&self, file: &mut Vec<u8>) {
        self.c0.write(file);
        self.c1.write(file);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (c0, c1) = bytes.split_at_checked(FIELD_LEN)?;
        Some(Self::new(Fq::read(c0)?, Fq::read(c1)?))
    }
}

/// Bytes of a point.
pub(super) const fn point_len<P: SWCurveConfig<BaseField: Coordinate>>() -> usize {
    2 * <P::BaseField as Coordinate>::LEN
}

/// Appends a point. The identity is written as (0, 0), which is on neither curve.
pub(super) fn write<P: SWCurveConfig<BaseField: Coordinate>>(file: &mut Vec<u8>, point: &Affine<P>) {
    let (x, y) = point.xy().unwrap_or_else(|| (P::BaseField::zero(), P::BaseField::zero()));
    x.write(file);
    y.write(file);
}

/// The point of these bytes. Neither the coordinates' size nor the curve's equation is checked.
pub(super) fn read<P: SWCurveConfig<BaseField: Coordinate>>(bytes: &[u8]) -> Option<Affine<P>> {
    let (x, y) = bytes.split_at_checked(P::BaseField::LEN)?;
    let (x, y) = (P::BaseField::read(x)?, P::BaseField::read(y)?);
    Some(if x.is_zero() && y.is_zero() { Affine::zero() } else { Affine::new_unchecked(x, y) })
}

#[cfg(test)]
mod tests {
    use ark_bn254::{Fr, G1Affine, G2Affine, g1, g2};
    use ark_ec::CurveGroup;

    use super::*;

    fn round_trip<P: SWCurveConfig<BaseField: Coordinate>>(point: &Affine<P>) {
        let mut bytes = Vec::new();
        write(&mut bytes, point);
        assert_eq!(bytes.len(), point_len::<P>());
        assert_eq!(read(&bytes).as_ref(), Some(point));
        assert_eq!(read::<P>(&bytes[1..]), None);
    }

    #[test]
    fn points_and_the_identity_come_back() {
        for factor in [1u64, 2, 77] {
            round_trip::<g1::Config>(&(G1Affine::generator() * Fr::from(factor)).into_affine());
            round_trip::<g2::Config>(&(G2Affine::generator() * Fr::from(factor)).into_affine());
        }
        round_trip::<g1::Config>(&G1Affine::zero());
        round_trip::<g2::Config>(&G2Affine::zero());
    }
}
