//! The store the settings choose, opened.

use std::{fmt, sync::Arc};

use frame_log::{FrameSource, OrderedSource};
use frame_log_embedded::EmbeddedFrameLog;
use frame_log_mongo::{ConnectionString, Deployment, MongoFrameLog, SourceOptions};
use service_kit::config::{SecretError, SecretSource};
use thiserror::Error;

use super::SharedStore;
use crate::config::{MongoSettings, StoreKind, StoreSettings};

/// The store cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenStoreError {
    /// The embedded log's folder cannot be used.
    #[error("the folder of the embedded log cannot be opened")]
    Embedded(#[source] frame_log_embedded::OpenError),
    /// The connection string is not set, or cannot be read.
    #[error("the connection string of the database cannot be read")]
    Secret(#[source] SecretError),
    /// The database cannot be used.
    #[error("the database cannot be opened")]
    Mongo(#[source] frame_log_mongo::OpenError),
    /// Opening was given up because the program ends.
    #[error("opening the store was given up")]
    Abandoned,
}

/// A store that is open, for all who work on it in one process: a node, a relay. A clone is another handle.
///
/// Whoever opened it closes it, after everybody who works on it has stopped:
///
/// ```no_run
/// # async fn example(config: node::config::Config, listener: tokio::net::TcpListener,
/// #     shutdown: service_kit::shutdown::Shutdown) -> Result<(), node::RunError> {
/// let opened = node::OpenStore::open(&config.store).await.map_err(node::RunError::Open)?;
/// let ended = node::run_on(config, &opened, listener, shutdown).await;
/// opened.close().await;
/// ended
/// # }
/// ```
#[derive(Clone)]
pub struct OpenStore {
    /// The store: frame log, mailboxes and values. Coerces to an `Arc` of any one of the three.
    pub store: SharedStore,
    /// What is appended to it, by whomever.
    pub source: Arc<dyn FrameSource>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Embedded(Arc<EmbeddedFrameLog>),
    Mongo(Arc<MongoFrameLog>),
}

impl OpenStore {
    /// Opens the store that the settings choose.
    ///
    /// # Errors
    /// [`OpenStoreError`].
    pub async fn open(settings: &StoreSettings) -> Result<Self, OpenStoreError> {
        match settings.kind {
            StoreKind::Embedded => {
                let folder = settings.data.clone();
                let options = frame_log_embedded::Options::default();
                let opening = tokio::task::spawn_blocking(move || EmbeddedFrameLog::open(folder, options));
                let opened = opening.await.map_err(|_| OpenStoreError::Abandoned)?;
                let store = Arc::new(opened.map_err(OpenStoreError::Embedded)?);
                let source = Arc::new(OrderedSource::new(Arc::clone(&store)));
                Ok(Self { store: store.clone(), source, kind: Kind::Embedded(store) })
            }
            StoreKind::MongoDb => {
                let store = Arc::new(open_mongo(&settings.mongodb).await?);
                if store.deployment() == Deployment::Standalone {
                    tracing::warn!(
                        "the database is a server alone: it does not outlive the loss of its disk, and what is new has \
                         to be asked for again and again"
                    );
                }
                let source = store.source(SourceOptions::default());
                Ok(Self { store: store.clone(), source, kind: Kind::Mongo(store) })
            }
        }
    }

    /// Whether other processes may write to it as well.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        match &self.kind {
            Kind::Embedded(_) => false,
            Kind::Mongo(_) => true,
        }
    }

    /// Waits until it has failed for good: the process should end then, and recover when it is started again. Never
    /// ends for a store that is merely out of reach.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn failed(&self) {
        match &self.kind {
            Kind::Embedded(store) => store.failed().await,
            Kind::Mongo(_) => std::future::pending().await,
        }
    }

    /// Closes it. Nothing can be done with it afterwards, through any handle.
    pub async fn close(&self) {
        match &self.kind {
            Kind::Embedded(store) => store.close().await,
            Kind::Mongo(store) => store.close().await,
        }
    }
}

impl fmt::Debug for OpenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Embedded(_) => "embedded",
            Kind::Mongo(_) => "mongodb",
        };
        f.debug_struct("OpenStore").field("kind", &kind).finish_non_exhaustive()
    }
}

async fn open_mongo(settings: &MongoSettings) -> Result<MongoFrameLog, OpenStoreError> {
    let uri = settings.uri.as_ref().ok_or(SecretError::Empty).and_then(SecretSource::load);
    let uri = uri.map_err(OpenStoreError::Secret)?;
    let mut options =
        frame_log_mongo::Options::new(ConnectionString::new(uri.expose()), settings.database.as_str());
    options.max_connections = settings.max_connections.get();
    MongoFrameLog::open(options).await.map_err(OpenStoreError::Mongo)
}
