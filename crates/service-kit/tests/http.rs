//! The layer around a router, in process and over a socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

use core::{future::pending, time::Duration};
use std::sync::Arc;

use api::{Body as _, ErrorCode, Format, Problem, key_packages::MailboxStatus, paths::FramesQuery};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Path,
    http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header},
    middleware::map_response,
    response::IntoResponse,
    routing::{get, post},
};
use service_kit::{
    config::{ByteSize, Period},
    http::{Accepted, Cause, HttpSettings, Payload, Peer, Query, Stack, serve},
    limiter::{Limiter, Quota},
    metrics::{Exposition, Gauge, Metrics},
    shutdown,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::ServiceExt;

const ROUTES: &[&str] = &[
    "/ok/{id}", "/panic", "/hang", "/status", "/page", "/broken", "/refuse", "/upload", "/peer", "/endless",
];
const SELF_TIMED: &[&str] = &["/upload"];

#[derive(Debug, thiserror::Error)]
#[error("disk {0} is on fire")]
struct DiskError(u32, #[source] std::fmt::Error);

async fn panics() -> StatusCode {
    panic!("hunter2");
}

/// A handler's refusal with headers of its own.
async fn refuses() -> Response<Body> {
    let mut response = Problem::new(ErrorCode::InvalidRequest).into_response();
    for (name, value) in [
        (header::CONTENT_RANGE, "bytes */7"),
        (header::CONTENT_LENGTH, "3"),
        (header::CONTENT_TYPE, "text/html"),
        (header::CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("upload-offset"), "7"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::VARY, "origin"),
        (header::VARY, "accept"),
    ] {
        if name == header::VARY {
            response.headers_mut().append(name, HeaderValue::from_static(value));
        } else {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

/// Longer than any request may take.
async fn upload() -> StatusCode {
    tokio::time::sleep(Duration::from_secs(100)).await;
    StatusCode::CREATED
}

/// One request a minute for each peer.
fn peer_route() -> axum::routing::MethodRouter {
    let limiter = Arc::new(Limiter::new(Quota { per_minute: 1, burst: 1 }, 1024));
    get(move |peer: Peer| async move {
        peer.charge(&limiter).map(|()| "yes").map_err(|_| Problem::new(ErrorCode::RateLimited))
    })
}

fn router() -> Router {
    Router::new()
        .route("/refuse", get(refuses))
        .route("/upload", post(upload))
        .route("/peer", peer_route())
        .route(
            "/endless",
            get(|| async {
                let pieces = std::iter::repeat_with(|| Ok::<_, std::convert::Infallible>(vec![0_u8; 65_536]));
                Body::from_stream(futures_util::stream::iter(pieces))
            }),
        )
        .route("/ok/{id}", get(|Path(id): Path<u32>| async move { id.to_string() }))
        .route("/panic", get(panics))
        .route("/hang", get(pending::<StatusCode>))
        .route(
            "/status",
            post(|accepted: Accepted, Payload(status): Payload<MailboxStatus>| async move {
                accepted.answer(status)
            }),
        )
        .route("/page", get(|Query(query): Query<FramesQuery>| async move { format!("{query:?}") }))
        .route(
            "/broken",
            get(|| async { Cause::new(DiskError(7, std::fmt::Error)).respond(ErrorCode::StorageFailed) }),
        )
}

fn settings() -> HttpSettings {
    HttpSettings {
        request_timeout: Period::from_millis(5000),
        max_body: ByteSize::from_bytes(100),
        ..HttpSettings::default()
    }
}

fn wrapped() -> (Router, Exposition) {
    let mut metrics = Metrics::new();
    let stack = Stack::new(&settings(), &mut metrics.scope("sample"), ROUTES).self_timed(SELF_TIMED);
    (stack.wrap(router()), metrics.finish())
}

async fn ask(request: Request<Body>) -> Response<Body> {
    wrapped().0.oneshot(request).await.unwrap()
}

async fn get_path(path: &str) -> Response<Body> {
    ask(Request::get(path).body(Body::empty()).unwrap()).await
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), 100_000).await.unwrap().to_vec()).unwrap()
}

/// The problem of an answer, after checking what holds for all of them.
async fn problem(response: Response<Body>) -> Problem {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let body = text(response).await;
    let problem = Problem::from_response(status, body.as_bytes());
    assert_eq!(problem.code().status(), status);
    assert_eq!(problem.instance(), Some(id.as_str()));
    assert!(body.contains(problem.code().code()), "{body}");
    problem
}

#[tokio::test]
async fn answers_carry_an_id_and_are_not_stored() {
    let response = get_path("/ok/7").await;
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers();
    assert_eq!(headers["x-request-id"].len(), 16);
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert!(headers.contains_key("content-security-policy"));
    assert_eq!(text(response).await, "7");
    assert_ne!(
        get_path("/ok/7").await.headers()["x-request-id"],
        get_path("/ok/7").await.headers()["x-request-id"]
    );
}

#[tokio::test]
async fn whatever_fails_is_a_problem() {
    assert_eq!(problem(get_path("/nowhere").await).await.code(), ErrorCode::NotFound);
    assert_eq!(problem(get_path("/ok/hunter2").await).await.code(), ErrorCode::InvalidRequest);

    let response = ask(Request::delete("/ok/7").body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers()["allow"], "GET,HEAD");
    assert_eq!(problem(response).await.code(), ErrorCode::MethodNotAllowed);
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_stays_inside() {
    let problem = problem(get_path("/panic").await).await;
    assert_eq!(problem.code(), ErrorCode::Internal);
    assert!(!String::from_utf8(problem.to_json()).unwrap().contains("hunter2"));
}

#[tokio::test]
async fn a_cause_is_not_told() {
    let response = get_path("/broken").await;
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body = text(response).await;
    assert!(body.contains("storage_failed") && !body.contains("fire"), "{body}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_answered() {
    assert_eq!(problem(get_path("/hang").await).await.code(), ErrorCode::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_bounds_its_own_time_is_waited_for() {
    let response = ask(Request::post("/upload").body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::CREATED);
}

#[tokio::test(start_paused = true)]
async fn routers_with_stacks_of_their_own_share_a_listener() {
    let mut metrics = Metrics::new();
    let stack = Stack::new(&settings(), &mut metrics.scope("sample"), ROUTES).self_timed(SELF_TIMED);
    let other = Stack::new(&settings(), &mut metrics.scope("other"), &["/more"]);
    let more = Router::new().route("/more", get(|| async {})).fallback(async || ErrorCode::NotFound);
    let router = other.wrap(more).merge(stack.wrap(router()));
    let ask = async |request: Request<Body>| router.clone().oneshot(request).await.unwrap();
    let uploaded = ask(Request::post("/upload").body(Body::empty()).unwrap()).await;
    assert_eq!(uploaded.status(), StatusCode::CREATED);
    let nowhere = ask(Request::get("/nowhere").body(Body::empty()).unwrap()).await;
    assert_eq!(problem(nowhere).await.code(), ErrorCode::NotFound);
    assert_eq!(ask(Request::get("/more").body(Body::empty()).unwrap()).await.status(), StatusCode::OK);
    let text = metrics.finish().render();
    for line in [
        "sample_http_requests_total{route=\"/upload\",status=\"success\"} 1",
        "sample_http_requests_total{route=\"other\",status=\"client_error\"} 0",
        "other_http_requests_total{route=\"/more\",status=\"success\"} 1",
        "other_http_requests_total{route=\"other\",status=\"client_error\"} 1",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn headers_of_a_handlers_refusal_survive() {
    for method in ["GET", "HEAD"] {
        let request = Request::builder().method(method).uri("/refuse").body(Body::empty()).unwrap();
        let response = ask(request).await;
        let headers = response.headers().clone();
        assert_eq!(headers["content-range"], "bytes */7");
        assert_eq!(headers["upload-offset"], "7");
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_eq!(headers["cache-control"], "no-cache");
        assert_eq!(headers.get_all("vary").iter().collect::<Vec<_>>(), ["origin", "accept"]);
        assert_eq!(headers.get_all("content-type").iter().count(), 1);
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_ne!(headers.get("content-length").map(HeaderValue::as_bytes), Some(b"3".as_slice()));
        if method == "GET" {
            assert_eq!(problem(response).await.code(), ErrorCode::InvalidRequest);
        }
    }
}

#[tokio::test]
async fn of_the_frameworks_refusals_only_what_quotes_nothing_survives() {
    let mut metrics = Metrics::new();
    let stack = Stack::new(&settings(), &mut metrics.scope("sample"), ROUTES);
    let noisy = map_response(async |mut response: Response<Body>| {
        let headers: &mut HeaderMap = response.headers_mut();
        headers.insert("x-quote", HeaderValue::from_static("hunter2"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        headers.append(header::VARY, HeaderValue::from_static("accept"));
        response
    });
    let router = stack.wrap(router().layer(noisy));
    let response = router.oneshot(Request::get("/ok/hunter2").body(Body::empty()).unwrap()).await.unwrap();
    assert!(!response.headers().contains_key("x-quote"));
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(response.headers().get_all("vary").iter().count(), 2);
    assert_eq!(problem(response).await.code(), ErrorCode::InvalidRequest);
}

fn posted(content_type: Option<&str>, accept: Option<&str>, body: Vec<u8>) -> Request<Body> {
    let mut request = Request::post("/status");
    for (name, value) in [("content-type", content_type), ("accept", accept)] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    request.body(body.into()).unwrap()
}

#[tokio::test]
async fn bodies_come_and_go_in_the_format_of_the_headers() {
    let status = MailboxStatus { remaining: 3, last_resort: true };
    for (sent, wanted, accept) in [
        (Format::Protobuf, Format::Protobuf, None),
        (Format::Protobuf, Format::Json, Some("application/json")),
        (Format::Json, Format::Protobuf, Some("*/*")),
    ] {
        let response = ask(posted(Some(sent.content_type()), accept, status.encode(sent))).await;
        assert_eq!(response.headers()["content-type"], wanted.content_type());
        assert_eq!(response.headers()["vary"], "accept");
        let body = to_bytes(response.into_body(), 1000).await.unwrap();
        assert_eq!(MailboxStatus::decode(wanted, &body), Ok(status));
    }
}

#[tokio::test]
async fn bodies_that_cannot_be_are_refused() {
    let json = Some("application/json");
    let good = br#"{"remaining":1,"last_resort":true}"#.to_vec();
    for (request, code) in [
        (posted(None, None, good.clone()), ErrorCode::UnsupportedMediaType),
        (posted(Some("text/plain"), None, good.clone()), ErrorCode::UnsupportedMediaType),
        (posted(json, Some("text/html"), good), ErrorCode::NotAcceptable),
        (posted(json, None, b"{}".to_vec()), ErrorCode::InvalidRequest),
        (posted(json, None, vec![b' '; 101]), ErrorCode::PayloadTooLarge),
    ] {
        assert_eq!(problem(ask(request).await).await.code(), code);
    }
}

#[tokio::test]
async fn queries_refuse_what_they_do_not_know() {
    assert!(text(get_path("/page?from=7&limit=3&form=heads").await).await.contains("Heads"));
    for query in ["from=x", "from=-1", "form=half", "fron=7"] {
        assert_eq!(
            problem(get_path(&format!("/page?{query}")).await).await.code(),
            ErrorCode::InvalidRequest,
            "{query}"
        );
    }
}

#[tokio::test]
async fn requests_are_counted_by_route_and_nothing_else() {
    let (router, metrics) = wrapped();
    for path in ["/ok/1", "/ok/2", "/ok/x", "/hunter2"] {
        router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    }
    let text = metrics.render();
    for line in [
        "sample_http_requests_total{route=\"/ok/{id}\",status=\"success\"} 2",
        "sample_http_requests_total{route=\"/ok/{id}\",status=\"client_error\"} 1",
        "sample_http_requests_total{route=\"other\",status=\"client_error\"} 1",
        "sample_http_request_seconds_count{route=\"/ok/{id}\"} 3",
        "sample_http_requests_open 0",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("hunter2"));
}

/// A server on a socket, what ends it, and how many connections it has.
struct Started {
    address: std::net::SocketAddr,
    trigger: shutdown::Trigger,
    connections: Gauge,
    task: tokio::task::JoinHandle<()>,
}

impl Started {
    async fn new(settings: HttpSettings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (trigger, shutdown) = shutdown::channel();
        let mut metrics = Metrics::new();
        let mut scope = metrics.scope("sample");
        let connections = scope.gauge("http_connections", "Open connections");
        let stack = Stack::new(&settings, &mut scope, ROUTES);
        let held = connections.clone();
        let task = tokio::spawn(async move {
            serve(listener, stack.wrap(router()), settings, held, shutdown).await.unwrap();
        });
        Self { address, trigger, connections, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stop(self) {
        self.trigger.request();
        self.task.await.unwrap();
    }
}

async fn exchange(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    // Long enough for every answer here, each of which ends with its body.
    while !String::from_utf8_lossy(&answer).contains("\r\n\r\n") {
        let n = stream.read(&mut buffer).await.unwrap();
        if n == 0 {
            break;
        }
        answer.extend_from_slice(&buffer[..n]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn serves_until_asked_to_stop_and_lets_idle_connections_go() {
    let started = Started::new(settings()).await;
    let address = started.address;
    let mut idle = started.connect().await;
    let answer = exchange(&mut idle, "GET /ok/7 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    started.stop().await;
    assert_eq!(idle.read(&mut [0; 16]).await.unwrap(), 0);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn cuts_off_what_does_not_end() {
    let started = Started::new(HttpSettings { drain: Period::from_millis(50), ..settings() }).await;
    let mut stuck = started.connect().await;
    // The answer to the first request shows that the second, sent with it, has been read.
    let answer =
        exchange(&mut stuck, "GET /ok/1 HTTP/1.1\r\nhost: x\r\n\r\nGET /hang HTTP/1.1\r\nhost: x\r\n\r\n")
            .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    started.stop().await;
    let mut rest = Vec::new();
    // Whether by a reset or an orderly end: nothing more comes.
    let _ = stuck.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).contains("HTTP/1.1"));
}

#[tokio::test]
async fn a_head_that_never_ends_is_not_waited_for() {
    let started = Started::new(HttpSettings { header_timeout: Period::from_millis(50), ..settings() }).await;
    let mut slow = started.connect().await;
    slow.write_all(b"GET /ok/1 HTTP/1.1\r\nhost:").await.unwrap();
    // The server answers 408 or closes; either way the connection ends by its own doing.
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), slow.read_to_end(&mut rest)).await.unwrap().unwrap();
    started.stop().await;
}

#[tokio::test]
async fn whoever_never_says_what_is_spoken_is_not_waited_for() {
    let started = Started::new(HttpSettings { header_timeout: Period::from_millis(50), ..settings() }).await;
    for beginning in ["", "PRI * HTT"] {
        let mut silent = started.connect().await;
        silent.write_all(beginning.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(20), silent.read_to_end(&mut rest)).await;
        ended.unwrap_or_else(|_| panic!("after {beginning:?} it is waited for ever")).unwrap();
        assert!(rest.is_empty(), "after {beginning:?}");
    }
    started.stop().await;
}

#[tokio::test]
async fn whoever_speaks_piece_by_piece_is_served() {
    let started = Started::new(settings()).await;
    let mut first = started.connect().await;
    for byte in b"GET /ok/7 HTTP/1.1\r\nhost: x\r\n" {
        first.write_all(&[*byte]).await.unwrap();
    }
    assert!(exchange(&mut first, "\r\n").await.starts_with("HTTP/1.1 200 OK"));
    let mut second = started.connect().await;
    for piece in ["PRI * HTT", "P/2.0\r\n\r\nSM\r\n\r", "\n"] {
        second.write_all(piece.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
    }
    // The settings of the server, which has understood and waits for those of the client.
    let mut head = [0; 9];
    second.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4);
    drop(second);
    started.stop().await;
}

#[tokio::test]
async fn connections_above_the_limit_wait() {
    let started = Started::new(HttpSettings { max_connections: 1, ..settings() }).await;
    let mut first = started.connect().await;
    let mut second = started.connect().await;
    second.write_all(b"GET /ok/2 HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    for _ in 0..50 {
        exchange(&mut first, "GET /ok/1 HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!(started.connections.get(), 1);
    }
    drop(first);
    let answer = exchange(&mut second, "").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    started.stop().await;
}

async fn status(started: &Started, forwarded: &str) -> String {
    let mut stream = started.connect().await;
    let request = format!("GET /peer HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {forwarded}\r\n\r\n");
    exchange(&mut stream, &request).await[9..12].to_owned()
}

#[tokio::test]
async fn every_connection_of_one_address_is_the_same_peer() {
    let started = Started::new(settings()).await;
    assert_eq!(status(&started, "192.0.2.1").await, "200");
    // A word about somebody else from whom nobody trusts.
    assert_eq!(status(&started, "192.0.2.2").await, "429");
    started.stop().await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_clients_are_told_apart() {
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let started = Started::new(HttpSettings { trusted_proxies, ..settings() }).await;
    assert_eq!(status(&started, "192.0.2.1").await, "200");
    assert_eq!(status(&started, "192.0.2.2").await, "200");
    assert_eq!(status(&started, "192.0.2.9, 192.0.2.1").await, "429");
    started.stop().await;
}

#[tokio::test]
async fn whoever_takes_nothing_is_cut_off() {
    let started = Started::new(HttpSettings { write_stall: Period::from_millis(50), ..settings() }).await;
    let mut stream = started.connect().await;
    exchange(&mut stream, "GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
    // Nothing is read any more; the server runs into full buffers and gives up.
    let ended = async {
        while started.connections.get() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
    started.stop().await;
}

#[tokio::test]
async fn metrics_answer_in_the_text_format() {
    let (_, metrics) = wrapped();
    let response = metrics.into_response();
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    assert!(text(response).await.ends_with("# EOF\n"));
}
