//! A node as a process of its own.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use api::{NodeOrigin, OriginError, TransistorUrl};
use axum::Router;
use frame_feed_nats::{BadPrefix, ConnectError};
use service_kit::{
    http,
    metrics::Metrics,
    shutdown::{self, Shutdown},
    tasks::{TaskError, Tasks},
};
use thiserror::Error;
use tokio::net::TcpListener;

use crate::{
    Beside, NodeBuilder, OpenStore, OpenStoreError, ParametersError, StartError,
    config::{Config, FeedKind},
};

/// Time to stop that has nothing to do with connections.
const PUT_AWAY: Duration = Duration::from_secs(5);

/// A node ended otherwise than it was asked to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// No proof parameters can be used.
    #[error("the node has no proof parameters")]
    Parameters(#[source] ParametersError),
    /// The store cannot be opened.
    #[error("the store cannot be opened")]
    Open(#[source] OpenStoreError),
    /// NATS cannot be connected to with these settings. A server that is merely away is waited for.
    #[error("NATS cannot be used")]
    Feed(#[source] ConnectError),
    /// The names under which frames travel through NATS cannot be used.
    #[error("feed.nats.prefix or feed.nats.partitions cannot be used")]
    Names(#[source] BadPrefix),
    /// No origin was set, and the address listened on is none.
    #[error("the address listened on is no origin; set listen.origin")]
    Origin(#[source] OriginError),
    /// The node could not start.
    #[error("the node could not start")]
    Start(#[source] StartError),
    /// An address cannot be listened on.
    #[error("an address cannot be listened on")]
    Listen(#[source] io::Error),
    /// A part of the node ended.
    #[error("a part of the node ended")]
    Task(#[source] TaskError),
}

/// The store stopped after a failed write; started again, it recovers.
#[derive(Debug, Error)]
#[error("the store stopped after a failed write")]
struct StoreStopped;

/// The store was brought back from a copy while this node ran; started again, it is a node of what is there now.
#[derive(Debug, Error)]
#[error("the log has begun another life")]
struct OtherLife;

/// Opens the store that the settings choose, runs a node on it and on `listener` until `shutdown` is requested, then
/// stops everything in order.
///
/// # Errors
/// [`RunError`]; the process should end then, and be started again by whatever watches it.
pub async fn run(config: Config, listener: TcpListener, shutdown: Shutdown) -> Result<(), RunError> {
    let opened = OpenStore::open(&config.store).await.map_err(RunError::Open)?;
    let ended = run_on(config, &opened, listener, shutdown).await;
    opened.close().await;
    ended
}

/// Runs a node on a store that is open already, until `shutdown` is requested, and then stops it in order.
///
/// No new connections are taken, requests under way finish, streams end with a hint, groups write down where they
/// stand. The store stays open.
///
/// # Errors
/// [`RunError`]; also when the store fails for good.
pub async fn run_on(
    config: Config,
    opened: &OpenStore,
    listener: TcpListener,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    run_beside(config, opened, listener, shutdown, Vec::new()).await
}

/// As [`run_on`], with other things beside the node.
///
/// # Errors
/// As [`run_on`]; also when something that runs beside the node fails or ends too early.
pub async fn run_beside(
    config: Config,
    opened: &OpenStore,
    listener: TcpListener,
    shutdown: Shutdown,
    beside: Vec<Beside>,
) -> Result<(), RunError> {
    let origin = match &config.listen.origin {
        Some(origin) => origin.clone(),
        None => origin_of(listener.local_addr().map_err(RunError::Listen)?).map_err(RunError::Origin)?,
    };
    let admin = match config.listen.admin {
        Some(address) => Some(TcpListener::bind(address).await.map_err(RunError::Listen)?),
        None => None,
    };
    let parameters = config.proofs.clone();
    let loaded = tokio::task::spawn_blocking(move || parameters.load()).await;
    let keys = loaded.map_err(|_| RunError::Start(StartError::StoreFailed))?.map_err(RunError::Parameters)?;

    let feed = match config.feed.kind {
        FeedKind::Log => None,
        FeedKind::Nats => {
            let nats = &config.feed.nats;
            let connection = frame_feed_nats::connect(nats, "kith node").await.map_err(RunError::Feed)?;
            Some((connection, nats.names().map_err(RunError::Names)?))
        }
    };

    let (trigger, stopping) = shutdown::channel();
    let mut metrics = Metrics::new();
    let mut scope = metrics.scope("node");
    let operators_connections = scope.gauge("operators_connections", "Open connections of operators");
    let drain = config.http.drain.get();
    let http = config.http.clone();
    let drops = beside.iter().any(|beside| beside.has_drops).then(|| TransistorUrl::beside(&origin));
    let node = NodeBuilder::new(Arc::clone(&opened.store), origin).config(config).keys(keys);
    let node = match drops {
        Some(url) => node.transistor(url),
        None => node,
    };
    let node = if opened.is_shared() { node.others(Arc::clone(&opened.source)) } else { node };
    let node = match feed {
        Some((connection, names)) => node.nats(connection, names),
        None => node,
    };
    let node = Arc::new(node.build(&mut scope, stopping.clone()).await.map_err(RunError::Start)?);
    let mut tasks = Tasks::new(trigger, stopping.clone());
    let mut routes = Router::new();
    for beside in beside {
        let name = beside.name;
        let running = beside.start(&mut metrics, stopping.clone());
        routes = routes.merge(running.routes);
        tasks.spawn(name, running.task);
    }
    let exposition = metrics.finish();
    announce(&listener);

    tasks.stop_with(shutdown);
    tasks.spawn("background", {
        let node = Arc::clone(&node);
        async move {
            node.background().await;
            Ok::<_, Infallible>(())
        }
    });
    tasks.spawn("store", {
        let (opened, stopping) = (opened.clone(), stopping.clone());
        async move {
            tokio::select! {
                () = stopping.requested() => Ok(()),
                () = opened.failed() => Err(StoreStopped),
            }
        }
    });
    tasks.spawn("life", {
        let (node, stopping) = (Arc::clone(&node), stopping.clone());
        async move {
            tokio::select! {
                () = stopping.requested() => Ok(()),
                () = node.superseded() => Err(OtherLife),
            }
        }
    });
    // Measurements go to operators where these have a listener, else to everybody.
    let public = admin.is_none().then(|| exposition.clone());
    if let Some(admin) = admin {
        let router = node.operators_router(exposition);
        tasks.spawn("operators", http::serve(admin, router, http, operators_connections, stopping));
    }
    tasks.spawn("clients", {
        let (node, router) = (Arc::clone(&node), node.router(public).merge(routes));
        async move { node.serve(listener, router).await }
    });

    // What is being written when the time of connections is over still has to be put away.
    let ended = tasks.run(drain.saturating_mul(2).saturating_add(PUT_AWAY)).await;
    node.stop().await;
    ended.map_err(RunError::Task)
}

/// The port alone: neither addresses nor keys belong in a log.
fn announce(listener: &TcpListener) {
    let port = listener.local_addr().map(|address| address.port()).unwrap_or_default();
    tracing::info!(port, "the node is ready");
}

/// `http://` and the address, without the port where it is the scheme's own.
fn origin_of(address: SocketAddr) -> Result<NodeOrigin, OriginError> {
    match address {
        SocketAddr::V4(v4) if v4.port() == 80 => format!("http://{}", v4.ip()).parse(),
        SocketAddr::V6(v6) if v6.port() == 80 => format!("http://[{}]", v6.ip()).parse(),
        SocketAddr::V4(_) | SocketAddr::V6(_) => format!("http://{address}").parse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_follows_the_address() {
        for (address, origin) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("127.0.0.1:80", "http://127.0.0.1"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(origin_of(address.parse().unwrap()).unwrap().as_str(), origin);
        }
    }
}
