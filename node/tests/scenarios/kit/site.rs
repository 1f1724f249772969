//! A node on a listener of its own, and what a client says to it.

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll, time::Duration};

use api::{
    Body as _, ErrorCode, Format, NodeOrigin, Problem, StateAnswer,
    challenge::{Challenge, Claims, Purpose, Statement},
    frames::{FrameReceipt, FramesPage},
    paths::{self, ChallengeQuery, EventsQuery, FrameForm, FramesQuery, TreeQuery},
    token::{Token, TokenAnswer, TokenRequest},
};
use chacha20::ChaCha20Rng;
use frame_feed_nats::{Connection, Names};
use frame_log::{FrameSource, OrderedSource, memory::MemoryLog};
use futures_util::StreamExt;
use node::{Node, NodeBuilder, SharedStore, config::Config};
use protocol::{Epoch, GroupId, Seq, SigningKey};
use rand_core::SeedableRng;
use service_kit::{
    limiter::Quota,
    metrics::{Exposition, Metrics},
    shutdown::{self, Trigger},
    testing::TestClock,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tower::ServiceExt;

use super::{Club, Made, START, Stream, club::Member};

/// What a site is made with.
pub struct SiteOptions {
    pub store: SharedStore,
    pub config: Config,
    pub clock: TestClock,
    /// How it hears of other writers; a memory log of its own if there is no store either.
    pub others: Option<Arc<dyn FrameSource>>,
    pub origin: Option<NodeOrigin>,
    /// NATS, which it listens to then.
    pub nats: Option<(Connection, Names)>,
}

impl Default for SiteOptions {
    fn default() -> Self {
        let store = Arc::new(MemoryLog::new());
        Self {
            others: Some(Arc::new(OrderedSource::new(Arc::clone(&store)))),
            store,
            config: generous(),
            clock: TestClock::at(START),
            origin: None,
            nats: None,
        }
    }
}

/// Settings under which nothing is too fast.
pub fn generous() -> Config {
    let mut config = Config::default();
    config.proofs.development = true;
    let all = Quota { per_minute: 60_000_000, burst: 1_000_000 };
    config.rates.group_frames = all;
    config.rates.leaf_operations = all;
    config.rates.leaf_updates = all;
    config.rates.group_creations = all;
    config.rates.peer_frames = all;
    config.rates.peer_requests = all;
    config.rates.token_reads = all;
    config.rates.mailbox_claims = all;
    config
}

/// A running node.
pub struct Site {
    pub node: Arc<Node>,
    pub clock: TestClock,
    pub store: SharedStore,
    pub others: Option<Arc<dyn FrameSource>>,
    pub exposition: Exposition,
    pub base: String,
    pub client: reqwest::Client,
    trigger: Trigger,
    jobs: Vec<JoinHandle<()>>,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn decode<B: api::Body>(&self) -> B {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        B::decode(Format::Protobuf, &self.body).unwrap()
    }

    pub fn problem(&self) -> Problem {
        assert_eq!(self.headers["content-type"], api::PROBLEM_JSON, "{self:?}");
        let document: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(document["status"], self.status);
        assert!(document["instance"].is_string());
        Problem::from_response(self.status, &self.body)
    }

    pub fn code(&self) -> ErrorCode {
        assert!(self.status >= 400, "{self:?}");
        self.problem().code()
    }
}

impl Site {
    pub async fn start() -> Self {
        Self::with(SiteOptions::default()).await
    }

    pub async fn with(options: SiteOptions) -> Self {
        let SiteOptions { store, config, clock, others, origin, nats } = options;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (trigger, stopping) = shutdown::channel();
        let mut metrics = Metrics::new();
        let origin = origin.unwrap_or_else(|| base.parse().unwrap());
        let builder =
            NodeBuilder::new(Arc::clone(&store), origin).config(config).clock(Arc::new(clock.clone()));
        let builder = match &others {
            Some(source) => builder.others(Arc::clone(source)),
            None => builder,
        };
        let builder = match nats {
            Some((connection, names)) => builder.nats(connection, names),
            None => builder,
        };
        let node = Arc::new(builder.build(&mut metrics.scope("node"), stopping).await.unwrap());
        let exposition = metrics.finish();
        let serving = tokio::spawn({
            let (node, router) = (Arc::clone(&node), node.router(Some(exposition.clone())));
            async move { node.serve(listener, router).await.unwrap() }
        });
        let background = tokio::spawn({
            let node = Arc::clone(&node);
            async move { node.background().await }
        });
        let client = client();
        let jobs = vec![serving, background];
        Self { node, clock, store, others, exposition, base, client, trigger, jobs }
    }

    /// Stops as a process does that was asked to.
    pub async fn stop(self) {
        self.trigger.request();
        for job in self.jobs {
            job.await.unwrap();
        }
        self.node.stop().await;
    }

    /// Ends as a process does that is killed: nothing is finished, nothing is said.
    pub fn kill(self) {
        for job in self.jobs {
            job.abort();
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    pub async fn get(&self, path: &str, token: Option<&Token>) -> Reply {
        let request = self.client.get(self.url(path));
        self.send(match token {
            Some(token) => request.header("authorization", token.to_authorization()),
            None => request,
        })
        .await
    }

    pub async fn post_bytes(&self, group: &GroupId, bytes: Vec<u8>) -> Reply {
        let request = self.client.post(self.url(&paths::frames(group)));
        self.send(request.header("content-type", "application/protobuf").body(bytes)).await
    }

    pub async fn post(&self, made: &Made) -> Reply {
        self.post_bytes(&made.group(), made.bytes.clone()).await
    }

    /// Sends a frame that has to be accepted, and has the club take it over.
    pub async fn accept(&self, club: &mut Club, made: Made) -> FrameReceipt {
        let receipt: FrameReceipt = self.post(&made).await.decode();
        if made.frame.kind() != protocol::Kind::Init {
            club.apply(&made);
        }
        assert_eq!(receipt.receipt.verify(), Ok(()));
        assert_eq!(receipt.receipt.node, self.node.id());
        assert_eq!(receipt.receipt.seq, club.state.seq());
        assert_eq!(receipt.receipt.log, club.state.log());
        receipt
    }

    /// A club whose Init has been accepted.
    pub async fn found(&self, seed: u8) -> Club {
        let (mut club, init) = Club::found(seed);
        self.accept(&mut club, init).await;
        club
    }

    /// A club of two: member 1 has joined.
    pub async fn pair(&self, seed: u8) -> Club {
        let mut club = self.found(seed).await;
        let add = club.add(0);
        self.accept(&mut club, add).await;
        let join = club.update(1);
        self.accept(&mut club, join).await;
        club
    }

    pub async fn challenge(&self, group: &GroupId, epoch: Epoch, purpose: Purpose) -> Challenge {
        self.get(&paths::challenge(group, &ChallengeQuery { epoch, purpose }), None).await.decode()
    }

    /// Answers a challenge with whatever `sign` signs.
    pub async fn answer(
        &self,
        group: &GroupId,
        epoch: Epoch,
        claims: Claims,
        sign: impl FnOnce(&Statement<'_>) -> api::challenge::ChallengeSignature,
    ) -> Reply {
        let challenge = self.challenge(group, epoch, claims.purpose()).await;
        let statement = Statement { origin: self.node.origin(), group, epoch, claims, challenge };
        let request = TokenRequest { challenge, epoch, claims, signature: sign(&statement) };
        self.trade(group, &request).await
    }

    pub async fn trade(&self, group: &GroupId, request: &TokenRequest) -> Reply {
        let post = self.client.post(self.url(&paths::tokens(group)));
        let body = request.encode(Format::Protobuf);
        self.send(post.header("content-type", "application/protobuf").body(body)).await
    }

    pub async fn root_reply(&self, club: &mut Club) -> Reply {
        let (sign, epoch) = (club.sign_secret(), club.state.epoch());
        let mut rng = rng();
        self.answer(&club.group(), epoch, Claims::Root, |s| s.sign_root(&sign, &mut rng)).await
    }

    pub async fn root_token(&self, club: &mut Club) -> Token {
        self.root_reply(club).await.decode::<TokenAnswer>().token
    }

    pub async fn leaf_reply(&self, club: &Club, member: &Member) -> Reply {
        let claims = Claims::Leaf { slot: member.slot, leaf_id: member.leaf_id };
        self.answer(&club.group(), club.state.epoch(), claims, |s| s.sign(&member.sig)).await
    }

    pub async fn leaf_token(&self, club: &Club, member: &Member) -> Token {
        self.leaf_reply(club, member).await.decode::<TokenAnswer>().token
    }

    pub async fn ticket_reply(&self, club: &Club, ticket: &SigningKey) -> Reply {
        let claims = Claims::Ticket { key: ticket.verifying_key() };
        self.answer(&club.group(), club.state.epoch(), claims, |s| s.sign(ticket)).await
    }

    pub async fn page_reply(&self, group: &GroupId, from: u64, form: FrameForm, token: &Token) -> Reply {
        let query = FramesQuery { from: Seq::new(from), limit: None, form };
        self.get(&paths::frames_page(group, &query), Some(token)).await
    }

    pub async fn page(&self, group: &GroupId, from: u64, token: &Token) -> FramesPage {
        self.page_reply(group, from, FrameForm::Full, token).await.decode()
    }

    pub async fn tree_reply(&self, group: &GroupId, epoch: Option<Epoch>, token: &Token) -> Reply {
        self.get(&paths::tree(group, &TreeQuery { epoch }), Some(token)).await
    }

    pub async fn tree(&self, group: &GroupId, epoch: Option<Epoch>, token: &Token) -> StateAnswer {
        self.tree_reply(group, epoch, token).await.decode()
    }

    /// Opens an event stream, from a position or after an event id.
    pub async fn follow(
        &self,
        group: &GroupId,
        from: Option<u64>,
        last_event_id: Option<&str>,
        token: &Token,
    ) -> Result<Stream, Reply> {
        let query = EventsQuery { from: from.map(Seq::new) };
        let request = self.client.get(self.url(&paths::events(group, &query)));
        let request = request.header("authorization", token.to_authorization());
        let request = match last_event_id {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        if status != 200 {
            return Err(Reply { status, headers, body: response.bytes().await.unwrap().to_vec() });
        }
        assert_eq!(headers["content-type"], "text/event-stream");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["x-accel-buffering"], "no");
        Ok(Stream::new(response.bytes_stream().filter_map(|chunk| async { chunk.ok() })))
    }

    /// A stream without a socket: nothing is read but what is asked for.
    pub async fn follow_unread(&self, club: &Club, token: &Token) -> Stream {
        let request = axum::http::Request::get(paths::events(&club.group(), &EventsQuery::default()))
            .header("authorization", token.to_authorization())
            .body(axum::body::Body::empty())
            .unwrap();
        let response = self.node.router(None).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        Stream::new(response.into_body().into_data_stream().filter_map(|chunk| async { chunk.ok() }))
    }

    /// A measurement, by its full name and labels as the text format writes them.
    pub fn measured(&self, series: &str) -> u64 {
        let text = self.exposition.render();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
    }

    /// Checks begun at a stage.
    pub fn checks(&self, stage: &str) -> u64 {
        self.measured(&format!("node_frame_checks_total{{stage=\"{stage}\"}}"))
    }
}

/// Waits for something that is bound to happen, and fails loudly when it does not.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("did not happen in time")
}

/// A client as any other; its library asks for a TLS provider even to speak in the clear.
pub fn client() -> reqwest::Client {
    // The first one installed stays.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Polls a future one time.
pub async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Randomness that is the same in every run.
pub fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([0xab; 32])
}
