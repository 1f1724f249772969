//! Founding a group: the one frame that has no state before it.

use frame_log::{AppendError, Meta, MetaKey, MetaValue, Record};
use group_state::{GroupState, admission};
use protocol::{Epoch, Refusal, Seq};
use service_kit::limiter::Limiter;
use tokio::sync::Mutex;

use super::{Arrived, Env, Stored, Taken};
use crate::{
    failure::{Facts, Failure, too_fast},
    metrics::Stage,
    verify::Lane,
};

/// How many groups were founded, kept only where there is a quota.
const FOUNDED: MetaKey = MetaKey::new("node/groups-founded");

/// Holds founders to rate and quota.
#[derive(Debug)]
pub(super) struct Founding {
    rate: Limiter,
    /// Held while the quota is looked at and counted.
    counting: Mutex<()>,
}

impl Founding {
    pub(super) fn new(env: &Env) -> Self {
        Self { rate: Limiter::new(env.rates.group_creations, 1), counting: Mutex::default() }
    }

    /// Founds a group if there is room for one more.
    ///
    /// A crash or a full disk between a group's first frame and the count leaves the count one short, which is no harm.
    pub(super) async fn create(
        &self,
        env: &Env,
        arrived: &Arrived,
    ) -> Result<Result<Stored, Taken>, Failure> {
        let Some(quota) = env.settings.quota else { return self.found(env, arrived).await };
        let _one_at_a_time = self.counting.lock().await;
        let founded = match Meta::load(&*env.store, FOUNDED).await? {
            Some(value) => u64::from_be_bytes(value.as_bytes().try_into().map_err(|_| Failure::Internal)?),
            None => 0,
        };
        if founded >= quota {
            return Err(Failure::StorageFull);
        }
        let created = self.found(env, arrived).await?;
        if created.is_ok() {
            let count = founded.saturating_add(1).to_be_bytes().to_vec();
            // The group is there; that it was not counted is no reason to say otherwise.
            if let Err(error) = env.store.save(FOUNDED, MetaValue::new(count)).await {
                tracing::warn!(%error, "a new group could not be counted");
            }
        }
        Ok(created)
    }

    /// Checks an Init and appends it at position 0 of its own log.
    ///
    /// Its id is a digest of what it says, so nobody can found a group under somebody else's id; two nodes that get the
    /// same Init at the same time are told apart by the log. Returns where the id is taken if it is.
    ///
    /// # Errors
    /// [`Failure`]: the refusal, a full queue, or a failure of the store.
    async fn found(&self, env: &Env, arrived: &Arrived) -> Result<Result<Stored, Taken>, Failure> {
        let frame = &arrived.frame;
        let now = env.now();
        if let protocol::head::Place::Operation { at, .. } = frame.head().place {
            let node_time = env.clock.now();
            admission::check_operation_time(at, node_time).map_err(|refusal| Failure::Refused {
                refusal,
                facts: Facts { node_time: Some(node_time), ..Facts::default() },
            })?;
        }
        let keys = env.keys;
        let accepted = {
            let frame = frame.clone();
            let metrics = env.metrics.clone();
            // Strangers' lane: whoever founds a group has shown nothing but a fresh key.
            env.pool
                .run(Lane::Door, move || {
                    metrics.checked(Stage::Fold);
                    let proposed = GroupState::create(&frame, keys)?;
                    metrics.checked(Stage::Proofs);
                    proposed.verify(keys)
                })
                .await?
                .map_err(Failure::bare)?
        };
        // Charged to those who did the work of a proof: who only makes noise must not use up what is there for all.
        self.rate.take(&(), 1).map_err(too_fast)?;
        let record = Record {
            frame: arrived.bytes.clone(),
            frame_id: frame.head().frame_id,
            th: frame.hash(),
            received_at: now,
            epoch: Epoch::ZERO,
            is_operation: true,
        };
        match env.store.append(&frame.head().group, Seq::ZERO, record).await {
            Ok(seq) => Ok(Ok(Stored { seq, log: accepted.state.log(), received_at: now, duplicate: false })),
            Err(AppendError::Duplicate { seq, th }) => Ok(Err(Taken { seq, th })),
            // Somebody founded the group a moment ago, with another frame of the same core.
            Err(AppendError::Conflict { .. }) => Err(Failure::bare(Refusal::StaleEpoch)),
            Err(error) => Err(error.into()),
        }
    }
}
