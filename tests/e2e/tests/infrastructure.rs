//! `infrastructure/`: the whole system as processes of this machine, raised, broken, repaired and taken down.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use e2e::{Kith, until};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

const PARTS: [&str; 9] =
    ["mongo", "nats", "postgres", "transistor", "node-1", "node-2", "relay-1", "relay-2", "front"];
/// Ports that a system takes.
const PORTS: u16 = 12;

/// A system with a state of its own. Taken down when dropped.
struct System {
    folder: tempfile::TempDir,
    port: u16,
    /// Where its programs are, instead of being built.
    binaries: Option<PathBuf>,
}

impl System {
    fn new() -> Result<Self> {
        let binaries = std::env::var_os("KITH_BIN").map(PathBuf::from);
        let binaries = binaries.as_deref().and_then(Path::parent).map(Path::to_owned);
        Ok(Self { folder: tempfile::tempdir()?, port: free_ports()?, binaries })
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn command(&self, name: &str, args: &[&str]) -> Command {
        let mut command = Command::new(repository().join("infrastructure").join(name));
        command.args(args).env("KITH_STATE", self.state()).env("KITH_PORT", self.port.to_string());
        command.env("KITH_PROFILE", "dev").stdin(Stdio::null());
        match &self.binaries {
            Some(folder) => command.env("KITH_BINARIES", folder),
            None => command.env_remove("KITH_BINARIES"),
        };
        command
    }

    fn run(&self, name: &str, args: &[&str]) -> Result<Output> {
        self.command(name, args).output().with_context(|| format!("infrastructure/{name} cannot be run"))
    }

    fn ok(&self, name: &str, args: &[&str]) -> Result<String> {
        let out = self.run(name, args)?;
        let said = said(&out);
        ensure!(out.status.success(), "infrastructure/{name} failed: {said}");
        Ok(said)
    }

    /// The status it ends with, and what it says.
    fn status(&self) -> Result<(Option<i32>, String)> {
        let out = self.run("status", &[])?;
        Ok((out.status.code(), said(&out)))
    }

    fn pid(&self, part: &str) -> Result<Pid> {
        let text = fs::read_to_string(self.state().join("run").join(part))?;
        let pid = text.lines().next().and_then(|line| line.parse().ok()).and_then(Pid::from_raw);
        pid.with_context(|| format!("{part} has no process id: {text:?}"))
    }

    fn pids(&self) -> Result<Vec<Pid>> {
        PARTS.iter().map(|part| self.pid(part)).collect()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let _down = self.run("down", &[]);
    }
}

fn said(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The first of so many ports in a row that are free now, below those that systems choose by themselves.
fn free_ports() -> Result<u16> {
    let start = 20_000 + u16::try_from(std::process::id() % 500)? * 20;
    let mut candidates = (start..32_000).chain(14_000..start).step_by(usize::from(PORTS));
    let free =
        |first: &u16| (*first..first + PORTS).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    candidates.find(free).context("no ports are free")
}

fn alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.contains(") Z")) && test_kill_process(pid).is_ok()
}

/// One request to the address for clients: the status of the answer, and its body.
fn ask(system: &System, method: &str, path: &str, heads: &str, body: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", system.port))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Length: {length}\r\n{heads}\r\n{body}",
        system.port
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
    Ok((status, body.to_owned()))
}

