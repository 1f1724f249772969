//! Every route of a node on one page.

use std::sync::Arc;

use api::{ErrorCode, Problem, paths};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    handler::Handler,
    routing::{MethodRouter, get, post},
};
use service_kit::metrics::Exposition;

use crate::http::{self, App};

/// Pages for people, besides what `api` lists.
pub(crate) const DOCS: &str = "/docs";
/// The page that problem documents refer to.
pub(crate) const DOCS_ERRORS: &str = "/docs/errors";

/// Every path a router of ours can have: the values of the `route` label.
pub(crate) const PATHS: &[&str] = &[
    paths::FRAMES,
    paths::CHALLENGE,
    paths::TOKENS,
    paths::TREE,
    paths::EVENTS,
    paths::REMOVAL,
    paths::CENTRIFUGO,
    paths::KEY_PACKAGES,
    paths::KEY_PACKAGE_CLAIM,
    paths::NODE,
    paths::LIVE,
    paths::READY,
    paths::METRICS,
    paths::OPENAPI,
    DOCS,
    DOCS_ERRORS,
];

/// Longest answered challenge, in bytes.
const MAX_TOKEN_REQUEST: usize = 4 * 1024;
/// Longest request to fill a mailbox, in bytes: as many packages as it may have, in base64.
const MAX_PUT: usize = 640 * 1024;

/// What clients may ask.
pub(crate) fn clients(app: Arc<App>) -> Router {
    let limited = |bytes| DefaultBodyLimit::max(bytes);
    let routes: [(&str, MethodRouter<Arc<App>>); 12] = [
        (paths::FRAMES, post(http::send_frame).get(http::page_frames)),
        (paths::CHALLENGE, get(http::challenge)),
        (paths::TOKENS, post(http::issue_token.layer(limited(MAX_TOKEN_REQUEST)))),
        (paths::TREE, get(http::tree)),
        (paths::EVENTS, get(http::follow)),
        (paths::REMOVAL, get(http::removal)),
        (paths::CENTRIFUGO, get(http::centrifugo)),
        (paths::KEY_PACKAGES, post(http::put.layer(limited(MAX_PUT))).get(http::status)),
        (paths::KEY_PACKAGE_CLAIM, post(http::claim)),
        (paths::NODE, get(http::node_info)),
        (paths::OPENAPI, get(http::openapi)),
        (DOCS, get(http::docs_page)),
    ];
    let errors = (DOCS_ERRORS, get(http::errors_page));
    build(routes.into_iter().chain([errors])).merge(health()).with_state(app)
}

/// What operators and their machines may ask.
pub(crate) fn operators(app: Arc<App>, exposition: Exposition) -> Router {
    metrics(exposition).merge(health().with_state(app))
}

/// Measurements, for whichever listener they are read from.
pub(crate) fn metrics(exposition: Exposition) -> Router {
    build([(paths::METRICS, get(http::metrics))]).with_state(exposition)
}

fn health() -> Router<Arc<App>> {
    build([(paths::LIVE, get(http::live)), (paths::READY, get(http::ready))])
}

fn build<S: Clone + Send + Sync + 'static>(
    routes: impl IntoIterator<Item = (&'static str, MethodRouter<S>)>,
) -> Router<S> {
    routes.into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods))
}

/// The answer for paths nobody has.
pub(crate) async fn nothing_here() -> Problem {
    Problem::new(ErrorCode::NotFound)
}
