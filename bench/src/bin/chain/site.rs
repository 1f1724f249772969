//! What is measured: one node alone, and everything it takes past one machine.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use bench::cpu_seconds;
use servers::{Mongo, Nats, Port, Process, Program, Ready, nats};
use tempfile::TempDir;

/// What is measured is the chain, not its protection against a single loud client.
const OPEN: &str = "{ per_minute = 60000000, burst = 1000000 }";
/// Rates that are set to it.
const RATES: &[&str] = &["group_frames", "group_creations", "peer_frames", "peer_requests", "token_reads"];

/// Processes that run until this is dropped.
pub(crate) struct Site {
    pub(crate) name: &'static str,
    pub(crate) writes_to: String,
    pub(crate) reads_from: String,
    processes: Vec<(&'static str, u32)>,
    _running: (Vec<Process>, Option<Mongo>, Option<Nats>, Vec<Port>, TempDir),
}

impl Site {
    /// One node on its own log, which is also read from.
    pub(crate) async fn alone() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = format!("data = {:?}\n", folder.path().join("data"));
        let port = Port::free()?;
        let (node, address) = node(folder.path(), "alone", &port, &store, "").await?;
        Ok(Self {
            name: "one node on its own log",
            writes_to: address.clone(),
            reads_from: address,
            processes: vec![("node", node.id()?)],
            _running: (vec![node], None, None, vec![port], folder),
        })
    }

    /// Two nodes on one database, of which one is written to and the other read from.
    pub(crate) async fn chain() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut mongo = Mongo::start().await?;
        let mut nats = Nats::start(nats::Options { sync_always: true, ..nats::Options::default() }).await?;
        let store =
            format!("kind = \"mongodb\"\n[store.mongodb]\nuri = {:?}\ndatabase = \"chain\"\n", mongo.uri());
        let feed = format!("[feed]\nkind = \"nats\"\n[feed.nats]\nurls = [{:?}]\n", nats.url());
        let ports = [Port::free()?, Port::free()?, Port::free()?];
        let [first, second, admin] = &ports;
        let (one, writes_to) = node(folder.path(), "one", first, &store, &feed).await?;
        let (two, reads_from) = node(folder.path(), "two", second, &store, &feed).await?;

        let relay = folder.path().join("relay.toml");
        let settings = format!(
            "[store.mongodb]\nuri = {:?}\ndatabase = \"chain\"\n[nats]\nurls = [{:?}]\n[listen]\nadmin = \
             \"127.0.0.1:{}\"\n",
            mongo.uri(),
            nats.url(),
            admin.number()
        );
        fs::write(&relay, settings)?;
        let relay = Program::new(program("message-relay")?).arg("--config").arg(relay);
        let relay = relay.ready(Ready::Line("leading".into())).start().await?;
        Ok(Self {
            name: "two nodes, MongoDB, relay, NATS",
            writes_to,
            reads_from,
            processes: vec![
                ("node that takes", one.id()?),
                ("database", mongo.process().id()?),
                ("relay", relay.id()?),
                ("NATS", nats.process().id()?),
                ("node that serves", two.id()?),
            ],
            _running: (vec![one, two, relay], Some(mongo), Some(nats), ports.into(), folder),
        })
    }

    /// Processor time of everything so far, in seconds; what measures comes last.
    pub(crate) fn cpu(&self) -> Result<Vec<(&'static str, f64)>> {
        let own = ("senders and readers", std::process::id());
        self.processes.iter().chain([&own]).map(|(name, pid)| Ok((*name, cpu_seconds(*pid)?))).collect()
    }
}

/// A program built beside this one.
fn program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.parent().context("a folder")?.join(name);
    anyhow::ensure!(path.exists(), "{} is missing; build it first", path.display());
    Ok(path)
}

async fn node(folder: &Path, name: &str, port: &Port, store: &str, feed: &str) -> Result<(Process, String)> {
    let address = format!("127.0.0.1:{}", port.number());
    let mut settings = format!("[listen]\naddress = {address:?}\n[proofs]\ndevelopment = true\n");
    writeln!(settings, "[rates]")?;
    for rate in RATES {
        writeln!(settings, "{rate} = {OPEN}")?;
    }
    write!(settings, "{feed}[store]\n{store}")?;
    let file = folder.join(format!("{name}.toml"));
    fs::write(&file, settings)?;
    let program = Program::new(program("kith")?).args(["serve", "--config"]).arg(file);
    let process = program.ready(Ready::Line("serving on".into())).start().await?;
    Ok((process, format!("http://{address}")))
}
