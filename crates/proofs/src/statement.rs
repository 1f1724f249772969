//! What a branch proof states, and how it becomes the circuit's public inputs.

use std::sync::Arc;

use ark_bn254::Fr;
use ark_ff::PrimeField;
use curve::{EdwardsProjective, Point, SharedU, digits};
use protocol::FrameDigest;

use crate::{table::LevelTable, tier::Tier};

/// Why keys and siblings are no statement. The fault of whoever put them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// A path of n siblings has n + 2 keys: the leaf's, one above each sibling, and the signing key.
    #[error("{siblings} siblings need {} keys, got {keys}", .siblings.saturating_add(2))]
    KeyCount {
        /// Keys given.
        keys: usize,
        /// Siblings given.
        siblings: usize,
    },
    /// No circuit is deep enough.
    #[error("no circuit carries {0} levels")]
    TooManyLevels(usize),
}

/// "Whoever made this frame knows a leaf secret from which every listed key follows."
///
/// For keys `K_0 … K_d`, `K_sign` and siblings `S_0 … S_{d-1}` there is a k₀ with `K_0 = k_0·G`,
/// `k_{i+1} = KDF(u(k_i·S_i))`, `K_{i+1} = k_{i+1}·G`, and the signing key follows likewise from `k_d` and the constant
/// sibling H. The frame's digest is bound to the proof as a public input.
///
/// Siblings must come from the verifier's own tree, never from the frame: the tables derived from them are not proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    digest: FrameDigest,
    keys: Vec<Point>,
    siblings: Vec<Point>,
    tier: Tier,
}

impl Statement {
    /// Puts a statement together.
    ///
    /// `keys` are the leaf's key, the key above each sibling from the leaf upwards, and the signing key; `siblings` go
    /// from the leaf upwards, one for each Diffie–Hellman level. The tier is the smallest that holds the path.
    ///
    /// # Errors
    ///
    /// [`StatementError::TooManyLevels`] for a path longer than the largest tier, [`StatementError::KeyCount`] unless
    /// there are two more keys than siblings.
    pub fn new(digest: FrameDigest, keys: Vec<Point>, siblings: Vec<Point>) -> Result<Self, StatementError> {
        let tier =
            Tier::for_dh_levels(siblings.len()).ok_or(StatementError::TooManyLevels(siblings.len()))?;
        if keys.len() != siblings.len() + 2 {
            return Err(StatementError::KeyCount { keys: keys.len(), siblings: siblings.len() });
        }
        Ok(Self { digest, keys, siblings, tier })
    }

    /// The circuit the proof must be for.
    #[must_use]
    pub const fn tier(&self) -> Tier {
        self.tier
    }

    /// Levels of the tree on the path, the sign level not counted.
    #[must_use]
    pub fn dh_levels(&self) -> usize {
        self.siblings.len()
    }

    /// The frame digest.
    #[must_use]
    pub const fn digest(&self) -> &FrameDigest {
        &self.digest
    }

    /// The keys, leaf first, signing key last.
    #[must_use]
    pub fn keys(&self) -> &[Point] {
        &self.keys
    }

    /// The siblings, from the leaf upwards.
    #[must_use]
    pub fn siblings(&self) -> &[Point] {
        &self.siblings
    }

    /// Adds the sign level's sibling and the public levels above it. `tables` are those of [`Statement::siblings`].
    pub(crate) fn expand(&self, mut tables: Vec<Arc<LevelTable>>) -> Expanded {
        let mut keys = self.keys.clone();
        // Above the sign level the sibling is G, so the shared point is the key itself and anybody can go on.
        while let (true, Some(top)) = (keys.len() <= self.tier.levels(), keys.last()) {
            keys.push(SharedU::with_generator(top).derive().public());
        }
        tables.push(Arc::clone(LevelTable::sign()));
        tables.resize(self.tier.levels(), Arc::clone(LevelTable::padding()));
        let keys: Vec<_> = keys.iter().map(|key| EdwardsProjective::from(*key.as_affine())).collect();
        Expanded { digest: digest_element(&self.digest), keys: digits::to_montgomery(&keys), tables }
    }
}

/// The digest as a field element: its last 31 bytes, big-endian, so that it is always below the modulus.
pub(crate) fn digest_element(digest: &FrameDigest) -> Fr {
    let [_, element @ ..] = digest.as_bytes();
    Fr::from_be_bytes_mod_order(element)
}

/// Montgomery coordinates of a point.
pub(crate) type Coordinates = (Fr, Fr);

/// A statement padded to its tier.
pub(crate) struct Expanded {
    pub(crate) digest: Fr,
    pub(crate) keys: Vec<Coordinates>,
    pub(crate) tables: Vec<Arc<LevelTable>>,
}

impl Expanded {
    /// The public inputs in the circuit's order: digest, keys from the leaf upwards, tables likewise.
    pub(crate) fn inputs(&self) -> Vec<Fr> {
        let mut inputs = Vec::with_capacity(1 + 2 * self.keys.len() + 8 * self.tables.len());
        inputs.push(self.digest);
        inputs.extend(self.keys.iter().flat_map(|(u, v)| [*u, *v]));
        inputs.extend(self.tables.iter().flat_map(|table| table.inputs()));
        inputs
    }
}
