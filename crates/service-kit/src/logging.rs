//! Logs: to standard error, as text or as JSON, one line each.
//!
//! A line's message is readable alone; values stand in fields with their unit in the name. What must not be in a log
//! is listed in the crate's documentation, and a test layer looks for it.

use std::{io, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tracing::Dispatch;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt::MakeWriter, layer::SubscriberExt};

use crate::config::Problems;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Settings of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// How lines look.
    pub format: LogFormat,
    /// What is written: a level, or levels by module such as `info,node=debug`.
    pub filter: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

impl LogSettings {
    /// Reports a filter that cannot be read; `section` is where these settings stand.
    pub fn check(&self, section: &str, problems: &mut Problems) {
        if EnvFilter::try_new(&self.filter).is_err() {
            problems.add(&format!("{section}.filter"), "not a filter such as `info,node=debug`");
        }
    }
}

/// Lines of others that name what must not be in a log, unless the filter asks for them: the NATS client repeats what
/// the server says, subjects included, and the client of buckets the addresses it tries again. Our own code reports the
/// same without names.
const SILENCED: &str = "async_nats=off,object_store=off,";

/// The log could not be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LogError {
    /// The filter cannot be read. The operator's fault.
    #[error("the log filter cannot be read")]
    Filter,
    /// The process has a log already. Our fault.
    #[error("the log was started twice")]
    Started,
}

/// Starts the log of this process on standard error, and has panics reported there.
///
/// # Errors
/// [`LogError`] for a filter that cannot be read, and when called twice.
pub fn init(settings: &LogSettings) -> Result<(), LogError> {
    let dispatch = dispatch(settings, io::stderr, None::<Identity>)?;
    tracing::dispatcher::set_global_default(dispatch).map_err(|_| LogError::Started)?;
    std::panic::set_hook(Box::new(report_panic));
    Ok(())
}

/// A layer that adds nothing.
pub type Identity = tracing_subscriber::layer::Identity;

/// A log that writes elsewhere, with a layer of the caller's beside it: for tests.
///
/// # Errors
/// [`LogError::Filter`] for a filter that cannot be read.
pub fn dispatch<W, L>(settings: &LogSettings, writer: W, beside: Option<L>) -> Result<Dispatch, LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    L: Layer<Registry> + Send + Sync,
{
    let filter =
        EnvFilter::try_new(format!("{SILENCED}{}", settings.filter)).map_err(|_| LogError::Filter)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    let lines: Box<dyn Layer<_> + Send + Sync> = match settings.format {
        LogFormat::Text => Box::new(lines),
        LogFormat::Json => {
            Box::new(lines.json().flatten_event(true).with_current_span(true).with_span_list(false))
        }
    };
    Ok(Dispatch::from(Arc::new(Registry::default().with(beside).with(lines.with_filter(filter)))))
}

/// Says where, and nothing of what: a panic's message is made from values.
fn report_panic(info: &std::panic::PanicHookInfo<'_>) {
    let (file, line) = info.location().map_or(("unknown", 0), |place| (place.file(), place.line()));
    tracing::error!(panic.file = file, panic.line = line, "a task panicked");
}
