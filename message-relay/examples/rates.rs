//! How fast the relay fills a stream, beside a publisher that does nothing else, and how much memory a backlog takes.
//!
//! ```text
//! cargo run --release -p message-relay --example rates -- rates
//! cargo run --release -p message-relay --example rates -- backlog 1000000 /some/folder
//! ```
//!
//! Needs the server that `scripts/servers nats` installs.
#![allow(clippy::print_stdout, reason = "it prints what it measures")]

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use async_nats::{
    HeaderMap,
    jetstream::{self, message::PublishMessage, stream::Config},
};
use bytes::Bytes;
use frame_feed_nats::{FeedKey, Names, NatsSettings, connect};
use frame_log::{
    FrameLog, FrameSource, LOG_LIFE, LogLife, Meta, OrderedSource, Partitions, Record, UnixMillis,
    memory::MemoryLog,
};
use frame_log_embedded::{EmbeddedFrameLog, Options};
use futures_util::{StreamExt as _, stream::FuturesOrdered};
use message_relay::{Ends, Relay, RelayMetrics, RelaySettings, output::Frames};
use protocol::{Epoch, FrameHash, FrameId, GroupId, Seq};
use servers::{Nats, nats};
use service_kit::{
    clock::{Clock as _, SystemClock},
    config::Period,
    health::Health,
    metrics::Metrics,
    shutdown::{self, Trigger},
};
use tokio::task::JoinHandle;

const GROUPS: u64 = 1_000;
const FRAME: usize = 512;

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["rates"] => rates().await,
        ["backlog", records, folder] => backlog(records.parse()?, folder.into()).await,
        _ => bail!("rates, or: backlog RECORDS FOLDER"),
    }
}

fn group(n: u64) -> GroupId {
    let mut id = [0x5a; GroupId::LEN];
    let (start, _) = id.split_at_mut(8);
    // Spread over all buckets.
    start.copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    GroupId::new(id)
}

fn record(group: u64, seq: u64) -> Record {
    let mut id = [0; 16];
    let (start, end) = id.split_at_mut(8);
    start.copy_from_slice(&group.to_be_bytes());
    end.copy_from_slice(&seq.to_be_bytes());
    Record {
        frame: Bytes::from(vec![0xab; FRAME]),
        frame_id: FrameId::new(id),
        th: FrameHash::new([7; 32]),
        received_at: UnixMillis::new(SystemClock.now_ms()),
        epoch: Epoch::new(0),
        is_operation: false,
    }
}

struct Running {
    metrics: RelayMetrics,
    stop: Trigger,
    task: JoinHandle<()>,
}

impl Running {
    async fn stop(self) -> Result<()> {
        self.stop.request();
        self.task.await.context("the relay panicked")
    }

