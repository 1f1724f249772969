//! Poseidon (eprint 2019/458) over the scalar field of BN254, with the parameters circom uses for one input.
//!
//! Width 2, S-box x⁵, 8 full and 56 partial rounds; round constants and the Cauchy matrix come from the Grain LFSR of
//! the paper's appendix. The state starts as (0, input) and the hash is the first element after the last round, which
//! is circom's convention, so that other tools can recompute our values.

use std::sync::OnceLock;

use ark_ed_on_bn254::Fq;
use ark_ff::{AdditiveGroup, Field};
use zeroize::Zeroize;

mod grain;

/// Field elements in the state.
pub const WIDTH: usize = 2;

/// Rounds in which every element passes the S-box; half of them come first, half last.
pub const FULL_ROUNDS: usize = 8;

/// Rounds in between, in which only the first element does.
pub const PARTIAL_ROUNDS: usize = 56;

/// Round constants and mixing matrix.
#[derive(Debug)]
pub struct Parameters {
    constants: Vec<[Fq; WIDTH]>,
    matrix: [[Fq; WIDTH]; WIDTH],
}

impl Parameters {
    /// The parameters, generated once per process.
    #[must_use]
    pub fn get() -> &'static Self {
        static PARAMETERS: OnceLock<Parameters> = OnceLock::new();
        PARAMETERS.get_or_init(|| {
            let mut grain = grain::Grain::new(WIDTH, FULL_ROUNDS, PARTIAL_ROUNDS);
            let constants = (0..FULL_ROUNDS + PARTIAL_ROUNDS)
                .map(|_| [grain.element_below_modulus(), grain.element_below_modulus()])
                .collect();
            let mut coordinates = || [grain.element_reduced(), grain.element_reduced()];
            let (xs, ys) = (coordinates(), coordinates());
            // A zero sum would make the matrix undefined; the vector below shows that it does not occur.
            let matrix = xs.map(|x| ys.map(|y| (x + y).inverse().unwrap_or(Fq::ZERO)));
            Self { constants, matrix }
        })
    }

    /// The constants added at the start of each round, first round first.
    #[must_use]
    pub fn round_constants(&self) -> &[[Fq; WIDTH]] {
        &self.constants
    }

    /// The mixing matrix by rows: element i of the new state is row i times the old state.
    #[must_use]
    pub const fn matrix(&self) -> &[[Fq; WIDTH]; WIDTH] {
        &self.matrix
    }

    /// Whether round `round` applies the S-box to every element.
    #[must_use]
    pub const fn is_full(round: usize) -> bool {
        round < FULL_ROUNDS / 2 || round >= FULL_ROUNDS / 2 + PARTIAL_ROUNDS
    }

    /// The permutation.
    pub fn permute(&self, state: &mut [Fq; WIDTH]) {
        for (round, [c0, c1]) in self.constants.iter().enumerate() {
            let [a, b] = state;
            *a = power_five(*a + c0);
            *b += c1;
            if Self::is_full(round) {
                *b = power_five(*b);
            }
            let mixed = self.matrix.map(|[m0, m1]| m0 * *a + m1 * *b);
            *state = mixed;
        }
    }
}

fn power_five(x: Fq) -> Fq {
    x.square().square() * x
}

/// The hash of one field element.
#[must_use]
pub fn hash(input: Fq) -> Fq {
    let mut state = [Fq::ZERO, input];
    Parameters::get().permute(&mut state);
    let [output, _] = state;
    state.zeroize();
    output
}

#[cfg(test)]
mod tests {
    use ark_ff::MontFp;

    use super::*;

    #[test]
    fn hash_of_one_is_circoms() {
        let expected: Fq =
            MontFp!("18586133768512220936620570745912940619677854269274689475585506675881198879027");
        assert_eq!(hash(Fq::ONE), expected);
    }
}
