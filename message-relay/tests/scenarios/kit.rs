//! A log, a NATS server, relays between them, and what came out.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::jetstream::{consumer::pull::OrderedConfig, stream::Stream};
use bytes::Bytes;
use frame_feed_nats::{
    Connection, FeedKey, FrameMessage, Names, NatsSettings, connect, streams::StreamSettings,
};
use frame_log::{
    FrameLog, FrameSource, LOG_LIFE, LogLife, Meta, OrderedSource, Partitions, Record, UnixMillis,
    memory::MemoryLog,
};
use futures_util::StreamExt as _;
use message_relay::{
    Ends, Relay, RelayMetrics, RelaySettings,
    output::{Frames, Output},
};
use protocol::{Epoch, FrameHash, FrameId, GroupId, Seq};
use servers::{Nats, nats::Options};
use service_kit::{
    clock::{Clock as _, SystemClock},
    config::Period,
    health::Health,
    logging::{self, LogSettings},
    metrics::Metrics,
    shutdown::{self, Trigger},
};
use tokio::task::JoinHandle;

/// How long anything is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) struct Scene {
    pub(crate) nats: Nats,
    pub(crate) log: MemoryLog,
    pub(crate) names: Names,
    pub(crate) connection: Connection,
    pub(crate) settings: RelaySettings,
    pub(crate) key: FeedKey,
}

/// A relay that runs.
pub(crate) struct Running {
    pub(crate) metrics: RelayMetrics,
    pub(crate) health: Health,
    stop: Trigger,
    task: JoinHandle<()>,
}

impl Running {
    /// Ends it in order.
    pub(crate) async fn stop(self) {
        self.stop.request();
        tokio::time::timeout(PATIENCE, self.task).await.expect("it stops").unwrap();
    }

    /// Ends it as a crash does.
    pub(crate) async fn crash(self) {
        self.task.abort();
        let _cancelled = self.task.await;
    }
}

/// Settings under which nothing is waited for that takes long.
pub(crate) fn quick() -> RelaySettings {
    RelaySettings {
        window: 32,
        lease: Period::from_millis(1_000),
        audit_every: Period::from_millis(400),
        cursor_every: Period::from_millis(200),
        remembered_groups: 64,
        streams: StreamSettings { max_age: Period::from_secs(3_600), ..StreamSettings::default() },
        ..RelaySettings::default()
    }
}

pub(crate) async fn connected(nats: &Nats) -> Connection {
    let settings = NatsSettings { urls: vec![nats.url()], ..NatsSettings::default() };
    let connection = connect(&settings, "test").await.unwrap();
    tokio::time::timeout(PATIENCE, connection.until(true)).await.expect("connected");
    connection
}

/// Waits until something holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let end = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < end, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn group(n: u8) -> GroupId {
    // Spread over all buckets.
    GroupId::new([n.wrapping_mul(37); GroupId::LEN])
}

pub(crate) fn record(group: &GroupId, seq: u64, at: UnixMillis) -> Record {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&group.as_bytes()[..8]);
    id[8..].copy_from_slice(&seq.to_be_bytes());
    Record {
        frame: Bytes::from(format!("frame {seq} of {group}")),
        frame_id: FrameId::new(id),
        th: FrameHash::new([7; 32]),
        received_at: at,
        epoch: Epoch::new(0),
        is_operation: false,
    }
}

impl Scene {
    pub(crate) async fn new(partitions: u16) -> Self {
        Self::with(partitions, Options::default()).await
    }

    pub(crate) async fn with(partitions: u16, options: Options) -> Self {
        // For whoever looks for the cause of a failure.
        if let Ok(filter) = std::env::var("KITH_TEST_LOG") {
            let _again = logging::init(&LogSettings { filter, ..LogSettings::default() });
        }
        let nats = Nats::start(options).await.unwrap();
        let log = MemoryLog::new();
        log.save(LOG_LIFE, LogLife::new(1).to_value()).await.unwrap();
        let key = FeedKey::load(&log).await.unwrap();
        let names = Names::new("t".parse().unwrap(), Partitions::new(partitions).unwrap());
        let connection = connected(&nats).await;
        Self { nats, log, names, connection, settings: quick(), key }
    }

    /// Appends so many records to a group.
    pub(crate) async fn append(&self, group: &GroupId, count: u64) {
        self.append_at(group, count, UnixMillis::new(SystemClock.now_ms())).await;
    }

    pub(crate) async fn append_at(&self, group: &GroupId, count: u64, at: UnixMillis) {
        let next = self.log.head(group).await.unwrap().map_or(0, |head| head.get() + 1);
        for seq in next..next + count {
            self.log.append(group, Seq::new(seq), record(group, seq, at)).await.unwrap();
        }
    }

    pub(crate) fn output(&self) -> Arc<dyn Output> {
        Arc::new(Frames::new(self.names.clone(), self.key.clone(), self.settings.streams.clone()))
    }

