//! Ceremonies: the circuit for those who hold one, and its result for us.

use std::io::Write as _;

use ::ceremony::{
    CeremonyHash, PowersOfTau, Relation, VerifiedKey, VerifyStage, Zkey, to_r1cs, verify as check,
};
use anyhow::{Context as _, Result};
use proofs::{Circuit, ProvingKeyHash, constraint_system};
use rand_core::UnwrapErr;
use serde_json::{Value, json};

use super::{
    describe,
    files::{self, FileSource},
};
use crate::{
    args::{CeremonyArgs, Cli, ExportR1csArgs, ImportArgs},
    output,
};

/// Something that was verified, and what it was verified against.
struct Verified {
    circuit: Circuit,
    relation: Relation,
    key: VerifiedKey,
    powers: CeremonyHash,
}

pub(super) fn export_r1cs(cli: &Cli, args: &ExportR1csArgs) -> Result<()> {
    let circuit = super::circuit(&args.circuit)?;
    let relation = relation(circuit)?;
    let file = to_r1cs(&relation);
    files::write(&args.output, &file)?;
    let power = relation.domain().trailing_zeros();
    let value = json!({
        "circuit": circuit.name(),
        "constraints": relation.rows().len(),
        "variables": relation.variables(),
        "public_inputs": relation.public(),
        "power": power,
        "sha256": ProvingKeyHash::of(&file).to_string(),
    });
    output::answer(cli.json, &value, || {
        format!(
            "{}: {} constraints, {} variables, {} public inputs\nsha256 {}\npowers of tau: 2^{} or more, prepared",
            circuit.name(),
            relation.rows().len(),
            relation.variables(),
            relation.public(),
            ProvingKeyHash::of(&file),
            power + 1
        )
    })
}

pub(super) fn verify(cli: &Cli, args: &CeremonyArgs) -> Result<()> {
    let verified = follow(args)?;
    let verifying = verified.key.verifying_key(verified.circuit)?;
    let mut value = report(&verified);
    extend(&mut value, &json!({ "verifying_key_hash": verifying.hash().to_string() }));
    output::answer(cli.json, &value, || {
        format!("{}\nverifying key {}\nthe key is as it should be", told(&verified), verifying.hash())
    })
}

pub(super) fn import(cli: &Cli, args: &ImportArgs) -> Result<()> {
    let verified = follow(&args.files)?;
    let key = verified.key.proving_key(verified.circuit, &verified.relation)?;
    let file = key.to_bytes();
    let mut value = report(&verified);
    extend(&mut value, &describe(&key, &file));
    let (verifying, proving) = (key.verifying_key().hash(), ProvingKeyHash::of(&file));
    let pin = files::keep(&args.output, "", &[(key, file)])?;
    extend(&mut value, &json!({ "manifest_hash": pin.to_string() }));
    output::answer(cli.json, &value, || {
        format!(
            "{}\nverifying key {verifying}\nproving key   {proving}\n{}",
            told(&verified),
            files::how_to_use(&args.output, pin)
        )
    })
}

fn relation(circuit: Circuit) -> Result<Relation> {
    let system = constraint_system(circuit)?;
    Relation::try_from(&system).context("the circuit is inconsistent")
}

fn follow(args: &CeremonyArgs) -> Result<Verified> {
    let circuit = super::circuit(&args.circuit)?;
    let (ptau, zkey) = (FileSource::open(&args.ptau)?, FileSource::open(&args.zkey)?);
    let relation = relation(circuit)?;
    let powers = PowersOfTau::open(&ptau).with_context(|| args.ptau.display().to_string())?;
    let key = Zkey::open(&zkey).with_context(|| args.zkey.display().to_string())?;
    let mut rng = UnwrapErr(getrandom::SysRng);
    let key = check(&relation, &powers, &key, &mut rng, |stage| {
        let _ = writeln!(std::io::stderr(), "{}: {}", circuit.name(), named(stage));
    })?;
    let _ = writeln!(std::io::stderr(), "{}: hashing the powers of tau", circuit.name());
    let powers = powers.file_hash()?;
    Ok(Verified { circuit, relation, key, powers })
}

const fn named(stage: VerifyStage) -> &'static str {
    match stage {
        VerifyStage::Circuit => "comparing the constraints",
        VerifyStage::Contributions => "following the contributions",
        VerifyStage::Polynomials => "checking the polynomials",
        VerifyStage::Shares => "computing the first key",
        VerifyStage::Quotient => "checking shares and quotient",
        VerifyStage::Start => "hashing the first key",
        _ => "working",
    }
}

fn report(verified: &Verified) -> Value {
    let report = verified.key.report();
    let contributions = report.contributions.iter().map(|contribution| {
        json!({
            "position": contribution.position,
            "name": contribution.name,
            "hash": contribution.hash.to_string(),
            "beacon": contribution.beacon.as_ref().map(|beacon| json!({
                "value": hex(&beacon.value),
                "exponent": beacon.exponent,
            })),
        })
    });
    json!({
        "circuit": verified.circuit.name(),
        "circuit_hash": report.circuit_hash.to_string(),
        "ptau_hash": verified.powers.to_string(),
        "contributions": contributions.collect::<Vec<_>>(),
    })
}

/// The report for people, hashes laid out as those who contributed saw theirs.
fn told(verified: &Verified) -> String {
    let report = verified.key.report();
    let mut text = format!(
        "powers of tau (BLAKE2b of the file; check them with `snarkjs powersoftau verify`)\n{}\ncircuit hash\n{}",
        verified.powers.to_block(),
        report.circuit_hash.to_block()
    );
    for contribution in &report.contributions {
        let name = output::shown(contribution.name.as_deref().unwrap_or_default());
        text.push_str(format!("\ncontribution {} {name}", contribution.position).trim_end());
        if let Some(beacon) = &contribution.beacon {
            text.push_str(&format!(" (beacon {}, 2^{} times)", hex(&beacon.value), beacon.exponent));
        }
        text.push_str(&format!("\n{}", contribution.hash.to_block()));
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn extend(value: &mut Value, with: &Value) {
    if let (Some(fields), Some(with)) = (value.as_object_mut(), with.as_object()) {
        fields.extend(with.clone());
    }
}
