//! What a contributor leaves in a key.

use ark_bn254::{G1Affine, G2Affine};
use ark_ec::AffineRepr;

use crate::{
    container::Pieces,
    error::{CeremonyError, FileKind},
    points::{FilePoint, G1_LEN, G2_LEN, point},
    transcript::{CeremonyHash, Hasher},
};

/// Three points of G1, one of G2, the transcript, kind, length of the parameters.
const FIXED_LEN: usize = 3 * G1_LEN + G2_LEN + 64 + 8;
const ORDINARY: u32 = 0;
const BEACON: u32 = 1;
const NAME: u8 = 1;
const EXPONENT: u8 = 2;
const VALUE: u8 = 3;

/// A contribution whose randomness is public: it adds no trust, but nobody could choose it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beacon {
    /// The value everybody could watch appear, up to 255 bytes.
    pub value: Vec<u8>,
    /// Binary logarithm of how often it is hashed.
    pub exponent: u8,
}

/// One contribution: the proof that its maker knew what the key's δ was multiplied with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    /// δ after it.
    pub(crate) delta_after: G1Affine,
    /// A point of the contributor's choice.
    pub(crate) s: G1Affine,
    /// The same times their secret.
    pub(crate) s_times: G1Affine,
    /// The point of G2 the transcript leads to, times their secret.
    pub(crate) r_times: G2Affine,
    /// Hash of everything before, and of the two points above.
    pub(crate) transcript: CeremonyHash,
    name: Option<String>,
    beacon: Option<Beacon>,
}

impl Contribution {
    /// The name the file gives it. Nothing binds names: anybody who passes the file on can change them.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The beacon it says it was made from.
    #[must_use]
    pub const fn beacon(&self) -> Option<&Beacon> {
        self.beacon.as_ref()
    }

    /// The hash its maker was shown.
    #[must_use]
    pub fn hash(&self) -> CeremonyHash {
        let mut hasher = Hasher::default();
        self.feed(&mut hasher);
        hasher.finish()
    }

    /// Adds it to a hash.
    pub(crate) fn feed(&self, hasher: &mut Hasher) {
        hasher.point(&self.delta_after);
        hasher.point(&self.s);
        hasher.point(&self.s_times);
        hasher.point(&self.r_times);
        hasher.bytes(self.transcript.as_bytes());
    }

    fn read(pieces: &mut Pieces<'_>) -> Result<Self, CeremonyError> {
        let delta_after = element(pieces)?;
        let s = element(pieces)?;
        let s_times = element(pieces)?;
        let r_times = element(pieces)?;
        let transcript = CeremonyHash::new(*pieces.array()?);
        let kind = pieces.u32()?;
        let len = pieces.u32()?;
        let parameters = pieces.slice(usize::try_from(len).unwrap_or(usize::MAX))?;
        let (name, exponent, value) = read_parameters(parameters)?;
        let beacon = match (kind, exponent, value) {
            (ORDINARY, None, None) => None,
            (BEACON, Some(exponent), Some(value)) if !value.is_empty() => Some(Beacon { value, exponent }),
            _ => return Err(pieces.malformed("a contribution is neither ordinary nor a beacon")),
        };
        Ok(Self { delta_after, s, s_times, r_times, transcript, name, beacon })
    }
}

fn element<P: FilePoint + AffineRepr>(pieces: &mut Pieces<'_>) -> Result<P, CeremonyError> {
    let element = point(pieces.slice(P::LEN)?).filter(|point: &P| !point.is_zero());
    element.ok_or_else(|| pieces.malformed("an element of a contribution is none of its group"))
}

type Parameters = (Option<String>, Option<u8>, Option<Vec<u8>>);

/// Tagged values in ascending order of their tags.
fn read_parameters(bytes: &[u8]) -> Result<Parameters, CeremonyError> {
    let mut pieces = Pieces::new(bytes, FileKind::Zkey);
    let (mut name, mut exponent, mut value) = (None, None, None);
    let mut last = 0;
    while !pieces.is_empty() {
        let tag = pieces.u8()?;
        if tag <= last {
            return Err(pieces.malformed("parameters of a contribution are not sorted"));
        }
        last = tag;
        match tag {
            NAME => {
                let len = pieces.u8()?;
                let text = pieces.slice(usize::from(len))?.to_vec();
                let text = String::from_utf8(text);
                name = Some(text.map_err(|_| pieces.malformed("a contributor's name is no text"))?);
            }
            EXPONENT => exponent = Some(pieces.u8()?),
            VALUE => {
                let len = pieces.u8()?;
                value = Some(pieces.slice(usize::from(len))?.to_vec());
            }
            _ => return Err(pieces.malformed("a contribution has an unknown parameter")),
        }
    }
    Ok((name, exponent, value))
}

/// Reads the section of contributions: the hash of the first key, a count, and that many contributions.
pub(super) fn read_all(bytes: &[u8]) -> Result<(CeremonyHash, Vec<Contribution>), CeremonyError> {
    let mut pieces = Pieces::new(bytes, FileKind::Zkey);
    let start = CeremonyHash::new(*pieces.array()?);
    let count = pieces.u32()? as usize;
    // Before anything is allocated: each takes its fixed part.
    if count.checked_mul(FIXED_LEN).is_none_or(|needed| needed > bytes.len()) {
        return Err(pieces.malformed("more contributions announced than there are"));
    }
    let contributions = (0..count).map(|_| Contribution::read(&mut pieces)).collect::<Result<_, _>>()?;
    pieces.end()?;
    Ok((start, contributions))
}
