//! Branches to prove, deterministic for a seed.
#![allow(dead_code, reason = "each test binary uses its part")]

use chacha20::ChaCha20Rng;
use curve::{Point, TreeSecret};
use proofs::Statement;
use protocol::FrameDigest;
use rand_core::{Rng, SeedableRng};

pub struct Branch {
    pub secret: TreeSecret,
    pub digest: [u8; 32],
    pub keys: Vec<Point>,
    pub siblings: Vec<Point>,
}

pub fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

impl Branch {
    /// A branch of so many tree levels with random siblings.
    pub fn random(levels: usize, seed: u8) -> Self {
        let mut rng = rng(seed);
        let secret = TreeSecret::generate(&mut rng);
        let siblings = (0..levels).map(|_| TreeSecret::generate(&mut rng).public()).collect();
        let mut digest = [0; 32];
        rng.fill_bytes(&mut digest);
        Self::new(secret, siblings, digest)
    }

    pub fn new(secret: TreeSecret, siblings: Vec<Point>, digest: [u8; 32]) -> Self {
        let mut current = secret.clone();
        let mut keys = vec![current.public()];
        for sibling in siblings.iter().chain([&Point::sign_base()]) {
            current = current.dh(sibling).derive();
            keys.push(current.public());
        }
        Self { secret, digest, keys, siblings }
    }

    pub fn statement(&self) -> Statement {
        statement(self.digest, &self.keys, &self.siblings)
    }
}

pub fn statement(digest: [u8; 32], keys: &[Point], siblings: &[Point]) -> Statement {
    Statement::new(FrameDigest::new(digest), keys.to_vec(), siblings.to_vec()).unwrap()
}
