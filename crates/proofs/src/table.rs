//! The tables of siblings that the circuit walks over, and a memory of recent ones.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use ark_bn254::{Fr, G1Affine};
use curve::{
    Point,
    digits::{self, DigitTable},
};

use crate::{statement::Coordinates, tier::Tier};

/// A sibling's four table points S ± 2^83·S ± 2^166·S, in Edwards and in Montgomery form.
pub(crate) struct LevelTable {
    #[cfg_attr(not(feature = "prover"), allow(dead_code, reason = "the verifier needs coordinates only"))]
    pub(crate) table: DigitTable,
    pub(crate) coordinates: [Coordinates; 4],
}

impl LevelTable {
    /// The tables of some siblings, with one inversion for all.
    pub(crate) fn batch<'a>(siblings: impl IntoIterator<Item = &'a Point>) -> Vec<Arc<Self>> {
        let tables: Vec<_> =
            siblings.into_iter().map(|sibling| DigitTable::new(sibling.as_affine())).collect();
        let points: Vec<_> = tables.iter().flat_map(|table| *table.points()).collect();
        let coordinates = digits::to_montgomery(&points);
        let (quads, _) = coordinates.as_chunks::<4>();
        tables
            .into_iter()
            .zip(quads)
            .map(|(table, quad)| Arc::new(Self { table, coordinates: *quad }))
            .collect()
    }

    fn of(sibling: &Point) -> Arc<Self> {
        let table = DigitTable::new(sibling.as_affine());
        let mut coordinates = [Coordinates::default(); 4];
        for (slot, value) in coordinates.iter_mut().zip(digits::to_montgomery(table.points())) {
            *slot = value;
        }
        Arc::new(Self { table, coordinates })
    }

    /// The table of H.
    pub(crate) fn sign() -> &'static Arc<Self> {
        static SIGN: OnceLock<Arc<LevelTable>> = OnceLock::new();
        SIGN.get_or_init(|| Self::of(&Point::sign_base()))
    }

    /// The table of G.
    pub(crate) fn padding() -> &'static Arc<Self> {
        static PADDING: OnceLock<Arc<LevelTable>> = OnceLock::new();
        PADDING.get_or_init(|| Self::of(&Point::generator()))
    }

    /// The eight inputs of this table, in order.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = Fr> + '_ {
        self.coordinates.iter().flat_map(|(u, v)| [*u, *v])
    }
}

/// Tables of siblings seen lately, since most of a tree's nodes are siblings again and again, and what they add to the
/// input sums of a set of keys.
///
/// Two generations: a full young one becomes the old one, and what is still used is copied back. At most
/// 2 · [`TableCache::GENERATION`] siblings of about 1 kB, and 0.1 kB more for each of up to four shares: 3 MB.
#[derive(Default)]
pub(crate) struct TableCache {
    generations: Mutex<Generations>,
}

/// Where a table's share belongs: a table adds something else to the sum at each level of each circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) tier: Tier,
    /// Level of the tree, from the leaf upwards.
    pub(crate) level: usize,
}

struct Entry {
    table: Arc<LevelTable>,
    /// The latest last.
    shares: Vec<(Place, G1Affine)>,
}

impl Entry {
    const SHARES: usize = 4;

    const fn new(table: Arc<LevelTable>) -> Self {
        Self { table, shares: Vec::new() }
    }

    fn share(&self, place: Place) -> Option<G1Affine> {
        self.shares.iter().find(|(other, _)| *other == place).map(|(_, share)| *share)
    }

    fn note(&mut self, place: Place, share: G1Affine) {
        if self.share(place).is_none() {
            if self.shares.len() >= Self::SHARES {
                let _oldest = self.shares.remove(0);
            }
            self.shares.push((place, share));
        }
    }
}

#[derive(Default)]
struct Generations {
    young: BTreeMap<Point, Entry>,
    old: BTreeMap<Point, Entry>,
}

impl Generations {
    fn get(&mut self, sibling: &Point) -> Option<&mut Entry> {
        if !self.young.contains_key(sibling) {
            let entry = self.old.remove(sibling)?;
            self.insert(*sibling, entry);
        }
        self.young.get_mut(sibling)
    }

    fn insert(&mut self, sibling: Point, entry: Entry) {
        if self.young.len() >= TableCache::GENERATION {
            self.old = core::mem::take(&mut self.young);
        }
        self.young.insert(sibling, entry);
    }
}

