//! A node's parts put together.

use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use api::{NodeInfo, NodeLimits, NodeOrigin, TransistorUrl};
use axum::Router;
use frame_feed_nats::{Connection, FeedKey, FeedKeyError, FrameFeed, Names};
use frame_log::FrameSource;
use group_state::admission;
use proofs::VerifyingKeys;
use protocol::{Suite, VerifyingKey, limits};
use service_kit::{
    clock::{Clock, SystemClock},
    health::{Health, Part},
    http::{ServeError, Stack},
    limiter::Limiter,
    metrics::{Exposition, Gauge, Scope},
    shutdown::Shutdown,
};
use thiserror::Error;
use tokio::{net::TcpListener, sync::Semaphore};

use crate::{
    access::{CHALLENGE_SECONDS, CentrifugoIssuer, Challenges, TOKEN_SECONDS, Tokens},
    config::Config,
    failure::Failure,
    feed,
    follow::FollowContext,
    group::{DebugStore, Env, Groups, History, Others},
    http::{self, App, Limits},
    identity::{Identity, current_life},
    key_packages::KeyPackages,
    metrics::Metrics,
    router,
    store::SharedStore,
    sweep,
    verify::{Bounds, Pool, Verifier},
};

/// Buckets of the limiters that concern addresses and tokens, 16 bytes each and row.
const BUCKETS: usize = 1 << 14;

/// How often it is looked whether the log has begun another life; more often where groups are looked after more often.
const LIFE_EVERY: Duration = Duration::from_secs(10);

/// A node could not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The store does not answer.
    #[error("the store does not answer")]
    StoreUnavailable,
    /// The store is full, and the node has something of its own to keep there first.
    #[error("the store is full")]
    StoreFull,
    /// The store failed to read or write.
    #[error("the store failed")]
    StoreFailed,
    /// What the store holds about the node is not what a node keeps, or the machine has no randomness.
    #[error("the node's own values cannot be used")]
    Identity,
    /// The keys are those for development, and the settings do not say that they are wanted.
    #[error("the proof parameters are those for development, and proofs.development is not set")]
    DevelopmentKeys,
    /// The secret shared with Centrifugo cannot be read, or is shorter than 32 bytes; the log says which.
    #[error("the secret in centrifugo.secret cannot be used")]
    CentrifugoSecret,
}

impl From<Failure> for StartError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::StorageUnavailable => Self::StoreUnavailable,
            Failure::StorageFull => Self::StoreFull,
            Failure::StorageFailed | Failure::Unserved => Self::StoreFailed,
            Failure::Refused { .. }
            | Failure::NotAccepted
            | Failure::Busy { .. }
            | Failure::Abandoned
            | Failure::Stopping
            | Failure::HistoryGap { .. }
            | Failure::NotFound
            | Failure::Internal => Self::Identity,
        }
    }
}

impl From<FeedKeyError> for StartError {
    fn from(error: FeedKeyError) -> Self {
        match error {
            FeedKeyError::Read(error) => Failure::from(error).into(),
            FeedKeyError::Write(error) => Failure::from(error).into(),
            FeedKeyError::Damaged | FeedKeyError::NoRandomness => Self::Identity,
        }
    }
}

/// What a node is made of. Everything but the store and its origin has a default.
pub struct NodeBuilder {
    store: SharedStore,
    origin: NodeOrigin,
    config: Config,
    clock: Arc<dyn Clock>,
    keys: &'static VerifyingKeys,
    others: Option<Arc<dyn FrameSource>>,
    nats: Option<(Connection, Names)>,
    transistor: Option<TransistorUrl>,
}

