//! The relay as a process of its own, between `MongoDB` and NATS.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use frame_feed_nats::{ConnectError, Connection, FeedKey, FeedKeyError, Names, NatsSettings, connect};
use frame_log_mongo::{ConnectionString, Deployment, MongoFrameLog, OpenError, Options, SourceOptions};
use serde::{Deserialize, Serialize};
use service_kit::{
    clock::SystemClock,
    config::{Problems, SecretError, SecretSource, Settings},
    health::Health,
    http::{self, HttpSettings, OPERATORS, Stack},
    logging::LogSettings,
    metrics::Metrics,
    shutdown::{self, Shutdown},
    tasks::{TaskError, Tasks},
};
use thiserror::Error;
use tokio::net::TcpListener;

use crate::{
    Ends, Relay, RelaySettings,
    backoff::Backoff,
    output::{Centrifugo, Frames, Output},
};

/// How often it is said that something is still waited for.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Everything the process can be told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What is listened on.
    pub listen: ListenSettings,
    /// Connections and requests.
    pub http: HttpSettings,
    /// Where the frames are.
    pub store: StoreSettings,
    /// NATS.
    pub nats: NatsSettings,
    /// How the relay works.
    pub relay: RelaySettings,
    /// The log.
    pub log: LogSettings,
}

/// What is listened on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenSettings {
    /// Address for operators: measurements and health.
    pub admin: SocketAddr,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self { admin: SocketAddr::from(([127, 0, 0, 1], 8081)) }
    }
}

/// Where the frames are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// The database. An embedded log belongs to one process, and is relayed by that one.
    pub mongodb: MongoSettings,
}

/// The database, as its nodes are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MongoSettings {
    /// Connection string, `mongodb://…`, which may hold a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<SecretSource>,
    /// Name of the database.
    pub database: String,
}

impl Default for MongoSettings {
    fn default() -> Self {
        Self { uri: None, database: "kith".to_owned() }
    }
}

impl Settings for Config {
    fn check(&self, problems: &mut Problems) {
        self.http.check("http", problems);
        problems.require(
            self.store.mongodb.uri.is_some(),
            "store.mongodb.uri",
            "is needed: the connection string of the database that is relayed",
        );
        self.nats.check("nats", problems);
        self.relay.check("relay", problems);
        self.log.check("log", problems);
    }
}

