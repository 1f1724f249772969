//! The `.ptau` file: powers of tau, prepared for the second phase.

use ark_bn254::{G1Affine, G2Affine};

use crate::{
    container::{Container, Pieces, Source},
    error::{CeremonyError, FileKind},
    points::{self, FilePoint, Membership, base_modulus},
    transcript::{CeremonyHash, Hasher},
};

const HEADER: u32 = 1;
const TAU_G1: u32 = 2;
const ALPHA_TAU_G1: u32 = 4;
const BETA_TAU_G1: u32 = 5;
const BETA_G2: u32 = 6;
const LAGRANGE_G1: u32 = 12;
const LAGRANGE_G2: u32 = 13;
const LAGRANGE_ALPHA: u32 = 14;
const LAGRANGE_BETA: u32 = 15;

/// The field has roots of unity up to this order, so no file has more powers.
const MAX_POWER: u32 = 28;

/// Which Lagrange points.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lagrange {
    Plain,
    Alpha,
    Beta,
}

/// Powers of tau, opened: what the second phase takes from the first.
///
/// Whether the first phase was done well is not looked at here; `snarkjs powersoftau verify` does.
pub struct PowersOfTau<'s> {
    source: &'s dyn Source,
    container: Container<'s>,
    power: u32,
    ceremony_power: u32,
}

impl core::fmt::Debug for PowersOfTau<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PowersOfTau").field("power", &self.power).finish_non_exhaustive()
    }
}

impl<'s> PowersOfTau<'s> {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`CeremonyError`]: cut off, malformed, for another curve, or not prepared for the second phase.
    pub fn open(source: &'s dyn Source) -> Result<Self, CeremonyError> {
        let container = Container::open(source, FileKind::Ptau)?;
        let header = container.bytes(container.sized(HEADER, 44)?, 44)?;
        let mut pieces = Pieces::new(&header, FileKind::Ptau);
        if pieces.u32()? != 32 || *pieces.array::<32>()? != base_modulus() {
            return Err(container.malformed("it is for another curve"));
        }
        let (power, ceremony_power) = (pieces.u32()?, pieces.u32()?);
        if power == 0 || power > MAX_POWER || ceremony_power > MAX_POWER || power > ceremony_power {
            return Err(container.malformed("impossible number of powers"));
        }
        if container.find(LAGRANGE_G1).is_none() {
            return Err(CeremonyError::WrongPowers("they are not prepared for phase 2"));
        }
        Ok(Self { source, container, power, ceremony_power })
    }

    /// Binary logarithm of the largest domain there are powers for.
    #[must_use]
    pub const fn power(&self) -> u32 {
        self.power
    }

    /// That of the ceremony the file was cut from.
    #[must_use]
    pub const fn ceremony_power(&self) -> u32 {
        self.ceremony_power
    }

    /// BLAKE2b-512 of the whole file, which those who publish such files publish with them.
    ///
    /// Reads all of it, up to gigabytes.
    ///
    /// # Errors
    /// [`CeremonyError::Read`].
    pub fn file_hash(&self) -> Result<CeremonyHash, CeremonyError> {
        let file = FileKind::Ptau;
        let size = self.source.size().map_err(|error| CeremonyError::Read { file, error })?;
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; 1 << 16];
        let mut offset = 0;
        while offset < size {
            let now = usize::try_from(size - offset).unwrap_or(usize::MAX).min(buffer.len());
            let part = buffer.get_mut(..now).unwrap_or_default();
            self.source.read_exact_at(offset, part).map_err(|error| CeremonyError::Read { file, error })?;
            hasher.bytes(part);
            offset += now as u64;
        }
        Ok(hasher.finish())
    }

    fn one<P: FilePoint>(&self, section: u32) -> Result<P, CeremonyError> {
        let read =
            points::points(&self.container, self.container.section(section)?, 0, 1, Membership::Group)?;
        let point = read.first().copied().filter(|point: &P| !point.is_zero());
        point.ok_or_else(|| self.container.malformed("alpha or beta is the identity"))
    }

    /// α and β in G1, β in G2.
    pub(crate) fn alpha_beta(&self) -> Result<(G1Affine, G1Affine, G2Affine), CeremonyError> {
        Ok((self.one(ALPHA_TAU_G1)?, self.one(BETA_TAU_G1)?, self.one(BETA_G2)?))
    }

    /// The Lagrange basis of the domain of size 2^power at tau, as points of G1.
    pub(crate) fn lagrange(&self, which: Lagrange, power: u32) -> Result<Vec<G1Affine>, CeremonyError> {
        let section = match which {
            Lagrange::Plain => LAGRANGE_G1,
            Lagrange::Alpha => LAGRANGE_ALPHA,
            Lagrange::Beta => LAGRANGE_BETA,
        };
        self.basis(section, power)
    }

    /// The same in G2.
    ///
    /// On the curve, but not checked to be in the group, which would take seconds: they are only ever compared, in a
    /// random combination, with points that are. A share outside the group can only make that comparison fail.
    pub(crate) fn lagrange_g2(&self, power: u32) -> Result<Vec<G2Affine>, CeremonyError> {
        self.basis(LAGRANGE_G2, power)
    }

    /// The bases of all sizes follow one another, the smallest first.
    fn basis<P: FilePoint>(&self, section: u32, power: u32) -> Result<Vec<P>, CeremonyError> {
        let size = 1_usize << power;
        let section = self.container.section(section)?;
        points::points(&self.container, section, size as u64 - 1, size, Membership::Curve)
    }

    /// Powers of tau in G1 from the given one on.
    pub(crate) fn powers(&self, first: usize, count: usize) -> Result<Vec<G1Affine>, CeremonyError> {
        let section = self.container.section(TAU_G1)?;
        points::points(&self.container, section, first as u64, count, Membership::Curve)
    }
}
