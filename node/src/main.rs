//! The node as a process: flags, settings, log, listener, signals; the rest is the library's.

use std::{io::Write, net::SocketAddr, path::PathBuf};

use anyhow::Context;
use clap::Parser;
use node::config::Config;
use service_kit::{
    config::{self, ConfigArgs},
    logging, shutdown,
};
use tokio::net::TcpListener;

/// Takes frames of private groups, checks and orders them, keeps them, pushes them to followers.
#[derive(Debug, Parser)]
#[command(name = "node", version)]
struct Args {
    #[command(flatten)]
    config: ConfigArgs,

    /// Folder of the data; short for `--set store.data=…`.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,

    /// Address for clients; short for `--set listen.address=…`.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,

    /// The name clients reach the node by; short for `--set listen.origin=…`.
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut sources = args.config.sources();
    let mut set = |key: &str, value: Option<String>| {
        sources.overrides.extend(value.map(|value| (key.to_owned(), value)));
    };
    set("store.data", args.data.map(|folder| folder.to_string_lossy().into_owned()));
    set("listen.address", args.listen.map(|address| address.to_string()));
    set("listen.origin", args.origin);
    let settings: Config = config::load(&sources)?;
    if args.config.print_config {
        return Ok(std::io::stdout().write_all(config::render(&settings)?.as_bytes())?);
    }
    logging::init(&settings.log)?;
    let listener = TcpListener::bind(settings.listen.address).await.context("cannot listen")?;
    let (trigger, stopping) = shutdown::channel();
    tokio::spawn(shutdown::signals(trigger).context("cannot handle signals")?);
    node::run(settings, listener, stopping).await?;
    Ok(())
}
