//! What secrets are and what can be made of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, OnceLock};

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use curve::{Point, TreeSecret};
use ratchet_tree::{PathSecrets, Prepared, Tree};

/// Secrets by their public keys: what somebody knows.
pub(crate) type Known<S> = BTreeMap<Point, S>;

pub(crate) trait Group {
    type Secret: Clone;

    /// A secret nobody has seen.
    fn fresh(&mut self) -> Self::Secret;

    fn public(&mut self, secret: &Self::Secret) -> Point;

    /// The secret of the parent of `secret` and a sibling.
    fn derive(&mut self, secret: &Self::Secret, sibling: &Point) -> Self::Secret;

    /// Adds whatever can be derived beyond the keys of the tree at hand.
    fn close(&self, known: &mut Known<Self::Secret>);

    /// Compares a branch with the crate's own author, where the secrets are real.
    fn check_author(&self, prepared: &Prepared, leaf: &Self::Secret, keys: &[Point]);

    /// Compares a walk with the crate's own, where the secrets are real, and keeps it for the next.
    fn check_walk(
        &self,
        tree: &Tree,
        slot: protocol::Slot,
        leaf: &Self::Secret,
        kept: &mut Option<PathSecrets>,
    );
}

/// Secrets are numbers; deriving from a pair of them gives a new number, the same for both sides, and there is no other
/// way to it.
#[derive(Default)]
pub(crate) struct Ideal {
    secrets: usize,
    by_point: HashMap<Point, usize>,
    derived: HashMap<(usize, usize), usize>,
    /// What each secret leads to, given all public keys.
    leads_to: HashMap<usize, Vec<usize>>,
}

/// H has no secret, but derivation needs a number for it.
const SIGN_BASE: usize = usize::MAX;

/// Distinct public keys, made once for all histories.
fn point(number: usize) -> Point {
    static POINTS: OnceLock<Mutex<Vec<Point>>> = OnceLock::new();
    let mut points = POINTS.get_or_init(Mutex::default).lock().unwrap();
    while points.len() <= number {
        let mut bytes = [0; TreeSecret::LEN];
        bytes[..8].copy_from_slice(&(points.len() as u64 + 1).to_le_bytes());
        points.push(TreeSecret::from_bytes(&bytes).unwrap().public());
    }
    points[number]
}

impl Group for Ideal {
    type Secret = usize;

    fn fresh(&mut self) -> usize {
        let secret = self.secrets;
        self.secrets += 1;
        self.by_point.insert(point(secret), secret);
        secret
    }

    fn public(&mut self, secret: &usize) -> Point {
        point(*secret)
    }

    fn derive(&mut self, secret: &usize, sibling: &Point) -> usize {
        let sibling = if *sibling == Point::sign_base() { SIGN_BASE } else { self.by_point[sibling] };
        let pair = (*secret.min(&sibling), *secret.max(&sibling));
        if let Some(derived) = self.derived.get(&pair) {
            return *derived;
        }
        let derived = self.fresh();
        self.derived.insert(pair, derived);
        self.leads_to.entry(pair.0).or_default().push(derived);
        self.leads_to.entry(pair.1).or_default().push(derived);
        derived
    }

    fn close(&self, known: &mut Known<usize>) {
        let mut pending: Vec<usize> = known.values().copied().collect();
        while let Some(secret) = pending.pop() {
            for derived in self.leads_to.get(&secret).into_iter().flatten() {
                if known.insert(point(*derived), *derived).is_none() {
                    pending.push(*derived);
                }
            }
        }
    }

    fn check_author(&self, _: &Prepared, _: &usize, _: &[Point]) {}

    fn check_walk(&self, _: &Tree, _: protocol::Slot, _: &usize, _: &mut Option<PathSecrets>) {}
}

/// Secrets of the curve.
pub(crate) struct Real {
    rng: ChaCha20Rng,
    // The model asks for the same keys again and again.
    public: HashMap<[u8; TreeSecret::LEN], Point>,
    derived: HashMap<([u8; TreeSecret::LEN], Point), TreeSecret>,
}

impl Real {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: ChaCha20Rng::seed_from_u64(seed), public: HashMap::new(), derived: HashMap::new() }
    }
}

impl Group for Real {
    type Secret = TreeSecret;

    fn fresh(&mut self) -> TreeSecret {
        TreeSecret::generate(&mut self.rng)
    }

    fn public(&mut self, secret: &TreeSecret) -> Point {
        *self.public.entry(*secret.to_bytes()).or_insert_with(|| secret.public())
    }

    fn derive(&mut self, secret: &TreeSecret, sibling: &Point) -> TreeSecret {
        self.derived
            .entry((*secret.to_bytes(), *sibling))
            .or_insert_with(|| secret.dh(sibling).derive())
            .clone()
    }

    fn close(&self, _: &mut Known<TreeSecret>) {}

    fn check_author(&self, prepared: &Prepared, leaf: &TreeSecret, keys: &[Point]) {
        assert_eq!(prepared.author(leaf).keys.as_slice(), keys);
    }

    fn check_walk(
        &self,
        tree: &Tree,
        slot: protocol::Slot,
        leaf: &TreeSecret,
        kept: &mut Option<PathSecrets>,
    ) {
        let path = match kept.take() {
            Some(path) if path.slot() == slot => path.rederive(tree, leaf),
            Some(_) | None => PathSecrets::derive(tree, slot, leaf),
        }
        .unwrap();
        assert_eq!(path.root().public(), tree.root_key());
        assert_eq!(path.sign().public(), tree.sign_key());
        *kept = Some(path);
    }
}
