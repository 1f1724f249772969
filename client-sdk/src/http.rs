//! Asking a node over HTTP.
//!
//! [`NodeClient`] has a method for everything a node can be asked. Reads are repeated by themselves when the connection
//! breaks or the node is busy; what changes something is repeated only where the node says that it did nothing, and
//! [`HttpError::has_no_side_effects`] tells whether a failure left the outcome open. [`NodeClient::follow`] keeps up
//! with a group's log across broken connections.

mod error;
mod events;
mod follow;
mod options;
mod sse;
#[cfg(test)]
mod tests;
mod transport;

use core::{net::IpAddr, time::Duration};
use std::sync::Arc;

use api::{
    Body, NodeInfo, NodeOrigin, StateAnswer,
    centrifugo::CentrifugoTokens,
    challenge::{Challenge, Purpose},
    frames::{EventId, FrameReceipt, FramesPage},
    key_packages::{ClaimedKeyPackage, MailboxId, MailboxStatus, PutKeyPackages},
    paths::{self, ChallengeQuery, EventsQuery, FrameForm, FramesQuery, TreeQuery},
    token::{Token, TokenAnswer, TokenRequest},
};
use protocol::{Epoch, GroupId, Seq};

pub use error::HttpError;
pub use events::Events;
pub use follow::{FollowError, Followed, Start, TokenFailure};
pub use options::{Jitter, NodeOptions};

use crate::clock::Clock;
use transport::{Call, Transport};

/// Longest state taken from a node: that of a group of 32,768 leaves has a tenth of it.
const MAX_STATE: usize = 64 * 1024 * 1024;
/// Longest page taken from a node, whose own limit is a megabyte or one frame.
const MAX_PAGE: usize = 8 * 1024 * 1024;
/// Longest other body taken from a node.
const MAX_SMALL: usize = 64 * 1024;

/// One node. A cheap handle over a pool of connections.
///
/// # Cancel safety
/// Dropping the future of a read has no effect. Dropping that of [`Self::post_frame`], [`Self::token`],
/// [`Self::put_key_packages`] or [`Self::claim_key_package`] leaves the outcome unknown: the request may have been
/// carried out.
#[derive(Debug, Clone)]
pub struct NodeClient {
    transport: Arc<Transport>,
    origin: NodeOrigin,
}

impl NodeClient {
    /// A client for the node at an origin such as `https://kith.example` or `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// [`HttpError::BadAddress`] for anything else, [`HttpError::PlainHttp`] for plain http to another machine,
    /// [`HttpError::Setup`] when the system's certificates cannot be used.
    pub fn new(address: &str, clock: Arc<dyn Clock>) -> Result<Self, HttpError> {
        Self::with_options(address, clock, NodeOptions::default())
    }

