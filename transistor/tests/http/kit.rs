//! A transistor on a listener of its own, and clients that know how to ask it.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use api::{ErrorCode, Problem, transistor as wire};
use reqwest::{Client, Method, RequestBuilder};
use service_kit::{
    http::{self, HttpSettings},
    metrics::{Exposition, Metrics},
    shutdown::{self, Trigger},
    testing::TestClock,
};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use transistor::{
    config::{StoreKind, TransistorSettings},
    service::{Running, Transistor},
};

/// When tests begin.
pub(crate) const START: u64 = 1_800_000_000;
/// How long anything is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A transistor at work.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) clock: TestClock,
    pub(crate) client: Client,
    pub(crate) metrics: Exposition,
    pub(crate) folder: TempDir,
    trigger: Trigger,
    served: JoinHandle<()>,
    background: JoinHandle<()>,
}

/// Settings with which tests are not stopped by limits that they do not test.
pub(crate) fn settings(folder: &TempDir) -> TransistorSettings {
    let mut settings = TransistorSettings::default();
    settings.store.path = folder.path().join("drops.sqlite");
    settings.bodies.path = folder.path().join("bodies");
    settings.bodies.min_free = "0B".parse().unwrap();
    settings.bodies.segment = "64KiB".parse().unwrap();
    settings.drops.max_size = "16MiB".parse().unwrap();
    settings.rates.bodies = 4096;
    for quota in [&mut settings.rates.requests, &mut settings.rates.drops] {
        (quota.per_minute, quota.burst) = (1_000_000, 100_000);
    }
    settings
}

/// The same in a database.
pub(crate) fn in_postgres(settings: &mut TransistorSettings, url: &str) {
    settings.store.kind = StoreKind::Postgresql;
    settings.store.postgresql.url =
        Some(service_kit::config::SecretSource::Inline(service_kit::config::Secret::new(url.to_owned())));
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut TransistorSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&folder);
        change(&mut settings);
        let http = HttpSettings { drain: "2s".parse().unwrap(), ..HttpSettings::default() };
        let clock = TestClock::at(START);
        let (trigger, stopping) = shutdown::channel();
        let mut metrics = Metrics::new();
        let mut scope = metrics.scope("transistor");
        let connections = scope.gauge("http_connections", "Open connections");
        let transistor = Transistor::open(settings).await.unwrap();
        let Running { router, background } =
            transistor.start(&http, Arc::new(clock.clone()), &mut scope, stopping.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(async move {
            http::serve(listener, router, http, connections, stopping).await.unwrap();
        });
        let background = tokio::spawn(background);
        let metrics = metrics.finish();
        Self { address, clock, client: client(), metrics, folder, trigger, served, background }
    }

    pub(crate) async fn stop(self) {
        self.trigger.request();
        drop(self.client);
        soon(self.served).await.unwrap();
        soon(self.background).await.unwrap();
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A path of a drop, or of uploads, as clients make it.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let path =
            if path.starts_with(wire::BASE) { path.to_owned() } else { format!("{}{path}", wire::BASE) };
        self.client.request(method.parse::<Method>().unwrap(), self.url(&path))
    }

    /// Makes a drop of bytes that anybody may read who knows its id.
    pub(crate) async fn put(&self, id: &wire::TransferId, body: impl Into<reqwest::Body>) -> Reply {
        self.putting(id).body(body).reply().await
    }

    pub(crate) fn putting(&self, id: &wire::TransferId) -> RequestBuilder {
        self.request("PUT", &wire::content(id)).header("content-type", wire::OCTET_STREAM)
    }

    /// Makes a drop of a text.
    pub(crate) async fn create(&self, new: &wire::CreateTransfer) -> Reply {
        self.request("POST", &wire::transfers())
            .header("content-type", wire::JSON_API)
            .body(new.to_json())
            .reply()
            .await
    }

    pub(crate) async fn take(&self, id: &wire::TransferId) -> Reply {
        self.request("GET", &wire::content(id)).header("accept", wire::OCTET_STREAM).reply().await
    }

    pub(crate) async fn claim(&self, id: &wire::TransferId, claim: &wire::DropToken) -> Reply {
        self.request("PUT", &wire::claim(id)).token(wire::CLAIM, claim).reply().await
    }

    pub(crate) async fn read(&self, id: &wire::TransferId, claim: &wire::DropToken) -> Reply {
        self.request("GET", &wire::content(id)).token(wire::CLAIM, claim).reply().await
    }

    pub(crate) async fn look(&self, id: &wire::TransferId) -> Reply {
        self.request("HEAD", &wire::content(id)).reply().await
    }

    /// A reader that has begun to take a drop, and takes no more of it.
    pub(crate) async fn stuck_reader(&self, id: &wire::TransferId) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let path = format!("{}{}", wire::BASE, wire::content(id));
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\naccept: {}\r\n\r\n", wire::OCTET_STREAM);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut begin = [0; 12];
        soon(stream.read_exact(&mut begin)).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 200");
        stream
    }

    /// A sender of a document that brings its head and nothing more.
    pub(crate) async fn stuck_sender(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let path = format!("{}{}", wire::BASE, wire::transfers());
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {}\r\ncontent-length: 400000\r\n\r\n",
            wire::JSON_API
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// What a server writes on a connection of its own to a request of these bytes, until it closes or the answer is
    /// whole.
    pub(crate) async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        soon(stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8(answer).unwrap()
    }
}

pub(crate) fn client() -> Client {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().pool_max_idle_per_host(0).timeout(PATIENCE).build().unwrap()
}

/// Waits, but not for ever.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn problem(&self) -> Problem {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        Problem::from_response(self.status, &self.body)
    }

    pub(crate) fn code(&self) -> ErrorCode {
        self.problem().code()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Of an answer without a body.
    pub(crate) fn status_and(self, expected: u16) -> Self {
        assert_eq!(self.status, expected, "{}", String::from_utf8_lossy(&self.body));
        self
    }
}

pub(crate) trait Ask {
    fn token(self, name: &str, token: &wire::DropToken) -> Self;
    fn bearer(self, token: &wire::DropToken) -> Self;
    fn reply(self) -> impl Future<Output = Reply> + Send;
}

impl Ask for RequestBuilder {
    fn token(self, name: &str, token: &wire::DropToken) -> Self {
        self.header(name, token.to_text().as_str())
    }

    fn bearer(self, token: &wire::DropToken) -> Self {
        self.header("authorization", format!("Bearer {}", *token.to_text()))
    }

    async fn reply(self) -> Reply {
        let response = self.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }
}

/// An id, a different one for each number.
pub(crate) fn id(n: u32) -> wire::TransferId {
    let digest = Sha256::digest(n.to_be_bytes());
    wire::TransferId::from_bytes(digest[..16].try_into().unwrap()).unwrap()
}

/// A token, a different one for each number.
pub(crate) fn token(n: u32) -> wire::DropToken {
    wire::DropToken::from_bytes(Sha256::digest(n.to_le_bytes()).into())
}

/// What a server is told of a token.
pub(crate) fn hash(token: &wire::DropToken) -> wire::TokenHash {
    wire::TokenHash::from_bytes(Sha256::digest(token.expose()).into())
}

/// Bytes that are all different somehow.
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|n| u8::try_from((n * 31 + n / 251) % 256).unwrap()).collect()
}

/// A text and nothing more.
pub(crate) fn text(id: wire::TransferId, text: &str) -> wire::CreateTransfer {
    wire::CreateTransfer {
        id: Some(id),
        text: text.to_owned(),
        access_hash: None,
        unlock_hash: None,
        info: None,
        expires_in: None,
    }
}
