//! A server in a process of its own.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

use crate::{binary, running::Running};

/// A `kith serve` on loopback. Killed when dropped.
///
/// It keeps its port over restarts, because challenges are bound to the name a node is reached by.
#[derive(Debug)]
pub struct Server {
    data: PathBuf,
    port: u16,
    args: Vec<String>,
    running: Option<Running>,
    /// What all its lives have logged.
    log: Vec<String>,
}

/// A port that nobody listens on now.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Server {
    /// Starts one with its data in a folder.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(data: impl Into<PathBuf>) -> Result<Self> {
        Self::start_with(data, &[])
    }

    /// Starts one with more arguments.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_with(data: impl Into<PathBuf>, args: &[&str]) -> Result<Self> {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        let mut server = Self { data: data.into(), port: 0, args, running: None, log: Vec::new() };
        server.begin()?;
        Ok(server)
    }

    /// The address for clients.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The folder with its data.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Everything it has logged, in all its lives.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        let mut log = self.log.clone();
        log.extend(self.running.iter().flat_map(Running::stderr));
        log
    }

    fn begin(&mut self) -> Result<()> {
        let mut command = Command::new(binary::kith()?);
        command.arg("serve").arg("--data").arg(&self.data);
        command.args(["--listen", &format!("127.0.0.1:{}", self.port)]);
        // Everybody here shares one address, and stories are told faster than people type.
        for (rate, per_minute, burst) in [
            ("leaf_operations", 60_000, 10_000),
            ("leaf_updates", 60_000, 10_000),
            ("group_frames", 600_000, 100_000),
            ("peer_frames", 600_000, 100_000),
            ("peer_requests", 600_000, 100_000),
            ("token_reads", 600_000, 100_000),
            ("mailbox_claims", 60_000, 10_000),
        ] {
            command.args(["--set", &format!("rates.{rate}.per_minute={per_minute}")]);
            command.args(["--set", &format!("rates.{rate}.burst={burst}")]);
        }
        command.args(&self.args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut running = Running::start(&mut command)?;
        let prefix = "kith: serving on http://127.0.0.1:";
        let line = running.error_line("the address of the server", |line| line.starts_with(prefix))?;
        let port = line.strip_prefix(prefix).and_then(|rest| rest.split(',').next()).context("no port")?;
        self.port = port.parse().context("the port is no number")?;
        running.error_line("that the server is ready", |line| line.contains("the node is ready"))?;
        self.running = Some(running);
        Ok(())
    }

    /// Ends it between two instructions.
    ///
    /// # Errors
    /// When the system does not do so.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut running) = self.running.take() {
            running.kill()?;
            self.log.extend(running.stderr());
        }
        Ok(())
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// When it does not end, or not with status 0.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut running) = self.running.take() {
            let status = running.interrupt()?;
            self.log.extend(running.stderr());
            let last = self.log.last();
            anyhow::ensure!(status.success(), "the server ended with {status}: {last:?}");
        }
        Ok(())
    }

    /// Starts it again, on the same folder and port.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.begin()
    }
}
