//! Where `scripts/servers` puts what it installs.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

/// The path of `file` (relative) in the folder of an installed server; `server` is its name in `scripts/servers`.
///
/// # Errors
///
/// The server is not installed; the message says what to run.
pub fn installed(server: &str, file: &str) -> Result<PathBuf> {
    // Tests lie in `<target>/<profile>/deps`, examples in `<target>/<profile>/examples`.
    let test = std::env::current_exe().context("the test does not know where it is")?;
    let target = test.ancestors().nth(3).context("the test is not in a target folder")?;
    let path = target.join("servers").join(server).join(file);
    ensure!(path.exists(), "{server} is not installed (no {}): run scripts/servers {server}", path.display());
    Ok(path)
}
