//! A clock that jumps.

use std::{fs, time::Duration};

use anyhow::Result;
use tempfile::TempDir;

use crate::{Program, installed};

/// The time of day of the programs it is given to, which can be set ahead and back while they run.
///
/// How fast time passes, and every wait, stays as it is, as on a machine whose clock is set.
#[derive(Debug)]
pub struct Clock {
    folder: TempDir,
}

impl Clock {
    /// A clock that is right.
    ///
    /// # Errors
    ///
    /// `faketime` is not installed.
    pub fn new() -> Result<Self> {
        installed("faketime", "libfaketime.so")?;
        let clock = Self { folder: tempfile::tempdir()? };
        clock.ahead(Duration::ZERO)?;
        Ok(clock)
    }

    /// Gives this clock to a program that will be started.
    ///
    /// # Errors
    ///
    /// `faketime` is not installed.
    pub fn of(&self, program: Program) -> Result<Program> {
        Ok(program
            .env("LD_PRELOAD", installed("faketime", "libfaketime.so")?)
            .env("FAKETIME_TIMESTAMP_FILE", self.folder.path().join("offset"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1"))
    }

    /// Sets it so far ahead of the right time.
    ///
    /// # Errors
    ///
    /// The file through which programs hear of it cannot be written.
    pub fn ahead(&self, by: Duration) -> Result<()> {
        self.set(&format!("+{}", by.as_secs()))
    }

    /// Sets it so far behind the right time.
    ///
    /// # Errors
    ///
    /// The file through which programs hear of it cannot be written.
    pub fn behind(&self, by: Duration) -> Result<()> {
        self.set(&format!("-{}", by.as_secs()))
    }

    fn set(&self, offset: &str) -> Result<()> {
        // In one step: a program reads it whenever it asks for the time.
        let (next, file) = (self.folder.path().join("next"), self.folder.path().join("offset"));
        fs::write(&next, offset)?;
        fs::rename(next, file)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PATIENCE, Ready};

    #[tokio::test]
    async fn a_running_program_sees_the_clock_jump_both_ways() {
        let clock = Clock::new().unwrap();
        let program = Program::new("/bin/sh").args(["-c", "while :; do date +%s; sleep 0.02; done"]);
        let mut process = clock.of(program).unwrap().ready(Ready::Line("1".into())).start().await.unwrap();
        let right: u64 = process.line("").await.unwrap().parse().unwrap();
        for (offset, hours) in [(1_i64, 1_u64), (-1, 1), (0, 0)] {
            let by = Duration::from_secs(hours * 3_600);
            if offset < 0 { clock.behind(by) } else { clock.ahead(by) }.unwrap();
            let expected = right.saturating_add_signed(offset * 3_600);
            let start = std::time::Instant::now();
            loop {
                let seen: u64 = process.line_from(process.log_end(), "").await.unwrap().parse().unwrap();
                if seen.abs_diff(expected) < 600 {
                    break;
                }
                assert!(start.elapsed() < PATIENCE, "{seen} instead of about {expected}");
            }
        }
    }
}