/// The relay does not run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The connection string cannot be read.
    #[error("the connection string of the database cannot be read")]
    Secret(#[source] SecretError),
    /// The database cannot be used. One that is merely out of reach is waited for.
    #[error("the database cannot be used")]
    Database(#[source] OpenError),
    /// The settings for NATS cannot be used. A server that is merely out of reach is waited for.
    #[error("NATS cannot be used")]
    Nats(#[source] ConnectError),
    /// NATS does not let us in.
    #[error("NATS refuses the credentials")]
    Refused,
    /// The names for NATS are none.
    #[error("the prefix or the number of partitions cannot be used")]
    Names,
    /// The key that relay and nodes share cannot be had.
    #[error("the key of the feed cannot be had")]
    Key(#[source] FeedKeyError),
    /// The address for operators cannot be listened on.
    #[error("the address for operators cannot be listened on")]
    Listen(#[source] std::io::Error),
    /// A part of the relay ended.
    #[error("a part of the relay ended")]
    Task(#[source] TaskError),
}

/// Runs the relay until `shutdown` is requested, then hands over in order.
///
/// Database and NATS are waited for, and it is said so; measurements and health are answered once both are there.
///
/// # Errors
/// [`RunError`]: settings, credentials or a database that cannot be used. Nothing of that passes by waiting.
pub async fn run(config: Config, shutdown: Shutdown) -> Result<(), RunError> {
    let names = config.nats.names().map_err(|_| RunError::Names)?;
    let listener = TcpListener::bind(config.listen.admin).await.map_err(RunError::Listen)?;
    let connection = connect(&config.nats, "message-relay").await.map_err(RunError::Nats)?;
    let log = tokio::select! {
        () = shutdown.requested() => return Ok(()),
        log = open(&config.store.mongodb) => Arc::new(log?),
    };
    tokio::select! {
        () = shutdown.requested() => return Ok(()),
        connected = connected(&connection) => connected?,
    }
    let key = tokio::select! {
        () = shutdown.requested() => return Ok(()),
        key = feed_key(&log) => key?,
    };
    if log.deployment() == Deployment::Standalone {
        tracing::warn!(
            "the database is a server alone, which pushes no changes: it is asked again and again"
        );
    }

    let (trigger, stopping) = shutdown::channel();
    let health = Health::new(stopping.clone());
    let mut metrics = Metrics::new();
    let mut scope = metrics.scope("relay");
    let stack = Stack::new(&config.http, &mut scope, OPERATORS);
    let connections = scope.gauge("http_connections", "Open connections of operators");
    let outputs = outputs(&config.relay, &names, &key)?;
    let ends = Ends {
        source: log.source(SourceOptions::default()),
        meta: log.clone(),
        log: log.clone(),
        connection,
        names,
        outputs,
        clock: Arc::new(SystemClock),
    };
    let lease = config.relay.lease.get();
    let relay = Relay::new(ends, config.relay, &mut scope, &health);
    let router = stack.wrap(http::operators(metrics.finish(), health));

    let mut tasks = Tasks::new(trigger, stopping.clone());
    tasks.stop_with(shutdown);
    tasks.spawn("relay", {
        let stopping = stopping.clone();
        async move {
            relay.run(stopping).await;
            Ok::<_, Infallible>(())
        }
    });
    tasks.spawn("operators", http::serve(listener, router, config.http, connections, stopping));
    let ended = tasks.run(lease.saturating_mul(2)).await;
    log.close().await;
    ended.map_err(RunError::Task)
}

/// Frames for nodes, and publications for a Centrifugo if they are wanted.
pub(crate) fn outputs(
    settings: &RelaySettings,
    names: &Names,
    key: &FeedKey,
) -> Result<Vec<Arc<dyn Output>>, RunError> {
    let frames = Frames::new(names.clone(), key.clone(), settings.streams.clone());
    let mut outputs: Vec<Arc<dyn Output>> = vec![Arc::new(frames)];
    if settings.centrifugo.enabled {
        let streams = settings.streams.clone();
        let publications = Centrifugo::new(names, &settings.centrifugo, key.clone(), streams);
        outputs.push(Arc::new(publications.map_err(|_| RunError::Names)?));
    }
    Ok(outputs)
}

/// Opens the database, waiting for one that is out of reach.
async fn open(settings: &MongoSettings) -> Result<MongoFrameLog, RunError> {
    let uri = match &settings.uri {
        Some(uri) => uri.load().map_err(RunError::Secret)?,
        None => return Err(RunError::Secret(SecretError::Empty)),
    };
    let options = Options::new(ConnectionString::new(uri.expose()), settings.database.clone());
    let mut pause = Backoff::new(Duration::from_millis(250), Duration::from_secs(5));
    loop {
        match MongoFrameLog::open(options.clone()).await {
            Ok(log) => return Ok(log),
            Err(error @ OpenError::Unreachable(_)) if !refuses(&error) => {
                tracing::warn!("the database cannot be reached; waiting for it");
                tokio::time::sleep(pause.next()).await;
            }
            Err(error) => return Err(RunError::Database(error)),
        }
    }
}

/// Whether the database says that the credentials are wrong, which does not pass.
fn refuses(error: &OpenError) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.to_string().to_ascii_lowercase().contains("authentication fail") {
            return true;
        }
        cause = error.source();
    }
    false
}

async fn connected(connection: &Connection) -> Result<(), RunError> {
    loop {
        tokio::select! {
            () = connection.until(true) => return Ok(()),
            () = connection.refused() => return Err(RunError::Refused),
            () = tokio::time::sleep(SAY_EVERY) => tracing::warn!("NATS cannot be reached; waiting for it"),
        }
    }
}

async fn feed_key(log: &MongoFrameLog) -> Result<FeedKey, RunError> {
    let mut pause = Backoff::new(Duration::from_millis(250), Duration::from_secs(5));
    loop {
        match FeedKey::load(log).await {
            Ok(key) => return Ok(key),
            Err(
                FeedKeyError::Read(frame_log::ReadError::Unavailable)
                | FeedKeyError::Write(frame_log::WriteError::Unavailable),
            ) => {
                tracing::warn!("the database does not answer; waiting for it");
                tokio::time::sleep(pause.next()).await;
            }
            Err(error) => return Err(RunError::Key(error)),
        }
    }
}
