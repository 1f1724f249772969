//! Where `scripts/servers` puts what it installs.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

/// The path of `file` (relative) in the folder of an installed server; `server` is its name in `scripts/servers`.
///
/// # Errors
///
/// The server is not installed; the message says what to run.
pub fn installed(server: &str, file: &str) -> Result<PathBuf> {
    // Programs lie in `<target>/<profile>`, tests and examples in a folder of it.
    let own = std::env::current_exe().context("the program does not know where it is")?;
    let targets =
        own.ancestors().skip(2).take(2).map(|target| target.join("servers").join(server).join(file));
    let mut targets = targets.peekable();
    let first = targets.peek().cloned().context("the program is not in a target folder")?;
    let path = targets.find(|path| path.exists()).unwrap_or(first);
    ensure!(path.exists(), "{server} is not installed (no {}): run scripts/servers {server}", path.display());
    Ok(path)
}
