//! Asking a node over HTTP.

mod error;
mod sse;

use core::time::Duration;
use std::{collections::VecDeque, sync::Arc};

use api::{
    Body, Format, NodeInfo, NodeOrigin, Problem, StateAnswer,
    challenge::{Challenge, Purpose},
    events::Event,
    frames::{FrameReceipt, FramesPage, PostFrame},
    key_packages::{ClaimedKeyPackage, MailboxId, MailboxStatus, PutKeyPackages},
    paths::{self, ChallengeQuery, EventsQuery, FrameForm, FramesQuery, TreeQuery},
    token::{Token, TokenAnswer, TokenRequest},
};
use protocol::{Epoch, GroupId, Seq};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};

pub use error::HttpError;

use crate::clock::Clock;

/// Longest body taken from a node: a page, or the state of the largest group.
const MAX_BODY: usize = 64 * 1024 * 1024;
/// Time for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a whole exchange, event streams excepted.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Silence after which an event stream counts as dead: three heartbeats.
const SILENCE: Duration = Duration::from_secs(45);
/// How often reading is tried.
const READ_TRIES: u32 = 4;
/// Longest wait between two tries, whatever the node asks for.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// One node. A cheap handle over a pool of connections.
#[derive(Debug, Clone)]
pub struct NodeClient {
    http: reqwest::Client,
    origin: NodeOrigin,
    base: Arc<str>,
    clock: Arc<dyn Clock>,
}

impl NodeClient {
    /// A client for the node at an origin such as `https://kith.example` or `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// [`HttpError::BadAddress`] for anything else.
    pub fn new(address: &str, clock: Arc<dyn Clock>) -> Result<Self, HttpError> {
        let base = address.trim_end_matches('/');
        let origin: NodeOrigin = base.parse().map_err(|_| HttpError::BadAddress(address.to_owned()))?;
        // A redirect could lead to another node, and with it our tokens.
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("kith/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, origin, base: base.into(), clock })
    }

    /// What challenges of this node are bound to: the name we reach it by.
    #[must_use]
    pub const fn origin(&self) -> &NodeOrigin {
        &self.origin
    }

    /// Sends a frame, once. After [`HttpError::Broken`] the outcome is unknown: send the same bytes again.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn post_frame(&self, group: &GroupId, frame: Vec<u8>) -> Result<FrameReceipt, HttpError> {
        self.post_once(&paths::frames(group), &PostFrame { frame }).await
    }

