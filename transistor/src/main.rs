//! The transistor as a process: flags, settings, log, signals; the rest is the library's.

use std::{io::Write as _, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Parser;
use service_kit::{
    config::{self, ConfigArgs},
    logging, shutdown,
};
use transistor::{
    config::Config,
    service::{discard, run},
};

/// Exit status for settings that cannot be used, the same as for flags.
const BAD_SETTINGS: u8 = 2;

/// Keeps sealed drops, hands each over once, and erases it.
#[derive(Debug, Parser)]
#[command(name = "transistor", version)]
struct Args {
    #[command(flatten)]
    config: ConfigArgs,

    /// Erase every drop, say how many there were, and exit: after a database was brought back from a copy, in which
    /// drops may stand that have been read since.
    #[arg(long)]
    discard: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let settings: Config = match config::load(&args.config.sources()) {
        Ok(settings) => settings,
        Err(error) => return end(&error.into(), BAD_SETTINGS),
    };
    match transistor(&args, settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => end(&error, 1),
    }
}

async fn transistor(args: &Args, settings: Config) -> Result<()> {
    if args.config.print_config {
        return Ok(std::io::stdout().write_all(config::render(&settings)?.as_bytes())?);
    }
    logging::init(&settings.log)?;
    if args.discard {
        let drops = discard(&settings.store).await?;
        return Ok(writeln!(std::io::stdout(), "{drops} drops erased")?);
    }
    let (trigger, stopping) = shutdown::channel();
    tokio::spawn(shutdown::signals(trigger).context("signals cannot be handled")?);
    Box::pin(run(settings, stopping)).await?;
    Ok(())
}

/// Says why, with every cause, on standard error.
fn end(error: &anyhow::Error, status: u8) -> ExitCode {
    let _closed = writeln!(std::io::stderr().lock(), "transistor: {error:#}");
    ExitCode::from(status)
}
