//! PostgreSQL.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use crate::{Process, Program, Ready, Server, installed, process::family, server::Ground};

mod client;

const USER: &str = "kith";
const PASSWORD: &str = "only-for-tests";

/// How a [`Postgres`] is set up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Writes to the disk before every acknowledgement. A killed server loses nothing without it either, since the
    /// system still has what it wrote; with it, times and waits are those of a real one.
    pub fsync: bool,
    /// The largest number of connections, instead of the server's own 100.
    pub connections: Option<u16>,
}

/// A PostgreSQL server with a cluster of its own, whose users must give a password.
///
/// As root it is run by the user `nobody`, since it refuses root.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    run: PathBuf,
    databases: AtomicU32,
}

impl Postgres {
    /// Makes an empty cluster and starts the server on a free port.
    ///
    /// # Errors
    ///
    /// It is not installed or does not start.
    pub async fn start(options: Options) -> Result<Self> {
        let run = installed("postgres", "run")?;
        let mut ground = Ground::prepare(None, None)?;
        // Made by the server's own user, which the folder around it is not of.
        ground.data.push("cluster");
        initialise(&run, &ground.data).await?;
        let fsync = if options.fsync { "fsync=on" } else { "fsync=off" };
        let connections = format!("max_connections={}", options.connections.unwrap_or(100));
        let program = Program::new(&run)
            .args(["postgres", "-p", &ground.port.to_string(), "-D"])
            .arg(&ground.data)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            .args(["-c", fsync, "-c", &connections, "-c", "io_method=sync", "-c", "shared_buffers=32MB"])
            .ready(Ready::Line("database system is ready to accept connections".into()));
        let server = ground.start(program).await?;
        Ok(Self { server, run, databases: AtomicU32::new(0) })
    }

    /// The connection string of the database that every cluster has.
    #[must_use]
    pub fn url(&self) -> String {
        self.database_called("postgres".to_owned()).url()
    }

    /// Makes an empty database that no other test uses.
    ///
    /// # Errors
    ///
    /// The server does not answer.
    pub async fn database(&self) -> Result<Database> {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.database_called("postgres".to_owned()).sql(&format!("CREATE DATABASE {name}")).await?;
        Ok(self.database_called(name))
    }

    fn database_called(&self, name: String) -> Database {
        Database { port: self.port(), name }
    }

    /// The loopback port it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.server.port()
    }

    /// The folder with all databases.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.server.data()
    }

    /// The process that starts all others.
    pub const fn process(&mut self) -> &mut Process {
        self.server.process()
    }

    /// Kills all its processes at once, as a crash does.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn kill(&mut self) -> Result<()> {
        // Each of them leads a group of its own. Those that the first process no longer starts cannot escape.
        if let Ok(first) = self.process().id() {
            self.server.pause()?;
            family::kill_children(first)?;
        }
        self.server.kill()
    }

    /// Starts it again on the same port and folder; kills it first if it runs.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.server.restart().await
    }

    /// Asks it to end and waits until it has: it ends connections, gives up what is not committed and writes the rest.
    ///
    /// # Errors
    ///
    /// It does not run, or does not end within `within`.
    pub async fn stop(&mut self, within: Duration) -> Result<()> {
        let status = self.process().interrupt(within).await?;
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }

    /// Stops all its processes where they are, with their connections open.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn pause(&mut self) -> Result<()> {
        self.server.pause()?;
        family::stop_children(self.process().id()?)
    }

    /// Lets it go on after [`Self::pause`].
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn resume(&mut self) -> Result<()> {
        family::resume_children(self.process().id()?)?;
        self.server.resume()
    }

    /// Kills it and removes all databases; [`Self::restart`] then finds an empty cluster.
    ///
    /// # Errors
    ///
    /// The data cannot be removed, or no new cluster be made.
    pub async fn wipe(&mut self) -> Result<()> {
        self.kill()?;
        self.forget_memory();
        std::fs::remove_dir_all(self.data()).context("the data cannot be removed")?;
        initialise(&self.run, self.data()).await
    }

    /// Gives back the piece of the system's shared memory by which it knows whether it runs already: that outlives a
    /// killed server, and its number is in a file that goes with the folder.
    fn forget_memory(&self) {
        let Ok(file) = std::fs::read_to_string(self.data().join("postmaster.pid")) else { return };
        let Some(number) = file.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)) else {
            return;
        };
        let _ =
            Command::new("ipcrm").args(["-m", number]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.kill();
        self.forget_memory();
    }
}

/// Makes an empty cluster in a folder that does not exist yet.
async fn initialise(run: &Path, cluster: &Path) -> Result<()> {
    let mut password = tempfile::NamedTempFile::new()?;
    std::io::Write::write_all(&mut password, PASSWORD.as_bytes())?;
    let mut making = Program::new(run)
        .args(["initdb", "--username", USER, "--auth=password", "--encoding=UTF8", "--no-locale"])
        .args(["--no-sync", "--no-instructions", "--wal-segsize=1", "--pwfile"])
        .arg(password.path())
        .arg("--pgdata")
        .arg(cluster)
        .start()
        .await?;
    let status = making.wait(crate::PATIENCE).await?;
    ensure!(status.success(), "no cluster could be made:\n{}", making.log());
    Ok(())
}

/// A database of a [`Postgres`]; it may be asked while the server is killed, restarted and so on.
#[derive(Debug, Clone)]
pub struct Database {
    port: u16,
    name: String,
}

impl Database {
    /// The connection string, with user and password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{}", self.port, self.name)
    }

    /// The same with a password that is wrong.
    #[must_use]
    pub fn url_with_wrong_password(&self) -> String {
        format!("postgres://{USER}:wrong@127.0.0.1:{}/{}", self.port, self.name)
    }

    /// Runs statements on a connection of its own: the rows of all of them, each field as text, `None` for null.
    ///
    /// # Errors
    ///
    /// The server does not answer in time or refuses; with its code and words.
    pub async fn sql(&self, statements: &str) -> Result<Vec<Vec<Option<String>>>> {
        tokio::time::timeout(crate::PATIENCE, client::run(self.port, &self.name, statements))
            .await
            .context("the database does not answer")?
    }
}
