//! The `.zkey` file: a Groth16 proving key and the contributions it went through.

mod contribution;

use ark_bn254::{G1Affine, G2Affine};
use ark_ec::AffineRepr;

pub use self::contribution::{Beacon, Contribution};
use crate::{
    container::{Container, Pieces, Source},
    error::{CeremonyError, FileKind},
    points::{self, FilePoint, G1_LEN, G2_LEN, Membership, base_modulus, coefficient_bytes, order, point},
    relation::Relation,
    transcript::CeremonyHash,
};

const PROTOCOL: u32 = 1;
const HEADER: u32 = 2;
const INPUT_POINTS: u32 = 3;
const COEFFICIENTS: u32 = 4;
const A: u32 = 5;
const B1: u32 = 6;
const B2: u32 = 7;
const L: u32 = 8;
const H: u32 = 9;
const CONTRIBUTIONS: u32 = 10;

const GROTH16: u32 = 1;
const HEADER_LEN: usize = 4 + 32 + 4 + 32 + 12 + 3 * G1_LEN + 3 * G2_LEN;
/// Matrix, row, variable and value.
const COEFFICIENT_LEN: usize = 12 + 32;
/// Contributions of more than ten thousand people.
const MAX_CONTRIBUTIONS_LEN: usize = 1 << 23;
const MAX_DOMAIN: u32 = 1 << 20;

/// The elements a key's equation is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elements {
    pub(crate) alpha: G1Affine,
    pub(crate) beta_g1: G1Affine,
    pub(crate) beta: G2Affine,
    pub(crate) gamma: G2Affine,
    pub(crate) delta_g1: G1Affine,
    pub(crate) delta: G2Affine,
}

/// A key file, opened: sizes, elements and contributions; its points are read when they are needed.
pub struct Zkey<'s> {
    container: Container<'s>,
    variables: usize,
    public: usize,
    domain: usize,
    pub(crate) elements: Elements,
    start: CeremonyHash,
    contributions: Vec<Contribution>,
}

impl core::fmt::Debug for Zkey<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Zkey")
            .field("variables", &self.variables)
            .field("public", &self.public)
            .field("domain", &self.domain)
            .field("contributions", &self.contributions.len())
            .finish_non_exhaustive()
    }
}

impl<'s> Zkey<'s> {
    /// Opens a key and checks that it is whole: every section is there and as long as the header demands, the header's
    /// elements are in their groups and not the identity, the list of contributions can be read.
    ///
    /// # Errors
    /// [`CeremonyError::Truncated`], [`CeremonyError::Malformed`], [`CeremonyError::Read`].
    pub fn open(source: &'s dyn Source) -> Result<Self, CeremonyError> {
        let container = Container::open(source, FileKind::Zkey)?;
        let protocol = container.bytes(container.sized(PROTOCOL, 4)?, 4)?;
        if protocol != GROTH16.to_le_bytes() {
            return Err(container.malformed("it is not for Groth16"));
        }
        let header = container.bytes(container.sized(HEADER, HEADER_LEN as u64)?, HEADER_LEN)?;
        let mut pieces = Pieces::new(&header, FileKind::Zkey);
        if pieces.u32()? != 32
            || *pieces.array::<32>()? != base_modulus()
            || pieces.u32()? != 32
            || *pieces.array::<32>()? != order()
        {
            return Err(container.malformed("it is for another curve"));
        }
        let (variables, public, domain) = (pieces.u32()?, pieces.u32()?, pieces.u32()?);
        if !domain.is_power_of_two() || domain > MAX_DOMAIN || variables > MAX_DOMAIN || public >= variables {
            return Err(container.malformed("impossible sizes"));
        }
        let elements = Elements {
            alpha: element(&mut pieces)?,
            beta_g1: element(&mut pieces)?,
            beta: element(&mut pieces)?,
            gamma: element(&mut pieces)?,
            delta_g1: element(&mut pieces)?,
            delta: element(&mut pieces)?,
        };
        pieces.end()?;
        let (variables, public, domain) = (variables as usize, public as usize, domain as usize);
        for (section, count, len) in [
            (INPUT_POINTS, public + 1, G1_LEN),
            (A, variables, G1_LEN),
            (B1, variables, G1_LEN),
            (B2, variables, G2_LEN),
            (L, variables - public - 1, G1_LEN),
            (H, domain, G1_LEN),
        ] {
            container.sized(section, count as u64 * len as u64)?;
        }
        let section = container.section(CONTRIBUTIONS)?;
        let list = container.bytes(section, MAX_CONTRIBUTIONS_LEN)?;
        let (start, contributions) = contribution::read_all(&list)?;
        Ok(Self { container, variables, public, domain, elements, start, contributions })
    }

