//! Poseidon (eprint 2019/458) over the scalar field of BN254, with circom's parameters for one and for two inputs.
//!
//! S-box x⁵, 8 full rounds, 56 partial ones at width 2 and 57 at width 3; round constants and the Cauchy matrix come
//! from the Grain LFSR of the paper's appendix. The state starts as the capacity element followed by the inputs and the
//! hash is the first element after the last round, which is circom's convention, so that other tools can recompute our
//! values. circom's capacity element is zero; a tag in its place keeps hashes for different purposes apart.

use std::sync::OnceLock;

use ark_ed_on_bn254::Fq;
use ark_ff::{AdditiveGroup, Field};
use zeroize::Zeroize;

mod grain;

/// Field elements in the state of the hash of one input.
pub const WIDTH: usize = 2;

/// Field elements in the state of the hash of two inputs.
pub const PAIR_WIDTH: usize = 3;

/// Rounds in which every element passes the S-box; half of them come first, half last.
pub const FULL_ROUNDS: usize = 8;

/// Rounds in between, in which only the first element does, at width 2.
pub const PARTIAL_ROUNDS: usize = 56;

/// As [`PARTIAL_ROUNDS`], at width 3.
pub const PAIR_PARTIAL_ROUNDS: usize = 57;

/// Round constants and mixing matrix of one width.
#[derive(Debug)]
pub struct Parameters<const W: usize> {
    constants: Vec<[Fq; W]>,
    matrix: [[Fq; W]; W],
}

impl Parameters<WIDTH> {
    /// The parameters, generated once per process.
    #[must_use]
    pub fn get() -> &'static Self {
        static PARAMETERS: OnceLock<Parameters<WIDTH>> = OnceLock::new();
        PARAMETERS.get_or_init(|| Self::generate(PARTIAL_ROUNDS))
    }
}

impl Parameters<PAIR_WIDTH> {
    /// The parameters, generated once per process.
    #[must_use]
    pub fn of_pairs() -> &'static Self {
        static PARAMETERS: OnceLock<Parameters<PAIR_WIDTH>> = OnceLock::new();
        PARAMETERS.get_or_init(|| Self::generate(PAIR_PARTIAL_ROUNDS))
    }
}

impl<const W: usize> Parameters<W> {
    fn generate(partial_rounds: usize) -> Self {
        let mut grain = grain::Grain::new(W, FULL_ROUNDS, partial_rounds);
        let constants = (0..FULL_ROUNDS + partial_rounds)
            .map(|_| [(); W].map(|()| grain.element_below_modulus()))
            .collect();
        let mut coordinates = || [(); W].map(|()| grain.element_reduced());
        let (xs, ys) = (coordinates(), coordinates());
        // A zero sum would make the matrix undefined; the vectors below show that it does not occur.
        let matrix = xs.map(|x| ys.map(|y| (x + y).inverse().unwrap_or(Fq::ZERO)));
        Self { constants, matrix }
    }

    /// The constants added at the start of each round, first round first.
    #[must_use]
    pub fn round_constants(&self) -> &[[Fq; W]] {
        &self.constants
    }

    /// The mixing matrix by rows: element i of the new state is row i times the old state.
    #[must_use]
    pub const fn matrix(&self) -> &[[Fq; W]; W] {
        &self.matrix
    }

    /// Whether round `round` applies the S-box to every element.
    #[must_use]
    pub fn is_full(&self, round: usize) -> bool {
        round < FULL_ROUNDS / 2 || round + FULL_ROUNDS / 2 >= self.constants.len()
    }

    /// The permutation.
    pub fn permute(&self, state: &mut [Fq; W]) {
        for (round, constants) in self.constants.iter().enumerate() {
            let full = self.is_full(round);
            for (index, (element, constant)) in state.iter_mut().zip(constants).enumerate() {
                *element += constant;
                if full || index == 0 {
                    *element = power_five(*element);
                }
            }
            let mixed = self.matrix.map(|row| row.iter().zip(state.iter()).map(|(m, s)| *m * s).sum());
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
    Parameters::<WIDTH>::get().permute(&mut state);
    let [output, _] = state;
    state.zeroize();
    output
}

/// The hash of two field elements, in order, for the purpose a tag stands for; with the tag zero it is circom's.
#[must_use]
pub fn hash_pair(tag: Fq, left: Fq, right: Fq) -> Fq {
    let mut state = [tag, left, right];
    Parameters::of_pairs().permute(&mut state);
    let [output, _, _] = state;
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

    #[test]
    fn hash_of_one_and_two_is_circoms() {
        let expected: Fq =
            MontFp!("7853200120776062878684798364095072458815029376092732009249414926327459813530");
        assert_eq!(hash_pair(Fq::ZERO, Fq::ONE, Fq::from(2u64)), expected);
    }

    #[test]
    fn tag_order_and_inputs_matter() {
        let element = |value: u64| Fq::from(value);
        let hashes = [(0, 1, 2), (1, 1, 2), (0, 2, 1), (0, 1, 1), (2, 1, 0)]
            .map(|(tag, left, right)| hash_pair(element(tag), element(left), element(right)));
        for (index, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..index].contains(hash), "{index}");
        }
    }
}
