//! The relay as a process: flags, settings, log, signals; the rest is the library's.

use std::{io::Write as _, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Parser;
use message_relay::service::{Config, run};
use service_kit::{
    config::{self, ConfigArgs},
    logging, shutdown,
};

/// Exit status for settings that cannot be used, the same as for flags.
const BAD_SETTINGS: u8 = 2;

/// Passes every frame of a log in `MongoDB` on to NATS `JetStream`, in order and acknowledged.
#[derive(Debug, Parser)]
#[command(name = "message-relay", version)]
struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let settings: Config = match config::load(&args.config.sources()) {
        Ok(settings) => settings,
        Err(error) => return end(&error.into(), BAD_SETTINGS),
    };
    match relay(&args, settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => end(&error, 1),
    }
}

async fn relay(args: &Args, settings: Config) -> Result<()> {
    if args.config.print_config {
        return Ok(std::io::stdout().write_all(config::render(&settings)?.as_bytes())?);
    }
    logging::init(&settings.log)?;
    let (trigger, stopping) = shutdown::channel();
    tokio::spawn(shutdown::signals(trigger).context("signals cannot be handled")?);
    Box::pin(run(settings, stopping)).await?;
    Ok(())
}

/// Says why, with every cause, on standard error.
fn end(error: &anyhow::Error, status: u8) -> ExitCode {
    let _closed = writeln!(std::io::stderr().lock(), "message-relay: {error:#}");
    ExitCode::from(status)
}
