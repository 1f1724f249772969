//! Drops over HTTP: typed arguments in, one call inwards, an answer out.

mod around;
mod claims;
mod content;
mod cors;
mod extract;
mod incoming;
mod openapi;
mod page;
mod places;
mod problem;
mod range;
mod reader;
mod transfers;
mod tus;

use core::time::Duration;
use std::sync::Arc;

use api::transistor as wire;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{self, MethodRouter},
};
use service_kit::limiter::Limiter;
use tokio::sync::{Semaphore, watch};

pub use self::cors::{AllowedOrigin, OriginError};
use self::places::Places;
use crate::{config::RateSettings, drops::Drops};

/// Every path there is: the values of the `route` label.
pub(crate) const PATHS: &[&str] = &[
    wire::TRANSFERS,
    wire::TRANSFER,
    wire::CONTENT,
    wire::CLAIMS,
    wire::CONFIRM,
    wire::COPIES,
    wire::UPLOADS,
    wire::UPLOAD,
    wire::DESCRIPTION,
    wire::PAGE,
    wire::PAGE_SCRIPT,
    wire::PAGE_STYLE,
];

/// Those where bodies arrive for as long as they keep coming. `drops` ends what stands still.
/// And where drops are taken: between giving and the head of the answer nothing may come.
pub(crate) const SELF_TIMED: &[&str] = &[wire::TRANSFER, wire::CONTENT, wire::UPLOADS, wire::UPLOAD];

/// Longest request for copies, in bytes: as many as one may ask for, each with all that it may have.
const MAX_COPIES: usize = 2 * 1024 * 1024;
/// Documents that are received and worked on at once, of all peers together; each is whole in memory.
const DOCUMENTS: usize = 64;
/// Buckets of the limiters, 16 bytes each and row.
const BUCKETS: usize = 1 << 14;

/// What handlers share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) drops: Drops,
    pub(crate) limits: Limits,
    pub(crate) cors: Vec<AllowedOrigin>,
    /// Time after which "nothing there" is answered.
    pub(crate) miss_floor: Duration,
    /// Most bytes of a drop.
    pub(crate) max_size: u64,
    /// Time for what is not a body.
    pub(crate) request_timeout: Duration,
    /// Gone once nobody answers requests any more.
    pub(crate) _alive: watch::Sender<()>,
}

/// What one peer may do.
#[derive(Debug)]
pub(crate) struct Limits {
    requests: Limiter,
    drops: Limiter,
    /// Most units that one request can be charged of `drops`.
    most_drops: u32,
    kilobytes: Limiter,
    places: Places,
    documents: Arc<Semaphore>,
}

impl Limits {
    pub(crate) fn new(rates: &RateSettings) -> Self {
        Self {
            requests: Limiter::new(rates.requests, BUCKETS),
            drops: Limiter::new(rates.drops, BUCKETS),
            most_drops: rates.drops.burst,
            kilobytes: Limiter::new(rates.kilobytes, BUCKETS),
            places: Places::new(rates.bodies),
            documents: Arc::new(Semaphore::new(DOCUMENTS)),
        }
    }
}

/// Every route. `get` would answer `HEAD` as well, by taking the drop and throwing it away: wherever there is a `get`
/// that consumes, `HEAD` has a handler of its own.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let timed = |methods: MethodRouter<Arc<App>>| {
        methods.layer(middleware::from_fn_with_state(Arc::clone(app), around::timed))
    };
    let held = |methods: MethodRouter<Arc<App>>| {
        methods.layer(middleware::from_fn_with_state(Arc::clone(app), places::held))
    };
    let spoken = |methods: MethodRouter<Arc<App>>| methods.layer(middleware::from_fn(tus::spoken));
    // Taking a drop is bounded inside, up to where it is given.
    let transfer = timed(routing::head(transfers::look).delete(transfers::delete)).get(transfers::take);
    let content = timed(routing::head(transfers::look_at_content)).get(content::take).put(content::put);
    let uploads = routing::options(tus::abilities).post(tus::create);
    let upload =
        timed(routing::head(tus::progress).delete(tus::end).options(tus::abilities)).patch(tus::append);
    let copies = routing::post(transfers::share).layer(DefaultBodyLimit::max(MAX_COPIES));
    let charged: [(&str, MethodRouter<Arc<App>>); 8] = [
        (wire::TRANSFERS, held(routing::post(transfers::create))),
        (wire::TRANSFER, transfer),
        (wire::CONTENT, held(content)),
        (wire::CLAIMS, routing::put(claims::claim).delete(claims::give_back)),
        (wire::CONFIRM, routing::post(claims::confirm)),
        (wire::COPIES, held(copies)),
        (wire::UPLOADS, spoken(held(uploads))),
        (wire::UPLOAD, spoken(held(upload))),
    ];
    let free: [(&str, MethodRouter<Arc<App>>); 4] = [
        (wire::DESCRIPTION, routing::get(openapi::serve)),
        (wire::PAGE, routing::get(page::page)),
        (wire::PAGE_SCRIPT, routing::get(page::script)),
        (wire::PAGE_STYLE, routing::get(page::style)),
    ];
    let build = |routes: Router<Arc<App>>, (path, methods)| routes.route(path, methods);
    let charged = charged
        .into_iter()
        .fold(Router::new(), build)
        .layer(middleware::from_fn_with_state(Arc::clone(app), around::charged))
        .layer(middleware::from_fn_with_state(app.miss_floor, around::misses_take_as_long))
        .layer(middleware::from_fn_with_state(Arc::clone(app), cors::allow));
    free.into_iter().fold(charged, build).with_state(Arc::clone(app))
}
