//! The node over HTTP: typed arguments in, one call inwards, an encoded answer out.

mod centrifugo;
mod docs;
mod events;
mod extract;
mod frames;
mod key_packages;
mod openapi;
mod operator;
mod problem;
mod removal;
mod tokens;
mod tree;

use std::sync::Arc;

use api::{NodeInfo, NodeOrigin};
use protocol::SigningKey;
use service_kit::{health::Health, http::Accepted, limiter::Limiter};
use tokio::sync::Semaphore;

pub(crate) use centrifugo::centrifugo;
pub(crate) use docs::{errors_page, page as docs_page};
pub(crate) use events::follow;
pub(crate) use frames::{PAGE_BYTES, PAGE_FRAMES, page as page_frames, send as send_frame};
pub(crate) use key_packages::{claim, put, status};
pub(crate) use openapi::serve as openapi;
pub(crate) use operator::{live, metrics, ready};
pub(crate) use removal::removal;
pub(crate) use tokens::{answer as issue_token, challenge};
pub(crate) use tree::tree;

use crate::{
    access::{CentrifugoIssuer, Challenges, Tokens},
    follow::FollowContext,
    group::{Groups, History},
    key_packages::KeyPackages,
};

/// What handlers share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) groups: Groups,
    pub(crate) history: Arc<History>,
    pub(crate) challenges: Challenges,
    pub(crate) tokens: Tokens,
    pub(crate) centrifugo: Option<CentrifugoIssuer>,
    pub(crate) packages: KeyPackages,
    pub(crate) follow: FollowContext,
    pub(crate) followers: Arc<Semaphore>,
    pub(crate) receipts: SigningKey,
    pub(crate) health: Health,
    pub(crate) info: NodeInfo,
    pub(crate) limits: Limits,
}

/// Limits that concern requests rather than groups.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) frames: Limiter,
    pub(crate) requests: Limiter,
    pub(crate) reads: Limiter,
}

impl App {
    pub(crate) const fn origin(&self) -> &NodeOrigin {
        self.challenges.origin()
    }
}

/// `GET /v1/node`: what the node says of itself.
pub(crate) async fn node_info(
    axum::extract::State(app): axum::extract::State<Arc<App>>,
    accepted: Accepted,
) -> service_kit::http::Answer<NodeInfo> {
    accepted.answer(NodeInfo { time: app.groups.env().clock.now(), ..app.info.clone() })
}