    /// As [`Self::new`], with other bounds and habits.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_options(
        address: &str,
        clock: Arc<dyn Clock>,
        options: NodeOptions,
    ) -> Result<Self, HttpError> {
        let base = address.trim_end_matches('/');
        let origin: NodeOrigin = base.parse().map_err(|_| HttpError::BadAddress(address.to_owned()))?;
        let http = connections(base, &options)?;
        let transport = Transport { http, base: base.into(), clock, options };
        Ok(Self { transport: Arc::new(transport), origin })
    }

    /// What challenges of this node are bound to: the name we reach it by.
    #[must_use]
    pub const fn origin(&self) -> &NodeOrigin {
        &self.origin
    }

    /// Sends a frame. Repeated only while the node is too busy to look at it.
    ///
    /// # Errors
    /// [`HttpError`]. Unless it [has no side effects](HttpError::has_no_side_effects) the frame may be in the log: send
    /// the same bytes again, the node knows them.
    pub async fn post_frame(&self, group: &GroupId, frame: Vec<u8>) -> Result<FrameReceipt, HttpError> {
        let path = paths::frames(group);
        let answer: FrameReceipt = self.transport.ask(Call::post(&path, Some(frame), MAX_SMALL)).await?;
        if answer.receipt.group != *group || answer.receipt.verify().is_err() {
            return Err(HttpError::BadAnswer("a receipt that does not hold"));
        }
        Ok(answer)
    }

    /// A page of the frames after a position, from the first frame on where that is `None`; `heads` leaves out what a
    /// fold does not need.
    ///
    /// # Errors
    /// [`HttpError`]; [`HttpError::BadAnswer`] also for a page that does not begin where it should.
    pub async fn frames(
        &self,
        group: &GroupId,
        after: impl Into<Option<Seq>>,
        limit: u32,
        heads: bool,
        token: &Token,
    ) -> Result<FramesPage, HttpError> {
        let form = if heads { FrameForm::Heads } else { FrameForm::Full };
        let from = behind(after.into());
        let path = paths::frames_page(group, &FramesQuery { from, limit: Some(limit), form });
        let page: FramesPage = self.transport.ask(Call::get(&path, Some(token), MAX_PAGE)).await?;
        let count = u64::try_from(page.frames.len()).ok();
        if count.and_then(|count| from.get().checked_add(count)) != Some(page.next.get()) {
            return Err(HttpError::BadAnswer("a page of other frames"));
        }
        Ok(page)
    }

    /// The state at an epoch, or the newest.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn state(
        &self,
        group: &GroupId,
        epoch: Option<Epoch>,
        token: &Token,
    ) -> Result<StateAnswer, HttpError> {
        let path = paths::tree(group, &TreeQuery { epoch });
        self.transport.ask(Call::get(&path, Some(token), MAX_STATE)).await
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
        let path = paths::challenge(group, &ChallengeQuery { epoch, purpose });
        self.transport.ask(Call::get(&path, None, MAX_SMALL)).await
    }

    /// Trades an answered challenge for a token. A challenge is good once, so whoever gets no answer asks for another.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn token(&self, group: &GroupId, request: &TokenRequest) -> Result<TokenAnswer, HttpError> {
        self.transport.ask(Call::post(&paths::tokens(group), Some(request.to_protobuf()), MAX_SMALL)).await
    }

    /// The frame that removed the bearer of a token, encoded as the log serves it.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn removal(&self, group: &GroupId, token: &Token) -> Result<Vec<u8>, HttpError> {
        let path = paths::removal(group);
        let page: FramesPage = self.transport.ask(Call::get(&path, Some(token), MAX_PAGE)).await?;
        let first = page.frames.into_iter().next().ok_or(HttpError::BadAnswer("no frame"))?;
        Ok(first.into_bytes())
    }

    /// Tokens for the group's channel of the Centrifugo that works with the node.
    ///
    /// # Errors
    /// [`HttpError`], with the code `not_found` where there is none.
    pub async fn centrifugo(&self, group: &GroupId, token: &Token) -> Result<CentrifugoTokens, HttpError> {
        self.transport.ask(Call::get(&paths::centrifugo(group), Some(token), MAX_SMALL)).await
    }

    /// Puts key packages into the own mailbox and tells how many are there.
    ///
    /// # Errors
    /// [`HttpError`]. Unless it has no side effects some of the packages may be there.
    pub async fn put_key_packages(
        &self,
        mailbox: &MailboxId,
        packages: &PutKeyPackages,
    ) -> Result<MailboxStatus, HttpError> {
        let path = paths::key_packages(mailbox);
        self.transport.ask(Call::post(&path, Some(packages.to_protobuf()), MAX_SMALL)).await
    }

    /// How many key packages a mailbox holds.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn mailbox_status(&self, mailbox: &MailboxId) -> Result<MailboxStatus, HttpError> {
        self.transport.ask(Call::get(&paths::key_packages(mailbox), None, MAX_SMALL)).await
    }

    /// Takes one key package. A package whose answer is lost is lost with it.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn claim_key_package(&self, mailbox: &MailboxId) -> Result<ClaimedKeyPackage, HttpError> {
        self.transport.ask(Call::post(&paths::key_package_claim(mailbox), None, MAX_SMALL)).await
    }

    /// What the node says of itself.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn node_info(&self) -> Result<NodeInfo, HttpError> {
        self.transport.ask(Call::get(paths::NODE, None, MAX_SMALL)).await
    }

    /// Opens the event stream of a group behind a position, at the first frame where that is `None`. One connection:
    /// [`Self::follow`] is what makes it again.
    ///
    /// # Errors
    /// [`HttpError`]. Nothing is repeated.
    pub async fn events(
        &self,
        group: &GroupId,
        after: impl Into<Option<Seq>>,
        token: &Token,
    ) -> Result<Events, HttpError> {
        self.open_events(group, after.into(), None, token).await
    }

    /// With an id the node also sees from which life of its log we come, and resets a stream that cannot go on there.
    async fn open_events(
        &self,
        group: &GroupId,
        after: Option<Seq>,
        last: Option<EventId>,
        token: &Token,
    ) -> Result<Events, HttpError> {
        let path = paths::events(group, &EventsQuery { from: Some(behind(after)) });
        let response = self.transport.open_stream(&path, token, last).await?;
        Ok(Events::new(response, Arc::clone(&self.transport.clock), self.transport.options.silence))
    }
}

/// The position after one. There is none after the last of the range, where no log arrives either.
fn behind(after: Option<Seq>) -> Seq {
    after.map_or(Seq::ZERO, |seq| seq.next().unwrap_or(seq))
}

/// Whether an origin's host is this machine itself, by name or by address.
/// A pool of connections to a server, as every one of ours is talked to.
pub(crate) fn connections(origin: &str, options: &NodeOptions) -> Result<reqwest::Client, HttpError> {
    let plain = origin.starts_with("http://");
    if plain && !options.allow_plain_http && !is_this_machine(origin) {
        return Err(HttpError::PlainHttp(origin.to_owned()));
    }
    // The first one installed stays; an application that chose another provider keeps it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut http = reqwest::Client::builder()
        .connect_timeout(options.connect_timeout)
        .tcp_keepalive(Duration::from_secs(30))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .user_agent(concat!("kith/", env!("CARGO_PKG_VERSION")));
    if plain {
        // A machine without certificates can still talk to itself.
        http = http.tls_certs_only([]);
    }
    http.build().map_err(HttpError::Setup)
}

fn is_this_machine(base: &str) -> bool {
    let host = base.strip_prefix("http://").unwrap_or(base);
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Up to half as long again, so that clients which were cut off together do not come back together.
pub(crate) fn jittered(wait: Duration) -> Duration {
    Jitter::default().spread(wait)
}