impl TableCache {
    pub(crate) const GENERATION: usize = 1024;

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tables of some siblings, in order; computes those not at hand.
    pub(crate) fn tables(&self, siblings: &[Point]) -> Vec<Arc<LevelTable>> {
        let known: Vec<_> = {
            let mut generations = self.lock();
            let table = |entry: &mut Entry| Arc::clone(&entry.table);
            siblings.iter().map(|sibling| generations.get(sibling).map(table)).collect()
        };
        // The lock is not held while points are multiplied.
        let missing: Vec<_> = siblings
            .iter()
            .zip(&known)
            .filter(|(_, table)| table.is_none())
            .map(|(sibling, _)| sibling)
            .collect();
        let computed = LevelTable::batch(missing.iter().copied());
        if !missing.is_empty() {
            let mut generations = self.lock();
            for (sibling, table) in missing.into_iter().zip(&computed) {
                generations.insert(*sibling, Entry::new(Arc::clone(table)));
            }
        }
        let mut computed = computed.into_iter();
        known.into_iter().filter_map(|table| table.or_else(|| computed.next())).collect()
    }

    /// The shares of a path's siblings in the input sums of a tier, as far as they are at hand.
    pub(crate) fn shares(&self, tier: Tier, siblings: &[Point]) -> Vec<Option<G1Affine>> {
        let mut generations = self.lock();
        let places = (0..).map(|level| Place { tier, level });
        let mut share =
            |(sibling, place): (&Point, Place)| generations.get(sibling).and_then(|entry| entry.share(place));
        siblings.iter().zip(places).map(&mut share).collect()
    }

    /// Remembers a share of a sibling, unless the sibling has been forgotten meanwhile.
    pub(crate) fn note(&self, sibling: &Point, place: Place, share: G1Affine) {
        if let Some(entry) = self.lock().get(sibling) {
            entry.note(place, share);
        }
    }
}

#[cfg(test)]
mod tests {
    use ark_ec::{AffineRepr, CurveGroup};
    use chacha20::ChaCha20Rng;
    use curve::TreeSecret;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn cached_tables_are_those_of_their_siblings_and_memory_is_bounded() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let siblings: Vec<Point> = (0..40).map(|_| TreeSecret::generate(&mut rng).public()).collect();
        let cache = TableCache::default();
        // Overlapping windows, with a repetition inside, so that hits and misses mix.
        for window in siblings.windows(7).step_by(3) {
            let asked: Vec<Point> = window.iter().chain(window.first()).copied().collect();
            let tables = cache.tables(&asked);
            assert_eq!(tables.len(), asked.len());
            for (sibling, table) in asked.iter().zip(tables) {
                assert_eq!(table.coordinates, LevelTable::of(sibling).coordinates);
            }
        }
    }

    #[test]
    fn a_full_generation_gives_way_but_used_tables_stay() {
        let mut generations = Generations::default();
        let mut rng = ChaCha20Rng::from_seed([2; 32]);
        let table = LevelTable::padding();
        let first = TreeSecret::generate(&mut rng).public();
        generations.insert(first, Entry::new(Arc::clone(table)));
        for _ in 0..3 * TableCache::GENERATION {
            generations.insert(TreeSecret::generate(&mut rng).public(), Entry::new(Arc::clone(table)));
            assert!(generations.get(&first).is_some());
            assert!(generations.young.len() <= TableCache::GENERATION);
            assert!(generations.old.len() <= TableCache::GENERATION);
        }
    }

    #[test]
    fn shares_are_those_of_their_place_and_bounded() {
        let cache = TableCache::default();
        let sibling = Point::generator();
        let siblings = vec![sibling; 7];
        assert_eq!(cache.shares(Tier::T8, &siblings), vec![None; 7]);
        let share = |level: usize| (G1Affine::generator() * Fr::from(level as u64 + 2)).into_affine();
        // Of an unknown sibling nothing is kept.
        cache.note(&sibling, Place { tier: Tier::T8, level: 0 }, share(0));
        assert_eq!(cache.shares(Tier::T8, &siblings), vec![None; 7]);
        cache.tables(&siblings);
        for level in 0..6 {
            cache.note(&sibling, Place { tier: Tier::T8, level }, share(level));
        }
        let expected = [None, None, Some(share(2)), Some(share(3)), Some(share(4)), Some(share(5)), None];
        assert_eq!(cache.shares(Tier::T8, &siblings), expected);
        assert_eq!(cache.shares(Tier::T16, &siblings), vec![None; 7]);
    }
}
