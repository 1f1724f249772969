//! A line on standard error for what takes longer than a second.

use std::{
    io::{IsTerminal as _, Write as _},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use kith_client_sdk::{ProverProgress, Stage, drops::OnBytes};

/// Silent for a second, then a line that is rewritten on a terminal; elsewhere only a line about making keys.
#[derive(Default)]
pub(crate) struct Bar(Mutex<State>);

#[derive(Default)]
struct State {
    since: Option<Instant>,
    stage: String,
    shown: bool,
}

const PATIENCE: Duration = Duration::from_secs(1);

impl Bar {
    /// The bar as a callback.
    pub(crate) fn into_callback(self) -> impl Fn(ProverProgress) + Send + Sync {
        move |progress| self.told(&progress)
    }

    fn told(&self, progress: &ProverProgress) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stage = progress.stage.to_string();
        let done = progress.fraction >= 1.0;
        let since = *state.since.get_or_insert_with(Instant::now);
        if since.elapsed() < PATIENCE {
            if done {
                state.since = None;
            }
            return;
        }
        let mut out = std::io::stderr().lock();
        let percent = progress.fraction * 100.0;
        // Standard error may be closed; a bar is not worth failing for.
        let _ = if out.is_terminal() {
            state.shown = true;
            write!(out, "\r\x1b[K{stage}: {percent:.0} %").and_then(|()| out.flush())
        } else if state.stage != stage && matches!(progress.stage, Stage::MakingKeys(_)) {
            // Elsewhere only what takes long once; a command that fails shall say one thing.
            writeln!(out, "{stage} ...")
        } else {
            Ok(())
        };
        if done {
            if state.shown {
                let _ = write!(out, "\r\x1b[K");
            }
            *state = State::default();
        } else {
            state.stage = stage;
        }
    }
}

/// A line on standard error for a transfer that takes longer than a second; on a terminal only.
pub(crate) fn bytes(what: &'static str) -> OnBytes {
    let begun = Instant::now();
    let shown = Mutex::new(None);
    Arc::new(move |done, whole| {
        let mut out = std::io::stderr().lock();
        if begun.elapsed() < PATIENCE || !out.is_terminal() {
            return;
        }
        let percent = done.saturating_mul(100).checked_div(whole).unwrap_or(100);
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.replace(percent) == Some(percent) {
            return;
        }
        // Standard error may be closed; a line is not worth failing for.
        let _ = if done >= whole {
            write!(out, "\r\x1b[K")
        } else {
            write!(out, "\r\x1b[K{what}: {percent} %").and_then(|()| out.flush())
        };
    })
}
