//! Native and in-circuit arithmetic agree, on edges and on scalars drawn at random.
//!
//! For a secret k and a sibling S three ways to the same values are compared: this crate's walks, which the members of a
//! group compute with; the circuit, whose witness the constraints are checked for; and the curve library's double-and-add
//! with the scalar as an integer modulo the order, which shares no code with either.

use curve::digits;

use super::*;

/// A circuit of one level, and how often its constraints were evaluated.
struct Level {
    matrices: Matrices,
    scalars: usize,
    evaluated: usize,
}

impl Level {
    fn new() -> Self {
        let secret = secret([0; 32]);
        let (matrices, _) = record(&bare(&secret, &[point(5u64.into())]), &secret);
        Self { matrices, scalars: 0, evaluated: 0 }
    }

    /// Compares K = k·G, the key above it, and all between. `evaluate` also checks every constraint.
    fn check(&mut self, secret: &TreeSecret, sibling: &Point, evaluate: bool) -> Point {
        let product = |base: &Point| EdwardsProjective::from(*base.as_affine()) * secret.scalar();
        let shared = secret.dh(sibling);
        let next = shared.derive();
        let keys = [secret.public(), next.public()];
        assert_eq!(*keys[0].as_affine(), product(&Point::generator()).into_affine(), "k·G of {secret:?}");
        let [(u, _)] = digits::to_montgomery(&[product(sibling)])[..] else { panic!("one point") };
        assert_eq!(*shared.as_field(), u, "k·S");
        // The derivation by its definition: the low bits of the hash.
        let hash = curve::poseidon::hash(u).into_bigint();
        assert!((0..SECRET_BITS).all(|index| next.bit(index) == bits::bit(&hash, index)), "KDF");

        // Fails if what the circuit computes for a key is another point than the one computed here.
        let edwards = keys.map(|key| EdwardsProjective::from(*key.as_affine()));
        let statement = Expanded {
            digest: Fr::ONE,
            keys: digits::to_montgomery(&edwards),
            tables: LevelTable::batch([sibling]),
        };
        let mut builder = Builder::for_witness(self.matrices.variables);
        synthesize(&mut builder, &statement, secret).unwrap();
        if evaluate {
            assert_eq!(self.matrices.first_broken(&builder.into_values()), None);
            self.evaluated += 1;
        }
        self.scalars += 1;
        keys[1]
    }

    /// A chain of random secrets, each against the key the one before led to.
    fn check_random(&mut self, count: usize, evaluate_every: usize, seed: u8) {
        let mut rng = rng(seed);
        let mut sibling = point(3u64.into());
        for round in 0..count {
            let secret = TreeSecret::generate(&mut rng);
            sibling = self.check(&secret, &sibling, round % evaluate_every == 0);
        }
    }
}

#[test]
fn edges_agree() {
    let mut patterns: Vec<[u8; 32]> = vec![[0; 32], [0xff; 32], [0x55; 32], [0xaa; 32], [0x0f; 32]];
    // All of a slice and nothing of the others.
    for slice in 0..3 {
        let mut bytes = [0u8; 32];
        (83 * slice..83 * (slice + 1)).for_each(|index| bytes[index / 8] |= 1 << (index % 8));
        patterns.extend([bytes, bytes.map(|byte| !byte)]);
    }
    let mut level = Level::new();
    for pattern in patterns {
        let secret = secret(pattern);
        for sibling in [Point::generator(), Point::sign_base(), secret.public()] {
            level.check(&secret, &sibling, true);
        }
    }
    for index in 0..SECRET_BITS {
        let mut single = [0u8; 32];
        single[index / 8] = 1 << (index % 8);
        for pattern in [single, single.map(|byte| !byte)] {
            level.check(&secret(pattern), &Point::sign_base(), true);
        }
    }
    assert_eq!(level.evaluated, 3 * (5 + 6) + 2 * 249);
}

#[test]
fn random_scalars_agree() {
    let mut level = Level::new();
    level.check_random(2_000, 4, 40);
    assert_eq!((level.scalars, level.evaluated), (2_000, 500));
}

/// The same for as many scalars as `SCALARS` says. A million take about a quarter of an hour on one core:
/// `SCALARS=1000000 cargo test --release -p proofs --features prover --lib -- --ignored --nocapture a_million`.
#[test]
#[ignore = "takes minutes"]
#[allow(clippy::print_stdout, reason = "a program that reports")]
fn a_million_random_scalars_agree() {
    let count = std::env::var("SCALARS").map_or(1_000_000, |count| count.parse().unwrap());
    let (mut level, start) = (Level::new(), std::time::Instant::now());
    for seed in 0..100 {
        level.check_random(count / 100, 10, 100 + seed);
        println!("{} scalars, {} evaluations, {:.0?}", level.scalars, level.evaluated, start.elapsed());
    }
}
