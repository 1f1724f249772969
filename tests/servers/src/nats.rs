//! nats-server with JetStream.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::{Port, Process, Program, Ready, installed};

/// How a [`Nats`] is set up; by default a server without authentication on a free port, with a folder of its own.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Writes to the disk before every acknowledgement, instead of every two minutes.
    pub sync_always: bool,
    /// Where streams are kept, instead of in a folder that goes away with the server.
    pub store_dir: Option<PathBuf>,
    /// User and password that clients must give.
    pub credentials: Option<(String, String)>,
    /// The port, instead of a free one.
    pub port: Option<u16>,
    /// The largest message in bytes, instead of the server's own limit of 1 MiB.
    pub max_payload: Option<u32>,
}

/// A nats-server process with JetStream, on a loopback port that stays its own while it is down.
#[derive(Debug)]
pub struct Nats {
    process: Process,
    port: u16,
    store: PathBuf,
    _claim: Option<Port>,
    _folder: TempDir,
}

impl Nats {
    /// Starts the server.
    ///
    /// # Errors
    ///
    /// It is not installed or does not start.
    pub async fn start(options: Options) -> Result<Self> {
        let program = installed("nats", "bin/nats-server")?;
        let folder = tempfile::tempdir()?;
        let store = options.store_dir.unwrap_or_else(|| folder.path().join("store"));
        let (claim, port) = match options.port {
            Some(port) => (None, port),
            None => {
                let claim = Port::free()?;
                let port = claim.number();
                (Some(claim), port)
            }
        };
        let mut settings = format!("listen: \"127.0.0.1:{port}\"\n");
        if let Some(bytes) = options.max_payload {
            settings += &format!("max_payload: {bytes}\n");
        }
        if let Some((user, password)) = &options.credentials {
            settings += &format!("authorization {{ user: {user:?}, password: {password:?} }}\n");
        }
        let sync = if options.sync_always { "sync_interval: always" } else { "" };
        settings += &format!("jetstream {{\n  store_dir: {store:?}\n  {sync}\n}}\n");
        let file = folder.path().join("nats.conf");
        std::fs::write(&file, settings)?;

        let program = Program::new(program).arg("--config").arg(&file);
        let process = program.ready(Ready::Line("Server is ready".into())).start().await?;
        Ok(Self { process, port, store, _claim: claim, _folder: folder })
    }

    /// Where clients connect: `nats://127.0.0.1:<port>`, without user and password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The folder that holds its streams.
    #[must_use]
    pub fn store_dir(&self) -> &Path {
        &self.store
    }

    /// The process.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Kills it, as a crash does. What it had not written is lost only if the machine dies too.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again on the same port and folder; kills it first if it runs.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub async fn restart(&mut self) -> Result<()> {
        self.process.restart().await
    }

    /// Stops it where it is, connections open.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn pause(&mut self) -> Result<()> {
        self.process.pause()
    }

    /// Lets it go on after [`Self::pause`].
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn resume(&mut self) -> Result<()> {
        self.process.resume()
    }

    /// Kills it and removes all its streams; [`Self::restart`] then finds an empty folder.
    ///
    /// # Errors
    ///
    /// The folder cannot be removed.
    pub fn wipe(&mut self) -> Result<()> {
        self.kill()?;
        if self.store.exists() {
            std::fs::remove_dir_all(&self.store).context("the store cannot be removed")?;
        }
        Ok(())
    }
}
