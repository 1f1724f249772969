//! The Grain LFSR in self-shrinking mode that fixes Poseidon's constants.

use ark_ed_on_bn254::Fq;
use ark_ff::{BigInt, PrimeField};

const MODULUS_BITS: usize = 254;

/// The 80-bit register; bit 79 is the oldest.
pub(super) struct Grain {
    register: u128,
}

impl Grain {
    /// Seeds the register with the description of the instance: prime field, S-box x^α, field size, width, rounds.
    pub(super) fn new(width: usize, full_rounds: usize, partial_rounds: usize) -> Self {
        let fields = [
            (1, 2),
            (0, 4),
            (MODULUS_BITS, 12),
            (width, 12),
            (full_rounds, 10),
            (partial_rounds, 10),
            (0x3fff_ffff, 30),
        ];
        let register = fields.into_iter().fold(0u128, |seed, (value, bits)| (seed << bits) | value as u128);
        let mut grain = Self { register };
        for _ in 0..160 {
            grain.step();
        }
        grain
    }

    fn step(&mut self) -> bool {
        let taps = [0, 13, 23, 38, 51, 62];
        let bit = taps.into_iter().fold(0, |sum, tap| sum ^ (self.register >> (79 - tap)) & 1);
        self.register = (self.register << 1 | bit) & ((1 << 80) - 1);
        bit == 1
    }

    /// The next output bit: of each pair, the second is kept iff the first is set.
    fn bit(&mut self) -> bool {
        loop {
            let (keep, bit) = (self.step(), self.step());
            if keep {
                return bit;
            }
        }
    }

    /// 254 bits, most significant first.
    fn integer(&mut self) -> BigInt<4> {
        let mut limbs = [0u64; 4];
        for position in (0..MODULUS_BITS).rev() {
            let bit = u64::from(self.bit());
            if let Some(limb) = limbs.get_mut(position / 64) {
                *limb |= bit << (position % 64);
            }
        }
        BigInt(limbs)
    }

    /// Draws until the integer is below the modulus: how round constants are made.
    pub(super) fn element_below_modulus(&mut self) -> Fq {
        loop {
            if let Some(element) = Fq::from_bigint(self.integer()) {
                return element;
            }
        }
    }

    /// Draws once and reduces: how the matrix is made.
    pub(super) fn element_reduced(&mut self) -> Fq {
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.chunks_exact_mut(8).zip(self.integer().0) {
            chunk.copy_from_slice(&limb.to_le_bytes());
        }
        Fq::from_le_bytes_mod_order(&bytes)
    }
}
