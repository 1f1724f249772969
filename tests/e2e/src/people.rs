//! A person at a terminal.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::{binary, files_below, running::Running, stage::cache_folder};

/// Somebody with a home, who types commands.
#[derive(Debug, Clone)]
pub struct Kith {
    home: PathBuf,
    passphrase: Option<String>,
}

/// What a command did.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Kith {
    /// Somebody whose home is this folder.
    #[must_use]
    pub fn at(home: impl Into<PathBuf>) -> Self {
        Self { home: home.into(), passphrase: None }
    }

    /// The same person, with a passphrase in the environment.
    #[must_use]
    pub fn with_passphrase(mut self, passphrase: &str) -> Self {
        self.passphrase = Some(passphrase.to_owned());
        self
    }

    /// The home folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The command as it would be typed, not started.
    ///
    /// # Errors
    /// When the binary cannot be built.
    pub fn command(&self, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(binary::kith()?);
        command.arg("--home").arg(&self.home).args(args);
        // Nothing of the environment the tests run in may change what a person sees.
        for name in ["KITH_HOME", "KITH_SERVER", "KITH_PASSPHRASE", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.env("KITH_CACHE", cache_folder()?);
        if let Some(passphrase) = &self.passphrase {
            command.env("KITH_PASSPHRASE", passphrase);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// When it cannot be started; its own failure is in [`Ran::status`].
    pub fn run(&self, args: &[&str]) -> Result<Ran> {
        Ran::of(self.command(args)?.output().context("kith cannot be started")?)
    }

    /// Runs a command with something on its standard input.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn pipe(&self, input: &[u8], args: &[&str]) -> Result<Ran> {
        let mut child =
            self.command(args)?.stdin(Stdio::piped()).spawn().context("kith cannot be started")?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that refuses before it reads closes the pipe.
            let _ = stdin.write_all(input);
        }
        Ran::of(child.wait_with_output()?)
    }

    /// Starts a command that goes on, its lines to be read as they come.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, args: &[&str]) -> Result<Running> {
        Running::start(&mut self.command(args)?)
    }

    /// Runs a command that has to succeed and gives its output, without the last line feed.
    ///
    /// # Errors
    /// When it does not end with status 0.
    pub fn ok(&self, args: &[&str]) -> Result<String> {
        self.run(args)?.ok().with_context(|| args.join(" "))
    }

    /// Runs a command that has to succeed, with `--json`, and gives its one value.
    ///
    /// # Errors
    /// When it does not end with status 0, or does not print JSON.
    pub fn json(&self, args: &[&str]) -> Result<Value> {
        let mut all = vec!["--json"];
        all.extend(args);
        Ok(serde_json::from_str(&self.ok(&all)?)?)
    }

    /// As [`Self::json`], for commands that print one value a line.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub fn json_lines(&self, args: &[&str]) -> Result<Vec<Value>> {
        let mut all = vec!["--json"];
        all.extend(args);
        self.ok(&all)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// Runs a command that has to be refused with this code: status 1, nothing on standard output, and on standard
    /// error one line that ends with the code.
    ///
    /// # Errors
    /// When it does anything else.
    pub fn refused(&self, args: &[&str], code: &str) -> Result<()> {
        self.run(args)?.refused(code).with_context(|| args.join(" "))
    }

    /// A copy of the home as it is now, as a backup or a thief has it.
    ///
    /// # Errors
    /// When a file cannot be copied.
    pub fn copy_to(&self, home: impl Into<PathBuf>) -> Result<Self> {
        let copy = Self { home: home.into(), passphrase: self.passphrase.clone() };
        for from in files_below(&self.home)? {
            let to = copy.home.join(from.strip_prefix(&self.home)?);
            fs::create_dir_all(to.parent().context("a file without a folder")?)?;
            fs::copy(&from, &to)?;
        }
        Ok(copy)
    }

    /// Makes the identity.
    ///
    /// # Errors
    /// When that fails.
    pub fn named(self, name: &str) -> Result<Self> {
        self.ok(&["identity", "create", "--name", name])?;
        Ok(self)
    }

    /// The texts of a group, as everybody who reads them has them: sequence number, sender, text.
    ///
    /// # Errors
    /// When reading fails.
    pub fn texts(&self, group: &str) -> Result<Vec<(u64, String, String)>> {
        let lines = self.json_lines(&["read", "--group", group])?;
        let texts = lines.iter().filter(|line| line["kind"] == "text");
        texts
            .map(|line| {
                let seq = line["seq"].as_u64().context("seq")?;
                let sender = line["sender"].as_str().unwrap_or("?").to_owned();
                Ok((seq, sender, line["text"].as_str().context("text")?.to_owned()))
            })
            .collect()
    }

    /// Values of `group info` that all members of an epoch share.
    ///
    /// # Errors
    /// When asking fails.
    pub fn agreed(&self, group: &str) -> Result<[Value; 6]> {
        let info = self.json(&["group", "info", "--group", group])?;
        let fields = ["id", "epoch", "seq", "tree_hash", "transcript_hash", "log_hash"];
        Ok(fields.map(|field| info.get(field).cloned().unwrap_or_default()))
    }
}

impl Ran {
    fn of(output: std::process::Output) -> Result<Self> {
        Ok(Self {
            status: output.status,
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    /// The output of a command that succeeded, without the last line feed.
    ///
    /// # Errors
    /// When it did not end with status 0.
    pub fn ok(self) -> Result<String> {
        ensure!(self.status.success(), "{}: {}", self.status, self.stderr.trim_end());
        Ok(self.stdout.strip_suffix('\n').unwrap_or(&self.stdout).to_owned())
    }

    /// Checks that the command was refused with this code.
    ///
    /// # Errors
    /// When it was not, or says so in another way than it should.
    pub fn refused(&self, code: &str) -> Result<()> {
        self.refused_with_output(code)?;
        ensure!(self.stdout.is_empty(), "standard output of a refused command: {}", self.stdout);
        Ok(())
    }

    /// As [`Self::refused`], for commands that show what they have before they fail.
    ///
    /// # Errors
    /// As [`Self::refused`].
    pub fn refused_with_output(&self, code: &str) -> Result<()> {
        let Self { status, stdout, stderr } = self;
        ensure!(status.code() == Some(1), "{status} instead of 1\n{stdout}\n{stderr}");
        let lines: Vec<&str> = stderr.lines().collect();
        let [line] = lines.as_slice() else { bail!("not one line on standard error: {stderr}") };
        ensure!(line.starts_with("kith: "), "{line}");
        ensure!(line.ends_with(&format!("[{code}]")), "expected [{code}]: {line}");
        Ok(())
    }

    /// Checks that the command was not understood: status 2 and an explanation.
    ///
    /// # Errors
    /// When it was.
    pub fn misused(&self) -> Result<()> {
        ensure!(self.status.code() == Some(2), "{} instead of 2: {}", self.status, self.stderr);
        ensure!(
            self.stderr.contains("Usage: kith") || self.stderr.contains("try '--help'"),
            "no usage: {}",
            self.stderr
        );
        ensure!(self.stdout.is_empty(), "standard output: {}", self.stdout);
        Ok(())
    }
}
