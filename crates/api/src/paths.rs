//! What can be asked of a node: every path, its query, and the table the router and the description are checked with.

use protocol::{Epoch, GroupId, Seq};
use serde::Deserialize;

use crate::{challenge::Purpose, key_packages::MailboxId};

/// Send a frame, page through frames.
pub const FRAMES: &str = "/v1/group/{group}/frames";
/// Get a challenge.
pub const CHALLENGE: &str = "/v1/group/{group}/challenge";
/// Trade an answered challenge for a token.
pub const TOKENS: &str = "/v1/group/{group}/tokens";
/// Get the state at an epoch.
pub const TREE: &str = "/v1/group/{group}/tree";
/// Follow the log.
pub const EVENTS: &str = "/v1/group/{group}/events";
/// Get the frame that removed the bearer's leaf.
pub const REMOVAL: &str = "/v1/group/{group}/removal";
/// Get tokens for the group's channel of a Centrifugo server.
pub const CENTRIFUGO: &str = "/v1/group/{group}/centrifugo";
/// Put key packages, ask how many are left.
pub const KEY_PACKAGES: &str = "/v1/key-packages/{mailbox}";
/// Take one key package. A `POST`, because what only reads may be fetched ahead and fetched again by anything on the
/// way, and a package is given once.
pub const KEY_PACKAGE_CLAIM: &str = "/v1/key-packages/{mailbox}/claim";
/// What the node says of itself.
pub const NODE: &str = "/v1/node";
/// The process runs.
pub const LIVE: &str = "/health/live";
/// The process takes requests.
pub const READY: &str = "/health/ready";
/// Measurements in the text format of Prometheus.
pub const METRICS: &str = "/metrics";
/// The machine-readable description of this table.
pub const OPENAPI: &str = "/openapi.json";

/// Method of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Reads; may be repeated by anybody.
    Get,
    /// Changes something.
    Post,
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Anybody.
    Open,
    /// Whoever shows a token for the group.
    Token,
    /// Operators, on a listener of their own.
    Operator,
}

/// One thing that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, parameters in braces.
    pub path: &'static str,
    /// Who may ask.
    pub access: Access,
}

const fn route(method: Method, path: &'static str, access: Access) -> Route {
    Route { method, path, access }
}

/// Every route of a node. Its router and its description must each equal this table.
///
/// Sending a frame takes no token: the frame carries its own authorisation, and a token would link it to its sender.
pub const ROUTES: &[Route] = &[
    route(Method::Post, FRAMES, Access::Open),
    route(Method::Get, FRAMES, Access::Token),
    route(Method::Get, CHALLENGE, Access::Open),
    route(Method::Post, TOKENS, Access::Open),
    route(Method::Get, TREE, Access::Token),
    route(Method::Get, EVENTS, Access::Token),
    route(Method::Get, REMOVAL, Access::Token),
    route(Method::Get, CENTRIFUGO, Access::Token),
    route(Method::Post, KEY_PACKAGES, Access::Open),
    route(Method::Get, KEY_PACKAGES, Access::Open),
    route(Method::Post, KEY_PACKAGE_CLAIM, Access::Open),
    route(Method::Get, NODE, Access::Open),
    route(Method::Get, LIVE, Access::Open),
    route(Method::Get, READY, Access::Open),
    route(Method::Get, OPENAPI, Access::Open),
    route(Method::Get, METRICS, Access::Operator),
];

fn group_path(template: &str, group: &GroupId) -> String {
    template.replace("{group}", &group.to_string())
}

/// Path to send a frame to.
#[must_use]
pub fn frames(group: &GroupId) -> String {
    group_path(FRAMES, group)
}

/// Path of a page of frames.
#[must_use]
pub fn frames_page(group: &GroupId, query: &FramesQuery) -> String {
    let mut path = format!("{}?from={}", frames(group), query.from);
    if let Some(limit) = query.limit {
        path.push_str(&format!("&limit={limit}"));
    }
    if query.form == FrameForm::Heads {
        path.push_str("&form=heads");
    }
    path
}

/// Path of a challenge.
#[must_use]
pub fn challenge(group: &GroupId, query: &ChallengeQuery) -> String {
    format!("{}?epoch={}&purpose={}", group_path(CHALLENGE, group), query.epoch, query.purpose.name())
}

/// Path to trade an answered challenge at.
#[must_use]
pub fn tokens(group: &GroupId) -> String {
    group_path(TOKENS, group)
}

/// Path of the state at an epoch, or of the newest.
#[must_use]
pub fn tree(group: &GroupId, query: &TreeQuery) -> String {
    let path = group_path(TREE, group);
    query.epoch.map_or_else(|| path.clone(), |epoch| format!("{path}?epoch={epoch}"))
}

/// Path of the event stream; the position to begin at is in the query or, once events came, in `Last-Event-ID`.
#[must_use]
pub fn events(group: &GroupId, query: &EventsQuery) -> String {
    let path = group_path(EVENTS, group);
    query.from.map_or_else(|| path.clone(), |seq| format!("{path}?from={seq}"))
}

