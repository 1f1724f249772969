//! The listener for clients.
//!
//! Beyond what every service's listener does, this one tells handlers who is at the other end, so that one address
//! cannot use up what is there for all, and cuts off whoever stops reading: an event stream writes for hours, and a
//! peer that takes nothing more would hold its place for ever.

mod stall;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use service_kit::{http::HttpSettings, metrics::Gauge, shutdown::Shutdown};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};
use tower::{Layer, ServiceExt, util::MapRequestLayer};

use self::stall::Unstalled;
use crate::http::Peer;

/// Longest head of a request, in bytes; in HTTP/2, decompressed.
const MAX_HEAD: u32 = 32 * 1024;
/// Most header lines of an HTTP/1 request.
const MAX_HEADERS: usize = 64;
/// How often an HTTP/2 peer that says nothing is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Pause before accepting again when the process is out of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves HTTP/1.1 and, with prior knowledge, HTTP/2 until shutdown is requested; then lets what was begun finish for
/// as long as the settings say and cuts off the rest.
///
/// # Errors
/// The error of a listener that does not work any more.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    settings: &HttpSettings,
    write_stall: Duration,
    connections: Gauge,
    shutdown: Shutdown,
) -> io::Result<()> {
    let router = router.map_request(|request: Request<_>| request.map(Body::new));
    let builder = builder(settings);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(usize::try_from(settings.max_connections).unwrap_or(usize::MAX)));
    // Dropped at the end of this function, which ends every connection that is left.
    let (cut_off, is_cut_off) = watch::channel(());

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
        let service = TowerToHyperService::new(with_peer(address).layer(router.clone()));
        let connection =
            builder.serve_connection_with_upgrades(prepare(stream, write_stall), service).into_owned();
        let connection = graceful.watch(connection);
        let held = connections.hold();
        let mut cut_off = is_cut_off.clone();
        tokio::spawn(async move {
            tokio::select! {
                // Peers go away in the middle of things; that is their affair and not worth a line.
                _ended = connection => {}
                _cut_off = cut_off.changed() => {}
            }
            drop((held, place));
        });
    }

    drop(listener);
    if tokio::time::timeout(settings.drain.get(), graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = connections.get(), "cutting off connections that did not end in time");
    }
    drop(cut_off);
    Ok(())
}

fn with_peer<B>(address: SocketAddr) -> MapRequestLayer<impl Fn(Request<B>) -> Request<B> + Clone> {
    let peer = Peer::of(address.ip());
    MapRequestLayer::new(move |mut request: Request<B>| {
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

fn prepare(stream: TcpStream, write_stall: Duration) -> TokioIo<Unstalled<TcpStream>> {
    // Events are small and must not wait for each other; a socket that refuses works without.
    let _refused = stream.set_nodelay(true);
    TokioIo::new(Unstalled::new(stream, write_stall))
}

/// Decides whether a failed `accept` concerns one connection, the process for a while, or the listener.
async fn recover(error: io::Error) -> io::Result<()> {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, OutOfMemory};
    // ENFILE and EMFILE: no file descriptors left.
    let exhausted = matches!(error.raw_os_error(), Some(23 | 24)) || error.kind() == OutOfMemory;
    if exhausted {
        tracing::warn!("out of file descriptors or memory, accepting no connections for a moment");
        tokio::time::sleep(ACCEPT_PAUSE).await;
        return Ok(());
    }
    let of_one =
        matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted);
    if of_one { Ok(()) } else { Err(error) }
}
