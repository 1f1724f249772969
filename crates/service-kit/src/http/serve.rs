//! A router on a listener.
//!
//! Handlers are told who is at the other end, so that one address cannot use up what is there for all; and whoever stops
//! reading is cut off: an answer may be written for hours, and a peer that takes nothing more would hold its place for
//! ever. So would one that never says anything.

mod stall;

use core::time::Duration;
use std::{io, net::IpAddr, sync::Arc};

use axum::{Router, body::Body, extract::Request};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower::{Layer, ServiceExt, util::MapRequestLayer};

use self::stall::Unstalled;
use super::{HttpSettings, Peer, proxies::Proxies};
use crate::{
    metrics::Gauge,
    shutdown::{self, Shutdown},
};

/// Longest head of an HTTP/1 request, in bytes, and of an HTTP/2 one, decompressed.
const MAX_HEAD: u32 = 32 * 1024;
/// Most header lines of an HTTP/1 request.
const MAX_HEADERS: usize = 64;
/// How often an HTTP/2 peer that says nothing is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How long to wait before accepting again when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener does not work any more.
#[derive(Debug, Error)]
#[error("connections cannot be accepted")]
pub struct ServeError(#[source] io::Error);

/// Serves HTTP/1.1 and, with prior knowledge, HTTP/2, until shutdown is requested. Every request carries its [`Peer`].
///
/// Then connections may finish what they have begun, for as long as the settings say; the rest is cut off. Handlers of
/// endless answers have to listen for the shutdown themselves.
///
/// # Errors
/// [`ServeError`] when the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: HttpSettings,
    connections: Gauge,
    shutdown: Shutdown,
) -> Result<(), ServeError> {
    let router = router.map_request(|request: Request<_>| request.map(Body::new));
    let proxies = Proxies::new(&settings.trusted_proxies);
    let builder = builder(&settings);
    let graceful = GracefulShutdown::new();
    let (cut, patience) = shutdown::channel();
    let places = Arc::new(Semaphore::new(usize::try_from(settings.max_connections).unwrap_or(usize::MAX)));

    loop {
        let accepted = async {
            // The place comes first: without one, connections wait in the kernel's queue, where they cost nothing.
            let place = Arc::clone(&places).acquire_owned().await;
            listener.accept().await.map(|accepted| (accepted, place))
        };
        let ((stream, address), place) = tokio::select! {
            biased;
            () = shutdown.requested() => break,
            accepted = accepted => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    recover(error).await?;
                    continue;
                }
            },
        };
        let service =
            TowerToHyperService::new(with_peer(address.ip(), proxies.clone()).layer(router.clone()));
        let stream = prepare(stream, &settings);
        let connection = builder.serve_connection_with_upgrades(stream, service).into_owned();
        let connection = graceful.watch(connection);
        let held = connections.hold();
        let patience = patience.clone();
        tokio::spawn(async move {
            tokio::select! {
                // Peers go away in the middle of things; that is their affair and not worth a line.
                _ = connection => {}
                () = patience.requested() => {}
            }
            drop((held, place));
        });
    }

    drop(listener);
    if tokio::time::timeout(settings.drain.get(), graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = connections.get(), "cutting off connections that did not end in time");
    }
    // Connections end with the trigger, also when this future is dropped.
    drop(cut);
    Ok(())
}

fn with_peer<B>(
    connected: IpAddr,
    proxies: Proxies,
) -> MapRequestLayer<impl Fn(Request<B>) -> Request<B> + Clone> {
    MapRequestLayer::new(move |mut request: Request<B>| {
        let peer = Peer::of(proxies.client(connected, request.headers()));
        request.extensions_mut().insert(peer);
        request
    })
}

fn builder(settings: &HttpSettings) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout.get())
        .max_headers(MAX_HEADERS)
        .max_buf_size(usize::try_from(MAX_HEAD).unwrap_or(usize::MAX));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(settings.header_timeout.get())
        .max_concurrent_streams(settings.max_streams)
        .max_header_list_size(MAX_HEAD);
    builder
}

fn prepare(stream: TcpStream, settings: &HttpSettings) -> TokioIo<Unstalled<TcpStream>> {
    // Events are small and must not wait for each other; a socket that refuses works without.
    let _ = stream.set_nodelay(true);
    TokioIo::new(Unstalled::new(stream, settings.header_timeout.get(), settings.write_stall.get()))
}

/// Decides whether a failed `accept` concerns one connection, the process for a while, or the listener.
async fn recover(error: io::Error) -> Result<(), ServeError> {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
        return Ok(());
    }
    if matches!(error.raw_os_error(), Some(ENFILE | EMFILE)) || error.kind() == io::ErrorKind::OutOfMemory {
        tracing::warn!(error = %error.kind(), "out of file descriptors or memory, accepting no connections for a moment");
        tokio::time::sleep(ACCEPT_PAUSE).await;
        return Ok(());
    }
    Err(ServeError(error))
}
