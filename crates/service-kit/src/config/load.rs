//! Merging the layers and collecting what is wrong with them.

use core::fmt;
use std::{fs::File, io::Read, path::PathBuf};

use figment::{
    Figment,
    error::{Actual, Kind},
    providers::Serialized,
    value::Value,
};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// Longest file with settings, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// What environment variables of ours begin with.
const PREFIX: &str = "KITH__";

/// A settings type: its defaults, its names, and what has to hold among its values.
pub trait Settings: Default + Serialize + DeserializeOwned {
    /// Reports everything that is wrong with values of the right type.
    fn check(&self, problems: &mut Problems);
}

/// Where settings come from, in the order in which they win.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A TOML file. One that is named has to exist.
    pub file: Option<PathBuf>,
    /// Environment variables; those that begin with `KITH__` count.
    pub environment: Vec<(String, String)>,
    /// Assignments `section.key`, value.
    pub overrides: Vec<(String, String)>,
}

impl Sources {
    /// The environment of this process and nothing else.
    #[must_use]
    pub fn from_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
            // A value that is not text becomes the replacement character and is then refused by its type.
            Some((name, value.to_string_lossy().into_owned()))
        };
        Self { environment: std::env::vars_os().filter_map(text).collect(), ..Self::default() }
    }
}

/// Which layer a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The file.
    File,
    /// This variable.
    Environment(String),
    /// A flag.
    CommandLine,
    /// No layer in particular: values that do not go together.
    Together,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str(" (file)"),
            Self::Environment(name) => write!(f, " ({name})"),
            Self::CommandLine => f.write_str(" (command line)"),
            Self::Together => Ok(()),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The setting, as `section.key`; empty for the file as a whole.
    pub key: String,
    /// The layer.
    pub origin: Origin,
    /// What is wrong, without the value.
    pub message: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.key.is_empty() { "settings" } else { &self.key };
        write!(f, "{key}{}: {}", self.origin, self.message)
    }
}

/// Collects problems while settings are checked.
#[derive(Debug, Default)]
pub struct Problems(Vec<ConfigProblem>);

impl Problems {
    /// Adds a problem with a setting.
    pub fn add(&mut self, key: &str, message: impl Into<String>) {
        self.push(key.to_owned(), Origin::Together, message.into());
    }

    /// Adds a problem unless the condition holds.
    pub fn require(&mut self, condition: bool, key: &str, message: &'static str) {
        if !condition {
            self.add(key, message);
        }
    }

    fn push(&mut self, key: String, origin: Origin, message: String) {
        self.0.push(ConfigProblem { key, origin, message });
    }
}

/// The settings cannot be used: everything that is wrong with them. The operator's fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", list(.0))]
pub struct ConfigError(pub Vec<ConfigProblem>);

fn list(problems: &[ConfigProblem]) -> String {
    let mut text = format!("{} problem(s) with the settings:", problems.len());
    for problem in problems {
        text.push_str(&format!("\n  - {problem}"));
    }
    text
}

/// One setting of one layer, with the values it may stand for: text can be meant as text or as a number.
struct Leaf {
    key: String,
    origin: Origin,
    candidates: Vec<Value>,
}

/// Merges all layers over the defaults and checks the result.
///
/// # Errors
/// [`ConfigError`] with every problem of every layer; nothing stops at the first.
pub fn load<T: Settings>(sources: &Sources) -> Result<T, ConfigError> {
    let mut problems = Problems::default();
    let mut leaves = Vec::new();
    read_file(sources, &mut leaves, &mut problems);
    for (name, value) in &sources.environment {
        if let Some(path) = name.strip_prefix(PREFIX) {
            let key = path.to_ascii_lowercase().replace("__", ".");
            read_text(key, Origin::Environment(name.clone()), value, &mut leaves, &mut problems);
        }
    }
    for (key, value) in &sources.overrides {
        read_text(key.clone(), Origin::CommandLine, value, &mut leaves, &mut problems);
    }

    // Each setting is tried alone over the defaults. That names every wrong one; to try them all together would name
    // the first.
    let defaults = Figment::from(Serialized::defaults(T::default()));
    let mut merged = defaults.clone();
    for leaf in leaves {
        let over = |figment: Figment, value: &Value| figment.merge(Serialized::default(&leaf.key, value));
        let mut failure = None;
        let fits = leaf.candidates.iter().find(|value| match over(defaults.clone(), value).extract::<T>() {
            Ok(_) => true,
            Err(error) => {
                failure.get_or_insert(error);
                false
            }
        });
        match (fits, failure) {
            (Some(value), _) => merged = over(merged, value),
            (None, Some(error)) => problems.push(leaf.key, leaf.origin, explain(&error.kind)),
            (None, None) => {}
        }
    }

    match merged.extract::<T>() {
        Ok(settings) => {
            let mut found = Problems::default();
            settings.check(&mut found);
            // A setting that could not be read stands at its default, about which there is nothing to say.
            found.0.retain(|problem| problems.0.iter().all(|known| known.key != problem.key));
            problems.0.extend(found.0);
            if problems.0.is_empty() { Ok(settings) } else { Err(ConfigError(problems.0)) }
        }
        Err(error) => {
            problems.push(error.path.join("."), Origin::Together, explain(&error.kind));
            Err(ConfigError(problems.0))
        }
    }
}

