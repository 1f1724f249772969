//! Requests to a Transistor, and when to repeat them.

use core::{fmt, time::Duration};
use std::sync::Arc;

use api::{
    Problem, TransistorUrl,
    transistor::{ACCESS, CLAIM, JSON_API, OCTET_STREAM, UNLOCK},
};
use reqwest::{
    Method, Response,
    header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER},
};
use sealed_drop::{DropKeys, Token};

use super::DropError;
use crate::{
    clock::Clock,
    http::{HttpError, NodeOptions, connections},
};

/// Longest document that is read.
const MAX_DOCUMENT: usize = 64 * 1024;
/// The slowest network that is waited for: a body may take a second for so many bytes.
const BYTES_PER_SECOND: u64 = 16 * 1024;

/// What a request does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verb {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

/// A pool of connections to one Transistor, and the rules of using it.
pub(super) struct Service {
    http: reqwest::Client,
    url: TransistorUrl,
    clock: Arc<dyn Clock>,
    options: NodeOptions,
}

impl Service {
    pub(super) fn new(url: &str, clock: Arc<dyn Clock>, options: NodeOptions) -> Result<Self, DropError> {
        let bad = || HttpError::BadAddress(url.to_owned());
        let parsed: TransistorUrl = url.trim_end_matches('/').parse().map_err(|_| bad())?;
        let parsed = if parsed.path().is_empty() {
            format!("{parsed}{}", TransistorUrl::PATH).parse().map_err(|_| bad())?
        } else {
            parsed
        };
        Ok(Self { http: connections(parsed.origin(), &options)?, url: parsed, clock, options })
    }

    pub(super) const fn url(&self) -> &TransistorUrl {
        &self.url
    }

    /// A request to a path below the service's URL.
    pub(super) fn request(&self, verb: Verb, path: &str) -> Request<'_> {
        let method = match verb {
            Verb::Get => Method::GET,
            Verb::Head => Method::HEAD,
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Patch => Method::PATCH,
            Verb::Delete => Method::DELETE,
        };
        let request = self.http.request(method, format!("{}{path}", self.url));
        Request { service: self, request, timeout: self.options.timeout }
    }

    /// Does it as often as the rules allow while the connection breaks or the server asks for patience; the work is
    /// told how often it failed before.
    pub(super) async fn patiently<T, W>(&self, mut work: impl FnMut(u32) -> W) -> Result<T, DropError>
    where
        W: Future<Output = Result<T, DropError>>,
    {
        let mut failed = 0;
        loop {
            match work(failed).await {
                Err(error) if error.is_retryable() => {
                    failed += 1;
                    self.pause(failed, error).await?;
                }
                done => return done.map_err(DropError::settled),
            }
        }
    }

    /// Waits before another attempt.
    ///
    /// # Errors
    /// The failure, when there were enough of them.
    pub(super) async fn pause(&self, failed: u32, error: DropError) -> Result<(), DropError> {
        if failed >= self.options.attempts {
            return Err(error.settled());
        }
        tracing::debug!(attempt = failed, code = error.code(), "asking again");
        self.clock.sleep(self.options.wait(failed, error.retry_after())).await;
        Ok(())
    }

    /// The next piece of a body, `None` at its end.
    pub(super) async fn piece(&self, response: &mut Response) -> Result<Option<bytes::Bytes>, DropError> {
        Ok(self.in_time(self.options.timeout, response.chunk()).await??)
    }

    /// A document of bounded length.
    pub(super) async fn document(&self, mut response: Response) -> Result<Vec<u8>, DropError> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece(&mut response).await? {
            if piece.len() > MAX_DOCUMENT - body.len() {
                return Err(HttpError::BadAnswer("too long").into());
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    async fn in_time<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Result<T, HttpError> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.clock.sleep(limit) => Err(HttpError::Timeout),
        }
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A request being put together.
pub(super) struct Request<'a> {
    service: &'a Service,
    request: reqwest::RequestBuilder,
    timeout: Duration,
}

impl Request<'_> {
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request = self.request.header(HeaderName::from_static(name), value);
        self
    }

    fn secret(mut self, name: HeaderName, value: &str) -> Self {
        // A token's alphabet fits a header.
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(true);
            self.request = self.request.header(name, value);
        }
        self
    }

    /// The deletion token.
    pub(super) fn bearer(self, token: &Token) -> Self {
        let value = zeroize::Zeroizing::new(format!("Bearer {}", *token.to_text()));
        self.secret(AUTHORIZATION, &value)
    }

    /// The access token.
    pub(super) fn access(self, token: &Token) -> Self {
        self.secret(HeaderName::from_static(ACCESS), &token.to_text())
    }

    /// The claim token, and the unlock token where there is one.
    pub(super) fn claim(self, claim: &Token, keys: Option<&DropKeys>) -> Self {
        let request = self.secret(HeaderName::from_static(CLAIM), &claim.to_text());
        match keys.and_then(|keys| keys.unlock.as_ref()) {
            Some(unlock) => request.secret(HeaderName::from_static(UNLOCK), &unlock.to_text()),
            None => request,
        }
    }

    pub(super) fn accept(mut self, media_type: &'static str) -> Self {
        self.request = self.request.header(ACCEPT, media_type);
        self
    }

    pub(super) fn json(mut self, body: Vec<u8>) -> Self {
        self.request = self.request.header(CONTENT_TYPE, JSON_API).body(body);
        self
    }

    /// No body, said as proxies want to hear it.
    pub(super) fn empty(mut self) -> Self {
        self.request = self.request.header(CONTENT_LENGTH, HeaderValue::from_static("0"));
        self
    }

    pub(super) fn bytes(mut self, body: bytes::Bytes, media_type: &'static str) -> Self {
        self.timeout += Duration::from_secs(body.len() as u64 / BYTES_PER_SECOND);
        self.request = self.request.header(CONTENT_TYPE, media_type).body(body);
        self
    }

    pub(super) fn content(self, body: bytes::Bytes) -> Self {
        self.bytes(body, OCTET_STREAM)
    }

    /// Sends it and waits for the head of the answer; anything but success is an error.
    pub(super) async fn send(self) -> Result<Response, DropError> {
        let service = self.service;
        let response = service.in_time(self.timeout, self.request.send()).await??;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        // A redirect could lead to another server, and with it our tokens; none of ours gives one.
        if !(status.is_client_error() || status.is_server_error()) {
            return Err(HttpError::BadAnswer("neither an answer nor a problem").into());
        }
        let header =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        // What a status says stands, whether its document comes whole or not.
        let body = service.document(response).await.unwrap_or_default();
        let problem = Problem::from_response(status.as_u16(), &body);
        Err(DropError::of(match header {
            Some(seconds) => problem.with_retry_after(seconds),
            None => problem,
        }))
    }
}
