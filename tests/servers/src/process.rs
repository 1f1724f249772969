//! A program under test: started, killed, paused, started again.

use std::{
    ffi::{OsStr, OsString},
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{net::TcpStream, time};

use crate::{log::Log, watchdog::Watchdog};

pub(crate) mod family;

/// How long anything in this crate is waited for. Much longer than anything takes, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at something that cannot be waited for.
const LOOK: Duration = Duration::from_millis(5);

/// How a program shows that it can be used.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Ready {
    /// A line of its output contains this.
    Line(String),
    /// This address accepts connections.
    Port(SocketAddr),
    /// It runs; whoever starts it finds out the rest.
    Started,
}

/// What to run, and how it shows that it is ready.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
    ready: Ready,
}

impl Program {
    /// The program at `path`, without arguments; ready as soon as it runs.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), args: Vec::new(), env: Vec::new(), folder: None, ready: Ready::Started }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable, beside those of the test.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The folder it runs in; without this, the test's.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// When it is ready.
    #[must_use]
    pub fn ready(mut self, ready: Ready) -> Self {
        self.ready = ready;
        self
    }

    /// Starts the program and waits until it is ready, [`PATIENCE`] at most.
    ///
    /// # Errors
    ///
    /// It cannot be started, ends, or does not become ready; with what it has printed.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the process is killed.
    pub async fn start(self) -> Result<Process> {
        let mut process = Process { program: self, log: Log::new(), running: None };
        process.start().await?;
        Ok(process)
    }
}

#[derive(Debug)]
struct Running {
    child: Child,
    watchdog: Option<Watchdog>,
    /// The group has been stopped.
    paused: bool,
}

/// A program as a process of its own, with the processes it starts itself.
///
/// It is killed when this is dropped, and also when the test is killed. What it printed last is then printed by the
/// test, whose harness shows it if the test fails.
#[derive(Debug)]
pub struct Process {
    program: Program,
    log: Log,
    running: Option<Running>,
}

