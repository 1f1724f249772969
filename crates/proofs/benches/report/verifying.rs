//! Checking proofs, alone and in batches.

use crate::{
    Result, Run,
    clock::median,
    proving::{Case, Key, rng},
    say,
};
use proofs::{Claim, Control, Proof, VerifyingKey, VerifyingKeys};

pub(crate) fn report(run: &Run<'_>, keys: &[Key]) -> Result<()> {
    let verifying = VerifyingKeys::development();
    let mut proven: Vec<Vec<(Claim, Proof)>> = Vec::new();
    say(format_args!("\n## Verifying, {} thread(s), full depth\n", run.threads));
    say(format_args!(
        "| circuit | decode a proof, ms | one, siblings seen before, ms | pairings | of three pairs | one, nothing seen before, ms |\n\
         |---|---|---|---|---|---|"
    ));
    for Key { key, .. } in keys {
        let items = (0..16)
            .map(|_| {
                let case = Case::random(key.circuit())?;
                let proof = run.pool.install(|| case.prove(key, &Control::default()))?;
                Ok((case.claim(), proof))
            })
            .collect::<Result<Vec<_>>>()?;
        if let Some((claim, proof)) = items.first() {
            let decode = median(5, || Proof::from_bytes(proof.as_bytes()));
            let warm = run.pool.install(|| median(7, || verifying.verify(claim, proof)));
            demand(verifying.verify(claim, proof).is_ok(), "a good proof was refused")?;
            let cold = run.pool.install(|| cold(key.verifying_key(), claim, proof))?;
            say(format_args!(
                "| {} | {:.3} | {:.3} | {:.2} | {:.2} | {cold:.3} |",
                key.circuit(),
                decode.processor,
                warm.processor,
                warm.processor / run.limits.pairing,
                warm.processor / run.limits.three_pairs,
            ));
        }
        proven.push(items);
    }
    say(format_args!(
        "\n| batch | size | a proof, wall ms | a proof, processor ms | pairings | of a pair among many |\n|---|---|---|---|---|---|"
    ));
    for (Key { key, .. }, items) in keys.iter().zip(&proven) {
        batches(run, verifying, &key.circuit().to_string(), items)?;
    }
    let mixed: Vec<_> =
        (0..16).flat_map(|index| proven.iter().filter_map(move |items| items.get(index))).cloned().collect();
    batches(run, verifying, "all circuits", &mixed)
}

/// One proof under a key set that has seen nothing, without the time to prepare the keys.
fn cold(key: &VerifyingKey, claim: &Claim, proof: &Proof) -> Result<f64> {
    const SETS: u32 = 16;
    let sets: Vec<_> =
        (0..SETS).map(|_| VerifyingKeys::new([key.clone()])).collect::<core::result::Result<_, _>>()?;
    // The shares of constant tables belong to the key; they are there after any first proof.
    let other = Case::random(claim.circuit())?.claim();
    demand(sets.iter().all(|set| set.verify(&other, proof).is_err()), "a proof held for another statement")?;
    let start = std::time::Instant::now();
    let good = sets.iter().filter(|set| set.verify(claim, proof).is_ok()).count();
    let time = start.elapsed().as_secs_f64() * 1e3 / f64::from(SETS);
    demand(good == sets.len(), "a good proof was refused")?;
    Ok(time)
}

fn batches(run: &Run<'_>, keys: &VerifyingKeys, name: &str, items: &[(Claim, Proof)]) -> Result<()> {
    for size in [16u32, 64, 256] {
        let batch: Vec<_> = items.iter().cycle().take(size as usize).cloned().collect();
        let verify = || keys.verify_batch(&batch, &mut rng());
        demand(verify().iter().all(|outcome| outcome.is_ok()), "a good proof was refused")?;
        let time = run.pool.install(|| median(7, verify)).each(size);
        say(format_args!(
            "| {name} | {size} | {:.3} | {:.3} | {:.2} | {:.2} |",
            time.wall,
            time.processor,
            time.processor / run.limits.pairing,
            time.processor / run.limits.pair_of_many
        ));
    }
    Ok(())
}

fn demand(holds: bool, what: &'static str) -> Result<()> {
    if holds { Ok(()) } else { Err(what.into()) }
}