fn read_file(sources: &Sources, leaves: &mut Vec<Leaf>, problems: &mut Problems) {
    let Some(path) = &sources.file else { return };
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text));
    if let Err(error) = read {
        problems.push(String::new(), Origin::File, format!("the file cannot be read: {}", error.kind()));
        return;
    }
    if text.len() as u64 > MAX_FILE {
        problems.push(String::new(), Origin::File, "the file is longer than 1 MiB".to_owned());
        return;
    }
    let table = match toml::from_str::<toml::Table>(&text) {
        Ok(table) => table,
        Err(error) => {
            // The error's own text quotes the line, and with it whatever value stands there.
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            problems.push(String::new(), Origin::File, format!("not TOML, at line {line}"));
            return;
        }
    };
    match Value::serialize(table) {
        Ok(value) => flatten(value, leaves),
        Err(_) => problems.push(String::new(), Origin::File, "not a table of settings".to_owned()),
    }
}

/// Turns nested tables into settings, without recursion.
fn flatten(value: Value, leaves: &mut Vec<Leaf>) {
    let mut pending = vec![(String::new(), value)];
    let mut found = Vec::new();
    while let Some((key, value)) = pending.pop() {
        if value.as_dict().is_some_and(|table| !table.is_empty()) {
            let inner = |(name, value)| (if key.is_empty() { name } else { format!("{key}.{name}") }, value);
            // Backwards onto the stack, so that settings come off it in order.
            pending.extend(value.into_dict().unwrap_or_default().into_iter().rev().map(inner));
        } else if !key.is_empty() {
            found.push(Leaf { key, origin: Origin::File, candidates: vec![value] });
        }
    }
    leaves.extend(found);
}

fn read_text(key: String, origin: Origin, text: &str, leaves: &mut Vec<Leaf>, problems: &mut Problems) {
    if key.split('.').any(str::is_empty) {
        problems.push(key, origin, "not the name of a setting".to_owned());
        return;
    }
    // `5` may be a number or a password that looks like one; the type of the setting decides.
    let literal = Value::from(text);
    let parsed: Value = text.parse().unwrap_or_else(|_| literal.clone());
    leaves.push(Leaf { key, origin, candidates: vec![parsed, literal] });
}

/// What is wrong, without the value that is: figment's own text repeats it.
fn explain(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.clone(),
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            format!("found {}, expected {}", name(actual), expected.trim_start_matches("expected "))
        }
        Kind::InvalidLength(length, expected) => format!("found {length} elements, expected {expected}"),
        Kind::UnknownVariant(_, known) => format!("expected one of {}", known.join(", ")),
        Kind::UnknownField(_, known) => format!("no such setting; there are {}", known.join(", ")),
        Kind::MissingField(field) => format!("`{field}` is missing"),
        Kind::DuplicateField(field) => format!("`{field}` is given twice"),
        Kind::ISizeOutOfRange(_) | Kind::USizeOutOfRange(_) => "the number is too large".to_owned(),
        Kind::Unsupported(_) | Kind::UnsupportedKey(..) => "this kind of value is not supported".to_owned(),
    }
}

const fn name(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "true or false",
        Actual::Unsigned(_) | Actual::Signed(_) => "a whole number",
        Actual::Float(_) => "a number",
        Actual::Char(_) | Actual::Str(_) => "a text",
        Actual::Bytes(_) => "bytes",
        Actual::Seq => "a list",
        Actual::Map
        | Actual::Enum
        | Actual::UnitVariant
        | Actual::NewtypeVariant
        | Actual::TupleVariant
        | Actual::StructVariant => "a table",
        Actual::Unit | Actual::Option | Actual::NewtypeStruct | Actual::Other(_) => "something else",
    }
}

/// The effective settings as TOML, secrets left out: what `--print-config` shows.
///
/// Settings without a value do not appear.
///
/// # Errors
/// [`ConfigError`] for a settings type that TOML cannot say.
pub fn render<T: Settings>(settings: &T) -> Result<String, ConfigError> {
    toml::to_string_pretty(settings).map_err(|_| {
        let message = "these settings cannot be written as TOML".to_owned();
        ConfigError(vec![ConfigProblem { key: String::new(), origin: Origin::Together, message }])
    })
}
