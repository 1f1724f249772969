//! `kith drop`: something for one reader, who gets it whole or not at all. Needs no identity.

mod kept;
mod terminal;

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use kith_client_sdk::{
    clock::{Clock, SystemClock},
    drops::{DropError, DropInfo, DropLink, Drops, MadeDrop, Password, PutOptions, Reading, Source},
    http::NodeOptions,
};
use serde_json::json;
use zeroize::Zeroizing;

use crate::{
    args::{Cli, DropCommand, DropGetArgs, DropLinkArg, DropPutArgs},
    output, progress,
};

/// Most that is taken from standard input: its length has to be known before the first byte is sealed.
const MOST_INPUT: u64 = 64 << 20;
/// Longest text that a reader is shown as one, instead of a file.
const MOST_TEXT: usize = 1 << 20;
/// How often a password is asked for.
const TRIES: u32 = 3;
/// How long giving back is tried after Ctrl-C.
const GIVING_BACK: Duration = Duration::from_secs(5);

/// Runs a command about drops.
pub(crate) async fn run(cli: &Cli, command: &DropCommand) -> Result<()> {
    match command {
        DropCommand::Put(args) => until_interrupted(put(cli, args)).await,
        DropCommand::Get(args) => get(cli, args).await,
        DropCommand::Info(args) => until_interrupted(info(cli, args)).await,
        DropCommand::Delete(args) => until_interrupted(delete(cli, args)).await,
    }
}

async fn until_interrupted(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => bail!("interrupted [interrupted]"),
    }
}

fn options(cli: &Cli) -> NodeOptions {
    NodeOptions { allow_plain_http: cli.allow_plain_http, ..NodeOptions::default() }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

async fn put(cli: &Cli, args: &DropPutArgs) -> Result<()> {
    let drops = Drops::new(&args.server, clock(), options(cli))?;
    let from_stdin = args.file == Path::new("-");
    if from_stdin && args.password_stdin {
        bail!("standard input cannot be both the content and the password [bad_text]");
    }
    let mut options = PutOptions::default();
    options.password = match (args.password, args.password_stdin) {
        (true, _) => Some(terminal::new_password().await?),
        (_, true) => Some(Password::new(terminal::line().await?.to_string())),
        (false, false) => None,
    };
    let source = if from_stdin {
        let bytes = tokio::task::spawn_blocking(stdin).await??;
        if bytes.len() <= MOST_TEXT && core::str::from_utf8(&bytes).is_ok() {
            options.media_type = "text/plain;charset=utf-8".to_owned();
        }
        Source::bytes(bytes)
    } else {
        let name = args.file.file_name().map(|name| name.to_string_lossy().into_owned());
        options.name = name.unwrap_or_default();
        Source::file(&args.file).await.with_context(|| args.file.display().to_string())?
    };
    if let Some(name) = &args.name {
        options.name.clone_from(name);
    }
    options.expires_in = args.expires.map(|time| time.as_secs());
    options.progress = Some(progress::bytes("sealing and sending"));
    let made = drops.put(source, options).await?;
    // A drop that cannot be deleted any more is still a drop, so this is no reason to hide the link.
    if let Err(error) = kept::keep(cli, &made) {
        terminal::note(&format!("kith: the deletion token could not be kept: {error:#}"));
    }
    told(cli, args, &made)
}

/// Prints the link, and shows it to telephones.
fn told(cli: &Cli, args: &DropPutArgs, made: &MadeDrop) -> Result<()> {
    let link = made.link.to_text();
    if !args.no_qr && !cli.json {
        terminal::qr(&link);
    }
    let value = json!({
        "link": *link,
        "id": made.id().to_string(),
        "expires_at": made.expires_at.map(|at| output::time(at.get().saturating_mul(1000))),
    });
    output::answer(cli.json, &value, || link.to_string())
}

fn stdin() -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = std::io::stdin().lock().take(MOST_INPUT + 1).read_to_end(&mut bytes);
    let read = read.context("standard input cannot be read")?;
    if read as u64 > MOST_INPUT {
        bail!("standard input is longer than {MOST_INPUT} bytes; put it into a file [too_large]");
    }
    Ok(bytes)
}

async fn link(args: &DropLinkArg) -> Result<DropLink> {
    let text = match args.link.as_deref() {
        Some(text) if text != "-" => Zeroizing::new(text.to_owned()),
        _ => terminal::line().await?,
    };
    Ok(DropLink::parse(&text).map_err(DropError::from)?)
}