    /// Variables of the circuit, the constant one included.
    #[must_use]
    pub const fn variables(&self) -> usize {
        self.variables
    }

    /// Public inputs, the constant one not counted.
    #[must_use]
    pub const fn public(&self) -> usize {
        self.public
    }

    /// Size of the evaluation domain.
    #[must_use]
    pub const fn domain(&self) -> usize {
        self.domain
    }

    /// What the file says its first key's hash is; snarkjs prints it as the circuit's hash.
    #[must_use]
    pub const fn start(&self) -> CeremonyHash {
        self.start
    }

    /// The contributions as the file lists them; nothing about them is verified yet.
    #[must_use]
    pub fn contributions(&self) -> &[Contribution] {
        &self.contributions
    }

    fn all<P: FilePoint>(&self, section: u32, count: usize) -> Result<Vec<P>, CeremonyError> {
        points::points(&self.container, self.container.section(section)?, 0, count, Membership::Group)
    }

    pub(crate) fn input_points(&self) -> Result<Vec<G1Affine>, CeremonyError> {
        self.all(INPUT_POINTS, self.public + 1)
    }

    pub(crate) fn a(&self) -> Result<Vec<G1Affine>, CeremonyError> {
        self.all(A, self.variables)
    }

    pub(crate) fn b_g1(&self) -> Result<Vec<G1Affine>, CeremonyError> {
        self.all(B1, self.variables)
    }

    pub(crate) fn b_g2(&self) -> Result<Vec<G2Affine>, CeremonyError> {
        self.all(B2, self.variables)
    }

    pub(crate) fn l(&self) -> Result<Vec<G1Affine>, CeremonyError> {
        self.all(L, self.variables - self.public - 1)
    }

    pub(crate) fn h(&self) -> Result<Vec<G1Affine>, CeremonyError> {
        self.all(H, self.domain)
    }

    /// Whether sizes and the matrices the file carries for provers are those of a relation.
    pub(crate) fn check_circuit(&self, relation: &Relation) -> Result<(), CeremonyError> {
        let wrong = CeremonyError::WrongCircuit;
        if self.public != relation.public() {
            return Err(wrong("it has another number of public inputs"));
        }
        if self.variables != relation.variables() || self.domain != relation.domain() {
            return Err(wrong("it has another size"));
        }
        let section = self.container.section(COEFFICIENTS)?;
        let count = relation.coefficients().count();
        if section.len != 4 + (count * COEFFICIENT_LEN) as u64 {
            return Err(wrong("it has another number of coefficients"));
        }
        let mut expected = u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        let mut coefficients = relation.coefficients().peekable();
        let mut offset = 0;
        let mut found = Vec::new();
        while coefficients.peek().is_some() || !expected.is_empty() {
            for (is_b, row, variable, value) in coefficients.by_ref().take(1 << 12) {
                expected.extend(u32::from(is_b).to_le_bytes());
                expected.extend(u32::try_from(row).unwrap_or(u32::MAX).to_le_bytes());
                expected.extend(variable.to_le_bytes());
                expected.extend(coefficient_bytes(&value));
            }
            found.resize(expected.len(), 0);
            self.container.read(section, offset, &mut found)?;
            if found != expected {
                return Err(wrong("its constraints differ"));
            }
            offset += expected.len() as u64;
            expected.clear();
        }
        Ok(())
    }
}

fn element<P: FilePoint + AffineRepr>(pieces: &mut Pieces<'_>) -> Result<P, CeremonyError> {
    let bytes = pieces.slice(P::LEN)?;
    let element = point(bytes).filter(|point: &P| !point.is_zero());
    element.ok_or_else(|| pieces.malformed("an element of its header is none of its group"))
}
