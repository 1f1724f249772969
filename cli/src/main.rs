//! The `kith` command: `kith serve` is a server in one process, everything else a client for people.

mod args;
mod attachments;
mod client;
mod demo;
mod drops;
mod home;
mod keys;
mod output;
mod progress;
mod serve;
mod settings;

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;

use args::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let done = runtime.block_on(run(cli));
    // A thread that still waits for somebody to type is not waited for.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    match &cli.command {
        Command::Serve(args) => serve::serve(args).await,
        Command::Demo(args) => demo::demo(&cli, args).await,
        // Ctrl-C ends the process, as nothing is listening for it: files appear whole or not at all.
        Command::Keys(_) => tokio::task::spawn_blocking(move || keys::run(&cli)).await?,
        Command::Drop(command) => {
            client::start_logs(cli.verbose);
            drops::run(&cli, command).await
        }
        Command::Identity(_)
        | Command::Group(_)
        | Command::Contact(_)
        | Command::Invite(_)
        | Command::Join(_)
        | Command::Send(_)
        | Command::Read(_)
        | Command::Follow(_)
        | Command::Fetch(_)
        | Command::UpdateKeys(_)
        | Command::Remove(_)
        | Command::Leave(_) => {
            client::start_logs(cli.verbose);
            // Whatever is interrupted was stored before it was sent, so ending here is safe at any point.
            tokio::select! {
                done = client::run(&cli) => done,
                _ = tokio::signal::ctrl_c() => Ok(()),
            }
        }
    }
}

/// The stable code of a failure; `None` where its text ends with it already.
fn code(error: &anyhow::Error) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref::<kith_client_sdk::Error>() {
        return Some(error.code());
    }
    if let Some(error) = error.downcast_ref::<kith_client_sdk::drops::DropError>() {
        return Some(error.code());
    }
    if let Some(code) = keys::code(error) {
        return Some(code);
    }
    if error.to_string().ends_with(']') {
        return None;
    }
    let settings = |cause: &(dyn std::error::Error + 'static)| {
        cause.is::<service_kit::config::ConfigError>() || cause.is::<node::ParametersError>()
    };
    Some(if error.chain().any(settings) {
        "settings"
    } else if error.chain().any(|cause| cause.is::<std::io::Error>()) {
        "io"
    } else {
        "failed"
    })
}

/// One clear line on standard error, with the code.
fn failed(error: &anyhow::Error) -> ExitCode {
    let code = code(error);
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        text.push_str(": ");
        text.push_str(&cause.to_string());
    }
    let text = output::shown(&text.replace('\n', " "));
    let mut out = std::io::stderr().lock();
    let _ = match code {
        Some(code) => writeln!(out, "kith: {text} [{code}]"),
        None => writeln!(out, "kith: {text}"),
    };
    ExitCode::FAILURE
}