    pub(crate) async fn relay(&self) -> Running {
        self.relay_from(Arc::new(OrderedSource::new(Arc::new(self.log.clone())))).await
    }

    pub(crate) async fn relay_from(&self, source: Arc<dyn FrameSource>) -> Running {
        let connection = connected(&self.nats).await;
        self.relay_between(Arc::new(self.log.clone()), source, connection)
    }

    pub(crate) fn relay_between(
        &self,
        log: Arc<dyn FrameLog>,
        source: Arc<dyn FrameSource>,
        connection: Connection,
    ) -> Running {
        self.start(log, source, connection, vec![self.output()])
    }

    pub(crate) async fn relay_into(&self, outputs: Vec<Arc<dyn Output>>) -> Running {
        let connection = connected(&self.nats).await;
        let source = Arc::new(OrderedSource::new(Arc::new(self.log.clone())));
        self.start(Arc::new(self.log.clone()), source, connection, outputs)
    }

    fn start(
        &self,
        log: Arc<dyn FrameLog>,
        source: Arc<dyn FrameSource>,
        connection: Connection,
        outputs: Vec<Arc<dyn Output>>,
    ) -> Running {
        let (stop, stopping) = shutdown::channel();
        let health = Health::new(stopping.clone());
        let mut metrics = Metrics::new();
        let ends = Ends {
            log,
            meta: Arc::new(self.log.clone()),
            source,
            connection,
            names: self.names.clone(),
            outputs,
            clock: Arc::new(SystemClock),
        };
        let relay = Relay::new(ends, self.settings.clone(), &mut metrics.scope("relay"), &health);
        let metrics = relay.metrics().clone();
        let task = tokio::spawn(relay.run(stopping));
        Running { metrics, health, stop, task }
    }

    pub(crate) async fn stream(&self, partition: u16) -> Stream {
        let partition = self.names.partitions().get(partition).unwrap();
        self.connection.jetstream().get_stream(self.names.stream(partition)).await.unwrap()
    }

    /// Every message of every stream, in each stream's order, read and checked.
    pub(crate) async fn published(&self) -> Vec<FrameMessage> {
        let mut all = Vec::new();
        // A connection that lets many messages wait.
        let client = async_nats::connect(self.nats.url()).await.unwrap();
        for partition in self.names.partitions().iter() {
            let jetstream = async_nats::jetstream::new(client.clone());
            let Ok(stream) = jetstream.get_stream(self.names.stream(partition)).await else { continue };
            if stream.cached_info().state.messages == 0 {
                continue;
            }
            let consumer = stream.create_consumer(OrderedConfig::default()).await.unwrap();
            let mut messages = consumer.messages().await.unwrap();
            loop {
                let message =
                    tokio::time::timeout(PATIENCE, messages.next()).await.unwrap().unwrap().unwrap();
                let pending = message.info().unwrap().pending;
                let read = FrameMessage::decode(
                    &self.names,
                    &self.key,
                    &message.subject,
                    message.headers.as_ref(),
                    message.payload.clone(),
                );
                all.push(read.expect("only messages of the relay"));
                if pending == 0 {
                    break;
                }
            }
        }
        all
    }

    /// Positions of each group, in the order in which they were published.
    pub(crate) async fn positions(&self) -> BTreeMap<GroupId, Vec<u64>> {
        let mut positions: BTreeMap<_, Vec<u64>> = BTreeMap::new();
        for message in self.published().await {
            let log = self.log.read(&message.group, message.record.seq, frame_log::Limit::new(1, 0)).await;
            assert_eq!(log.unwrap().records[0], message.record, "as in the log");
            positions.entry(message.group).or_default().push(message.record.seq.get());
        }
        positions
    }

    /// What the log holds, in the form of [`Self::positions`].
    pub(crate) async fn in_log(&self) -> BTreeMap<GroupId, Vec<u64>> {
        let mut positions = BTreeMap::new();
        for group in self.log.groups(None, 1_024).await.unwrap() {
            let head = self.log.head(&group).await.unwrap().unwrap();
            positions.insert(group, (0..=head.get()).collect());
        }
        positions
    }

    /// Waits until everything in the log is published, and checks that it is so once and in order.
    pub(crate) async fn exact(&self) {
        self.complete().await;
        assert_eq!(self.positions().await, self.in_log().await, "once, and in order");
    }

    /// Waits until everything in the log is published at least once.
    pub(crate) async fn complete(&self) {
        let end = Instant::now() + PATIENCE;
        loop {
            let mut published = self.positions().await;
            for positions in published.values_mut() {
                positions.sort_unstable();
                positions.dedup();
            }
            let log = self.in_log().await;
            if published == log {
                return;
            }
            if Instant::now() > end {
                let counts = |all: &BTreeMap<GroupId, Vec<u64>>| {
                    all.iter().map(|(g, p)| (g.as_bytes()[0], p.len())).collect::<Vec<_>>()
                };
                panic!("not everything is published: {:?} of {:?}", counts(&published), counts(&log));
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}