fn script(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n"))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

#[test]
fn it_comes_up_loses_a_node_and_goes_down_without_a_trace() -> Result<()> {
    let system = System::new()?;
    let raised = system.ok("up", &["--local"])?;
    ensure!(raised.contains(&system.url()), "{raised}");
    let (code, said) = system.status()?;
    ensure!(code == Some(0), "{said}");
    // Raised again, everything stays as it is.
    let pids = system.pids()?;
    system.ok("up", &[])?;
    ensure!(system.pids()? == pids, "what ran was started again");
    for secret in fs::read_dir(system.state().join("secrets"))? {
        let mode = secret?.metadata()?.permissions().mode();
        ensure!(mode & 0o777 == 0o600, "a secret has mode {mode:o}");
    }

    let ann = Kith::at(system.folder.path().join("ann"));
    let played = ann.ok(&["demo", "--server", &system.url()])?;
    ensure!(played.contains("Saturday at nine") && played.contains("removed: Dan"), "{played}");

    // Through the load balancer, people go on without the node that dies.
    let ben = Kith::at(system.folder.path().join("ben"));
    ann.ok(&["identity", "create", "--name", "Ann"])?;
    ben.ok(&["identity", "create", "--name", "Ben"])?;
    ann.ok(&["group", "create", "Trip", "--server", &system.url()])?;
    let link = ann.ok(&["invite"])?;
    ben.ok(&["join", link.trim()])?;
    kill_process(system.pid("node-1")?, Signal::KILL)?;
    for n in 0..4 {
        ann.ok(&["send", &format!("without it {n}")])?;
        ensure!(ben.ok(&["read"])?.contains(&format!("without it {n}")));
    }
    let (code, said) = system.status()?;
    ensure!(
        code == Some(1) && said.contains("node-1") && said.contains("ended without being told to"),
        "{said}"
    );
    let again = system.ok("up", &[])?;
    ensure!(again.contains("starting node-1") && !again.contains("starting node-2"), "{again}");
    ensure!(system.status()?.0 == Some(0));

    // A drop outlives everything that keeps it, and is handed over once.
    let (status, info) = ask(&system, "GET", "/v1/node", "Accept: application/json\r\n", "")?;
    ensure!(status == 200 && info.contains(&format!("\"{}/transistor\"", system.url())), "{info}");
    let drop = "/transistor/v1/public/transfers/0f1e2d3c-4b5a-8697-8877-665544332211/content";
    let bytes = "application/octet-stream\r\n";
    let (status, said) = ask(&system, "PUT", drop, &format!("Content-Type: {bytes}"), "once")?;
    ensure!(status == 201, "{status} {said}");
    kill_process(system.pid("postgres")?, Signal::KILL)?;
    kill_process(system.pid("transistor")?, Signal::KILL)?;
    until("both are seen to have ended", || {
        let (_, said) = system.status()?;
        Ok((said.matches("ended without being told to").count() == 2).then_some(()))
    })?;
    let again = system.ok("up", &[])?;
    ensure!(again.contains("starting postgres") && again.contains("starting transistor"), "{again}");
    ensure!(system.status()?.0 == Some(0));
    let read = || ask(&system, "GET", drop, &format!("Accept: {bytes}"), "");
    ensure!(read()? == (200, "once".to_owned()));
    ensure!(read()?.0 == 404, "a second reader");

    // Down, nothing of it runs; up again, everything is there.
    let pids = system.pids()?;
    system.ok("down", &[])?;
    ensure!(!pids.into_iter().any(alive), "a process lives on");
    ensure!(system.status()?.0 == Some(3));
    system.ok("down", &[])?;
    system.ok("up", &[])?;
    ann.ok(&["send", "still here"])?;
    ensure!(ben.ok(&["read"])?.contains("still here"));

    let refused = system.run("reset", &[])?;
    ensure!(!refused.status.success() && system.state().exists(), "it did not ask");
    let pids = system.pids()?;
    system.ok("reset", &["--yes"])?;
    ensure!(!system.state().exists() && !pids.into_iter().any(alive));
    Ok(())
}

#[test]
fn a_port_that_is_taken_is_named_and_nothing_stays() -> Result<()> {
    let mut system = System::new()?;
    system.binaries = Some(system.folder.path().to_owned());
    let _taken = TcpListener::bind(("127.0.0.1", system.port + 7))?;
    let out = system.run("up", &["--local"])?;
    let said = said(&out);
    ensure!(
        !out.status.success() && said.contains(&format!("port {}, for nats, is taken", system.port + 7)),
        "{said}"
    );
    ensure!(said.contains("starting mongo") && said.contains("stopping mongo"), "{said}");
    ensure!(system.status()?.0 == Some(3));
    Ok(())
}

#[test]
fn interrupted_it_takes_back_what_it_started() -> Result<()> {
    let mut system = System::new()?;
    // One that never becomes ready.
    let programs = system.folder.path().join("programs");
    fs::create_dir(&programs)?;
    script(&programs, "transistor", "exec sleep 1000")?;
    system.binaries = Some(programs);
    let mut up: Child =
        system.command("up", &["--local"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let started = until("that it is being started", || Ok(system.pid("transistor").ok()))?;
    let mongo = system.pid("mongo")?;
    kill_process(Pid::from_child(&up), Signal::INT)?;
    let status = until("the end of it", || Ok(up.try_wait()?))?;
    ensure!(status.code() == Some(130), "{status}");
    ensure!(!alive(started) && !alive(mongo), "a process lives on");
    ensure!(system.status()?.0 == Some(3));

    // Killed, it can take nothing back; the next command does.
    let mut up = system.command("up", &["--local"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let started = until("that it is being started again", || Ok(system.pid("transistor").ok()))?;
    up.kill()?;
    up.wait()?;
    ensure!(alive(started));
    system.ok("down", &[])?;
    ensure!(!alive(started), "a process lives on");
    Ok(())
}

#[test]
fn a_process_of_somebody_else_is_not_mistaken_for_one_of_ours() -> Result<()> {
    let mut system = System::new()?;
    system.binaries = Some(system.folder.path().to_owned());
    fs::create_dir_all(system.state().join("run"))?;
    let mut other = Command::new("sleep").arg("1000").spawn()?;
    // As after a restart of the machine, when the id belongs to another.
    fs::write(system.state().join("run/mongo"), format!("{}\n1 long-ago\n", other.id()))?;
    fs::write(system.state().join("form"), "local\n")?;
    let (_, said) = system.status()?;
    ensure!(said.contains("ended without being told to"), "{said}");
    system.ok("down", &[])?;
    let lives = other.try_wait()?.is_none();
    other.kill()?;
    other.wait()?;
    ensure!(lives, "it was ended");
    Ok(())
}
