//! The relay in a process of its own.

use std::{path::PathBuf, process::Command, sync::OnceLock};

use servers::{Port, Process, Program, Ready};

use super::{
    carried::PREFIX,
    metrics::measured,
    stage::{DATABASE, PARTITIONS, Stage},
};

/// The relay's program: the one named by `KITH_RELAY_BIN`, or one that is built now.
fn program() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        if let Some(built) = std::env::var_os("KITH_RELAY_BIN") {
            return built.into();
        }
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--bin", "message-relay"]);
        cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let test = std::env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).unwrap();
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "the relay does not build");
        profile.join("message-relay")
    });
    built.clone()
}

/// A relay between a stage's database and its NATS, with leases short enough for tests.
pub(crate) struct Relay {
    pub(crate) process: Process,
    port: Port,
}

impl Relay {
    pub(crate) async fn start(stage: &Stage) -> Self {
        Self::start_through(stage, stage.nats.port(), stage.mongo.port()).await
    }

    /// One that reaches NATS and the database under other ports.
    pub(crate) async fn start_through(stage: &Stage, nats: u16, mongo: u16) -> Self {
        Self::start_as(stage, nats, mongo, |program| program).await
    }

    /// One that is started in another way.
    pub(crate) async fn start_with(stage: &Stage, change: impl FnOnce(Program) -> Program) -> Self {
        Self::start_as(stage, stage.nats.port(), stage.mongo.port(), change).await
    }

    async fn start_as(
        _stage: &Stage,
        nats: u16,
        mongo: u16,
        change: impl FnOnce(Program) -> Program,
    ) -> Self {
        let port = Port::free().unwrap();
        let settings = [
            format!("nats.urls=[\"nats://127.0.0.1:{nats}\"]"),
            format!("nats.prefix={PREFIX}"),
            format!("nats.partitions={PARTITIONS}"),
            format!("store.mongodb.uri=mongodb://127.0.0.1:{mongo}/?directConnection=true"),
            format!("store.mongodb.database={DATABASE}"),
            "relay.lease=600ms".to_owned(),
            "relay.audit_every=1s".to_owned(),
            "relay.cursor_every=200ms".to_owned(),
            format!("listen.admin={}", port.address()),
        ];
        let mut program = Program::new(program()).ready(Ready::Port(port.address()));
        for setting in settings {
            program = program.args(["--set", &setting]);
        }
        let process = change(program).start().await.unwrap();
        Self { process, port }
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
    }

    pub(crate) async fn restart(&mut self) {
        self.process.restart().await.unwrap();
    }

    /// One of its own measurements, as a whole number.
    pub(crate) async fn measured(&self, name: &str) -> Option<u64> {
        measured(self.port.number(), &format!("relay_{name}")).await
    }

    /// How many partitions it leads.
    pub(crate) async fn leading(&self) -> Option<u64> {
        self.measured("leading").await
    }

    /// How often it has gone through the log for any reason since it was started.
    pub(crate) async fn scans(&self) -> u64 {
        let mut scans = 0;
        for reason in
            ["first_start", "stream_wiped", "place_lost", "other_life", "missing", "stuck", "unfinished"]
        {
            scans += self.measured(&format!("scans_total{{reason=\"{reason}\"}}")).await.unwrap_or(0);
        }
        scans
    }
}
