//! `kith keys`: keys that proofs are made and checked with.
//!
//! None of these commands needs a home or a server. They block, and run on a thread that is ended with the program: what
//! they write appears whole or not at all.

mod ceremony;
mod develop;
mod files;

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use pinned_keys::{MANIFEST, PinnedKeys};
use proofs::{Circuit, DEVELOPMENT_KEYS, ProvingKey, ProvingKeyHash, VerifyingKey, VerifyingKeyHash};
use serde_json::{Value, json};

use self::files::{Kind, read_key};
use crate::{
    args::{Cli, Command, ExportVkArgs, KeysCommand, VkFormat},
    output,
};

/// Runs one of the commands.
pub(crate) fn run(cli: &Cli) -> Result<()> {
    let Command::Keys(command) = &cli.command else { bail!("not a command about keys") };
    match command {
        KeysCommand::Develop(args) => develop::develop(cli, args),
        KeysCommand::ExportR1cs(args) => ceremony::export_r1cs(cli, args),
        KeysCommand::Verify(args) => ceremony::verify(cli, args),
        KeysCommand::Import(args) => ceremony::import(cli, args),
        KeysCommand::Show { path } => show(cli, path),
        KeysCommand::ExportVk(args) => export_vk(args),
    }
}

/// What a failure's code is, if it is one of keys.
pub(crate) fn code(error: &anyhow::Error) -> Option<&'static str> {
    error.chain().find_map(|cause| {
        cause
            .downcast_ref::<::ceremony::CeremonyError>()
            .map(::ceremony::CeremonyError::code)
            .or_else(|| cause.downcast_ref::<pinned_keys::KeysError>().map(pinned_keys::KeysError::code))
    })
}

/// Whether a verifying key is one of those for development.
fn is_development(hash: VerifyingKeyHash) -> bool {
    DEVELOPMENT_KEYS.iter().any(|pinned| pinned.verifying_key_hash == hash)
}

fn show(cli: &Cli, path: &Path) -> Result<()> {
    if path.is_dir() || path.file_name().is_some_and(|name| name == MANIFEST) {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or_else(|| Path::new(".")) };
        return show_folder(cli, folder);
    }
    let (bytes, kind) = read_key(path)?;
    let (circuit, hash, file) = match kind {
        Kind::Verifying(key) => (key.circuit(), key.hash(), None),
        Kind::Proving(key) => (key.circuit(), key.verifying_key().hash(), Some(ProvingKeyHash::of(&bytes))),
    };
    let development = is_development(hash);
    let value = json!({
        "circuit": circuit.name(),
        "verifying_key_hash": hash.to_string(),
        "proving_key_hash": file.map(|hash| hash.to_string()),
        "development": development,
    });
    output::answer(cli.json, &value, || {
        let mut text = format!("circuit       {}\nverifying key {hash}", circuit.name());
        if let Some(file) = file {
            text.push_str(&format!("\nproving key   {file} (its points are not checked)"));
        }
        if development {
            text.push_str("\nDEVELOPMENT   anybody can forge proofs under this key");
        }
        text
    })
}

fn show_folder(cli: &Cli, folder: &Path) -> Result<()> {
    let keys = PinnedKeys::open(folder, None)?;
    let params = keys.verifying_keys().params_hash();
    let development = keys.verifying_keys().are_for_development();
    let entries: Vec<Value> = keys
        .manifest()
        .entries()
        .iter()
        .map(|entry| {
            json!({
                "circuit": entry.circuit.name(),
                "verifying_key_hash": entry.verifying_key_hash.to_string(),
                "proving_key_hash": entry.proving_key.as_ref().map(|key| key.hash.to_string()),
                "development": is_development(entry.verifying_key_hash),
            })
        })
        .collect();
    let value = json!({
        "manifest_hash": keys.hash().to_string(),
        "params": params.to_string(),
        "development": development,
        "keys": entries,
    });
    output::answer(cli.json, &value, || {
        let mut text = format!("keys.toml {}\nparams    {params}", keys.hash());
        for entry in keys.manifest().entries() {
            let proving = if entry.proving_key.is_some() { "" } else { ", no proving key" };
            text.push_str(&format!("\n{:9} {}{proving}", entry.circuit.name(), entry.verifying_key_hash));
        }
        if development {
            text.push_str("\nDEVELOPMENT: anybody can forge proofs under a key of these");
        }
        text
    })
}

fn export_vk(args: &ExportVkArgs) -> Result<()> {
    let (_, kind) = read_key(&args.key)?;
    let key = match &kind {
        Kind::Verifying(key) => key,
        Kind::Proving(key) => key.verifying_key(),
    };
    let VkFormat::Snarkjs = args.format;
    let text = ::ceremony::json::verifying_key(key);
    match &args.output {
        Some(path) => files::write(path, text.as_bytes()),
        None => output::line(text.trim_end()),
    }
}

/// The circuit of a name given on the command line.
fn circuit(name: &str) -> Result<Circuit> {
    Circuit::from_name(name).with_context(|| {
        let names: Vec<_> = Circuit::ALL.iter().map(|circuit| circuit.name()).collect();
        format!("there is no circuit `{}`, only {} [wrong_circuit]", output::shown(name), names.join(", "))
    })
}

/// The line that tells about a key that was made or taken.
fn describe(key: &ProvingKey, file: &[u8]) -> Value {
    let verifying: &VerifyingKey = key.verifying_key();
    json!({
        "circuit": key.circuit().name(),
        "verifying_key_hash": verifying.hash().to_string(),
        "proving_key_hash": ProvingKeyHash::of(file).to_string(),
        "development": is_development(verifying.hash()),
    })
}
