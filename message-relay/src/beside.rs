//! The relay inside another process, on the log that one has open.

use std::sync::Arc;

use frame_feed_nats::{FeedKey, NatsSettings, connect};
use frame_log::{FrameLog, FrameSource, Meta};
use service_kit::{clock::SystemClock, health::Health, metrics::Metrics, shutdown::Shutdown};

use crate::{
    Ends, Relay, RelaySettings,
    service::{RunError, outputs},
};

/// A relay that is ready to run beside something else.
#[derive(Debug)]
pub struct Beside {
    ends: Ends,
    settings: RelaySettings,
}

impl Beside {
    /// Prepares a relay of `log`. A NATS that cannot be reached is waited for later, and does not hold up the process.
    ///
    /// # Errors
    /// [`RunError`] for settings that cannot be used, and where the log's key cannot be had.
    pub async fn prepare(
        nats: &NatsSettings,
        settings: RelaySettings,
        log: Arc<dyn FrameLog>,
        meta: Arc<dyn Meta>,
        source: Arc<dyn FrameSource>,
    ) -> Result<Self, RunError> {
        let names = nats.names().map_err(|_| RunError::Names)?;
        let key = FeedKey::load(&*meta).await.map_err(RunError::Key)?;
        let connection = connect(nats, "kith").await.map_err(RunError::Nats)?;
        let outputs = outputs(&settings, &names, &key)?;
        let clock = Arc::new(SystemClock);
        Ok(Self { ends: Ends { log, meta, source, connection, names, outputs, clock }, settings })
    }

    /// Declares its measurements as `relay_…` and gives what is to run: it ends when shutdown is requested and its
    /// partitions are handed over.
    pub fn start(self, metrics: &mut Metrics, shutdown: Shutdown) -> impl Future<Output = ()> + Send + use<> {
        // Whether NATS is there does not decide whether the process it runs in should be given work.
        let health = Health::new(shutdown.clone());
        let relay = Relay::new(self.ends, self.settings, &mut metrics.scope("relay"), &health);
        async move { relay.run(shutdown).await }
    }
}
