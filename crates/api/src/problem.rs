//! Problem documents (RFC 9457).

use core::fmt;
use std::borrow::Cow;

use protocol::{Epoch, Seq, UnixSeconds, refusal::Retry};
use serde::{Deserialize, Serialize};

use crate::ErrorCode;

#[cfg(feature = "axum")]
mod respond;

/// Media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Longest `detail` that is kept of a received document, in bytes.
const MAX_DETAIL: usize = 1024;

/// A failed request, as its sender is told of it.
///
/// The same document is the body of an error answer and the data of an event stream's `problem` event. One with a
/// status of 500 or more says nothing beyond its code: what went wrong inside is for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem(Box<Content>);

/// On the heap, so that results with a problem in them stay small.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    code: ErrorCode,
    detail: Option<Cow<'static, str>>,
    instance: Option<String>,
    epoch: Option<Epoch>,
    seq: Option<Seq>,
    horizon: Option<Seq>,
    node_time: Option<UnixSeconds>,
    retry_after: Option<u32>,
}

impl Problem {
    /// A problem that says its code and, where the code asks for patience, to wait a second.
    #[must_use]
    pub fn new(code: ErrorCode) -> Self {
        let retry_after = match code.status() {
            429 | 503 | 507 => Some(1),
            _ => None,
        };
        Self(Box::new(Content {
            code,
            detail: None,
            instance: None,
            epoch: None,
            seq: None,
            horizon: None,
            node_time: None,
            retry_after,
        }))
    }

    /// Adds what is particular to this occurrence. Ignored for a status of 500 or more.
    ///
    /// The text goes to whoever asked, so it is either fixed or made of what they sent.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        if self.0.code.status() < 500 {
            self.0.detail = Some(detail.into());
        }
        self
    }

    /// Adds the id of the request, under which the log knows it.
    #[must_use]
    pub fn with_instance(mut self, instance: impl Into<String>) -> Self {
        self.0.instance = Some(instance.into());
        self
    }

    /// Adds the group's current epoch.
    #[must_use]
    pub fn with_epoch(mut self, epoch: Epoch) -> Self {
        self.0.epoch = Some(epoch);
        self
    }

    /// Adds the position of the newest frame, or of the frame the problem is about.
    #[must_use]
    pub fn with_seq(mut self, seq: Seq) -> Self {
        self.0.seq = Some(seq);
        self
    }

    /// Adds the oldest position that is kept.
    #[must_use]
    pub fn with_horizon(mut self, horizon: Seq) -> Self {
        self.0.horizon = Some(horizon);
        self
    }

    /// Adds the node's clock.
    #[must_use]
    pub fn with_node_time(mut self, now: UnixSeconds) -> Self {
        self.0.node_time = Some(now);
        self
    }

    /// Adds how many seconds to wait; also sent as `Retry-After`.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// What is particular to this occurrence.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The id of the request.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.0.instance.as_deref()
    }

    /// The group's current epoch.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        self.0.epoch
    }

    /// The position of the newest frame, or of the frame the problem is about.
    #[must_use]
    pub fn seq(&self) -> Option<Seq> {
        self.0.seq
    }

    /// The oldest position that is kept.
    #[must_use]
    pub fn horizon(&self) -> Option<Seq> {
        self.0.horizon
    }

    /// The node's clock.
    #[must_use]
    pub fn node_time(&self) -> Option<UnixSeconds> {
        self.0.node_time
    }

    /// Seconds to wait before sending again.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        self.0.retry_after
    }

    /// The document.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Serialising to memory fails for maps with keys that are not text only.
        serde_json::to_vec(&Document::from(self)).unwrap_or_default()
    }

    /// Reads the body of an error answer, whatever it is: a document of ours, one with a code of a newer version, or a
    /// page some proxy wrote. In the last two cases the code is the one of the status.
    #[must_use]
    pub fn from_response(status: u16, body: &[u8]) -> Self {
        let Ok(document) = serde_json::from_slice::<Received>(body) else {
            return Self::new(ErrorCode::for_status(status));
        };
        let code =
            document.code.and_then(|code| code.parse().ok()).unwrap_or_else(|| ErrorCode::for_status(status));
        let detail = document.detail.filter(|detail| detail.len() <= MAX_DETAIL).map(Cow::Owned);
        Self(Box::new(Content {
            code,
            detail,
            instance: document.instance.filter(|instance| instance.len() <= MAX_DETAIL),
            epoch: document.epoch.map(Epoch::new),
            seq: document.seq.map(Seq::new),
            horizon: document.horizon.map(Seq::new),
            node_time: document.node_time.map(UnixSeconds::new),
            retry_after: document.retry_after,
        }))
    }
}

impl From<ErrorCode> for Problem {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.code.title(), self.0.code)
    }
}

impl core::error::Error for Problem {}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    code: ErrorCode,
    retryable: bool,
    retry: &'static str,
    no_side_effects: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    horizon: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
}

impl<'a> From<&'a Problem> for Document<'a> {
    fn from(problem: &'a Problem) -> Self {
        let code = problem.code();
        Self {
            r#type: code.type_url(),
            title: code.title(),
            status: code.status(),
            detail: problem.detail(),
            instance: problem.instance(),
            code,
            retryable: code.is_retryable(),
            retry: match code.retry() {
                Retry::Never => "never",
                Retry::Rebuild => "rebuild",
                Retry::Later => "later",
            },
            no_side_effects: code.has_no_side_effects(),
            epoch: problem.epoch().map(Epoch::get),
            seq: problem.seq().map(Seq::get),
            horizon: problem.horizon().map(Seq::get),
            node_time: problem.node_time().map(UnixSeconds::get),
            retry_after: problem.retry_after(),
        }
    }
}

/// What is read of a document: all optional, because it may come from anything that speaks HTTP.
#[derive(Deserialize)]
struct Received {
    code: Option<String>,
    detail: Option<String>,
    instance: Option<String>,
    epoch: Option<u64>,
    seq: Option<u64>,
    horizon: Option<u64>,
    node_time: Option<u64>,
    retry_after: Option<u32>,
}
