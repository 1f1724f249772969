//! Hashes and derived randomness, as snarkjs defines them.

use core::fmt;

use blake2::{Blake2b512, Digest as _};
use chacha20::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use sha2::Sha256;

use crate::points::FilePoint;

/// A BLAKE2b-512 hash of a ceremony: of a circuit's first key, of a contribution, of a file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CeremonyHash([u8; 64]);

impl CeremonyHash {
    /// Wraps 64 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// The hash as snarkjs prints it: four lines of four words of eight digits, each line after two tabs.
    #[must_use]
    pub fn to_block(&self) -> String {
        let lines = self.0.chunks_exact(16).map(|line| {
            let words: Vec<String> = line.chunks_exact(4).map(digits).collect();
            format!("\t\t{}", words.join(" "))
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for CeremonyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&digits(&self.0))
    }
}

impl fmt::Debug for CeremonyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CeremonyHash({self})")
    }
}

/// A hash under way.
#[derive(Clone, Default)]
pub(crate) struct Hasher(Blake2b512);

impl Hasher {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// A count, 32 bits big-endian.
    pub(crate) fn count(&mut self, count: usize) {
        self.0.update(u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
    }

    pub(crate) fn point<P: FilePoint>(&mut self, point: &P) {
        point.for_hash(&mut |bytes| self.0.update(bytes));
    }

    pub(crate) fn points<P: FilePoint>(&mut self, points: &[P]) {
        self.count(points.len());
        for point in points {
            self.point(point);
        }
    }

    pub(crate) fn finish(self) -> CeremonyHash {
        CeremonyHash(self.0.finalize().into())
    }
}

/// The stream of words a hash's first 32 bytes are the seed of: `ChaCha20`, the seed as big-endian words.
pub(crate) fn words(seed: &[u8; 32]) -> impl FnMut() -> u32 + use<> {
    let mut key = *seed;
    for word in key.as_chunks_mut::<4>().0 {
        word.reverse();
    }
    let mut rng = ChaCha20Rng::from_seed(key);
    move || rng.next_u32()
}

/// The stream of words of a beacon: its value hashed 2^exponent times with SHA-256 is the seed.
pub(crate) fn beacon_words(value: &[u8], exponent: u8) -> impl FnMut() -> u32 + use<> {
    let mut digest: Option<[u8; 32]> = None;
    for _ in 0..1_u64 << exponent.min(63) {
        digest = Some(match &digest {
            Some(digest) => Sha256::digest(digest).into(),
            None => Sha256::digest(value).into(),
        });
    }
    words(&digest.unwrap_or_default())
}
