use core::time::Duration;
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use api::{Body as _, Format, Problem, token::Token};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Request, Response, StatusCode, Uri},
};
use protocol::{GroupId, UnixSeconds};
use tokio::sync::Notify;

use super::*;
use crate::clock::ManualClock;

mod following;
mod requests;

const GROUP: GroupId = GroupId::new([0xab; 32]);

/// A part of an answer's body.
#[derive(Clone)]
enum Part {
    Bytes(Bytes),
    /// The connection is cut here.
    Cut,
    /// What follows comes when the test says so.
    Wait(Arc<Notify>),
    /// Nothing more comes, and the connection stays.
    Hang,
}

/// What the server does with one request.
#[derive(Clone)]
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    parts: Vec<Part>,
    /// The answer never begins.
    mute: bool,
}

impl Reply {
    fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            parts: vec![Part::Bytes(body.into())],
            mute: false,
        }
    }

    fn body(body: &impl api::Body) -> Self {
        Self::new(200, Format::Protobuf.content_type(), body.to_protobuf())
    }

    fn problem(problem: &Problem) -> Self {
        Self::new(problem.code().status(), api::PROBLEM_JSON, problem.to_json())
    }

    fn stream(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut reply = Self::new(200, "text/event-stream", Bytes::new());
        reply.parts.extend(parts);
        reply
    }

    fn mute() -> Self {
        Self { mute: true, ..Self::new(200, "text/plain", Bytes::new()) }
    }

    fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    fn then(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
struct Seen {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

type Handler = Box<dyn FnMut(&Seen) -> Reply + Send>;

/// A real server that does as it is told, on a port of its own.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Answers requests in order; further ones get what no client expects.
    async fn script(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies: VecDeque<_> = replies.into_iter().collect();
        Self::handle(move |_| {
            replies.pop_front().unwrap_or_else(|| Reply::new(418, "text/plain", "the script is at its end"))
        })
        .await
    }

    async fn handle(handler: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let handler: Arc<Mutex<Handler>> = Arc::new(Mutex::new(Box::new(handler)));
        let router = Router::new().fallback(answer).with_state((handler, Arc::clone(&seen)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, seen, _task: task }
    }

    fn client(&self, clock: &ManualClock) -> NodeClient {
        let options = NodeOptions { jitter: Jitter::none(), ..NodeOptions::default() };
        let clock = Arc::new(clock.clone());
        NodeClient::with_options(&format!("http://{}", self.address), clock, options).unwrap()
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

type Shared = (Arc<Mutex<Handler>>, Arc<Mutex<Vec<Seen>>>);

async fn answer(State((handler, log)): State<Shared>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let seen = Seen { method: parts.method, uri: parts.uri, headers: parts.headers, body };
    let reply = (handler.lock().unwrap())(&seen);
    log.lock().unwrap().push(seen);
    if reply.mute {
        std::future::pending::<()>().await;
    }
    let mut response = Response::builder().status(StatusCode::from_u16(reply.status).unwrap());
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    let whole = reply.parts.iter().all(|part| matches!(part, Part::Bytes(_))) && reply.parts.len() == 1;
    let body = match reply.parts.first() {
        Some(Part::Bytes(bytes)) if whole => Body::from(bytes.clone()),
        _ => {
            let parts = futures_util::stream::unfold(VecDeque::from(reply.parts), |mut parts| async move {
                // Lets what was written so far go out before the next part.
                tokio::task::yield_now().await;
                loop {
                    return match parts.pop_front()? {
                        Part::Bytes(bytes) => Some((Ok(bytes), parts)),
                        Part::Cut => Some((Err(std::io::Error::other("cut")), parts)),
                        Part::Hang => std::future::pending().await,
                        Part::Wait(told) => {
                            told.notified().await;
                            continue;
                        }
                    };
                }
            });
            Body::from_stream(parts)
        }
    };
    response.body(body).unwrap()
}

fn clock() -> ManualClock {
    ManualClock::new(UnixSeconds::new(1_800_000_000))
}

fn token(text: &str) -> Token {
    Token::new(text.to_owned()).unwrap()
}

/// Lets every wait shorter than the bounds on silence and answers pass at once, and notes how long each was.
fn hurry(clock: &ManualClock) -> Arc<Mutex<Vec<Duration>>> {
    const WAITS: Duration = Duration::from_secs(40);
    let waits = Arc::<Mutex<Vec<Duration>>>::default();
    let (clock, noted) = (clock.clone(), Arc::clone(&waits));
    tokio::spawn(async move {
        loop {
            let mut wait = Duration::ZERO;
            clock
                .sleepers_until(|sleepers| {
                    wait = sleepers.first().copied().unwrap_or_default();
                    !wait.is_zero() && wait < WAITS
                })
                .await;
            noted.lock().unwrap().push(wait);
            clock.advance(wait);
            // The sleeper is off the list when it was woken.
            clock.sleepers_until(|sleepers| sleepers.first().is_none_or(|left| !left.is_zero())).await;
        }
    });
    waits
}
