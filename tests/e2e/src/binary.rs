//! The `kith` command under test, built once.

use std::{path::PathBuf, process::Command, sync::OnceLock};

use anyhow::{Context as _, Result, anyhow, ensure};

static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();

/// The folder cargo builds into: the tests lie in `<target>/<profile>/deps`.
pub(crate) fn target() -> Result<PathBuf> {
    let test = std::env::current_exe().context("the test does not know where it is")?;
    let target = test.ancestors().nth(3).context("the test is not in a target folder")?;
    Ok(target.to_owned())
}

/// The path of the command, built from this repository with the profile of the test.
pub(crate) fn kith() -> Result<PathBuf> {
    let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.clone().map_err(|error| anyhow!(error))
}

fn build() -> Result<PathBuf> {
    // `scripts/test` has built it already, together with the tests.
    if let Some(built) = std::env::var_os("KITH_BIN") {
        return Ok(built.into());
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--bin", "kith"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let test = std::env::current_exe()?;
    let profile = test.ancestors().nth(2).context("the test is not in a target folder")?;
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let done = cargo.output().context("cargo cannot be run")?;
    ensure!(done.status.success(), "kith does not build:\n{}", String::from_utf8_lossy(&done.stderr));
    Ok(profile.join("kith"))
}