/// Path of the frame that removed the bearer's leaf.
#[must_use]
pub fn removal(group: &GroupId) -> String {
    group_path(REMOVAL, group)
}

/// Path of tokens for the group's channel of a Centrifugo server.
#[must_use]
pub fn centrifugo(group: &GroupId) -> String {
    group_path(CENTRIFUGO, group)
}

/// Path of a mailbox.
#[must_use]
pub fn key_packages(mailbox: &MailboxId) -> String {
    KEY_PACKAGES.replace("{mailbox}", &mailbox.to_string())
}

/// Path to claim a key package at.
#[must_use]
pub fn key_package_claim(mailbox: &MailboxId) -> String {
    KEY_PACKAGE_CLAIM.replace("{mailbox}", &mailbox.to_string())
}

/// How much of each frame is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FrameForm {
    /// Everything that is kept.
    #[default]
    Full,
    /// Operations without their sealed parts, messages as hashes: enough to fold and to check the log's hashes.
    Heads,
}

/// Query of a page of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "RawFramesQuery")]
pub struct FramesQuery {
    /// First position wanted.
    pub from: Seq,
    /// Frames wanted at most; the node has a limit of its own.
    pub limit: Option<u32>,
    /// How much of each.
    pub form: FrameForm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFramesQuery {
    from: Option<u64>,
    /// Another way to say it: the position behind which to begin.
    after: Option<u64>,
    limit: Option<u32>,
    #[serde(default)]
    form: FrameForm,
}

/// First position wanted, by itself or as the one behind `after`; `from` counts where both are given.
fn begin(from: Option<u64>, after: Option<u64>) -> Option<Seq> {
    from.or_else(|| after.map(|after| after.saturating_add(1))).map(Seq::new)
}

impl From<RawFramesQuery> for FramesQuery {
    fn from(raw: RawFramesQuery) -> Self {
        let from = begin(raw.from, raw.after).unwrap_or(Seq::ZERO);
        Self { from, limit: raw.limit, form: raw.form }
    }
}

/// Query of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "RawChallengeQuery")]
pub struct ChallengeQuery {
    /// The epoch whose state decides.
    pub epoch: Epoch,
    /// Whose key will answer.
    pub purpose: Purpose,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChallengeQuery {
    epoch: u64,
    purpose: Purpose,
}

impl From<RawChallengeQuery> for ChallengeQuery {
    fn from(raw: RawChallengeQuery) -> Self {
        Self { epoch: Epoch::new(raw.epoch), purpose: raw.purpose }
    }
}

/// Query of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "RawTreeQuery")]
pub struct TreeQuery {
    /// The epoch; the newest where there is none.
    pub epoch: Option<Epoch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTreeQuery {
    epoch: Option<u64>,
}

impl From<RawTreeQuery> for TreeQuery {
    fn from(raw: RawTreeQuery) -> Self {
        Self { epoch: raw.epoch.map(Epoch::new) }
    }
}

/// Query of an event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "RawEventsQuery")]
pub struct EventsQuery {
    /// First position wanted; without it, and without `Last-Event-ID`, what comes from now on.
    pub from: Option<Seq>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEventsQuery {
    from: Option<u64>,
    /// Another way to say it: the position behind which to begin.
    after: Option<u64>,
}

impl From<RawEventsQuery> for EventsQuery {
    fn from(raw: RawEventsQuery) -> Self {
        Self { from: begin(raw.from, raw.after) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builders_fill_their_templates() {
        let group = GroupId::new([0xab; 32]);
        let mailbox = MailboxId::new([1; 32]);
        let paths = [
            frames(&group),
            frames_page(&group, &FramesQuery { from: Seq::new(7), limit: Some(3), form: FrameForm::Heads }),
            challenge(&group, &ChallengeQuery { epoch: Epoch::new(9), purpose: Purpose::Leaf }),
            tokens(&group),
            tree(&group, &TreeQuery { epoch: Some(Epoch::new(2)) }),
            tree(&group, &TreeQuery::default()),
            events(&group, &EventsQuery { from: Some(Seq::new(5)) }),
            removal(&group),
            centrifugo(&group),
            key_packages(&mailbox),
            key_package_claim(&mailbox),
        ];
        assert!(paths.iter().all(|path| !path.contains('{')));
        let hex = group.to_string();
        assert_eq!(paths[1], format!("/v1/group/{hex}/frames?from=7&limit=3&form=heads"));
        assert_eq!(paths[2], format!("/v1/group/{hex}/challenge?epoch=9&purpose=leaf"));
        assert_eq!(paths[4], format!("/v1/group/{hex}/tree?epoch=2"));
    }

    #[test]
    fn routes_are_unique() {
        for (i, a) in ROUTES.iter().enumerate() {
            assert!(ROUTES.iter().skip(i + 1).all(|b| (a.method, a.path) != (b.method, b.path)), "{a:?}");
        }
    }
}