impl Process {
    async fn start(&mut self) -> Result<()> {
        let from = self.log.end();
        let name = self.name();
        let mut command = Command::new(&self.program.path);
        command.args(&self.program.args).envs(self.program.env.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.program.folder {
            command.current_dir(folder);
        }
        // A group of its own: signals reach what the program starts, and an interrupt of the test does not.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
        if let Some(output) = child.stdout.take() {
            self.log.collect(output);
        }
        if let Some(output) = child.stderr.take() {
            self.log.collect(output);
        }
        self.running = Some(Running { child, watchdog: None, paused: false });
        let ready = self.become_ready(from).await;
        if let Err(error) = ready {
            self.kill()?;
            return Err(error.context(format!("{name} did not start; it printed:\n{}", self.log.tail())));
        }
        Ok(())
    }

    async fn become_ready(&mut self, from: u64) -> Result<()> {
        if let Some(running) = &mut self.running {
            running.watchdog = Some(Watchdog::over(running.child.id())?);
        }
        match self.program.ready.clone() {
            Ready::Started => Ok(()),
            Ready::Line(text) => self.line_from(from, &text).await.map(drop),
            Ready::Port(address) => {
                let until = Instant::now() + PATIENCE;
                while TcpStream::connect(address).await.is_err() {
                    ensure!(self.is_running()?, "it ended");
                    ensure!(Instant::now() < until, "nothing listens on {address}");
                    time::sleep(LOOK).await;
                }
                Ok(())
            }
        }
    }

    fn name(&self) -> String {
        self.program.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The process' id.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn id(&self) -> Result<u32> {
        let running = self.running.as_ref().with_context(|| format!("{} does not run", self.name()))?;
        Ok(running.child.id())
    }

    /// Whether it runs; a paused process does.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(match &mut self.running {
            None => false,
            Some(running) => match running.child.try_wait()? {
                None => true,
                Some(status) => {
                    self.ended(status);
                    false
                }
            },
        })
    }

    fn ended(&mut self, status: ExitStatus) {
        self.running = None;
        self.log.push(format!("-- ended: {status}"));
    }

    /// Kills the process and all that it started, as a crash does, and waits until it is gone. Does nothing if it
    /// does not run.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn kill(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        // The child itself too, should it have left its group.
        let _ = signal(running.child.id(), Signal::KILL);
        running.child.kill()?;
        let status = running.child.wait()?;
        drop(running);
        self.ended(status);
        Ok(())
    }

    /// Asks the process to end and waits until it has, for `within` at most.
    ///
    /// # Errors
    ///
    /// It does not run, or does not end in time.
    pub async fn terminate(&mut self, within: Duration) -> Result<ExitStatus> {
        signal(self.id()?, Signal::TERM)?;
        self.wait(within).await
    }

    /// Asks the process to end as Ctrl-C does, which some programs understand in another way, and waits until it has, for
    /// `within` at most.
    ///
    /// # Errors
    ///
    /// It does not run, or does not end in time.
    pub async fn interrupt(&mut self, within: Duration) -> Result<ExitStatus> {
        signal(self.id()?, Signal::INT)?;
        self.wait(within).await
    }

    /// Waits until the process ends by itself, for `within` at most.
    ///
    /// # Errors
    ///
    /// It does not run, or does not end in time.
    pub async fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let name = self.name();
        let until = Instant::now() + within;
        loop {
            let running = self.running.as_mut().with_context(|| format!("{name} does not run"))?;
            if let Some(status) = running.child.try_wait()? {
                self.ended(status);
                return Ok(status);
            }
            ensure!(Instant::now() < until, "{name} did not end within {within:?}:\n{}", self.log.tail());
            time::sleep(LOOK).await;
        }
    }

    /// Starts the program again, with the same arguments; kills it first if it still runs.
    ///
    /// # Errors
    ///
    /// As [`Program::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.start().await
    }

    /// Starts the program again with what `change` makes of its arguments, environment and folder.
    ///
    /// # Errors
    ///
    /// As [`Program::start`].
    pub async fn restart_with(&mut self, change: impl FnOnce(Program) -> Program) -> Result<()> {
        self.kill()?;
        self.program = change(self.program.clone());
        self.start().await
    }

    /// Stops the process where it is (`SIGSTOP`), its connections open, and returns when none of its threads runs.
    ///
    /// # Errors
    ///
    /// It does not run, or does not stop.
    pub fn pause(&mut self) -> Result<()> {
        let id = self.id()?;
        signal(id, Signal::STOP)?;
        if let Some(running) = &mut self.running {
            running.paused = true;
        }
        let until = Instant::now() + PATIENCE;
        while !stopped(id)? {
            ensure!(Instant::now() < until, "{} does not stop", self.name());
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Lets a paused process go on.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn resume(&mut self) -> Result<()> {
        signal(self.id()?, Signal::CONT)?;
        if let Some(running) = &mut self.running {
            running.paused = false;
        }
        Ok(())
    }

    /// Whether [`Self::pause`] has stopped it and [`Self::resume`] has not let it go on.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.paused)
    }

    /// All lines it has printed on both outputs, across restarts.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// A place in the log, for [`Self::line_from`].
    #[must_use]
    pub fn log_end(&self) -> u64 {
        self.log.end()
    }

    /// Waits for a line that contains `text`, among all that were or will be printed, for [`PATIENCE`] at most.
    ///
    /// # Errors
    ///
    /// The process ends or prints no such line in time.
    pub async fn line(&mut self, text: &str) -> Result<String> {
        self.line_from(0, text).await
    }

    /// Waits for a line that contains `text` among those printed from the place `from` on.
    ///
    /// # Errors
    ///
    /// The process ends or prints no such line in time.
    pub async fn line_from(&mut self, from: u64, text: &str) -> Result<String> {
        let mut grown = self.log.subscribe();
        let until = Instant::now() + PATIENCE;
        let mut last = false;
        loop {
            if let Some(line) = self.log.find(from, text) {
                return Ok(line);
            }
            if last {
                bail!("{} ended without a line with {text:?}", self.name());
            }
            ensure!(Instant::now() < until, "{} printed no line with {text:?}", self.name());
            tokio::select! {
                _ = grown.changed() => {}
                // An end is not announced, so it is looked for now and then; the last lines may come a moment later.
                () = time::sleep(LOOK * 20) => last = !self.is_running()?,
            }
        }
    }
}

impl Drop for Process {
    #[allow(
        clippy::print_stderr,
        reason = "the test harness shows what a test prints only if the test fails"
    )]
    fn drop(&mut self) {
        let _ = self.kill();
        eprintln!("{} printed last:\n{}", self.name(), self.log.tail());
    }
}

