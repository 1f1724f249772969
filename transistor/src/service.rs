//! A transistor on somebody's listener, and as a process of its own.

use core::{convert::Infallible, fmt, pin::Pin, time::Duration};
use std::{io, os::unix::fs::DirBuilderExt as _, path::Path, sync::Arc};

use api::{ErrorCode, Problem};
use axum::Router;
use drop_state::Millis;
use service_kit::{
    clock::{Clock, SystemClock},
    config::SecretError,
    health::{Health, Part},
    http::{self as serving, HttpSettings, OPERATORS, Stack},
    metrics::{Metrics, Scope},
    shutdown::{self, Shutdown},
    tasks::{TaskError, Tasks},
};
use thiserror::Error;
use tokio::{net::TcpListener, sync::watch, time::sleep};

use crate::{
    bodies::{Bodies, CheckError},
    config::{Config, StoreKind, StoreSettings, TransistorSettings},
    drops::Drops,
    http::{self, App, Limits},
    store::{Opened, Store, StoreError, postgres::PostgresStore, sqlite::SqliteStore},
};

/// How often a database that is out of reach is tried again when a process starts.
const TRY_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether the database answers.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// Drops cannot be kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder of the database's file cannot be made.
    #[error("the folder of the database cannot be made")]
    Folder(#[source] io::Error),
    /// The URL of the database cannot be read.
    #[error("the URL of the database cannot be read")]
    Secret(#[source] SecretError),
    /// The database cannot be opened.
    #[error("the database cannot be opened")]
    Store(#[source] StoreError),
    /// The place of bodies cannot be used.
    #[error("the place of bodies cannot be used")]
    Bodies(#[source] CheckError),
}

/// A store and a place for bodies that are open, and how drops are to be kept in them.
#[derive(Debug)]
pub struct Transistor {
    store: Arc<dyn Store>,
    bodies: Bodies,
    settings: TransistorSettings,
}

type Background = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A transistor at work.
pub struct Running {
    /// Its routes, all below [`api::transistor::BASE`], wrapped in a [`Stack`] of their own, without a fallback.
    pub router: Router,
    /// What has to run beside them. It ends after shutdown was requested: once the router and everything that answers
    /// by it are gone, and at the latest a while after connections had their time to end; then the store is closed.
    pub background: Background,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Running")
    }
}

impl Transistor {
    /// Opens the store and tries the place of bodies out.
    ///
    /// Drops of a database that was brought back from a copy are erased, if the database tells: some of them may have
    /// been read since the copy was made. The log says how many.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(settings: TransistorSettings) -> Result<Self, OpenError> {
        let bodies = Bodies::open(&settings.bodies).map_err(OpenError::Bodies)?;
        bodies.check().await.map_err(OpenError::Bodies)?;
        let Opened { store, id, discarded } = open_store(&settings.store, false).await?;
        bodies.belong_to(id).await.map_err(OpenError::Bodies)?;
        if discarded > 0 {
            tracing::warn!(
                drops = discarded,
                "the database was brought back from a copy: its drops were erased, since they may have been read"
            );
        }
        Ok(Self { store, bodies, settings })
    }

    /// Puts it to work. Metrics are declared in `scope`; `http` bounds requests as it does on the listener that the
    /// router is put on.
    #[must_use]
    pub fn start(
        self,
        http: &HttpSettings,
        clock: Arc<dyn Clock>,
        scope: &mut Scope<'_>,
        shutdown: Shutdown,
    ) -> Running {
        let Self { store, bodies, settings } = self;
        let stack = Stack::new(http, scope, http::PATHS).self_timed(http::SELF_TIMED);
        // Requests that are under way have their time to end before what they work with is told to stop.
        let (trigger, later) = shutdown::channel();
        let drops = Drops::new(Arc::clone(&store), bodies, settings.drops.clone(), clock, scope, later);
        let (alive, gone) = watch::channel(());
        let app = Arc::new(App {
            drops: drops.clone(),
            limits: Limits::new(&settings.rates),
            cors: settings.cors.origins,
            miss_floor: settings.drops.miss_floor.get(),
            max_size: settings.drops.max_size.get(),
            request_timeout: http.request_timeout.get(),
            _alive: alive,
        });
        let router = stack.wrap(http::router(&app));
        let patience = http.drain.get().mul_f32(0.9);
        let background = async move {
            let stop = async {
                shutdown.requested().await;
                let mut gone = gone;
                // An error means that nobody answers requests any more.
                let _ = tokio::time::timeout(patience, gone.changed()).await;
                trigger.request();
            };
            tokio::join!(stop, drops.background());
            drop(drops);
            store.close().await;
        };
        Running { router, background: Box::pin(background) }
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }
}

/// Erases every drop and gives their number: for databases that were brought back from a copy and do not tell. What is
/// left of bodies is erased by the next one that runs.
///
/// # Errors
/// [`OpenError`].
pub async fn discard(settings: &StoreSettings) -> Result<u64, OpenError> {
    let Opened { store, discarded, .. } = open_store(settings, true).await?;
    store.close().await;
    Ok(discarded)
}

async fn open_store(settings: &StoreSettings, discard: bool) -> Result<Opened<Arc<dyn Store>>, OpenError> {
    match settings.kind {
        StoreKind::Sqlite => {
            make_folder(&settings.path).map_err(OpenError::Folder)?;
            let opened = SqliteStore::open(&settings.path, discard).await.map_err(OpenError::Store)?;
            Ok(Opened { store: Arc::new(opened.store), id: opened.id, discarded: opened.discarded })
        }
        StoreKind::Postgresql => {
            let url = settings.postgresql.url.as_ref().map_or(Err(SecretError::Empty), |url| url.load());
            let url = url.map_err(OpenError::Secret)?;
            let opened = PostgresStore::open(url.expose(), settings.postgresql.connections, discard).await;
            let opened = opened.map_err(OpenError::Store)?;
            Ok(Opened { store: Arc::new(opened.store), id: opened.id, discarded: opened.discarded })
        }
    }
}

/// For nobody else to look into.
fn make_folder(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
        }
        _ => Ok(()),
    }
}

