//! Deletion tokens of the drops that were put from this home: a file for each, readable by its owner alone.
//!
//! Such a token deletes a drop; it opens none.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use kith_client_sdk::{
    clock::{Clock as _, SystemClock},
    drops::{DropId, MadeDrop, Token},
};
use zeroize::Zeroizing;

use crate::{args::Cli, home};

fn folder(cli: &Cli) -> Result<PathBuf> {
    Ok(home::folder(cli)?.join("drops"))
}

/// Keeps the token of a drop until it expires.
pub(super) fn keep(cli: &Cli, made: &MadeDrop) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let folder = folder(cli)?;
    home::make_private_folder(&folder)?;
    forget_expired(&folder);
    let expires = made.expires_at.map_or(u64::MAX, |at| at.get());
    let text = Zeroizing::new(format!("{}\n{expires}\n", *made.deletion.to_text()));
    let path = folder.join(made.id().to_string());
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}

/// The token of a drop.
pub(super) fn find(cli: &Cli, id: &DropId) -> Result<Token> {
    let path = folder(cli)?.join(id.to_string());
    let text = match fs::read_to_string(&path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("this drop was not put from this home [no_deletion_token]")
        }
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
    };
    let token = text.lines().next().and_then(|line| Token::parse(line).ok());
    token.with_context(|| format!("{} is damaged", path.display()))
}

/// Forgets the token of a drop that is gone.
pub(super) fn forget(cli: &Cli, id: &DropId) {
    if let Ok(folder) = folder(cli) {
        let _ = fs::remove_file(folder.join(id.to_string()));
    }
}

/// What has expired cannot be deleted any more. A file that says something else is left alone.
fn forget_expired(folder: &Path) {
    let now = SystemClock.now().get();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let text = fs::read_to_string(entry.path()).map(Zeroizing::new).unwrap_or_default();
        let expires = text.lines().nth(1).and_then(|line| line.parse::<u64>().ok());
        if expires.is_some_and(|expires| expires < now) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
