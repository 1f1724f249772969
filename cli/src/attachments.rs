//! Files larger than a message: sending them, and fetching those of others.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use kith_client_sdk::{
    Client, Entry, Error, FetchOptions, Group, Position, SendOptions, What, drops::DropError,
};
use serde_json::json;

use crate::{
    args::{Cli, FetchArgs},
    client, output, progress,
};

/// Entries read from the store at once.
const PAGE: usize = 512;
/// How many names are tried for a file.
const NAMES: u32 = 10_000;

/// Sends a file, of whatever size.
pub(crate) async fn send(group: &Group, path: &Path, media_type: &str) -> Result<u64> {
    // What cannot be read is said before anything is asked for.
    drop(std::fs::File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?);
    let name = path.file_name().map_or_else(|| "file".into(), |name| name.to_string_lossy().into_owned());
    let mut options = SendOptions::default();
    options.progress = Some(progress::bytes("sealing and sending"));
    Ok(group.send_path(path, &name, media_type, options).await?)
}

/// Fetches an attachment into a file.
pub(crate) async fn fetch(cli: &Cli, client: &Client, args: &FetchArgs) -> Result<()> {
    let group = client::pick(client, args.group.group.as_deref()).await?;
    let found = match find(&group, args.seq).await? {
        Some(found) => found,
        None => {
            group.sync().await?;
            let found = find(&group, args.seq).await?;
            found.with_context(|| format!("there is no attachment at {} [not_an_attachment]", args.seq))?
        }
    };
    let (position, name, size) = found;
    let mut options = FetchOptions::default();
    options.progress = Some(progress::bytes("fetching"));
    options.overwrite = args.force;
    options.any_service = args.any_service;
    let path = match &args.output {
        Some(path) => {
            group.fetch_attachment(position, path, options).await?;
            path.clone()
        }
        None => {
            let folder = args.save.as_deref().unwrap_or_else(|| Path::new("."));
            save(&group, position, folder, &name, &options).await?
        }
    };
    let path = path.display().to_string();
    let value = json!({ "path": path, "size": size });
    output::answer(cli.json, &value, || format!("saved as {} ({size} bytes)", output::shown(&path)))
}

/// Fetches into a folder under the sender's name, or with a number where that is taken.
async fn save(
    group: &Group,
    position: Position,
    folder: &Path,
    name: &str,
    options: &FetchOptions,
) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    for n in 0..NAMES {
        let path = folder.join(if n == 0 { name.to_owned() } else { format!("{n}-{name}") });
        match group.fetch_attachment(position, &path, options.clone()).await {
            // Found out before anything is fetched.
            Err(Error::Drop(DropError::FileExists)) => {}
            done => return Ok(done.map(|()| path)?),
        }
    }
    bail!("too many files called {}", output::shown(name))
}

/// Place, name and size of the attachment whose message has a sequence number.
async fn find(group: &Group, seq: u64) -> Result<Option<(Position, String, u64)>> {
    let mut from = Position(0);
    loop {
        let entries = group.entries(from, PAGE).await?;
        let Some(last) = entries.last() else { return Ok(None) };
        from = Position(last.position.0 + 1);
        let found = entries.into_iter().filter(|entry| entry.seq == seq).find_map(attachment);
        if found.is_some() {
            return Ok(found);
        }
    }
}

fn attachment(entry: Entry) -> Option<(Position, String, u64)> {
    if let What::Attachment { name, size, .. } = entry.what {
        Some((entry.position, name, size))
    } else {
        None
    }
}
