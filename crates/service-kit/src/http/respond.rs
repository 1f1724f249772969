//! The one layer around every router.

use core::{fmt, panic::AssertUnwindSafe};
use std::{error::Error, sync::Arc, time::Instant};

use api::{ErrorCode, Problem};
use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tracing::Instrument;

use super::{HttpSettings, RequestId};
use crate::{
    config::Period,
    labels,
    metrics::{By, ByName, Counter, Gauge, Histogram, Names, SECONDS, Scope},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

labels! {
    /// First digit of a status.
    enum StatusClass("status") {
        /// 1xx and 2xx and 3xx.
        Success => "success",
        /// 4xx.
        ClientError => "client_error",
        /// 5xx.
        ServerError => "server_error",
    }
}

impl StatusClass {
    const fn of(status: u16) -> Self {
        match status {
            ..400 => Self::Success,
            400..500 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }
}

/// Why an answer has a status of 500 or more: put into the response's extensions for the log, never sent.
#[derive(Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl Cause {
    /// Keeps an error whose text and whose sources' texts may stand in a log.
    #[must_use]
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    /// An answer that carries the cause beside a problem.
    #[must_use]
    pub fn respond(self, problem: impl Into<Problem>) -> Response {
        let mut response = problem.into().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cause")
    }
}

/// What every router is wrapped in.
#[derive(Debug, Clone)]
pub struct Stack {
    request_timeout: Period,
    max_body: usize,
    self_timed: &'static [&'static str],
    open: Gauge,
    requests: ByName<By<StatusClass, Counter>>,
    seconds: ByName<Histogram>,
}

impl Stack {
    /// Declares the metrics of a listener. `routes` are the paths of the router as it was built, parameters in braces:
    /// the only values the `route` label can take, besides `other`.
    #[must_use]
    pub fn new(settings: &HttpSettings, scope: &mut Scope<'_>, routes: &'static [&'static str]) -> Self {
        let names = Names { label: "route", values: routes };
        Self {
            request_timeout: settings.request_timeout,
            max_body: settings.max_body.as_usize(),
            self_timed: &[],
            open: scope.gauge("http_requests_open", "Requests whose answer has not begun"),
            requests: scope.counter_by_name("http_requests", "Requests answered", names),
            seconds: scope.histogram_by_name(
                "http_request_seconds",
                "Time from the head of a request to the head of its answer",
                SECONDS,
                names,
            ),
        }
    }

    /// Names routes that bound their own time, among those given to [`Self::new`]: `request_timeout` does not run there,
    /// so that bodies can be received for as long as they keep coming.
    #[must_use]
    pub const fn self_timed(mut self, routes: &'static [&'static str]) -> Self {
        self.self_timed = routes;
        self
    }

    /// Wraps a router: its routes, its fallback, and whatever its extractors refuse.
    ///
    /// A route may set a body limit of its own with [`DefaultBodyLimit`].
    pub fn wrap(&self, router: Router) -> Router {
        router
            .layer(DefaultBodyLimit::max(self.max_body))
            .layer(middleware::from_fn_with_state(Arc::new(self.clone()), around))
    }
}

async fn around(State(stack): State<Arc<Stack>>, mut request: Request, next: Next) -> Response {
    let id = RequestId::random();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map(MatchedPath::as_str);
    let span = tracing::info_span!(
        "http.request",
        request.id = %id,
        http.method = method(request.method()),
        http.route = route.unwrap_or("other"),
    );
    request.extensions_mut().insert(id);
    if let Some(token) = request.headers_mut().get_mut(header::AUTHORIZATION) {
        token.set_sensitive(true);
    }

    let open = stack.open.hold();
    let started = Instant::now();
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone());
    let is_self_timed = route.is_some_and(|route| stack.self_timed.contains(&route));
    let answered = if is_self_timed {
        Ok(answer.await)
    } else {
        tokio::time::timeout(stack.request_timeout.get(), answer).await
    };
    // The panic hook has written where it happened; what the panic said stays unsaid.
    let response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => Problem::new(ErrorCode::Internal).into_response(),
        Err(_elapsed) => Problem::new(ErrorCode::TimedOut).into_response(),
    };
    drop(open);

    let response = finish(response, id);
    let elapsed = started.elapsed();
    let status = response.status();
    if let Some(counter) = stack.requests.get(route) {
        counter.inc(StatusClass::of(status.as_u16()));
    }
    if let Some(histogram) = stack.seconds.get(route) {
        histogram.observe_duration(elapsed);
    }
    span.in_scope(|| write_line(&response, elapsed));
    response
}

/// The method, if it is one of the registered ones: any token is a method, and a token can be long and is foreign text.
fn method(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        _ => "other",
    }
}

/// Makes every failure a problem document that carries the request's id, and adds what every answer has.
fn finish(mut response: Response, id: RequestId) -> Response {
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        response = rewrite(response, id);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // An answer is for whoever asked, unless its handler says otherwise; and it is no page.
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The problem of a failure, with the headers that whoever made it chose.
fn rewrite(response: Response, id: RequestId) -> Response {
    let (mut parts, _) = response.into_parts();
    let problem = match parts.extensions.remove::<Problem>() {
        // A handler's: what it says beside the problem is part of the answer, except about the body that is replaced.
        Some(problem) => {
            parts.headers.remove(header::CONTENT_LENGTH);
            parts.headers.remove(header::CONTENT_ENCODING);
            problem
        }
        // A refusal of the framework's own, whose text may quote the request.
        None => {
            parts.headers = parts
                .headers
                .iter()
                .filter(|(name, _)| survives_refusal(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            Problem::new(code_of(parts.status))
        }
    };
    let mut rewritten = problem.with_instance(id.to_string()).into_response();
    if let Some(cause) = parts.extensions.remove::<Cause>() {
        rewritten.extensions_mut().insert(cause);
    }
    let headers = rewritten.headers_mut();
    let document = core::mem::replace(headers, parts.headers);
    for (name, value) in &document {
        if name == header::CONTENT_TYPE {
            headers.insert(name, value.clone());
        } else {
            headers.entry(name).or_insert_with(|| value.clone());
        }
    }
    rewritten
}

/// What the framework's refusals and layers further in say that is not about their body.
fn survives_refusal(name: &HeaderName) -> bool {
    [header::ALLOW, header::VARY, header::RETRY_AFTER].contains(name)
        || name.as_str().starts_with("access-control-")
}

/// Extractors answer 422 for what is 400 to us, a request that is not valid.
fn code_of(status: StatusCode) -> ErrorCode {
    match status {
        StatusCode::UNPROCESSABLE_ENTITY => ErrorCode::InvalidRequest,
        status => ErrorCode::for_status(status.as_u16()),
    }
}

fn write_line(response: &Response<Body>, elapsed: core::time::Duration) {
    let status = response.status().as_u16();
    let code = response.extensions().get::<Problem>().map(|problem| problem.code().code());
    let code = code.unwrap_or("ok");
    let duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let cause = response.extensions().get::<Cause>().map(|Cause(error)| chain(error.as_ref()));
    match status {
        500.. => tracing::error!(http.status = status, code, duration_ms, cause, "request failed"),
        _ => tracing::debug!(http.status = status, code, duration_ms, "request answered"),
    }
}

/// An error and its sources, each said once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
