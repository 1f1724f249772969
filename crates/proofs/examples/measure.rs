//! Measures proving and verifying, in milliseconds and as multiples of a pairing timed in the same run.
//!
//! Without the feature `parallel` it is the processor time of one thread, where the system tells it, which other work
//! on the machine disturbs least; with the feature it is wall time, and `RAYON_NUM_THREADS` sets the number of threads.
//! Every figure is the median of several runs; multiples carry over to other machines better than times do.
#![allow(clippy::print_stdout, clippy::indexing_slicing, reason = "a program for the terminal")]

use std::{error::Error, hint::black_box, sync::OnceLock, time::Instant};

use ark_bn254::{Bn254, G1Affine, G2Affine};
use ark_ec::{AffineRepr, pairing::Pairing};
use chacha20::ChaCha20Rng;
use curve::{Point, TreeSecret, schnorr};
use proofs::{Claim, Control, Proof, ProvingKey, Statement, Tier, VerifyingKeys, prove, setup_development};
use protocol::FrameDigest;
use rand_core::{Rng, SeedableRng};

fn main() -> Result<(), Box<dyn Error>> {
    let pairing = median(7, || {
        ignore(Bn254::pairing(black_box(G1Affine::generator()), black_box(G2Affine::generator())));
    });
    println!("{:<46}{pairing:>10.3} ms", "pairing");
    let report =
        |name: &str, time: f64| println!("{name:<46}{time:>10.3} ms {:>9.2} pairings", time / pairing);
    let mut rng = ChaCha20Rng::from_seed([1; 32]);

    let secret = TreeSecret::generate(&mut rng);
    let other = TreeSecret::generate(&mut rng).public();
    report("public key", median(7, || ignore(secret.public())));
    report("dh and derive", median(7, || ignore(secret.dh(&other).derive())));
    report("point from bytes", median(7, || ignore(Point::from_bytes(other.as_bytes()))));
    report("schnorr sign", median(7, || ignore(schnorr::sign(&secret, &[7; 32], &mut rng))));
    let signature = schnorr::sign(&secret, &[7; 32], &mut rng);
    let public = secret.public();
    report("schnorr verify", median(7, || ignore(schnorr::verify(&public, &[7; 32], &signature))));

    let keys = VerifyingKeys::development();
    for tier in Tier::ALL {
        let start = now();
        let made = setup_development(tier.into(), |_| {})?;
        report(&format!("{tier} key generation"), now() - start);
        let file = made.to_bytes();
        println!(
            "{tier}: {} constraints, proving key {} bytes, verifying key {} bytes",
            made.constraints(),
            file.len(),
            made.verifying_key().to_bytes().len()
        );
        report(&format!("{tier} load key"), median(5, || ignore(ProvingKey::from_bytes_trusted(&file))));
        let key = ProvingKey::from_bytes_trusted(&file)?;
        let cases: Vec<_> = (0..8).map(|_| branch(tier.dh_levels(), &mut rng)).collect::<Result<_, _>>()?;
        // The first proof also prepares the verifying key.
        ignore(prove(&key, &cases[0].1, &cases[0].0, &Control::default(), &mut rng)?);
        let mut next = cases.iter().cycle();
        let prove_time = median(9, || {
            if let Some((secret, statement)) = next.next() {
                ignore(prove(&key, statement, secret, &Control::default(), &mut rng));
            }
        });
        report(&format!("{tier} prove, full depth, self-check included"), prove_time);

        let items: Vec<(Claim, Proof)> = cases
            .into_iter()
            .map(|(secret, statement)| {
                let proof = prove(&key, &statement, &secret, &Control::default(), &mut rng)?;
                Ok::<_, proofs::ProveError>((statement.into(), proof))
            })
            .collect::<Result<_, _>>()?;
        let (claim, proof) = &items[0];
        report(&format!("{tier} decode proof"), median(7, || ignore(Proof::from_bytes(proof.as_bytes()))));
        report(&format!("{tier} verify, full depth"), median(7, || ignore(keys.verify(claim, proof))));
        let (secret, statement) = branch(tier.dh_levels() - 4, &mut rng)?;
        let proof = prove(&key, &statement, &secret, &Control::default(), &mut rng)?;
        let claim = statement.into();
        report(
            &format!("{tier} verify, 4 levels of padding"),
            median(7, || ignore(keys.verify(&claim, &proof))),
        );
        for size in [16, 64, 256] {
            let batch: Vec<_> = items.iter().cycle().take(size).cloned().collect();
            let time = median(5, || ignore(keys.verify_batch(&batch, &mut rng)));
            report(
                &format!("{tier} verify, a proof in a batch of {size}"),
                time / f64::from(u32::try_from(size)?),
            );
        }
    }
    Ok(())
}

fn branch(levels: usize, rng: &mut ChaCha20Rng) -> Result<(TreeSecret, Statement), proofs::StatementError> {
    let secret = TreeSecret::generate(rng);
    let siblings: Vec<Point> = (0..levels).map(|_| TreeSecret::generate(rng).public()).collect();
    let mut current = secret.clone();
    let mut keys = vec![current.public()];
    for sibling in siblings.iter().chain([&Point::sign_base()]) {
        current = current.dh(sibling).derive();
        keys.push(current.public());
    }
    let mut digest = [0; 32];
    rng.fill_bytes(&mut digest);
    Ok((secret, Statement::new(FrameDigest::new(digest), keys, siblings)?))
}

/// Keeps the compiler from leaving out work whose result nobody needs.
fn ignore<T>(result: T) {
    black_box(result);
}

/// Milliseconds from an arbitrary start.
fn now() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let wall = || START.get_or_init(Instant::now).elapsed().as_secs_f64() * 1e3;
    if cfg!(feature = "parallel") {
        return wall();
    }
    // First field: nanoseconds the main thread has run.
    let schedule = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = schedule.split_whitespace().next().and_then(|field| field.parse::<f64>().ok());
    nanoseconds.map_or_else(wall, |nanoseconds| nanoseconds / 1e6)
}

/// The median time of one call. A sample repeats short work, since the system's clock of processor time is coarse.
fn median(samples: usize, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    work();
    let once = start.elapsed();
    let repetitions = (100 / once.as_millis().max(1)).clamp(1, 100);
    let repetitions = if once.as_micros() < 500 { 2000 } else { u32::try_from(repetitions).unwrap_or(1) };
    let mut times: Vec<f64> = (0..samples)
        .map(|_| {
            let start = now();
            (0..repetitions).for_each(|_| work());
            (now() - start) / f64::from(repetitions)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times.get(samples / 2).copied().unwrap_or_default()
}