    /// The frames after a position.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn frames(
        &self,
        group: &GroupId,
        after: Seq,
        limit: u32,
        heads: bool,
        token: &Token,
    ) -> Result<FramesPage, HttpError> {
        let form = if heads { FrameForm::Heads } else { FrameForm::Full };
        let query = FramesQuery { from: after.next().unwrap_or(after), limit: Some(limit), form };
        self.get(&paths::frames_page(group, &query), Some(token)).await
    }

    /// The state at the end of the frame that began an epoch, or the newest.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn state(
        &self,
        group: &GroupId,
        epoch: Option<Epoch>,
        token: &Token,
    ) -> Result<StateAnswer, HttpError> {
        self.get(&paths::tree(group, &TreeQuery { epoch }), Some(token)).await
    }

    /// A challenge for a token.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn challenge(
        &self,
        group: &GroupId,
        epoch: Epoch,
        purpose: Purpose,
    ) -> Result<Challenge, HttpError> {
        self.get(&paths::challenge(group, &ChallengeQuery { epoch, purpose }), None).await
    }

    /// Trades an answered challenge for a token. A challenge is good once, so this is not tried again.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn token(&self, group: &GroupId, request: &TokenRequest) -> Result<TokenAnswer, HttpError> {
        self.post_once(&paths::tokens(group), request).await
    }

    /// The frame that removed the bearer of a token.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn removal(&self, group: &GroupId, token: &Token) -> Result<Vec<u8>, HttpError> {
        let answer: FramesPage = self.get(&paths::removal(group), Some(token)).await?;
        let first = answer.frames.into_iter().next().ok_or(HttpError::BadAnswer("no frame"))?;
        Ok(first.into_bytes())
    }

    /// Puts key packages into the own mailbox and tells how many are there.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn put_key_packages(
        &self,
        mailbox: &MailboxId,
        packages: &PutKeyPackages,
    ) -> Result<MailboxStatus, HttpError> {
        self.post_once(&paths::key_packages(mailbox), packages).await
    }

    /// How many key packages a mailbox holds.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn mailbox_status(&self, mailbox: &MailboxId) -> Result<MailboxStatus, HttpError> {
        self.get(&paths::key_packages(mailbox), None).await
    }

    /// Takes one key package. Not tried again: a package is given once.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn claim_key_package(&self, mailbox: &MailboxId) -> Result<ClaimedKeyPackage, HttpError> {
        let request = self.http.post(self.url(&paths::key_package_claim(mailbox))).timeout(TIMEOUT);
        read(request.header(ACCEPT, Format::Protobuf.content_type()).send().await?).await
    }

    /// What the node says of itself.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn node_info(&self) -> Result<NodeInfo, HttpError> {
        self.get(paths::NODE, None).await
    }

    /// Opens the event stream of a group behind a position.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn events(&self, group: &GroupId, after: Seq, token: &Token) -> Result<Events, HttpError> {
        let query = EventsQuery { from: Some(after.next().unwrap_or(after)) };
        let request = self
            .http
            .get(self.url(&paths::events(group, &query)))
            .header(ACCEPT, "text/event-stream")
            .header(AUTHORIZATION, token.to_authorization());
        let response = tokio::time::timeout(TIMEOUT, request.send())
            .await
            .map_err(|_| HttpError::BadAnswer("the stream did not open in time"))??;
        if !response.status().is_success() {
            return Err(problem(response).await);
        }
        Ok(Events { response, parser: sse::Parser::default(), ready: VecDeque::new() })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn post_once<T: Body>(&self, path: &str, body: &impl Body) -> Result<T, HttpError> {
        let request = self
            .http
            .post(self.url(path))
            .timeout(TIMEOUT)
            .header(CONTENT_TYPE, Format::Protobuf.content_type())
            .header(ACCEPT, Format::Protobuf.content_type())
            .body(body.to_protobuf());
        read(request.send().await?).await
    }

    /// Reading may be repeated: after a broken connection, and when the node is busy.
    async fn get<T: Body>(&self, path: &str, token: Option<&Token>) -> Result<T, HttpError> {
        let mut wait = Duration::from_millis(200);
        let mut tries = 1;
        loop {
            let mut request = self
                .http
                .get(self.url(path))
                .timeout(TIMEOUT)
                .header(ACCEPT, Format::Protobuf.content_type());
            if let Some(token) = token {
                request = request.header(AUTHORIZATION, token.to_authorization());
            }
            let answer = match request.send().await {
                Ok(response) => read(response).await,
                Err(error) => Err(error.into()),
            };
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let again = match &error {
                HttpError::Problem(problem) => problem.code().is_retryable(),
                HttpError::Unreachable(_) | HttpError::Broken(_) => true,
                HttpError::BadAnswer(_) | HttpError::BadAddress(_) => false,
            };
            if !again || tries == READ_TRIES {
                return Err(error);
            }
            tries += 1;
            let asked = error.retry_after().map(|s| Duration::from_secs(u64::from(s)));
            self.clock.sleep(jittered(asked.unwrap_or(wait).min(MAX_WAIT))).await;
            wait *= 2;
        }
    }
}

/// Up to half as long again, so that clients which were cut off together do not come back together.
pub(crate) fn jittered(wait: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness all wait alike; that is a nuisance, not a fault.
    let _ = getrandom::fill(&mut byte);
    let [byte] = byte;
    wait + wait.mul_f64(f64::from(byte) / 512.0)
}

async fn problem(response: reqwest::Response) -> HttpError {
    let status = response.status().as_u16();
    match bounded(response).await {
        Ok(body) => HttpError::Problem(Box::new(Problem::from_response(status, &body))),
        Err(error) => error,
    }
}

async fn read<T: Body>(response: reqwest::Response) -> Result<T, HttpError> {
    if !response.status().is_success() {
        return Err(problem(response).await);
    }
    let body = bounded(response).await?;
    T::from_protobuf(&body).map_err(|_| HttpError::BadAnswer("not the body expected here"))
}

/// A body of bounded length, whatever its header says.
async fn bounded(mut response: reqwest::Response) -> Result<Vec<u8>, HttpError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(HttpError::BadAnswer("too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An open event stream.
#[derive(Debug)]
pub struct Events {
    response: reqwest::Response,
    parser: sse::Parser,
    ready: VecDeque<Event>,
}

impl Events {
    /// The next event, `None` when the node ended the stream.
    ///
    /// # Errors
    /// [`HttpError::Broken`] for a dead link, which silence counts as; [`HttpError::BadAnswer`] for what is no event.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: bytes are taken only when they have come.
    pub async fn next(&mut self) -> Result<Option<Event>, HttpError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let chunk = tokio::time::timeout(SILENCE, self.response.chunk())
                .await
                .map_err(|_| HttpError::BadAnswer("the stream fell silent"))??;
            let Some(chunk) = chunk else { return Ok(None) };
            let mut events = Vec::new();
            self.parser.push(&chunk, &mut events).map_err(|_| HttpError::BadAnswer("not an event"))?;
            self.ready.extend(events);
        }
    }
}