impl fmt::Debug for NodeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeBuilder").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl NodeBuilder {
    /// A node on a store that it alone writes to, reached under `origin`.
    ///
    /// `origin` is what clients dial: challenges are bound to it, and an answer for another one opens nothing.
    #[must_use]
    pub fn new(store: SharedStore, origin: NodeOrigin) -> Self {
        Self {
            store,
            origin,
            config: Config::default(),
            clock: Arc::new(SystemClock),
            keys: VerifyingKeys::development(),
            others: None,
            nats: None,
            transistor: None,
        }
    }

    /// Sets what can be set. Addresses and folders in it are not looked at here.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the keys that proofs are checked with, otherwise those for development; a group whose policy names others is
    /// refused.
    #[must_use]
    pub const fn keys(mut self, keys: &'static VerifyingKeys) -> Self {
        self.keys = keys;
        self
    }

    /// Says that others write to the store as well, and how the node hears of it. Without this the order of groups is
    /// still kept, but what others write is seen here only when somebody writes here.
    #[must_use]
    pub fn others(mut self, source: Arc<dyn FrameSource>) -> Self {
        self.others = Some(source);
        self
    }

    /// Says that a relay carries what is written through NATS, under which names. The node then listens to the groups
    /// that are followed here, and the source given to [`Self::others`], without which this means nothing, is used only
    /// while NATS is away.
    #[must_use]
    pub fn nats(mut self, connection: Connection, names: Names) -> Self {
        self.nats = Some((connection, names));
        self
    }

    /// Says where drops are to be found, unless the settings do.
    #[must_use]
    pub fn transistor(mut self, url: TransistorUrl) -> Self {
        self.transistor = Some(url);
        self
    }

    /// Starts the node: reads or makes its identity, and is then ready to answer.
    ///
    /// Metrics are declared in `scope`. Followers are told when `shutdown` is requested.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn build(self, scope: &mut Scope<'_>, shutdown: Shutdown) -> Result<Node, StartError> {
        let Self { store, origin, config, clock, keys, others, nats, transistor } = self;
        if keys.are_for_development() && !config.proofs.development {
            return Err(StartError::DevelopmentKeys);
        }
        let centrifugo = CentrifugoIssuer::new(&config.centrifugo).map_err(|error| {
            match error {
                Some(error) => tracing::error!("centrifugo.secret: {error}"),
                None => tracing::error!("centrifugo.secret: shorter than 32 bytes"),
            }
            StartError::CentrifugoSecret
        })?;
        let metrics = Arc::new(Metrics::new(scope));
        let stack = Stack::new(&config.http, scope, router::PATHS);
        let connections = scope.gauge("http_connections", "Open connections of clients");
        let now = clock.now();
        let identity = Identity::load(&*store, now, config.store.restored).await?;

        let nats = match (&others, nats) {
            (Some(_), Some((connection, names))) => {
                let key = FeedKey::load(&*store).await?;
                Some(FrameFeed::new(connection, names, key, identity.life()))
            }
            _ => None,
        };
        let shared = others.is_some();

        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let workers = config.verify.workers.unwrap_or_else(cores);
        let bounds = Bounds {
            workers,
            batch: config.verify.batch_proofs,
            queue: config.verify.queued_proofs.get(),
            flow: config.verify.group_proofs.get(),
            suspect_for: config.verify.suspect_for.get(),
        };
        let env = Arc::new(Env {
            store: DebugStore(Arc::clone(&store)),
            keys,
            pool: Pool::new(workers, config.verify.queue.get(), Arc::clone(&metrics)),
            verifier: Verifier::new(keys, bounds, Arc::clone(&metrics)),
            clock,
            metrics: Arc::clone(&metrics),
            settings: config.groups.clone(),
            rates: config.rates.clone(),
            others: shared.then(|| Others::new(nats.clone(), config.feed.look_every.get())),
        });
        let groups = Groups::new(Arc::clone(&env));
        let health = Health::new(shutdown.clone());
        let others = others.map(|source| Writers {
            source,
            nats: nats.map(|feed| feed.connection().clone()),
            ready: health.part("feed"),
        });
        let rates = &config.rates;
        let challenges = Challenges::new(identity.secret.clone(), origin.clone(), now);
        let app = App {
            history: Arc::new(History::new(env)),
            challenges: if shared { challenges.shared_by(Arc::clone(&store)) } else { challenges },
            tokens: Tokens::new(identity.secret.clone()),
            centrifugo,
            packages: KeyPackages::new(
                store,
                identity.secret.clone(),
                identity.stream_epoch,
                rates.mailbox_claims,
                metrics,
                shared,
            ),
            follow: FollowContext {
                groups: groups.clone(),
                settings: config.follow.clone(),
                shutdown: shutdown.clone(),
                stream_epoch: identity.stream_epoch,
            },
            followers: Arc::new(Semaphore::new(
                config.follow.max_followers.get().min(Semaphore::MAX_PERMITS),
            )),
            info: NodeInfo {
                transistor: config.listen.transistor.clone().or(transistor),
                ..info(&identity, origin, keys)
            },
            receipts: identity.receipts,
            groups,
            health,
            limits: Limits {
                frames: Limiter::new(rates.peer_frames, BUCKETS),
                requests: Limiter::new(rates.peer_requests, BUCKETS),
                reads: Limiter::new(rates.token_reads, BUCKETS),
            },
        };
        if keys.are_for_development() {
            tracing::warn!(
                "proof parameters are those for development: anybody can forge proofs, so do not rely on this node to \
                 keep a group from being broken by a member"
            );
        }
        Ok(Node { app: Arc::new(app), stack, connections, config, others, shutdown })
    }
}

fn info(identity: &Identity, origin: NodeOrigin, keys: &VerifyingKeys) -> NodeInfo {
    // Every one of these is a constant far below the bound.
    let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let seconds = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    NodeInfo {
        node: identity.receipts.verifying_key(),
        origin,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        time: protocol::UnixSeconds::ZERO,
        protocol_versions: vec![limits::VERSION],
        suites: vec![Suite::Aes256Gcm, Suite::ChaCha20Poly1305],
        params: vec![keys.params_hash()],
        development_keys: keys.are_for_development(),
        limits: NodeLimits {
            frame_bytes: small(limits::MAX_FRAME),
            page_frames: http::PAGE_FRAMES,
            page_bytes: http::PAGE_BYTES,
            clock_behind_seconds: seconds(admission::MAX_BEHIND),
            clock_ahead_seconds: seconds(admission::MAX_AHEAD),
            message_grace_seconds: seconds(admission::MESSAGE_GRACE),
            challenge_seconds: seconds(CHALLENGE_SECONDS),
            token_seconds: seconds(TOKEN_SECONDS),
            key_package_bytes: small(api::key_packages::MAX_SEALED_PACKAGE),
            key_packages_per_mailbox: small(frame_log::MAX_PACKAGES),
        },
        transistor: None,
    }
}

