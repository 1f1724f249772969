//! Two nodes on one database, a relay, NATS and a load balancer in front: nodes are killed, NATS loses everything, and
//! the network between them fails, under people who write and follow, and still everything arrives once and in order.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::{
    collections::BTreeMap,
    path::Path,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use e2e::{PATIENCE, cache_folder};
use futures_util::StreamExt as _;
use kith_client_sdk::{Client, Entry, Error, Group, LinkOptions, Options, Position, StoreKey, Suite, What};
use servers::{Caddy, Mongo, Nats, Network, Port, Process, Program, Proxy, Ready, nats};
use tokio::time::{sleep, timeout};

const LAST: &str = "that was all";

/// What senders were told: position and text.
type Told = Arc<Mutex<BTreeMap<u64, String>>>;

struct Site {
    _mongo: Mongo,
    nats: Nats,
    /// Between the nodes and the database.
    to_mongo: Proxy,
    /// Between the nodes and NATS.
    to_nats: Proxy,
    _relay: Process,
    nodes: Vec<Process>,
    caddy: Caddy,
    folder: tempfile::TempDir,
    _ports: Vec<Port>,
}

/// The program a variable names.
fn program(variable: &str) -> Result<Program> {
    let path =
        std::env::var_os(variable).with_context(|| format!("{variable} is not set: run scripts/test"))?;
    Ok(Program::new(std::path::PathBuf::from(path)))
}

impl Site {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mongo = Mongo::start().await?;
        let nats =
            Nats::start(nats::Options { max_payload: Some(8 << 20), ..nats::Options::default() }).await?;
        let (to_mongo, to_nats) = (Proxy::to_port(mongo.port()).await?, Proxy::to_port(nats.port()).await?);
        let settings = |feed: &str, mongo: u16, nats: u16| {
            vec![
                format!("store.mongodb.uri=mongodb://127.0.0.1:{mongo}/?directConnection=true"),
                format!("{feed}.urls=[\"nats://127.0.0.1:{nats}\"]"),
                format!("{feed}.partitions=2"),
            ]
        };

        let mut relay = program("KITH_RELAY_BIN")?.args(["--set", "relay.lease=600ms"]);
        for setting in settings("nats", mongo.port(), nats.port()) {
            relay = relay.args(["--set", &setting]);
        }
        let relay = relay.args(["--set", "listen.admin=127.0.0.1:0"]);
        let relay = relay.start().await?;

        let ports = vec![Port::free()?, Port::free()?];
        let caddy = Caddy::start(&ports.iter().map(Port::address).collect::<Vec<_>>()).await?;
        let mut nodes = Vec::new();
        for (n, port) in ports.iter().enumerate() {
            let mut node =
                program("KITH_BIN")?.arg("serve").arg("--data").arg(folder.path().join(n.to_string()));
            node = node.args(["--listen", &port.address().to_string()]);
            let mut settings = settings("feed.nats", to_mongo.port(), to_nats.port());
            settings.push("store.kind=mongodb".into());
            settings.push("feed.kind=nats".into());
            settings.push(format!("listen.origin={}", caddy.url()));
            for rate in ["leaf_operations", "leaf_updates", "group_frames", "peer_frames", "peer_requests"] {
                settings.push(format!("rates.{rate}.per_minute=600000"));
                settings.push(format!("rates.{rate}.burst=100000"));
            }
            for setting in settings {
                node = node.args(["--set", &setting]);
            }
            nodes.push(node.ready(Ready::Line("the node is ready".into())).start().await?);
        }
        Ok(Self {
            _mongo: mongo,
            nats,
            to_mongo,
            to_nats,
            _relay: relay,
            nodes,
            caddy,
            folder,
            _ports: ports,
        })
    }
}

async fn person(folder: &Path, name: &str) -> Result<Client> {
    let options = Options::new(folder.join(name), StoreKey::from_bytes(&[7; 32]), cache_folder()?);
    let client = Client::open(options).await?;
    client.create_identity(name).await?;
    Ok(client)
}

/// Writes until told to stop. What the sender is not sure of, the library sends again by itself.
async fn write(group: Group, name: &'static str, told: Told, stop: Arc<AtomicBool>) -> Result<(), Error> {
    let mut n = 0_u32;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let text = format!("{name} {n}");
        match group.send_text(&text).await {
            Ok(seq) => {
                let before = told.lock().unwrap().insert(seq, text);
                assert_eq!(before, None, "two messages were acknowledged at one position");
            }
            Err(error) if error.is_retryable() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Follows from the beginning, breaking off after every `patience` entries, until the last message.
async fn follow_in_parts(group: Group, patience: usize) -> Result<Vec<Entry>, Error> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let from = Position(all.last().map_or(0, |entry| entry.position.0 + 1));
        let mut stream = pin!(group.follow(from).take(patience));
        while let Some(entry) = stream.next().await {
            all.push(entry?);
            if all.last().is_some_and(|e| matches!(&e.what, What::Text { text } if text == LAST)) {
                return Ok(all);
            }
        }
    }
}

