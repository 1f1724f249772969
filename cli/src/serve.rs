//! `kith serve`: node and frame log in one process.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use node::config::Config;
use service_kit::{config, logging, shutdown};
use tokio::net::TcpListener;

use crate::args::ServeArgs;

/// Runs a server until it is told to stop, or prints its settings.
pub(crate) async fn serve(args: &ServeArgs) -> Result<()> {
    let settings = settings(args)?;
    if args.config.print_config {
        return Ok(std::io::stdout().write_all(config::render(&settings)?.as_bytes())?);
    }
    logging::init(&settings.log)?;
    let address = settings.listen.address;
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("{address} cannot be listened on"))?;
    let (trigger, stopping) = shutdown::channel();
    tokio::spawn(shutdown::signals(trigger).context("signals cannot be handled")?);
    announce(&settings, &listener)?;
    Ok(node::run(settings, listener, stopping).await?)
}

/// Defaults, then the file, then the environment, then the flags.
fn settings(args: &ServeArgs) -> Result<Config> {
    let mut sources = args.config.sources();
    let mut set = |key: &str, value: Option<String>| {
        sources.overrides.extend(value.map(|value| (key.to_owned(), value)));
    };
    set("store.data", args.data.as_ref().map(|folder| folder.to_string_lossy().into_owned()));
    set("listen.address", args.listen.map(|address| address.to_string()));
    set("listen.origin", args.origin.clone());
    Ok(config::load(&sources)?)
}

/// One line for people, on standard error beside the log.
fn announce(settings: &Config, listener: &TcpListener) -> Result<()> {
    let address = listener.local_addr()?;
    let folder = settings.store.data.display();
    let mut out = std::io::stderr().lock();
    // A closed standard error is no reason not to serve.
    let _ = writeln!(out, "kith: serving on http://{address}, data in {folder}; Ctrl-C stops");
    Ok(())
}
