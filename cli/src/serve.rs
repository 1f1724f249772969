//! `kith serve`: node, frame log and read-once drops in one process, and the relay where it is told of a NATS.

use std::{convert::Infallible, io::Write as _, sync::Arc};

use anyhow::{Context as _, Result};
use message_relay::{NatsSettings, RelaySettings};
use node::{
    Beside, OpenStore,
    config::{Config, StoreKind},
};
use service_kit::{clock::SystemClock, config, logging, shutdown};
use tokio::net::TcpListener;
use transistor::{config::TransistorSettings, service::Transistor};

use crate::{
    args::ServeArgs,
    settings::{Parts, ServeSettings},
};

/// Runs a server until it is told to stop, or prints its settings.
pub(crate) async fn serve(args: &ServeArgs) -> Result<()> {
    let (all, local) = settings(args)?;
    if args.config.print_config {
        return Ok(std::io::stdout().write_all(config::render(&all)?.as_bytes())?);
    }
    let Parts { node: settings, relay, transistor } = all.split();
    logging::init(&settings.log)?;
    // Before anything is said about serving; the node reads them once more.
    let parameters = settings.proofs.clone();
    tokio::task::spawn_blocking(move || parameters.load()).await??;
    let address = settings.listen.address;
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("{address} cannot be listened on"))?;
    let (trigger, stopping) = shutdown::channel();
    tokio::spawn(shutdown::signals(trigger).context("signals cannot be handled")?);
    announce(&settings, &listener)?;
    if local {
        warn_local();
    }
    let opened = OpenStore::open(&settings.store).await?;
    let ended = match beside(&opened, &settings, relay, transistor).await {
        Ok(beside) => Box::pin(node::run_beside(settings, &opened, listener, stopping, beside))
            .await
            .map_err(Into::into),
        Err(error) => Err(error),
    };
    opened.close().await;
    ended
}

/// What runs in this process besides the node.
async fn beside(
    opened: &OpenStore,
    node: &Config,
    relay: Option<(NatsSettings, RelaySettings)>,
    transistor: Option<TransistorSettings>,
) -> Result<Vec<Beside>> {
    let mut all = Vec::new();
    if let Some((nats, relay)) = relay {
        let (log, meta, source) = (opened.store.clone(), opened.store.clone(), opened.source.clone());
        let relay = message_relay::Beside::prepare(&nats, relay, log, meta, source).await?;
        all.push(Beside::task("relay", |metrics, stopping| {
            let running = relay.start(metrics, stopping);
            async move {
                running.await;
                Ok::<_, Infallible>(())
            }
        }));
    }
    if let Some(settings) = transistor {
        // The folder was brought back from a copy: what stands in it may have been read since.
        if node.store.restored && settings.store.kind == transistor::config::StoreKind::Sqlite {
            let drops = transistor::service::discard(&settings.store).await?;
            tracing::warn!(drops, "drops were erased, since they are those of a copy and may have been read");
        }
        let transistor = Transistor::open(settings).await.context("drops cannot be kept")?;
        let http = node.http.clone();
        let service = Beside::service("transistor", move |metrics, stopping| {
            let clock = Arc::new(SystemClock);
            let running = transistor.start(&http, clock, &mut metrics.scope("transistor"), stopping);
            let task = async move {
                running.background.await;
                Ok::<_, Infallible>(())
            };
            (running.router, task)
        });
        all.push(service.with_drops());
    }
    Ok(all)
}

/// Defaults, then the file, then the environment, then the flags. With no word about proof parameters anywhere, a server
/// for this machine alone takes those for development; the second value says that it did.
fn settings(args: &ServeArgs) -> Result<(ServeSettings, bool)> {
    let mut sources = args.config.sources();
    let mut set = |key: &str, value: Option<String>| {
        sources.overrides.extend(value.map(|value| (key.to_owned(), value)));
    };
    set("store.data", args.data.as_ref().map(|folder| folder.to_string_lossy().into_owned()));
    set("listen.address", args.listen.map(|address| address.to_string()));
    set("listen.origin", args.origin.clone());
    let told = |(name, _): &(String, String)| name.to_lowercase().replace("__", ".").contains("proofs.");
    let bare = sources.file.is_none() && !sources.environment.iter().chain(&sources.overrides).any(told);
    let mut settings: ServeSettings = config::load(&sources)?;
    let local = bare && is_local(&settings);
    settings.proofs.development |= local;
    Ok((settings, local))
}

/// Whether nobody on another machine can reach it.
fn is_local(settings: &ServeSettings) -> bool {
    let origin = settings.listen.origin.as_ref().map(ToString::to_string);
    let here = |origin: &String| {
        ["http://127.", "http://localhost:", "http://[::1]"].iter().any(|start| origin.starts_with(start))
    };
    settings.listen.address.ip().is_loopback() && origin.as_ref().is_none_or(here)
}

/// Loud, since it must not be taken for a server one can rely on.
fn warn_local() {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(
        out,
        "kith: WARNING: this server is for this machine alone and takes the DEVELOPMENT proof parameters, under which \
         anybody can forge proofs. A server for people needs keys of a ceremony: proofs.keys and proofs.pin"
    );
}

/// One line for people, on standard error beside the log.
fn announce(settings: &Config, listener: &TcpListener) -> Result<()> {
    let address = listener.local_addr()?;
    let place = if settings.store.kind == StoreKind::Embedded {
        settings.store.data.display().to_string()
    } else {
        format!("the database {}", settings.store.mongodb.database)
    };
    let mut out = std::io::stderr().lock();
    // A closed standard error is no reason not to serve.
    let _ = writeln!(out, "kith: serving on http://{address}, data in {place}; Ctrl-C stops");
    Ok(())
}