/// Waits for so many more acknowledgements.
async fn more(told: &Told, messages: usize) -> Result<()> {
    let goal = told.lock().unwrap().len() + messages;
    timeout(PATIENCE, async {
        while told.lock().unwrap().len() < goal {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .context("no more acknowledgements")
}

/// People write and follow while `faults` happen; at the end all have heard the same, and all of it.
async fn everything_arrives_once(faults: impl AsyncFnOnce(&mut Site, &Told) -> Result<()>) -> Result<()> {
    let mut site = Site::start().await?;
    let ann = person(site.folder.path(), "Ann").await?;
    let founded = ann.create_group("Trip", &site.caddy.url(), Suite::Aes256Gcm).await?;
    let link = founded.invite_link(LinkOptions::default()).await?;
    let joined = person(site.folder.path(), "Ben").await?.join(&link).await?;
    let followers: Vec<_> =
        [1, 7, 1_000].map(|n| tokio::spawn(follow_in_parts(joined.clone(), n))).into_iter().collect();

    let (told, stop) = (Told::default(), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = [(&founded, "Ann"), (&joined, "Ben")]
        .map(|(group, name)| tokio::spawn(write(group.clone(), name, Arc::clone(&told), Arc::clone(&stop))))
        .into_iter()
        .collect();
    more(&told, 5).await?;
    faults(&mut site, &told).await?;
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        timeout(PATIENCE, writer).await???;
    }
    // What is still on its way gets there now; then the last word.
    joined.sync().await?;
    founded.sync().await?;
    founded.send_text(LAST).await?;

    let mut heard = Vec::new();
    for follower in followers {
        heard.push(timeout(PATIENCE, follower).await???);
    }
    // And somebody who was away all the time.
    heard.push(timeout(PATIENCE, follow_in_parts(joined, 1_000)).await??);
    for entries in &heard {
        let positions: Vec<u64> = entries.iter().map(|entry| entry.position.0).collect();
        assert_eq!(positions, (0..positions.len() as u64).collect::<Vec<_>>());
        assert!(entries.iter().map(|entry| entry.seq).is_sorted(), "entries out of order");
    }
    heard.dedup();
    assert_eq!(heard.len(), 1, "followers heard different things");
    let texts: Vec<(u64, &str)> = heard[0]
        .iter()
        .filter_map(|e| if let What::Text { text } = &e.what { Some((e.seq, text.as_str())) } else { None })
        .collect();
    for (seq, text) in &*told.lock().unwrap() {
        assert!(texts.contains(&(*seq, text.as_str())), "acknowledged at {seq} and not there: {text}");
    }
    let mut once: Vec<&str> = texts.iter().map(|(_, text)| *text).collect();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), texts.len(), "a message is there twice");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_and_nats_die() -> Result<()> {
    everything_arrives_once(async |site, told| {
        for cycle in 0..4 {
            let at = cycle % 2;
            site.nodes[at].kill()?;
            more(told, 3 + cycle).await?;
            site.nodes[at].restart().await?;
            more(told, 3).await?;
            if cycle == 1 {
                site.nats.wipe()?;
                more(told, 3).await?;
                site.nats.restart().await?;
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_network_fails() -> Result<()> {
    let networks = [
        Network::lossy(20, Duration::from_millis(200)),
        Network::black_hole(),
        Network::deaf_server(),
        Network::deaf_client(),
        Network::refusing(),
    ];
    everything_arrives_once(async |site, told| {
        for network in networks {
            for proxy in [&site.to_nats, &site.to_mongo] {
                proxy.set(network);
                if network.refuse {
                    proxy.cut();
                }
                sleep(Duration::from_millis(1_200)).await;
                if network.up.silent || network.down.silent {
                    // A partition that ends by itself lets everything through; a real one has lost it by now.
                    proxy.cut();
                }
                proxy.clear();
                more(told, 3).await?;
            }
        }
        // Answers that are lost one after the other: what was appended is not appended again.
        for _ in 0..10 {
            more(told, 1).await?;
            site.to_mongo.cut();
        }
        more(told, 3).await
    })
    .await
}
