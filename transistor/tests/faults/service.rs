//! The service as a process of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use servers::{PATIENCE, Port, Process, Program, Ready};
use tempfile::TempDir;

/// Where records are.
pub(crate) enum Records {
    Sqlite,
    Postgres(String),
}

/// `transistor` with a folder of its own.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) process: Process,
    port: Port,
    _admin: Port,
    data: PathBuf,
    /// Goes last, where it is the service's own.
    folder: Option<TempDir>,
}

impl Service {
    /// Starts it with further settings.
    pub(crate) async fn start(records: Records, more: &[&str]) -> Self {
        Self::try_start(records, more).await.unwrap()
    }

    /// The same, if it starts.
    pub(crate) async fn try_start(records: Records, more: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut service = Self::start_in(folder.path(), records, more).await?;
        service.folder = Some(folder);
        Ok(service)
    }

    /// Starts another one that keeps bodies in the same folder.
    pub(crate) async fn beside(&self, records: Records, more: &[&str]) -> Self {
        Self::start_in(&self.data, records, more).await.unwrap()
    }

    /// Starts it with its data in a folder that is there.
    pub(crate) async fn start_in(folder: &Path, records: Records, more: &[&str]) -> Result<Self> {
        let (port, admin) = (Port::free()?, Port::free()?);
        let data = folder.display();
        let mut settings = vec![
            format!("listen.address={}", port.address()),
            format!("listen.admin={}", admin.address()),
            "rates.requests.burst=1000000".to_owned(),
            "rates.drops.burst=1000000".to_owned(),
            "rates.bodies=4096".to_owned(),
            format!("bodies.path={data}/bodies"),
        ];
        match records {
            Records::Sqlite => settings.push(format!("store.path={data}/transistor.db")),
            Records::Postgres(url) => {
                settings.push("store.kind=postgresql".to_owned());
                settings.push(format!("store.postgresql.url={url}"));
            }
        }
        settings.extend(more.iter().map(|setting| (*setting).to_owned()));
        let mut program = Program::new(env!("CARGO_BIN_EXE_transistor"))
            .ready(Ready::Line("the transistor is ready".into()));
        for setting in settings {
            program = program.args(["--set", &setting]);
        }
        let process = program.start().await?;
        Ok(Self { process, port, _admin: admin, data: folder.to_owned(), folder: None })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
    }

    pub(crate) async fn restart(&mut self) {
        self.process.restart().await.unwrap();
    }

    /// All files of it that hold these bytes, what `SQLite` keeps beside its own included.
    pub(crate) fn holding(&self, needle: &[u8]) -> Vec<PathBuf> {
        let finder = memchr::memmem::Finder::new(needle);
        files(&self.data)
            .into_iter()
            .filter(|file| finder.find(&fs::read(file).unwrap_or_default()).is_some())
            .collect()
    }

    /// The file that records are kept in.
    pub(crate) fn database(&self) -> PathBuf {
        self.data.join("transistor.db")
    }

    /// The files that bodies outside the database are.
    pub(crate) fn bodies(&self) -> Vec<PathBuf> {
        pieces(&self.data.join("bodies"))
    }
}

/// The pieces of bodies in a folder or bucket, without what says what it is and whose.
pub(crate) fn pieces(place: &Path) -> Vec<PathBuf> {
    let marks = ["bodies-of-drops", "owner-of-drops"];
    files(place).into_iter().filter(|file| !marks.iter().any(|mark| file.ends_with(mark))).collect()
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut all = Vec::new();
    for entry in entries.flatten() {
        if entry.path().is_dir() {
            all.extend(files(&entry.path()));
        } else {
            all.push(entry.path());
        }
    }
    all
}

/// Looks until something is so.
pub(crate) async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let begun = tokio::time::Instant::now();
    while !look().await {
        assert!(begun.elapsed() < PATIENCE, "this did not come: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
