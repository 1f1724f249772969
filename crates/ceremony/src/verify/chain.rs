//! The chain of contributions: from δ = 1 to the key's.

use ark_bn254::{Bn254, G1Affine, G2Affine};
use ark_ec::{AffineRepr as _, CurveGroup as _, pairing::Pairing as _};

use crate::{
    error::CeremonyError,
    points,
    transcript::{self, CeremonyHash, Hasher},
    zkey::{Beacon, Zkey},
};

/// Beacons hashed more often than 2^28 times are refused: checking them would take minutes.
pub const MAX_BEACON_EXPONENT: u8 = 28;

/// One contribution that was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContributionReport {
    /// Counted from 1.
    pub position: usize,
    /// The hash that its maker was shown, and by which they find theirs.
    pub hash: CeremonyHash,
    /// A label without meaning: whoever passes the file on can change it.
    pub name: Option<String>,
    /// For a beacon, what it was made from.
    pub beacon: Option<Beacon>,
}

/// Follows the chain; the hash it begins with is not looked at here.
pub(super) fn follow(key: &Zkey<'_>) -> Result<Vec<ContributionReport>, CeremonyError> {
    let mut history = Hasher::default();
    history.bytes(key.start().as_bytes());
    let mut delta = G1Affine::generator();
    let mut reports = Vec::with_capacity(key.contributions().len());
    for (position, contribution) in (1..).zip(key.contributions()) {
        let broken = |what| CeremonyError::BrokenChain { position, what };
        let mut own = history.clone();
        own.point(&contribution.s);
        own.point(&contribution.s_times);
        if own.finish() != contribution.transcript {
            return Err(broken("its transcript is of another history"));
        }
        let [seed, _] = halves(&contribution.transcript);
        let r = points::random_g2(&mut transcript::words(&seed));
        let second = (r, contribution.r_times);
        if !same_ratio((contribution.s, contribution.s_times), second) {
            return Err(broken("its proof of knowledge is wrong"));
        }
        if !same_ratio((delta, contribution.delta_after), second) {
            return Err(broken("it did not multiply delta by what it proves"));
        }
        if let Some(beacon) = contribution.beacon() {
            if beacon.exponent > MAX_BEACON_EXPONENT {
                return Err(broken("its beacon is hashed too often to be checked"));
            }
            let mut words = transcript::beacon_words(&beacon.value, beacon.exponent);
            let secret = points::random_scalar(&mut words);
            let s = points::random_g1(&mut words);
            if s != contribution.s || (s * secret).into_affine() != contribution.s_times {
                return Err(broken("it was not made from its beacon"));
            }
        }
        contribution.feed(&mut history);
        delta = contribution.delta_after;
        reports.push(ContributionReport {
            position,
            hash: contribution.hash(),
            name: contribution.name().map(str::to_owned),
            beacon: contribution.beacon().cloned(),
        });
    }
    let after = |what| CeremonyError::BrokenChain { position: reports.len() + 1, what };
    if delta != key.elements.delta_g1 {
        return Err(after("the key's delta is not that of the last contribution"));
    }
    if !same_ratio((G1Affine::generator(), delta), (G2Affine::generator(), key.elements.delta)) {
        return Err(after("the key's two deltas differ"));
    }
    Ok(reports)
}

fn halves(hash: &CeremonyHash) -> [[u8; 32]; 2] {
    let mut halves = [[0; 32]; 2];
    for (half, bytes) in halves.iter_mut().zip(hash.as_bytes().as_chunks().0) {
        *half = *bytes;
    }
    halves
}

/// Whether the second of each pair is the same multiple of the first. None may be the identity, which reading the file
/// made sure of.
fn same_ratio((a, a_times): (G1Affine, G1Affine), (b, b_times): (G2Affine, G2Affine)) -> bool {
    Bn254::pairing(a, b_times) == Bn254::pairing(a_times, b)
}
