//! A process that goes on, and what it has written so far.

use std::{
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::until;

type Lines = Arc<Mutex<Vec<String>>>;

/// A started process. Killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

fn collect(from: Option<impl Read + Send + 'static>) -> Lines {
    let lines = Lines::default();
    if let Some(from) = from {
        let into = Arc::clone(&lines);
        thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                into.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
    }
    lines
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.spawn().context("kith cannot be started")?;
        let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
        Ok(Self { child, stdout, stderr })
    }

    /// The lines of standard output so far.
    #[must_use]
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lines of standard error so far.
    #[must_use]
    pub fn stderr(&self) -> Vec<String> {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until a line of standard output satisfies a condition, and gives it.
    ///
    /// # Errors
    /// When the process ends first, or no such line comes.
    pub fn line(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        until(what, || {
            if let Some(line) = self.stdout().into_iter().find(|line| wanted(line)) {
                return Ok(Some(line));
            }
            match self.child.try_wait()? {
                Some(status) => bail!("it ended with {status}: {:?}", self.stderr()),
                None => Ok(None),
            }
        })
    }

    /// Waits until a line of standard error satisfies a condition, and gives it.
    ///
    /// # Errors
    /// When the process ends first, or no such line comes.
    pub fn error_line(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        until(what, || {
            if let Some(line) = self.stderr().into_iter().find(|line| wanted(line)) {
                return Ok(Some(line));
            }
            match self.child.try_wait()? {
                Some(status) => bail!("it ended with {status}: {:?}", self.stderr()),
                None => Ok(None),
            }
        })
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Presses Ctrl-C and waits for the end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn interrupt(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::INT)?;
        self.wait()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        until("the end of the process", || Ok(self.child.try_wait()?))
    }

    /// Ends it between two instructions, as a power cut would end it.
    ///
    /// # Errors
    /// When the system does not do so.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
