//! One request, and when to repeat it.

use core::{fmt, time::Duration};
use std::sync::Arc;

use api::{Body, Format, Problem, frames::EventId, token::Token};
use reqwest::{
    Method, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER},
};

use super::{HttpError, NodeOptions};
use crate::clock::Clock;

/// Media type of an event stream.
const EVENT_STREAM: &str = "text/event-stream";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Longest problem document that is read.
const MAX_PROBLEM: usize = 64 * 1024;
/// Most timeouts that a body may take in all, so that a trickle ends.
const TRICKLE: u32 = 10;

/// A pool of connections to one node, and the rules of using it.
pub(super) struct Transport {
    pub(super) http: reqwest::Client,
    pub(super) base: Box<str>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: NodeOptions,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("base", &self.base).finish_non_exhaustive()
    }
}

/// What is asked.
pub(super) struct Call<'a> {
    method: Method,
    path: &'a str,
    token: Option<&'a Token>,
    body: Option<Vec<u8>>,
    /// Longest answer.
    limit: usize,
}

impl<'a> Call<'a> {
    /// A request that changes nothing.
    pub(super) const fn get(path: &'a str, token: Option<&'a Token>, limit: usize) -> Self {
        Self { method: Method::GET, path, token, body: None, limit }
    }

    /// A request that changes something. Such requests never carry a read token, which would link them to a reader.
    pub(super) const fn post(path: &'a str, body: Option<Vec<u8>>, limit: usize) -> Self {
        Self { method: Method::POST, path, token: None, body, limit }
    }

    /// Whether to send it again by ourselves. What changes something is repeated only where the node says that it did
    /// nothing: once an outcome is unknown, a later refusal would no longer tell what became of the first copy.
    fn may_repeat_after(&self, error: &HttpError) -> bool {
        if self.method == Method::GET {
            return error.is_transient();
        }
        error.code().is_some_and(|code| {
            code.is_retryable() && code.has_no_side_effects() && matches!(code.status(), 429 | 503)
        })
    }
}

impl Transport {
    /// Asks, as often as the rules allow.
    pub(super) async fn ask<T: Body>(&self, call: Call<'_>) -> Result<T, HttpError> {
        let mut failed = 0;
        loop {
            let error = match self.ask_once(&call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            failed += 1;
            if failed >= self.options.attempts || !call.may_repeat_after(&error) {
                return Err(error);
            }
            tracing::debug!(attempt = failed, code = error.code().map(|code| code.code()), "asking again");
            self.clock.sleep(self.options.wait(failed, error.retry_after())).await;
        }
    }

    async fn ask_once<T: Body>(&self, call: &Call<'_>) -> Result<T, HttpError> {
        let mut request =
            self.request(call.method.clone(), call.path, call.token, Format::Protobuf.content_type());
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, Format::Protobuf.content_type()).body(body.clone());
        }
        let response = self.respond(request).await?;
        if media_type(&response).and_then(Format::from_content_type) != Some(Format::Protobuf) {
            return Err(HttpError::BadAnswer("another media type"));
        }
        let body = self.body(response, call.limit).await?;
        T::from_protobuf(&body).map_err(|_| HttpError::BadAnswer("not the body expected here"))
    }

    /// Opens an event stream. Nothing is repeated here.
    pub(super) async fn open_stream(
        &self,
        path: &str,
        token: &Token,
        last: Option<EventId>,
    ) -> Result<Response, HttpError> {
        let mut request = self.request(Method::GET, path, Some(token), EVENT_STREAM);
        if let Some(id) = last {
            request = request.header(LAST_EVENT_ID, id.to_string());
        }
        let response = self.respond(request).await?;
        let essence = media_type(&response).and_then(|value| value.split(';').next()).map(str::trim);
        if essence.is_none_or(|essence| !essence.eq_ignore_ascii_case(EVENT_STREAM)) {
            return Err(HttpError::BadAnswer("another media type"));
        }
        Ok(response)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<&Token>,
        accept: &'static str,
    ) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base)).header(ACCEPT, accept);
        // A token's alphabet fits a header.
        match token.and_then(|token| HeaderValue::try_from(token.to_authorization()).ok()) {
            Some(mut value) => {
                value.set_sensitive(true);
                request.header(AUTHORIZATION, value)
            }
            None => request,
        }
    }

    /// Sends and waits for the head of an answer; anything but success becomes an error.
    async fn respond(&self, request: reqwest::RequestBuilder) -> Result<Response, HttpError> {
        let response = self.in_time(self.options.timeout, request.send()).await??;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        // A redirect could lead to another node, and with it our tokens; none of ours gives one.
        if !(status.is_client_error() || status.is_server_error()) {
            return Err(HttpError::BadAnswer("neither an answer nor a problem"));
        }
        Err(self.problem(status, response).await)
    }

    async fn problem(&self, status: StatusCode, response: Response) -> HttpError {
        let header =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        // What a status says stands, whether its document comes whole or not.
        let body = self.body(response, MAX_PROBLEM).await.unwrap_or_default();
        let problem = Problem::from_response(status.as_u16(), &body);
        // Proxies speak in headers only. A date instead of seconds is not worth a parser.
        match header {
            Some(seconds) => problem.with_retry_after(seconds).into(),
            None => problem.into(),
        }
    }

    /// A body of bounded length, whatever its header says, and bounded duration.
    async fn body(&self, mut response: Response, limit: usize) -> Result<Vec<u8>, HttpError> {
        const TOO_LONG: HttpError = HttpError::BadAnswer("too long");
        let announced = response.content_length().unwrap_or(0);
        if usize::try_from(announced).is_ok_and(|len| len <= limit) {
            let whole = async {
                let mut body = Vec::new();
                while let Some(chunk) = self.in_time(self.options.timeout, response.chunk()).await?? {
                    if chunk.len() > limit - body.len() {
                        return Err(TOO_LONG);
                    }
                    body.extend_from_slice(&chunk);
                }
                Ok(body)
            };
            return self.in_time(self.options.timeout.saturating_mul(TRICKLE), whole).await?;
        }
        Err(TOO_LONG)
    }

    async fn in_time<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Result<T, HttpError> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.clock.sleep(limit) => Err(HttpError::Timeout),
        }
    }
}

fn media_type(response: &Response) -> Option<&str> {
    response.headers().get(CONTENT_TYPE)?.to_str().ok()
}
