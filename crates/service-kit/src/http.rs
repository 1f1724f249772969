//! HTTP manners: limits, request ids, problem documents, lines in the log, numbers in the metrics.
//!
//! [`Stack::wrap`] puts all of that around a router, [`serve`] puts the router on a listener. Handlers return
//! [`api::Problem`] or anything that becomes one; whatever else fails on the way (a path nobody has, a body that is
//! too long, a panic) leaves as a problem document too.

mod negotiate;
mod operators;
mod peer;
mod proxies;
mod request_id;
mod respond;
mod serve;

pub use negotiate::{Accepted, Answer, Payload, Query};
pub use operators::{OPERATORS, operators};
pub use peer::Peer;
pub use proxies::{Network, NetworkError};
pub use request_id::RequestId;
pub use respond::{Cause, Stack};
pub use serve::{ServeError, serve};

use serde::{Deserialize, Serialize};

use crate::config::{ByteSize, Period, Problems};

/// Settings of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSettings {
    /// Connections at a time; further ones wait to be accepted.
    pub max_connections: u32,
    /// Requests one HTTP/2 connection may have open at a time.
    pub max_streams: u32,
    /// Time a client has to send the head of a request, and before it, from connecting, to say which version of HTTP it
    /// speaks.
    pub header_timeout: Period,
    /// Time from the head of a request to the head of its answer.
    pub request_timeout: Period,
    /// How long a peer may take nothing of what is written to it before its connection is ended.
    pub write_stall: Period,
    /// Longest request body, where a path does not say otherwise.
    pub max_body: ByteSize,
    /// Time connections have to end after a request to stop.
    pub drain: Period,
    /// Proxies in front: of a connection from one of these, requests count as sent by the right-most address in
    /// `X-Forwarded-For` that is none of these.
    pub trusted_proxies: Vec<Network>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            max_streams: 128,
            header_timeout: Period::from_secs(10),
            request_timeout: Period::from_secs(30),
            write_stall: Period::from_secs(60),
            max_body: ByteSize::from_kib(512),
            drain: Period::from_secs(10),
            trusted_proxies: Vec::new(),
        }
    }
}

impl HttpSettings {
    /// Reports values with which nothing could be served; `section` is where these settings stand.
    pub fn check(&self, section: &str, problems: &mut Problems) {
        let mut positive =
            |holds, key: &str| problems.require(holds, &format!("{section}.{key}"), "must be more than 0");
        positive(self.max_connections > 0, "max_connections");
        positive(self.max_streams > 0, "max_streams");
        positive(!self.header_timeout.is_zero(), "header_timeout");
        positive(!self.request_timeout.is_zero(), "request_timeout");
        positive(!self.write_stall.is_zero(), "write_stall");
        positive(self.max_body.get() > 0, "max_body");
    }
}