async fn get(cli: &Cli, args: &DropGetArgs) -> Result<()> {
    let link = link(&args.link).await?;
    // Before anything is claimed.
    if let Some(path) = args.output.as_deref().filter(|path| *path != Path::new("-"))
        && !args.force
        && path.symlink_metadata().is_ok()
    {
        return Err(DropError::FileExists).with_context(|| path.display().to_string());
    }
    let mut reading =
        Reading::new(&link, clock(), options(cli))?.with_progress(progress::bytes("fetching and opening"));
    let done = tokio::select! {
        done = fetch(args, &mut reading) => Some(done),
        _ = tokio::signal::ctrl_c() => None,
    };
    let Some(done) = done else {
        // Whoever interrupts is not kept waiting for a server that is away; the claim runs out by itself.
        let _ = tokio::time::timeout(GIVING_BACK, reading.release()).await;
        bail!("interrupted; the drop was given back, unless it had arrived [interrupted]");
    };
    let (info, path) = match done {
        Ok(done) => done,
        Err(error) => {
            let _ = tokio::time::timeout(GIVING_BACK, reading.release()).await;
            return Err(error);
        }
    };
    // Standard output has the content.
    let Some(path) = path else { return Ok(()) };
    let mut value = as_json(&info);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("path".to_owned(), json!(path.display().to_string()));
    }
    output::answer(cli.json, &value, || path.display().to_string())
}

async fn fetch(args: &DropGetArgs, reading: &mut Reading) -> Result<(DropInfo, Option<PathBuf>)> {
    let info = claim(args, reading).await?;
    let path = match &args.output {
        Some(path) if path == Path::new("-") => {
            reading.write_to(&mut tokio::io::stdout()).await?;
            return Ok((info, None));
        }
        Some(path) => path.clone(),
        None => info.name.as_ref().map_or("drop", |name| name.as_str()).into(),
    };
    reading.save(&path, args.force).await.with_context(|| path.display().to_string())?;
    Ok((info, Some(path)))
}

/// Claims it, with a password where one is needed.
async fn claim(args: &DropGetArgs, reading: &mut Reading) -> Result<DropInfo> {
    if !reading.is_locked() {
        return Ok(reading.claim(None).await?);
    }
    if args.password_stdin {
        let password = Password::new(terminal::line().await?.to_string());
        return Ok(reading.claim(Some(&password)).await?);
    }
    let mut tries = 0;
    loop {
        let Some(password) = terminal::password("password: ").await? else {
            return Err(DropError::PasswordNeeded.into());
        };
        tries += 1;
        match reading.claim(Some(&password)).await {
            Err(error @ DropError::PasswordWrong { .. }) if tries < TRIES => {
                terminal::note(&format!("kith: {error}"));
            }
            done => return Ok(done?),
        }
    }
}

async fn info(cli: &Cli, args: &DropLinkArg) -> Result<()> {
    let link = link(args).await?;
    let info = Reading::new(&link, clock(), options(cli))?.info().await?;
    output::answer(cli.json, &as_json(&info), || {
        let name = info.name.as_ref().map(|name| output::shown(name.as_str()));
        let mut lines = vec![
            format!("name     {}", name.as_deref().unwrap_or("not told")),
            match info.len {
                Some(len) => format!("size     {len} bytes"),
                None => format!("size     {} bytes at most", info.sealed_len),
            },
            format!("password {}", if info.locked { "needed" } else { "none" }),
        ];
        if let Some(at) = info.expires_at {
            lines.push(format!("expires  {}", output::time(at.get().saturating_mul(1000))));
        }
        lines.join("\n")
    })
}

fn as_json(info: &DropInfo) -> serde_json::Value {
    json!({
        "name": info.name.as_ref().map(|name| name.as_str()),
        "media_type": info.media_type,
        "size": info.len,
        "sealed_size": info.sealed_len,
        "locked": info.locked,
        "expires_at": info.expires_at.map(|at| output::time(at.get().saturating_mul(1000))),
    })
}

async fn delete(cli: &Cli, args: &DropLinkArg) -> Result<()> {
    let link = link(args).await?;
    let id = link.secret().id();
    let token = kept::find(cli, &id)?;
    let done = Drops::new(link.url(), clock(), options(cli))?.delete(&id, &token).await;
    if matches!(done, Ok(()) | Err(DropError::Gone)) {
        kept::forget(cli, &id);
    }
    done?;
    output::answer(cli.json, &json!({ "deleted": true }), || "deleted".to_owned())
}
