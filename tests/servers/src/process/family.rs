//! The processes that a process has started, where they are not of its group.

use std::{thread, time::Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::{LOOK, PATIENCE, stopped};

/// Kills all children of a process and waits until they are gone. It has to be stopped: it then starts no more, and takes
/// no note of their ends, so that none of their ids becomes another's.
pub(crate) fn kill_children(parent: u32) -> Result<()> {
    let children = children(parent)?;
    signal(&children, Signal::KILL)?;
    wait(&children, |state| matches!(state, None | Some('Z' | 'X')))
}

/// Stops all children of a stopped process.
pub(crate) fn stop_children(parent: u32) -> Result<()> {
    let children = children(parent)?;
    signal(&children, Signal::STOP)?;
    let until = Instant::now() + PATIENCE;
    for child in children {
        while !stopped(child).unwrap_or(true) {
            ensure!(Instant::now() < until, "a child does not stop");
            thread::sleep(LOOK);
        }
    }
    Ok(())
}

/// Lets all children of a stopped process go on.
pub(crate) fn resume_children(parent: u32) -> Result<()> {
    signal(&children(parent)?, Signal::CONT)
}

fn signal(children: &[u32], signal: Signal) -> Result<()> {
    for child in children {
        let pid = i32::try_from(*child).ok().and_then(Pid::from_raw).context("not a process id")?;
        match kill_process(pid, signal) {
            Err(rustix::io::Errno::SRCH) | Ok(()) => {}
            Err(error) => return Err(error).with_context(|| format!("{signal:?} cannot be sent")),
        }
    }
    Ok(())
}

fn wait(children: &[u32], done: impl Fn(Option<char>) -> bool) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    for child in children {
        while !done(stat(*child).map(|(state, _)| state)) {
            ensure!(Instant::now() < until, "a child does not end");
            thread::sleep(LOOK);
        }
    }
    Ok(())
}

/// State and parent of a process; `None` if there is none, or the system does not say.
fn stat(id: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // They stand behind the name, which is in parentheses and may contain anything.
    let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
    Some((rest.next()?.chars().next()?, rest.next()?.parse().ok()?))
}

/// The ids of all children; none on a system without `/proc`.
fn children(parent: u32) -> Result<Vec<u32>> {
    let Ok(all) = std::fs::read_dir("/proc") else { return Ok(Vec::new()) };
    let mut children = Vec::new();
    for entry in all {
        let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if stat(id).is_some_and(|(_, its)| its == parent) {
            children.push(id);
        }
    }
    Ok(children)
}
