//! What all servers have in common: a process, a port that stays theirs, a folder.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::{Port, Process, Program};

/// A server process on a loopback port that stays its own while it is down, with a folder for its data.
#[derive(Debug)]
pub struct Server {
    process: Process,
    port: u16,
    data: PathBuf,
    // Given back in this order, when the process is gone.
    _claim: Option<Port>,
    _folder: TempDir,
}

/// What a server needs before it starts.
pub(crate) struct Ground {
    claim: Option<Port>,
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
    pub(crate) data: PathBuf,
}

impl Ground {
    /// A temporary folder, `data` or a folder within the temporary one, `port` or a free one.
    pub(crate) fn prepare(port: Option<u16>, data: Option<PathBuf>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = data.unwrap_or_else(|| folder.path().join("data"));
        std::fs::create_dir_all(&data)?;
        let claim = if port.is_none() { Some(Port::free()?) } else { None };
        let port = port.or_else(|| claim.as_ref().map(Port::number)).context("no port")?;
        Ok(Self { claim, port, folder, data })
    }

    pub(crate) async fn start(self, program: Program) -> Result<Server> {
        let process = program.start().await?;
        Ok(Server { process, port: self.port, data: self.data, _claim: self.claim, _folder: self.folder })
    }
}

impl Server {
    /// The loopback port it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The folder with its data.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The process.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Kills it, as a crash does: what the system holds for the disk is not lost.
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

    /// Stops it where it is, with its connections open.
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

    /// Kills it and removes its data; [`Self::restart`] then finds an empty folder.
    ///
    /// # Errors
    ///
    /// The data cannot be removed.
    pub fn wipe(&mut self) -> Result<()> {
        self.kill()?;
        std::fs::remove_dir_all(&self.data).context("the data cannot be removed")?;
        std::fs::create_dir_all(&self.data)?;
        Ok(())
    }
}