fn signal(group: u32, signal: Signal) -> Result<()> {
    let group = i32::try_from(group).ok().and_then(Pid::from_raw).context("not a process id")?;
    kill_process_group(group, signal).with_context(|| format!("{signal:?} cannot be sent"))
}

/// Whether no thread of the process will do anything more. A signal is only on its way when the call that sends it
/// returns.
#[cfg(target_os = "linux")]
fn stopped(id: u32) -> Result<bool> {
    for thread in std::fs::read_dir(format!("/proc/{id}/task"))? {
        let Ok(stat) = std::fs::read_to_string(thread?.path().join("stat")) else { continue };
        // The state stands behind the name, which is in parentheses and may contain anything.
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        // D waits within the system, for a disk or for a child that was stopped before it became another program, and
        // stops on its way back.
        if !matches!(state, Some('T' | 't' | 'D' | 'Z' | 'X')) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(not(target_os = "linux"))]
fn stopped(_id: u32) -> Result<bool> {
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::new("/bin/sh").args(["-c", script])
    }

    fn alive(id: u32) -> bool {
        std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
    }

    #[tokio::test]
    async fn it_waits_for_the_line_and_keeps_both_outputs() {
        let program = shell("echo one; echo two >&2; echo ready; sleep 1000").env("A", "b");
        let mut process = program.ready(Ready::Line("ready".into())).start().await.unwrap();
        process.line("two").await.unwrap();
        assert!(process.log().contains("one"));
        assert!(process.is_running().unwrap());
    }

    #[tokio::test]
    async fn a_program_that_ends_early_is_an_error_with_what_it_said() {
        let error = shell("echo sorry; exit 3").ready(Ready::Line("ready".into())).start().await.unwrap_err();
        assert!(format!("{error:#}").contains("sorry"), "{error:#}");
    }

    #[tokio::test]
    async fn what_the_program_started_dies_with_it() {
        let mut process = shell("sleep 1000 & echo child $!; wait").start().await.unwrap();
        let line = process.line("child ").await.unwrap();
        let child: u32 = line["child ".len()..].parse().unwrap();
        assert!(alive(child));
        drop(process);
        let until = Instant::now() + PATIENCE;
        while alive(child) {
            assert!(Instant::now() < until, "the child of the program lives on");
            time::sleep(LOOK).await;
        }
    }

    #[tokio::test]
    async fn a_paused_process_does_nothing_and_goes_on_later() {
        let counting = "n=0; while :; do n=$((n+1)); echo $n; sleep 0.01; done";
        let mut process = shell(counting).ready(Ready::Line("3".into())).start().await.unwrap();
        process.pause().unwrap();
        assert!(process.is_paused() && process.is_running().unwrap());
        // What was printed before is in the pipe and still read.
        let mut end = process.log_end();
        loop {
            time::sleep(LOOK * 10).await;
            if process.log_end() == end {
                break;
            }
            end = process.log_end();
        }
        time::sleep(LOOK * 20).await;
        assert_eq!(process.log_end(), end);
        process.resume().unwrap();
        process.line_from(end, "").await.unwrap();
    }

    #[tokio::test]
    async fn a_request_to_end_is_heard_and_has_a_limit() {
        let kind = shell("trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done");
        let mut process = kind.ready(Ready::Line("ready".into())).start().await.unwrap();
        assert_eq!(process.terminate(PATIENCE).await.unwrap().code(), Some(7));
        process.line("bye").await.unwrap();

        let deaf = shell("trap '' TERM; echo ready; while :; do sleep 0.01; done");
        let mut process = deaf.ready(Ready::Line("ready".into())).start().await.unwrap();
        process.terminate(Duration::from_millis(100)).await.unwrap_err();
        process.restart().await.unwrap();
        assert!(process.is_running().unwrap());
    }

    #[tokio::test]
    async fn a_test_that_is_killed_leaves_no_process() {
        let mut victim = shell("sleep 1000").start().await.unwrap();
        let id = victim.id().unwrap();
        let running = victim.running.as_mut().unwrap();
        running.watchdog.as_mut().unwrap().pipe_closes();
        let status = victim.wait(PATIENCE).await.unwrap();
        assert!(!status.success());
        assert!(!alive(id));
    }
}
