//! The keys for development, as files.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use proofs::{Circuit, DEVELOPMENT_KEYS, ProvingKeyHash, SetupStage, setup_development};
use serde_json::json;

use super::{describe, files};
use crate::{
    args::{Cli, DevelopArgs},
    output,
};

/// Makes the keys of the circuits asked for, compares them with the pinned hashes, and keeps them where asked to.
pub(super) fn develop(cli: &Cli, args: &DevelopArgs) -> Result<()> {
    let mut keys = Vec::new();
    let only = args.circuit.as_deref().map(super::circuit).transpose()?;
    for circuit in Circuit::ALL.into_iter().filter(|circuit| only.is_none_or(|only| only == *circuit)) {
        let key = setup_development(circuit, |stage| {
            let _ = writeln!(std::io::stderr(), "{}: {}", circuit.name(), named(stage));
        })?;
        let file = key.to_bytes();
        let pinned = DEVELOPMENT_KEYS.iter().find(|pinned| pinned.circuit == circuit);
        let pinned = pinned.with_context(|| format!("no keys are pinned for {circuit}"))?;
        if key.verifying_key().hash() != pinned.verifying_key_hash
            || ProvingKeyHash::of(&file) != pinned.proving_key_hash
        {
            bail!("the keys made here for {circuit} are not the pinned ones [keys_not_pinned]");
        }
        keys.push((key, file));
    }
    let pin = args.output.as_deref().map(|folder| files::keep(folder, "development-", &keys)).transpose()?;
    let listed: Vec<_> = keys.iter().map(|(key, file)| describe(key, file)).collect();
    let value = json!({ "keys": listed, "manifest_hash": pin.map(|pin| pin.to_string()) });
    output::answer(cli.json, &value, || {
        let mut text = "DEVELOPMENT keys: anybody can forge proofs under them".to_owned();
        for (key, file) in &keys {
            let verifying = key.verifying_key().hash();
            let proving = ProvingKeyHash::of(file);
            text.push_str(&format!(
                "\n{}\n  verifying key {verifying}\n  proving key   {proving}",
                key.circuit().name()
            ));
        }
        text.push_str("\nall as pinned");
        if let (Some(folder), Some(pin)) = (&args.output, pin) {
            text.push_str(&files::how_to_use(folder, pin));
        }
        text
    })
}

const fn named(stage: SetupStage) -> &'static str {
    match stage {
        SetupStage::Circuit => "laying down the circuit",
        SetupStage::Polynomials => "evaluating its polynomials",
        SetupStage::FirstGroup => "multiplying in G1",
        SetupStage::SecondGroup => "multiplying in G2",
        SetupStage::Finished => "done",
        _ => "working",
    }
}
