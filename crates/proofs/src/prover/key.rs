//! The proving key and its file.

use core::fmt;
use std::sync::OnceLock;

use ark_bn254::{G1Affine, G2Affine, g1, g2};
use ark_ec::short_weierstrass::{Affine, SWCurveConfig};

use super::{qap::Shape, raw};
use crate::{
    hash::ProvingKeyHash,
    tier::Circuit,
    verifier::PreparedKey,
    verifying_key::{VerifyingKey, VerifyingKeyError},
};

/// First bytes of a proving-key file.
const MAGIC: &[u8; 8] = b"kith-pk\n";
/// Version of the circuit and of the file's layout; either changing is a new version.
const VERSION: u32 = 2;
/// Magic, version, circuit number, three zero bytes.
const HEADER_LEN: usize = 16;

/// Why bytes are no proving key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProvingKeyError {
    /// The file does not start as a proving key does.
    #[error("not a proving key")]
    NotAKey,
    /// The file is for another version of circuit or layout.
    #[error("proving key has version {0}, this program needs version 2")]
    Version(u32),
    /// No circuit has this number.
    #[error("proving key is for the unknown circuit {0}")]
    UnknownCircuit(u8),
    /// The file is cut off or has been added to.
    #[error("proving key has {got} bytes instead of {expected}")]
    Length {
        /// Bytes a key of this circuit has.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// A part cannot be read although the length is right.
    #[error("malformed proving key")]
    Malformed,
    /// The embedded verifying key is not acceptable.
    #[error("verifying key inside the proving key: {0}")]
    VerifyingKey(VerifyingKeyError),
}

/// What the prover of one circuit needs: the key's points, and the circuit's matrices.
///
/// About 7.5 MB of points and as much again of matrices for 16 levels. Share it behind an `Arc`.
pub struct ProvingKey {
    pub(super) verifying_key: VerifyingKey,
    pub(super) shape: Shape,
    pub(super) beta_g1: G1Affine,
    pub(super) delta_g1: G1Affine,
    /// A polynomials of the variables in [`Shape::a_columns`]; variables on neither side cost nothing.
    pub(super) a: Vec<G1Affine>,
    pub(super) b_g1: Vec<G1Affine>,
    pub(super) b_g2: Vec<G2Affine>,
    /// The private variables' shares.
    pub(super) l: Vec<G1Affine>,
    /// The Lagrange basis of the quotient, see [`super::qap::quotient`].
    pub(super) h: Vec<G1Affine>,
    prepared: OnceLock<PreparedKey>,
}

impl ProvingKey {
    pub(super) fn new(
        verifying_key: VerifyingKey,
        shape: Shape,
        [beta_g1, delta_g1]: [G1Affine; 2],
        [a, b_g1, l, h]: [Vec<G1Affine>; 4],
        b_g2: Vec<G2Affine>,
    ) -> Self {
        Self { verifying_key, shape, beta_g1, delta_g1, a, b_g1, b_g2, l, h, prepared: OnceLock::new() }
    }

    /// The circuit the key is for.
    #[must_use]
    pub const fn circuit(&self) -> Circuit {
        self.verifying_key.circuit
    }

    /// The verifying key that belongs to it.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    /// The hash of the key's file; encodes the key to compute it.
    #[must_use]
    pub fn hash(&self) -> ProvingKeyHash {
        ProvingKeyHash::of(&self.to_bytes())
    }

    /// Constraints of the circuit, for reports.
    #[must_use]
    pub fn constraints(&self) -> usize {
        self.shape.matrices.constraints()
    }

    pub(super) fn prepared(&self) -> &PreparedKey {
        self.prepared.get_or_init(|| PreparedKey::new(self.verifying_key.clone()))
    }

    /// The key as a file: a header of 16 bytes, then affine points whose number the circuit fixes.
    ///
    /// A point is x and y, an element of Fq2 its two components, and a component its Montgomery form (times 2^256) in 32
    /// little-endian bytes, which is what arithmetic needs: nothing has to be converted when a key is loaded.
    ///
    /// In order: α, β, γ, δ and the input points of the verifying key; β and δ in G1; the A points; the B points in G1
    /// and in G2; the private shares; the quotient's basis.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut file = Vec::with_capacity(file_len(self.circuit(), &self.shape));
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&VERSION.to_le_bytes());
        file.extend_from_slice(&[self.circuit().number(), 0, 0, 0]);
        let vk = &self.verifying_key;
        write(&mut file, &[vk.alpha]);
        write(&mut file, &[vk.beta, vk.gamma, vk.delta]);
        write(&mut file, &vk.inputs);
        write(&mut file, &[self.beta_g1, self.delta_g1]);
        write(&mut file, &self.a);
        write(&mut file, &self.b_g1);
        write(&mut file, &self.b_g2);
        write(&mut file, &self.l);
        write(&mut file, &self.h);
        file
    }

    /// Reads a key's file without checking its points, which takes tens of milliseconds instead of seconds.
    ///
    /// The caller must have compared [`ProvingKeyHash::of`] the bytes with a pinned hash: with points of an attacker's
    /// choice a proof could give away the witness. Header, length and the embedded verifying key are checked.
    ///
    /// # Errors
    ///
    /// See [`ProvingKeyError`].
    pub fn from_bytes_trusted(bytes: &[u8]) -> Result<Self, ProvingKeyError> {
        let (header, mut rest) = bytes.split_at_checked(HEADER_LEN).ok_or(ProvingKeyError::NotAKey)?;
        let (magic, header) = header.split_at(MAGIC.len());
        let [v0, v1, v2, v3, number, zeros @ ..] = header else { return Err(ProvingKeyError::NotAKey) };
        if magic != MAGIC || zeros != [0; 3] {
            return Err(ProvingKeyError::NotAKey);
        }
        let version = u32::from_le_bytes([*v0, *v1, *v2, *v3]);
        if version != VERSION {
            return Err(ProvingKeyError::Version(version));
        }
        let circuit = Circuit::from_number(*number).ok_or(ProvingKeyError::UnknownCircuit(*number))?;
        let shape = Shape::of(circuit).ok_or(ProvingKeyError::Malformed)?;
        let expected = file_len(circuit, &shape);
        if bytes.len() != expected {
            return Err(ProvingKeyError::Length { expected, got: bytes.len() });
        }
        let rest = &mut rest;
        let alpha = read_one(rest)?;
        let [beta, gamma, delta] = [read_one(rest)?, read_one(rest)?, read_one(rest)?];
        let inputs = read(rest, shape.matrices.inputs)?;
        let unchecked = VerifyingKey { circuit, alpha, beta, gamma, delta, inputs };
        let verifying_key = VerifyingKey::from_bytes(circuit, &unchecked.to_bytes())
            .map_err(ProvingKeyError::VerifyingKey)?;
        let [beta_g1, delta_g1] = [read_one(rest)?, read_one(rest)?];
        let a = read(rest, shape.a_columns.len())?;
        let b_g1 = read(rest, shape.b_columns.len())?;
        let b_g2 = read(rest, shape.b_columns.len())?;
        let l = read(rest, shape.private())?;
        let h = read(rest, shape.quotient_len())?;
        Ok(Self::new(verifying_key, shape, [beta_g1, delta_g1], [a, b_g1, l, h], b_g2))
    }
}

