//! The decoders of this crate against the corpora of the fuzzer, and against damaged bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    unreachable_pub,
    missing_docs,
    reason = "test helpers"
)]

use curve::{Point, TreeSecret, schnorr};

#[path = "../../../tests/fuzz/src/curve.rs"]
mod targets;

#[path = "../../../tests/fuzz/src/replay.rs"]
mod replay;

#[test]
fn the_corpora_hold_their_seeds() {
    let secret = TreeSecret::from_bytes(&[0; 32]).unwrap();
    let points = [
        ("generator", Point::generator()),
        ("sign-base", Point::sign_base()),
        ("key-of-zeros", secret.public()),
        ("shared", TreeSecret::from_bytes(&[1; 32]).unwrap().public()),
    ];
    for (name, point) in points {
        replay::check_seed("point", name, point.as_bytes());
    }
    // Off the curve, the identity, the point of order two, a coordinate that is the modulus.
    let mut one = [0; 32];
    one[0] = 1;
    let modulus: [u8; 32] = hex::decode("010000f093f5e1439170b97948e833285d588181b64550b829a031e1724e6430")
        .unwrap()
        .try_into()
        .unwrap();
    let mut minus_one = modulus;
    minus_one[0] = 0;
    for (name, bytes) in
        [("zero", [0; 32]), ("identity", one), ("order-two", minus_one), ("modulus", modulus)]
    {
        replay::check_seed("point", name, &bytes);
    }
    let mut longest = [0xff; 32];
    longest[31] = 1;
    for (name, bytes) in [("zeros", [0; 32]), ("ones", longest), ("too-long", [0xff; 32])] {
        replay::check_seed("secret", name, &bytes);
    }
    let digest = [7; 32];
    let mut rng = <chacha20::ChaCha20Rng as rand_core::SeedableRng>::from_seed([9; 32]);
    let signature = schnorr::sign(&secret, &digest, &mut rng);
    let good = [secret.public().as_bytes(), &digest[..], signature.as_bytes()].concat();
    replay::check_seed("signature", "good", &good);
}

#[test]
fn replay() {
    replay::replay("point", targets::point, 400);
    replay::replay("secret", targets::secret, 100);
    replay::replay("signature", targets::signature, 300);
}