    async fn published(&self, records: u64) {
        while self.metrics.published() < records {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn relay(
    server: &Nats,
    log: Arc<dyn FrameLog>,
    meta: Arc<dyn Meta>,
    source: Arc<dyn FrameSource>,
    window: u16,
) -> Result<Running> {
    meta.save(LOG_LIFE, LogLife::new(1).to_value()).await?;
    let nats = NatsSettings { urls: vec![server.url()], partitions: 1, ..NatsSettings::default() };
    let connection = connect(&nats, "rates").await?;
    connection.until(true).await;
    let names = Names::new(nats.prefix.parse()?, Partitions::ONE);
    let settings = RelaySettings { window, lease: Period::from_secs(3), ..RelaySettings::default() };
    let frames = Frames::new(names.clone(), FeedKey::load(&*meta).await?, settings.streams.clone());
    let clock = Arc::new(SystemClock);
    let ends = Ends { log, meta, source, connection, names, outputs: vec![Arc::new(frames)], clock };
    let (stop, stopping) = shutdown::channel();
    let health = Health::new(stopping.clone());
    let relay = Relay::new(ends, settings, &mut Metrics::new().scope("relay"), &health);
    let metrics = relay.metrics().clone();
    Ok(Running { metrics, stop, task: tokio::spawn(relay.run(stopping)) })
}

async fn rates() -> Result<()> {
    println!("{FRAME}-byte frames of {GROUPS} groups, one partition; records/s, the middle of three runs");
    println!("{:>8} {:>7} {:>10} {:>10} {:>8}", "sync", "window", "relay", "bare", "of bare");
    for (sync_always, name) in [(false, "default"), (true, "always")] {
        for window in [1_u16, 16, 64, 256, 1_024] {
            let records = match (sync_always, window) {
                (true, 1) => 3_000,
                (true, _) | (false, 1) => 10_000,
                (false, _) => 60_000,
            };
            let (mut ours, mut bare) = (Vec::new(), Vec::new());
            for _ in 0..3 {
                ours.push(relayed(sync_always, window, records).await?);
                bare.push(published(sync_always, window, records).await?);
            }
            let (ours, bare) = (middle(ours), middle(bare));
            println!("{name:>8} {window:>7} {ours:>10.0} {bare:>10.0} {:>7.0}%", 100.0 * ours / bare);
        }
    }
    Ok(())
}

fn middle(mut runs: Vec<f64>) -> f64 {
    runs.sort_by(f64::total_cmp);
    runs.get(runs.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn rate(records: u64, since: Instant) -> f64 {
    records as f64 / since.elapsed().as_secs_f64()
}

/// Appends to a log in memory while the relay leads, and waits until all is acknowledged.
async fn relayed(sync_always: bool, window: u16, records: u64) -> Result<f64> {
    let server = Nats::start(nats::Options { sync_always, ..nats::Options::default() }).await?;
    let log = Arc::new(MemoryLog::new());
    let source = Arc::new(OrderedSource::new(Arc::clone(&log)));
    let relay = relay(&server, log.clone(), log.clone(), source, window).await?;
    // The groups are known, as they are to a relay that has run for a while.
    for n in 0..GROUPS {
        log.append(&group(n), Seq::ZERO, record(n, 0)).await?;
    }
    relay.published(GROUPS).await;
    let since = Instant::now();
    for n in 0..records {
        let seq = 1 + n / GROUPS;
        log.append(&group(n % GROUPS), Seq::new(seq), record(n % GROUPS, seq)).await?;
    }
    relay.published(GROUPS + records).await;
    let rate = rate(records, since);
    relay.stop().await?;
    Ok(rate)
}

/// The same payload and as many bytes of headers with as many messages under way, by the client alone.
async fn published(sync_always: bool, window: u16, records: u64) -> Result<f64> {
    let server = Nats::start(nats::Options { sync_always, ..nats::Options::default() }).await?;
    let jetstream = jetstream::new(async_nats::connect(server.url()).await?);
    let config = Config { name: "bare".into(), subjects: vec!["bare.*".into()], ..Config::default() };
    jetstream.create_stream(config).await?;
    let mut headers = HeaderMap::new();
    headers.insert("Kith", "x".repeat(700));
    let payload = Bytes::from(vec![0xab; FRAME]);
    let mut answers = FuturesOrdered::new();
    let since = Instant::now();
    for n in 0..records {
        if answers.len() >= usize::from(window) {
            answers.next().await.context("nothing under way")??;
        }
        let message = PublishMessage::build().payload(payload.clone()).headers(headers.clone());
        let subject = format!("bare.{}", group(n % GROUPS));
        answers.push_back(IntoFuture::into_future(jetstream.send_publish(subject, message).await?));
    }
    while let Some(answer) = answers.next().await {
        answer?;
    }
    Ok(rate(records, since))
}

/// Memory of this process, in KiB.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

/// Fills an embedded log and relays all of it from the beginning.
async fn backlog(records: u64, folder: PathBuf) -> Result<()> {
    ensure!(!folder.exists(), "the folder must not exist");
    let server = Nats::start(nats::Options::default()).await?;
    let log = Arc::new(EmbeddedFrameLog::open(folder.clone(), Options::default())?);
    let groups = 10_000.min(records);
    for seq in 0..records / groups {
        let appends = (0..groups).map(|n| {
            let log = Arc::clone(&log);
            async move { log.append(&group(n), Seq::new(seq), record(n, seq)).await }
        });
        let mut appends = futures_util::stream::iter(appends).buffer_unordered(256);
        while let Some(appended) = appends.next().await {
            appended?;
        }
    }
    let before = resident()?;
    println!("{records} records in {groups} groups; {before} KiB resident before relaying");
    let source = Arc::new(OrderedSource::new(Arc::clone(&log)));
    let since = Instant::now();
    let relay = relay(&server, log.clone(), log.clone(), source, 256).await?;
    let (mut most, mut said) = (before, 0);
    let all = records / groups * groups;
    while relay.metrics.published() < all {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (now, published) = (resident()?, relay.metrics.published());
        most = most.max(now);
        if published >= said + all / 10 {
            said = published;
            println!("{published:>10} published, {now} KiB resident");
        }
    }
    println!("{:.0} records/s, at most {most} KiB resident", rate(all, since));
    relay.stop().await?;
    log.close().await;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