/// A proving key's points, for those who bring a key from elsewhere or take one there.
///
/// "Used" variables are those with a non-zero coefficient in any constraint, ascending; on the A side all public
/// variables count as used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvingKeyParts {
    /// The verifying key.
    pub verifying_key: VerifyingKey,
    /// β in G1.
    pub beta_g1: G1Affine,
    /// δ in G1.
    pub delta_g1: G1Affine,
    /// The A polynomials of the variables used on the A side.
    pub a: Vec<G1Affine>,
    /// The B polynomials of the variables used on the B side, in G1.
    pub b_g1: Vec<G1Affine>,
    /// The same in G2.
    pub b_g2: Vec<G2Affine>,
    /// (β·A + α·B + C)/δ of each private variable.
    pub l: Vec<G1Affine>,
    /// The Lagrange polynomials of the doubled domain's odd elements, divided by δ; as many as the domain has elements.
    pub h: Vec<G1Affine>,
}

impl ProvingKey {
    /// The key's points.
    #[must_use]
    pub fn to_parts(&self) -> ProvingKeyParts {
        ProvingKeyParts {
            verifying_key: self.verifying_key.clone(),
            beta_g1: self.beta_g1,
            delta_g1: self.delta_g1,
            a: self.a.clone(),
            b_g1: self.b_g1.clone(),
            b_g2: self.b_g2.clone(),
            l: self.l.clone(),
            h: self.h.clone(),
        }
    }

    /// A key of points that were checked elsewhere: on their curves, in their groups, and what they are said to be.
    ///
    /// # Errors
    ///
    /// [`ProvingKeyError::Malformed`] if a list has another length than the circuit's.
    pub fn from_parts(parts: ProvingKeyParts) -> Result<Self, ProvingKeyError> {
        let ProvingKeyParts { verifying_key, beta_g1, delta_g1, a, b_g1, b_g2, l, h } = parts;
        let shape = Shape::of(verifying_key.circuit).ok_or(ProvingKeyError::Malformed)?;
        let fits = a.len() == shape.a_columns.len()
            && b_g1.len() == shape.b_columns.len()
            && b_g2.len() == shape.b_columns.len()
            && l.len() == shape.private()
            && h.len() == shape.quotient_len();
        if !fits {
            return Err(ProvingKeyError::Malformed);
        }
        Ok(Self::new(verifying_key, shape, [beta_g1, delta_g1], [a, b_g1, l, h], b_g2))
    }
}

impl fmt::Debug for ProvingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProvingKey({}, {})", self.circuit(), self.verifying_key.hash())
    }
}

fn file_len(circuit: Circuit, shape: &Shape) -> usize {
    let b = shape.b_columns.len();
    let in_g1 =
        1 + circuit.inputs() + 1 + 2 + shape.a_columns.len() + b + shape.private() + shape.quotient_len();
    HEADER_LEN + in_g1 * raw::point_len::<g1::Config>() + (3 + b) * raw::point_len::<g2::Config>()
}

fn write<P: SWCurveConfig<BaseField: raw::Coordinate>>(file: &mut Vec<u8>, points: &[Affine<P>]) {
    points.iter().for_each(|point| raw::write(file, point));
}

fn read_one<P>(rest: &mut &[u8]) -> Result<Affine<P>, ProvingKeyError>
where
    P: SWCurveConfig<BaseField: raw::Coordinate>,
{
    let (point, after) = rest.split_at_checked(raw::point_len::<P>()).ok_or(ProvingKeyError::Malformed)?;
    *rest = after;
    raw::read(point).ok_or(ProvingKeyError::Malformed)
}

fn read<P>(rest: &mut &[u8], count: usize) -> Result<Vec<Affine<P>>, ProvingKeyError>
where
    P: SWCurveConfig<BaseField: raw::Coordinate>,
{
    (0..count).map(|_| read_one(rest)).collect()
}
