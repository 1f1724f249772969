//! A server that lies: a proxy in front of a real node, which changes what the node answers.

#![allow(dead_code, reason = "each program that includes this uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test helpers")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU16, AtomicUsize, Ordering},
};

use api::{Body as _, frames::FramesPage};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    response::Response,
};
use futures_util::{StreamExt as _, stream};
use kith_client_sdk::{clock::SystemClock, http::NodeClient};
use tokio::net::TcpListener;

/// What was asked, and the answer to change.
pub(crate) struct Answer {
    pub(crate) post: bool,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Whether it is a page of frames.
    pub(crate) fn is_page(&self) -> bool {
        !self.post && self.status == 200 && self.path.contains("/frames")
    }

    pub(crate) fn page(&self) -> FramesPage {
        FramesPage::from_protobuf(&self.body).unwrap()
    }

    /// Puts another page in place, with the count a page has to have.
    pub(crate) fn set_page(&mut self, mut page: FramesPage, from: u64) {
        page.next = protocol::Seq::new(from + page.frames.len() as u64);
        self.body = page.to_protobuf();
    }

    /// The position a page was asked for.
    pub(crate) fn from(&self) -> u64 {
        let page = self.page();
        page.next.get() - page.frames.len() as u64
    }
}

type Tamper = Box<dyn FnMut(&mut Answer) + Send>;
type TamperEvents = Box<dyn FnMut(String) -> Option<Vec<String>> + Send>;

struct Shared {
    http: reqwest::Client,
    node: AtomicU16,
    answers: Mutex<Tamper>,
    events: Mutex<TamperEvents>,
    streams: AtomicUsize,
    asked: AtomicUsize,
}

/// The proxy.
pub(crate) struct Proxy {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        // The client library chooses how TLS is done, in this process once.
        NodeClient::new(&url, Arc::new(SystemClock)).unwrap();
        let shared = Arc::new(Shared {
            http: reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap(),
            node: AtomicU16::new(0),
            answers: Mutex::new(Box::new(|_| {})),
            events: Mutex::new(Box::new(|event| Some(vec![event]))),
            streams: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    /// Passes everything on to the node at this port.
    pub(crate) fn show(&self, port: u16) {
        self.shared.node.store(port, Ordering::SeqCst);
    }

    /// From now on answers are changed so.
    pub(crate) fn lie(&self, tamper: impl FnMut(&mut Answer) + Send + 'static) {
        *self.shared.answers.lock().unwrap() = Box::new(tamper);
    }

    /// From now on each event of a stream is replaced by these, and the stream ended with `None`.
    pub(crate) fn lie_in_streams(&self, tamper: impl FnMut(String) -> Option<Vec<String>> + Send + 'static) {
        *self.shared.events.lock().unwrap() = Box::new(tamper);
    }

    /// From now on it is honest.
    pub(crate) fn repent(&self) {
        self.lie(|_| {});
        self.lie_in_streams(|event| Some(vec![event]));
    }

    /// How many streams were opened.
    pub(crate) fn streams(&self) -> usize {
        self.shared.streams.load(Ordering::SeqCst)
    }

    /// How many requests came.
    pub(crate) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    shared.asked.fetch_add(1, Ordering::SeqCst);
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let sent = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let url = format!("http://127.0.0.1:{}{path}", shared.node.load(Ordering::SeqCst));
    let mut asking = shared.http.request(parts.method.clone(), url).body(sent);
    for name in ["accept", "authorization", "content-type", "last-event-id"] {
        if let Some(value) = parts.headers.get(name) {
            asking = asking.header(name, value.clone());
        }
    }
    let Ok(got) = asking.send().await else {
        return Response::builder().status(502).body(Body::empty()).unwrap();
    };
    let mut status = got.status().as_u16();
    let kind = got.headers().get("content-type").cloned();
    let body = if path.contains("/events") && status == 200 {
        shared.streams.fetch_add(1, Ordering::SeqCst);
        changed_stream(Arc::clone(&shared), got)
    } else {
        let body = got.bytes().await.unwrap_or_default().to_vec();
        let mut answer = Answer { post: parts.method == "POST", path, status, body };
        (shared.answers.lock().unwrap())(&mut answer);
        status = answer.status;
        Body::from(answer.body)
    };
    let mut response = Response::builder().status(status);
    // What was a refusal may be an answer now.
    let protobuf = "application/protobuf".parse().unwrap();
    let kind = if status == 200 && kind.as_ref().is_none_or(|kind| kind != "text/event-stream") {
        Some(protobuf)
    } else {
        kind
    };
    if let Some(kind) = kind {
        response = response.header("content-type", kind);
    }
    response.body(body).unwrap()
}

/// A stream whose events go through the proxy's hands one by one.
fn changed_stream(shared: Arc<Shared>, got: reqwest::Response) -> Body {
    let chunks = got.bytes_stream().boxed();
    let state = (shared, chunks, String::new(), false);
    let changed = stream::unfold(state, |(shared, mut chunks, mut rest, ended)| async move {
        if ended {
            return None;
        }
        loop {
            if let Some(end) = rest.find("\n\n") {
                let event = rest[..end + 2].to_owned();
                rest.drain(..end + 2);
                let changed = (shared.events.lock().unwrap())(event);
                let ended = changed.is_none();
                let bytes = Bytes::from(changed.unwrap_or_default().concat());
                return Some((Ok::<_, std::io::Error>(bytes), (shared, chunks, rest, ended)));
            }
            match chunks.next().await {
                Some(Ok(chunk)) => rest.push_str(&String::from_utf8_lossy(&chunk)),
                Some(Err(_)) | None => return None,
            }
        }
    });
    Body::from_stream(changed)
}
