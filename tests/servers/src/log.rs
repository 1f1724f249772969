//! What a process has printed.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use tokio::sync::watch;

/// Older lines are forgotten.
const KEPT: usize = 20_000;
/// Lines shown of a process that a failed test leaves behind.
const SHOWN: usize = 60;

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<String>,
    /// How many lines were forgotten.
    before: u64,
}

/// The lines of both outputs of a process, across its restarts.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    lines: Arc<Mutex<Lines>>,
    grown: watch::Sender<()>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { lines: Arc::default(), grown: watch::Sender::new(()) }
    }

    /// Collects an output on a thread of its own until it ends.
    pub(crate) fn collect(&self, output: impl Read + Send + 'static) {
        let log = self.clone();
        thread::spawn(move || {
            let mut reader = BufReader::new(output);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                log.push(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
        });
    }

    pub(crate) fn push(&self, line: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.kept.push_back(line);
        if lines.kept.len() > KEPT {
            lines.kept.pop_front();
            lines.before += 1;
        }
        drop(lines);
        self.grown.send_replace(());
    }

    /// The number of the next line.
    pub(crate) fn end(&self) -> u64 {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.before + lines.kept.len() as u64
    }

    /// The first line from number `from` on that contains `text`.
    pub(crate) fn find(&self, from: u64, text: &str) -> Option<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = usize::try_from(from.saturating_sub(lines.before)).unwrap_or(usize::MAX);
        lines.kept.iter().skip(skip).find(|line| line.contains(text)).cloned()
    }

    /// Tells of every new line from now on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.grown.subscribe()
    }

    pub(crate) fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.kept.iter().fold(String::new(), |text, line| text + line + "\n")
    }

    /// The last lines, each behind a bar.
    pub(crate) fn tail(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for line in lines.kept.iter().skip(lines.kept.len().saturating_sub(SHOWN)) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  | {line}");
        }
        text
    }
}
