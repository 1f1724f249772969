//! What is measured: the service, and a plain file server beside it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use servers::{Caddy, Port, Process, Program, Ready};
use tempfile::TempDir;

/// What is measured is the service, not its protection against a single loud client.
const OPEN: &str = "{ per_minute = 60000000, burst = 60000000 }";

/// Processes that run until this is dropped.
pub(crate) struct Site {
    pub(crate) service: String,
    pub(crate) file_server: String,
    pub(crate) files: PathBuf,
    pub(crate) pid: u32,
    _running: (Process, Caddy, Port, TempDir),
}

impl Site {
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let files = folder.path().join("files");
        std::fs::create_dir(&files)?;
        let caddy = Caddy::files(&files).await?;
        let port = Port::free()?;
        let address = port.address();
        let settings = folder.path().join("transistor.toml");
        std::fs::write(&settings, settings_text(address, &folder.path().join("data")))?;
        let program = Program::new(env!("CARGO_BIN_EXE_transistor"))
            .arg("--config")
            .arg(settings)
            .ready(Ready::Port(address));
        let process = program.start().await?;
        Ok(Self {
            service: address.to_string(),
            file_server: format!("127.0.0.1:{}", caddy.port()),
            files,
            pid: process.id()?,
            _running: (process, caddy, port, folder),
        })
    }

    /// Processor time of the service so far, in seconds.
    pub(crate) fn cpu(&self) -> Result<f64> {
        cpu_seconds(self.pid)
    }

    /// Looks at the memory of the service from now on.
    pub(crate) fn watch(&self) -> Watch {
        let (highest, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, stopped, pid) = (Arc::clone(&highest), Arc::clone(&stop), self.pid);
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                if let Ok(now) = resident(pid) {
                    seen.fetch_max(now, Ordering::Relaxed);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Watch { highest, stop, task }
    }
}

/// Somebody who looks at memory.
pub(crate) struct Watch {
    highest: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Watch {
    /// The most that was seen, in bytes.
    pub(crate) async fn highest(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await?;
        Ok(self.highest.load(Ordering::Relaxed))
    }
}

/// Memory of a process that is in use and in no file, in bytes: what it holds itself, not the pages of its program.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024)
}

fn settings_text(address: SocketAddr, data: &Path) -> String {
    let mut text = format!("[listen]\naddress = \"{address}\"\n");
    let (store, bodies) = (data.join("drops.sqlite"), data.join("bodies"));
    text.push_str(&format!("[store]\npath = {store:?}\n[bodies]\npath = {bodies:?}\n"));
    text.push_str("[drops]\nmax_size = \"16GiB\"\n[rates]\n");
    text.push_str("bodies = 1000\n");
    for rate in ["requests", "drops", "kilobytes"] {
        text.push_str(&format!("{rate} = {OPEN}\n"));
    }
    text
}

/// Processor time of a process so far, in seconds; the kernel counts in hundredths.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |at: usize| fields.get(at).copied().unwrap_or("0").parse::<u32>();
    Ok(f64::from(field(11)? + field(12)?) / 100.0)
}
