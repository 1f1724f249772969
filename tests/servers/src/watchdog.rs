//! Ends a process group when the test that started it is gone.

use std::{
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};

/// A shell that waits on a pipe whose other end only this process holds. However this process ends, killed or
/// interrupted included, the pipe closes and the shell kills the group.
#[derive(Debug)]
pub(crate) struct Watchdog(Child);

impl Watchdog {
    /// Watches over the group that the process with this id leads.
    pub(crate) fn over(group: u32) -> Result<Self> {
        let child = Command::new("sh")
            .args(["-c", "read -r _; kill -s KILL -- \"-$1\"", "watchdog", &group.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("a watchdog cannot be started")?;
        Ok(Self(child))
    }
}

#[cfg(test)]
impl Watchdog {
    /// What happens when the test dies.
    pub(crate) fn pipe_closes(&mut self) {
        drop(self.0.stdin.take());
    }
}

impl Drop for Watchdog {
    /// The shell goes before its pipe does: the group's id may by then be another's.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
