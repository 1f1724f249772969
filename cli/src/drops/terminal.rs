//! What is asked and shown beside the commands' output.

use std::{
    fs::File,
    io::{BufRead as _, IsTerminal as _, Read as _, Write as _},
};

use anyhow::{Context as _, Result, bail};
use kith_client_sdk::drops::Password;
use qrcode::{EcLevel, QrCode, render::unicode};
use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use zeroize::Zeroizing;

/// Longest line that is read.
const MOST_LINE: u64 = 4096;

/// A line on standard error.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", crate::output::shown(text));
}

/// The next line of standard input, without its end.
pub(super) async fn line() -> Result<Zeroizing<String>> {
    tokio::task::spawn_blocking(|| first_line(&mut std::io::stdin().lock())).await?
}

fn first_line(input: &mut impl std::io::BufRead) -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::new());
    input.take(MOST_LINE).read_until(b'\n', &mut bytes).context("standard input cannot be read")?;
    let text = core::str::from_utf8(&bytes).context("standard input is no text")?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    Ok(Zeroizing::new(text.strip_suffix('\r').unwrap_or(text).to_owned()))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    /// `None` where there is no terminal.
    fn begin() -> Option<Self> {
        let terminal = File::options().read(true).write(true).open("/dev/tty").ok()?;
        let before = termios::tcgetattr(&terminal).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        quiet.local_modes.insert(LocalModes::ECHONL);
        termios::tcsetattr(&terminal, OptionalActions::Flush, &quiet).ok()?;
        Some(Self { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// Asks for a password; `None` where there is nobody to ask.
pub(super) async fn password(prompt: &str) -> Result<Option<Password>> {
    let Some(mut quiet) = Quiet::begin() else { return Ok(None) };
    quiet.terminal.write_all(prompt.as_bytes())?;
    let terminal = quiet.terminal.try_clone()?;
    // The guard stays here, so that the terminal is as it was however this ends.
    let line = tokio::task::spawn_blocking(move || {
        first_line(&mut std::io::BufReader::with_capacity(512, terminal))
    })
    .await??;
    drop(quiet);
    Ok(Some(Password::new(line.to_string())))
}

/// Asks for a new password, twice.
pub(super) async fn new_password() -> Result<Password> {
    let first = password("password for the reader: ").await?;
    let Some(first) = first else {
        bail!("there is no terminal to ask for a password; use --password-stdin [password_needed]")
    };
    let again = password("again: ").await?;
    if again.as_ref() != Some(&first) {
        bail!("the two passwords differ [bad_text]");
    }
    if first.is_empty() {
        bail!("the password is empty [bad_text]");
    }
    Ok(first)
}

/// Shows a link to a telephone, where standard error is a terminal.
pub(super) fn qr(link: &str) {
    let mut out = std::io::stderr().lock();
    if !out.is_terminal() {
        return;
    }
    let Ok(code) = QrCode::with_error_correction_level(link, EcLevel::L) else { return };
    // Terminals are dark more often than not, and readers want dark on light.
    let image = code
        .render::<unicode::Dense1x2>()
        .dark_color(unicode::Dense1x2::Light)
        .light_color(unicode::Dense1x2::Dark)
        .build();
    let _ = writeln!(out, "{image}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_without_its_end_and_nothing_else() {
        let mut input: &[u8] = b"  pass word \r\nsecond\n";
        assert_eq!(first_line(&mut input).unwrap().as_str(), "  pass word ");
        assert_eq!(first_line(&mut input).unwrap().as_str(), "second");
        assert_eq!(first_line(&mut input).unwrap().as_str(), "");
        assert!(first_line(&mut &b"\xff\n"[..]).is_err());
    }
}
