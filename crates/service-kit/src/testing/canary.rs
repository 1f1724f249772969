//! A layer that reads every line of the log and remembers those with something in them that must not be there.
//!
//! Looked for are: texts that were registered (names, contents); registered secrets in hexadecimal, in base64 at any
//! alignment, and as the list of numbers `Debug` makes of bytes, also in part; and addresses of the network. A test
//! registers what passes through it, runs, and asks at the end.

use core::{fmt, net::IpAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

/// Characters of an encoded secret that are enough to be one: 64 bits in hexadecimal, 96 in base64.
const ENCODED_RUN: usize = 16;
/// Numbers of a list of bytes that are enough.
const LIST_RUN: usize = 8;

/// What kind of thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Leak {
    /// A registered text.
    Text,
    /// A registered secret, or a long part of it.
    Secret,
    /// An IP address.
    Address,
}

/// One line with something in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was found.
    pub leak: Leak,
    /// Module that wrote the line.
    pub target: String,
    /// File and line of the source, where known.
    pub place: String,
    /// The line.
    pub line: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {} ({}): {}", self.leak, self.place, self.target, self.line)
    }
}

#[derive(Debug, Default)]
struct State {
    texts: Vec<String>,
    /// Encodings of secrets, each with the length of a part that counts.
    encoded: Vec<(String, usize)>,
    findings: Vec<Finding>,
    lines: usize,
}

/// What is looked for, and what was found. Clones share both.
#[derive(Debug, Clone, Default)]
pub struct Canaries(Arc<Mutex<State>>);

impl Canaries {
    /// Nothing registered yet; addresses are looked for from the start.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a text that no line may contain.
    pub fn text(&self, text: impl Into<String>) {
        self.state().texts.push(text.into());
    }

    /// Registers bytes that no line may contain, in whichever form, whole or in part.
    pub fn secret(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.encoded.push((hex::encode(bytes), ENCODED_RUN));
        state.encoded.push((hex::encode_upper(bytes), ENCODED_RUN));
        // In the middle of longer bytes the encoding depends on the position modulo 3. The first and the last character
        // then mix in bits of the neighbours.
        for shift in 0..3 {
            let mut shifted = vec![0; shift];
            shifted.extend_from_slice(bytes);
            for text in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
                let inner = text.get(if shift == 0 { 0 } else { shift + 1 }..text.len().saturating_sub(1));
                state.encoded.push((inner.unwrap_or_default().to_owned(), ENCODED_RUN));
            }
        }
        for list in bytes.windows(LIST_RUN) {
            let list = list.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
            let whole = list.len();
            state.encoded.push((list, whole));
        }
    }

    /// The layer to put into a subscriber.
    #[must_use]
    pub fn layer(&self) -> CanaryLayer {
        CanaryLayer(self.clone())
    }

    /// What was found so far.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        self.state().findings.clone()
    }

    /// How many lines and spans were read: a test that expects silence makes sure that something was said.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.state().lines
    }

    /// Fails a test in whose log something was found.
    ///
    /// # Panics
    /// When anything was found; the message lists it.
    #[expect(clippy::panic, reason = "an assertion for tests")]
    pub fn assert_silent(&self) {
        let findings = self.findings();
        if !findings.is_empty() {
            let list: Vec<String> = findings.iter().map(Finding::to_string).collect();
            panic!("{} line(s) of the log say too much:\n{}", findings.len(), list.join("\n"));
        }
    }

    fn read(&self, metadata: &Metadata<'_>, line: &str) {
        let mut state = self.state();
        state.lines += 1;
        let leak = if state.texts.iter().any(|text| line.contains(text.as_str())) {
            Leak::Text
        } else if state.encoded.iter().any(|(text, run)| shares_run(line, text, *run)) {
            Leak::Secret
        } else if has_address(line) {
            Leak::Address
        } else {
            return;
        };
        let place = match (metadata.file(), metadata.line()) {
            (Some(file), Some(number)) => format!("{file}:{number}"),
            _ => "unknown".to_owned(),
        };
        state.findings.push(Finding {
            leak,
            target: metadata.target().to_owned(),
            place,
            line: line.to_owned(),
        });
    }
}

/// Whether a line contains any `run` characters of a text in a row, or all of it where it is shorter.
fn shares_run(line: &str, text: &str, run: usize) -> bool {
    let run = run.min(text.len());
    // Encodings are ASCII, so every window is text.
    run > 0 && text.as_bytes().windows(run).any(|window| contains(line.as_bytes(), window))
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn has_address(line: &str) -> bool {
    let is_part = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':');
    line.split(|c: char| !is_part(c)).any(|word| {
        let word = word.trim_end_matches(['.', ':']);
        // `a::b` is also how a path of Rust is written, and `12:30` a time; an address of version 6 has more colons.
        let host = match word.bytes().filter(|b| *b == b':').count() {
            0 => word,
            1 => word.split(':').next().unwrap_or_default(),
            _ => word,
        };
        match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => true,
            Ok(IpAddr::V6(_)) => host == "::1" || host.bytes().filter(|b| *b == b':').count() > 2,
            Err(_) => false,
        }
    })
}

/// Reads lines for [`Canaries`].
#[derive(Debug, Clone)]
pub struct CanaryLayer(Canaries);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for CanaryLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let mut line = Line::default();
        attributes.record(&mut line);
        self.0.read(attributes.metadata(), &line.0);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut line = Line::default();
        values.record(&mut line);
        if let Some(metadata) = context.metadata(id) {
            self.0.read(metadata, &line.0);
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0.read(event.metadata(), &line.0);
    }
}

/// All fields of a line as text.
#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push_str(&format!("{field}={value} "));
    }
}
