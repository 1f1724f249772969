//! Does the time of an operation depend on the secret? A statistical look, after dudect (Reparaz, Balasch, Verbauwhede
//! 2017).
//!
//! Each operation runs on two classes of secrets in random order: one fixed value against values drawn at random. If the
//! time does not depend on the secret the two samples come from one distribution, and Welch's t stays small; beyond 4.5
//! it says that they do not. The slowest tenth of all runs is left out, since interrupts are noise to both classes.
//!
//! `cargo run --release -p curve --example timing -- [runs]`. A quiet machine gives the clearest answer; a busy one hides
//! small differences, so a small t is no proof.
#![allow(clippy::print_stdout, reason = "a program that reports")]

use std::{hint::black_box, time::Instant};

use chacha20::ChaCha20Rng;
use curve::{Point, SharedU, TreeSecret, digits::DigitTable, schnorr};
use rand_core::{Rng, SeedableRng};

/// Runs and their mean and variance.
#[derive(Default)]
struct Sample {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Sample {
    fn push(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    fn error(&self) -> f64 {
        self.squares / (self.count - 1.0) / self.count
    }
}

/// Times `run` on inputs of either class and prints what it found.
fn compare<T>(
    name: &str,
    runs: usize,
    rng: &mut ChaCha20Rng,
    mut input: impl FnMut(bool, &mut ChaCha20Rng) -> T,
    mut run: impl FnMut(&T),
) {
    let inputs: Vec<(bool, T)> = (0..runs)
        .map(|_| {
            let fixed = rng.next_u32() & 1 == 0;
            (fixed, input(fixed, rng))
        })
        .collect();
    let mut times: Vec<(bool, f64)> = inputs
        .iter()
        .map(|(fixed, input)| {
            let start = Instant::now();
            run(black_box(input));
            (*fixed, start.elapsed().as_secs_f64() * 1e9)
        })
        .collect();
    times.sort_by(|a, b| a.1.total_cmp(&b.1));
    times.truncate(runs - runs / 10);
    let median = times.get(times.len() / 2).map_or(0.0, |time| time.1);
    let (mut fixed, mut random) = (Sample::default(), Sample::default());
    for (is_fixed, time) in times {
        if is_fixed { fixed.push(time) } else { random.push(time) }
    }
    let t = (fixed.mean - random.mean) / (fixed.error() + random.error()).sqrt();
    println!(
        "{name:<34} median {median:>9.0} ns   fixed {:>9.0}   random {:>9.0}   t {t:>8.2}",
        fixed.mean, random.mean
    );
}

fn fixed_secret(byte: u8) -> TreeSecret {
    let mut bytes = [byte; 32];
    if let Some(last) = bytes.last_mut() {
        *last &= 1;
    }
    TreeSecret::from_bytes(&bytes)
        .unwrap_or_else(|_| TreeSecret::generate(&mut ChaCha20Rng::from_seed([0; 32])))
}

fn main() {
    let runs: usize = std::env::args().nth(1).and_then(|runs| runs.parse().ok()).unwrap_or(100_000);
    let slow = runs / 5;
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let choose = |fixed: bool, rng: &mut ChaCha20Rng| {
        // Both classes draw, so that making an input leaves no trace.
        let drawn = TreeSecret::generate(rng);
        if fixed { fixed_secret(0x55) } else { drawn }
    };
    let reference = fixed_secret(0x55);
    compare("secret == secret", runs, &mut rng, choose, |secret| {
        black_box(*secret == reference);
    });
    // What a comparison that stops at the first difference looks like here: the measure of the measure.
    compare("bytes == bytes (for comparison)", runs, &mut rng, choose, |secret| {
        let (a, b) = (secret.to_bytes(), reference.to_bytes());
        black_box(a.iter().zip(b.iter()).all(|(a, b)| black_box(*a) == *b));
    });
    compare("k·G", slow, &mut rng, choose, |secret| {
        black_box(secret.public());
    });
    let table = DigitTable::new(Point::sign_base().as_affine());
    compare("u(k·S), table at hand", slow, &mut rng, choose, |secret| {
        black_box(secret.dh_with_table(&table));
    });
    compare("scalar of a secret", slow, &mut rng, choose, |secret| {
        black_box(secret.scalar());
    });
    let shared = |fixed: bool, rng: &mut ChaCha20Rng| -> SharedU { choose(fixed, rng).dh_with_table(&table) };
    compare("KDF", runs / 2, &mut rng, shared, |shared| {
        black_box(shared.derive());
    });
    let mut nonces = ChaCha20Rng::from_seed([2; 32]);
    compare("Schnorr signature", slow, &mut rng, choose, |secret| {
        black_box(schnorr::sign(secret, &[7; 32], &mut nonces));
    });
}
