//! A relay at work: which partitions it leads, and the leaders.

use std::sync::{Arc, atomic::AtomicU64};

use frame_feed_nats::{Connection, Names};
use frame_log::{FrameLog, FrameSource, Meta};
use service_kit::{
    clock::Clock,
    health::{Health, Part},
    metrics::Scope,
    shutdown::Shutdown,
};
use tokio::time::MissedTickBehavior;

use crate::{
    RelaySettings, bucket::Bucket, coordinate::Coordinator, lead::Lane, lease::Instance,
    metrics::RelayMetrics, output::Output, parked::Parking,
};

/// What a relay works between.
#[derive(Clone)]
pub struct Ends {
    /// The log that is relayed.
    pub log: Arc<dyn FrameLog>,
    /// Values kept beside the log: its life.
    pub meta: Arc<dyn Meta>,
    /// Where new records are heard of.
    pub source: Arc<dyn FrameSource>,
    /// NATS.
    pub connection: Connection,
    /// What things are called there, and how groups are shared out.
    pub names: Names,
    /// The formats to publish in.
    pub outputs: Vec<Arc<dyn Output>>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ends")
            .field("names", &self.names)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}

/// What all leaders of a process share.
pub(crate) struct Shared {
    pub(crate) log: Arc<dyn FrameLog>,
    pub(crate) meta: Arc<dyn Meta>,
    pub(crate) source: Arc<dyn FrameSource>,
    pub(crate) connection: Connection,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: RelaySettings,
    pub(crate) instance: Instance,
    pub(crate) bucket: Bucket,
    pub(crate) parking: Arc<Parking>,
    pub(crate) metrics: RelayMetrics,
    pub(crate) runs: Arc<AtomicU64>,
}

/// Passes every record of a log on, in each group's order.
///
/// Any number of instances may run beside each other; they share the partitions out among them.
pub struct Relay {
    pub(crate) shared: Arc<Shared>,
    pub(crate) lanes: Vec<Arc<Lane>>,
    pub(crate) connected: Part,
    pub(crate) leaders: Part,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("instance", &self.shared.instance)
            .field("lanes", &self.lanes.len())
            .finish_non_exhaustive()
    }
}

impl Relay {
    /// A relay that does nothing yet. Its measurements are declared in `scope`, its readiness in `health`: ready is who is
    /// connected and knows a leader of every partition.
    pub fn new(ends: Ends, settings: RelaySettings, scope: &mut Scope<'_>, health: &Health) -> Self {
        let Ends { log, meta, source, connection, names, outputs, clock } = ends;
        let partitions = names.partitions();
        let all =
            outputs.iter().flat_map(|output| partitions.iter().map(move |partition| (output, partition)));
        let lanes: Vec<Arc<Lane>> = all
            .enumerate()
            .map(|(index, (output, partition))| {
                let buckets = partitions.buckets(partition);
                Arc::new(Lane { index, output: Arc::clone(output), partition, buckets })
            })
            .collect();
        let metrics = RelayMetrics::new(scope, lanes.len(), source.kind());
        let replicas = settings.streams.replicas;
        let (jetstream, prefix) = (connection.jetstream(), names.prefix());
        let parking = Parking::new(jetstream.clone(), prefix, replicas, metrics.parked.clone());
        let shared = Shared {
            bucket: Bucket::new(jetstream, prefix, replicas),
            instance: instance(&connection),
            log,
            meta,
            source,
            connection,
            clock,
            settings,
            parking: Arc::new(parking),
            metrics,
            runs: Arc::default(),
        };
        let (connected, leaders) = (health.part("nats"), health.part("leaders"));
        Self { shared: Arc::new(shared), lanes, connected, leaders }
    }

    /// The name this relay goes by among others.
    #[must_use]
    pub fn instance(&self) -> &Instance {
        &self.shared.instance
    }

    /// What is measured.
    #[must_use]
    pub fn metrics(&self) -> &RelayMetrics {
        &self.shared.metrics
    }

    /// Relays until `shutdown` is requested; then gives its partitions back in order, which takes one lease at most.
    ///
    /// Nothing ends it otherwise: whatever cannot be reached is waited for, and whatever goes wrong is tried again.
    ///
    /// # Cancel safety
    /// Dropped, it leaves everything where it is; others take its partitions over when the leases have run out.
    pub async fn run(self, shutdown: Shutdown) {
        let lease = self.shared.settings.lease.get();
        let source = self.shared.source.kind().name();
        tracing::info!(instance = %self.shared.instance, lanes = self.lanes.len(), source, "the relay starts");
        let mut coordinator = Coordinator::new(self, lease);
        let mut ticks = tokio::time::interval(lease / 3);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = shutdown.requested() => break,
                ended = coordinator.next_end() => coordinator.ended(ended).await,
                _ = ticks.tick() => tokio::select! {
                    () = shutdown.requested() => break,
                    () = coordinator.tick() => {}
                },
            }
        }
        coordinator.stop().await;
    }
}

/// A new name, from the randomness the connection has for its inboxes.
fn instance(connection: &Connection) -> Instance {
    let inbox = connection.client().new_inbox();
    Instance::new(inbox.rsplit('.').next().unwrap_or(&inbox).to_owned())
}