/// The process ends otherwise than it was asked to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// Drops cannot be kept.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An address cannot be listened on.
    #[error("an address cannot be listened on")]
    Listen(#[source] io::Error),
    /// A part of it ended.
    #[error("a part of the service ended")]
    Task(#[source] TaskError),
}

/// Runs a transistor by itself until `shutdown` is requested, then ends it in order: no new connections are taken, and
/// uploads and downloads under way may go on for as long as `http.drain` says.
///
/// A database that is out of reach when it starts is waited for, and it is said so.
///
/// # Errors
/// [`RunError`].
pub async fn run(config: Config, shutdown: Shutdown) -> Result<(), RunError> {
    let clients = TcpListener::bind(config.listen.address).await.map_err(RunError::Listen)?;
    let admin = match config.listen.admin {
        Some(address) => Some(TcpListener::bind(address).await.map_err(RunError::Listen)?),
        None => None,
    };
    let transistor = tokio::select! {
        () = shutdown.requested() => return Ok(()),
        opened = opened(&config) => opened?,
    };

    let (trigger, stopping) = shutdown::channel();
    let health = Health::new(stopping.clone());
    let database = health.part("database");
    let mut metrics = Metrics::new();
    let mut scope = metrics.scope("transistor");
    let client_connections = scope.gauge("http_connections", "Open connections of clients");
    let operator_connections = scope.gauge("operators_connections", "Open connections of operators");
    let store = transistor.store();
    let Running { router, background } =
        transistor.start(&config.http, Arc::new(SystemClock), &mut scope, stopping.clone());
    let stack = Stack::new(&config.http, &mut metrics.scope("transistor_operators"), OPERATORS);
    let operators = stack.wrap(serving::operators(metrics.finish(), health));

    let mut tasks = Tasks::new(trigger, stopping.clone());
    tasks.stop_with(shutdown);
    tasks.spawn("database", watch_store(store, database, stopping.clone()));
    tasks.spawn("drops", async move {
        background.await;
        Ok::<_, Infallible>(())
    });
    announce(&clients);
    let public = match admin {
        Some(admin) => {
            let (http, stopping) = (config.http.clone(), stopping.clone());
            tasks.spawn("operators", serving::serve(admin, operators, http, operator_connections, stopping));
            let nothing = Router::new().fallback(async || Problem::new(ErrorCode::NotFound));
            router.merge(stack.wrap(nothing))
        }
        None => router.merge(operators),
    };
    let drain = config.http.drain.get();
    tasks.spawn("clients", serving::serve(clients, public, config.http, client_connections, stopping));
    // What is being written when the time of connections is over still has to be put away.
    tasks.run(drain.saturating_mul(2).saturating_add(ASK_EVERY)).await.map_err(RunError::Task)
}

async fn opened(config: &Config) -> Result<Transistor, OpenError> {
    loop {
        match Transistor::open(config.transistor()).await {
            Err(OpenError::Store(StoreError::Unavailable(_))) => {
                tracing::warn!("the database cannot be reached; waiting for it");
                sleep(TRY_EVERY).await;
            }
            opened => return opened,
        }
    }
}

/// Says whether the database answers. Holds nothing back: requests find out for themselves.
async fn watch_store(store: Arc<dyn Store>, database: Part, stopping: Shutdown) -> Result<(), Infallible> {
    loop {
        // The earliest there is, which is none: a look at an index.
        database.set(store.due(Millis::new(0), 1).await.is_ok());
        tokio::select! {
            () = stopping.requested() => return Ok(()),
            () = sleep(ASK_EVERY) => {}
        }
    }
}

/// The port alone: addresses do not belong in a log.
fn announce(listener: &TcpListener) {
    let port = listener.local_addr().map(|address| address.port()).unwrap_or_default();
    tracing::info!(port, "the transistor is ready");
}
