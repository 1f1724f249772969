//! Tree-key arithmetic on Baby Jubjub: public keys, secrets, the step from one tree level to the next, and the Schnorr
//! signatures made with the topmost secret.
//!
//! Everything here has a twin inside the branch-update circuit of the `proofs` crate, so the encodings are chosen for
//! the circuit first: a [`TreeSecret`] is a string of 249 sign digits rather than an integer, and a level is derived
//! from the Montgomery u-coordinate of a Diffie–Hellman point by Poseidon rather than by a byte-oriented hash.
//!
//! Start at [`Point`] and [`TreeSecret`]; [`digits`] explains why the scalar encoding cannot produce zero, wrap around
//! the group order or hit an exceptional case of the addition formulas.
//!
//! # Timing
//!
//! The field arithmetic underneath is not constant-time. Operations on secrets follow a fixed sequence of group
//! operations, and secrets are compared in constant time and wiped on drop, but an attacker who measures time or cache
//! lines on the same machine is outside what this crate defends against.

mod constant_time;
pub mod digits;
pub mod field;
mod point;
pub mod poseidon;
pub mod schnorr;
mod secret;
mod subgroup;

pub use ark_ed_on_bn254::{EdwardsAffine, EdwardsProjective, Fq, Fr};
pub use point::{Point, PointError};
pub use secret::{SecretError, SharedU, TreeSecret};
