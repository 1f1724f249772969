//! A service of drops that lies or stands still: a proxy in front of the real one.

#![allow(dead_code, reason = "each program that includes this uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test helpers")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::Method,
    response::Response,
};
use kith_client_sdk::{clock::SystemClock, http::NodeClient};
use tokio::net::TcpListener;

type Lie = Box<dyn FnMut(&mut Vec<u8>) + Send>;

struct Shared {
    http: reqwest::Client,
    port: AtomicU16,
    lie: Mutex<Lie>,
    /// Pieces of uploads get no answer.
    holding: AtomicBool,
    held: AtomicUsize,
    asked: AtomicUsize,
}

/// The proxy.
pub(crate) struct Liar {
    /// What the node is told to announce.
    pub(crate) url: String,
    shared: Arc<Shared>,
}

impl Liar {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/transistor", listener.local_addr().unwrap());
        // The client library chooses how TLS is done, in this process once.
        NodeClient::new("http://127.0.0.1:1", Arc::new(SystemClock)).unwrap();
        let shared = Arc::new(Shared {
            http: reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap(),
            port: AtomicU16::new(0),
            lie: Mutex::new(Box::new(|_| {})),
            holding: AtomicBool::new(false),
            held: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    /// Passes everything on to the server at this port.
    pub(crate) fn show(&self, port: u16) {
        self.shared.port.store(port, Ordering::SeqCst);
    }

    /// From now on contents are changed so before they are given.
    pub(crate) fn lie(&self, lie: impl FnMut(&mut Vec<u8>) + Send + 'static) {
        *self.shared.lie.lock().unwrap() = Box::new(lie);
    }

    /// From now on it is honest, and answers.
    pub(crate) fn repent(&self) {
        self.lie(|_| {});
        self.shared.holding.store(false, Ordering::SeqCst);
    }

    /// From now on pieces of uploads get no answer.
    pub(crate) fn hold(&self) {
        self.shared.holding.store(true, Ordering::SeqCst);
    }

    /// How many pieces got none.
    pub(crate) fn held(&self) -> usize {
        self.shared.held.load(Ordering::SeqCst)
    }

    /// How many requests came.
    pub(crate) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    shared.asked.fetch_add(1, Ordering::SeqCst);
    let (parts, body) = request.into_parts();
    if parts.method == Method::PATCH && shared.holding.load(Ordering::SeqCst) {
        shared.held.fetch_add(1, Ordering::SeqCst);
        return std::future::pending().await;
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let sent = axum::body::to_bytes(body, 64 << 20).await.unwrap();
    let url = format!("http://127.0.0.1:{}{path}", shared.port.load(Ordering::SeqCst));
    let mut asking = shared.http.request(parts.method.clone(), url).body(sent);
    for (name, value) in &parts.headers {
        if name != "host" && name != "content-length" {
            asking = asking.header(name, value);
        }
    }
    let got = asking.send().await.unwrap();
    let (status, headers) = (got.status(), got.headers().clone());
    let mut body = got.bytes().await.unwrap().to_vec();
    let is_content = parts.method == Method::GET && path.ends_with("/content") && status.is_success();
    if is_content {
        (shared.lie.lock().unwrap())(&mut body);
    }
    let mut response = Response::builder().status(status);
    for (name, value) in &headers {
        // A length that nothing follows is what HEAD has.
        let length = name == "content-length" && parts.method != Method::HEAD;
        if !length && name != "transfer-encoding" && name != "connection" {
            response = response.header(name, value);
        }
    }
    response.body(Body::from(body)).unwrap()
}