/// A node that answers. It works as long as it lives; [`Node::background`] has to run beside it.
pub struct Node {
    app: Arc<App>,
    stack: Stack,
    connections: Gauge,
    config: Config,
    others: Option<Writers>,
    shutdown: Shutdown,
}

/// Others who write to the store, and how they are heard of.
struct Writers {
    source: Arc<dyn FrameSource>,
    nats: Option<Connection>,
    ready: Part,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("app", &self.app).finish_non_exhaustive()
    }
}

impl Node {
    /// The key its receipts are signed with.
    #[must_use]
    pub fn id(&self) -> VerifyingKey {
        self.app.receipts.verifying_key()
    }

    /// The origin challenges are bound to.
    #[must_use]
    pub fn origin(&self) -> &NodeOrigin {
        self.app.origin()
    }

    /// Whether it should be given work.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.app.health.ready().is_ok()
    }

    /// Everything clients may ask. With `exposition` measurements are answered here as well, for nodes without a
    /// listener for operators.
    pub fn router(&self, exposition: Option<Exposition>) -> Router {
        let routes = router::clients(Arc::clone(&self.app));
        let routes = match exposition {
            Some(exposition) => routes.merge(router::metrics(exposition)),
            None => routes,
        };
        self.stack.wrap(routes.fallback(router::nothing_here))
    }

    /// What operators may ask: measurements and health.
    pub fn operators_router(&self, exposition: Exposition) -> Router {
        let routes = router::operators(Arc::clone(&self.app), exposition);
        self.stack.wrap(routes.fallback(router::nothing_here))
    }

    /// Serves a router, [`Self::router`] and whatever was merged into it, on a listener until shutdown is requested,
    /// then finishes what was begun for as long as `http.drain` says.
    ///
    /// # Errors
    /// [`ServeError`] of a listener that does not work any more.
    pub async fn serve(&self, listener: TcpListener, router: Router) -> Result<(), ServeError> {
        let (settings, connections) = (self.config.http.clone(), self.connections.clone());
        service_kit::http::serve(listener, router, settings, connections, self.shutdown.clone()).await
    }

    /// What goes on beside requests, until shutdown is requested: following what others write to the store, and
    /// forgetting what policies no longer keep.
    pub async fn background(&self) {
        let every: Duration = self.config.retention.every.get();
        let sweeping =
            sweep::run(self.app.groups.clone(), Arc::clone(&self.app.history), every, self.shutdown.clone());
        let Some(Writers { source, nats, ready }) = &self.others else { return sweeping.await };
        let (groups, source) = (self.app.groups.clone(), Arc::clone(source));
        let (ready, shutdown) = (ready.clone(), self.shutdown.clone());
        match nats {
            Some(nats) => {
                tokio::join!(feed::stand_in(groups, source, nats.clone(), ready, shutdown), sweeping);
            }
            None => {
                tokio::join!(feed::run(groups, source, ready, shutdown), sweeping);
            }
        }
    }

    /// Waits until the log has begun another life than the one this node was started in: it was brought back from a
    /// copy meanwhile, and a node started again is a node of that. Never ends where nobody else writes to the store.
    pub async fn superseded(&self) {
        if self.others.is_none() {
            return std::future::pending().await;
        }
        let mine = frame_log::LogLife::new(self.app.follow.stream_epoch.get());
        loop {
            tokio::time::sleep(LIFE_EVERY.min(self.config.feed.look_every.get())).await;
            match current_life(&*self.app.groups.env().store).await {
                Ok(life) if life == mine => {}
                Ok(_) => return,
                // The store is away, or has lost what it had; either is noticed elsewhere.
                Err(failure) => tracing::warn!(error = %failure, "the life of the log cannot be read"),
            }
        }
    }

    /// Goes once through the log for what policies no longer keep; returns how many frames were forgotten.
    ///
    /// # Errors
    /// [`StartError`] naming how the store failed.
    pub async fn sweep(&self) -> Result<u64, StartError> {
        Ok(sweep::sweep(&self.app.groups, &self.app.history).await?)
    }

    /// Ends all groups' tasks, each after it has answered what it was asked and written down where it stands.
    /// Requests that come later, and frames whose proofs still wait to be checked, are told that the node is stopping.
    pub async fn stop(&self) {
        self.app.groups.env().verifier.stop().await;
        self.app.groups.stop().await;
    }
}
