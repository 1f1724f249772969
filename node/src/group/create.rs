//! Founding a group: the one frame that has no state before it.

use frame_log::{AppendError, Meta, MetaKey, MetaValue, Record, Replaced};
use group_state::{Accepted, GroupState, admission};
use protocol::{Epoch, Refusal, Seq};
use service_kit::limiter::Limiter;
use tokio::sync::Mutex;

use super::{Arrived, Env, Stored, Taken};
use crate::{
    failure::{Facts, Failure, too_fast},
    metrics::Stage,
    verify::{Flow, Lane},
};

/// How many groups were founded, kept only where there is a quota.
const FOUNDED: MetaKey = MetaKey::new("node/groups-founded");

/// How often the count is tried to be changed while other nodes change it too.
const MAX_TRIES: usize = 64;

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

    /// Founds a group if there is room for one more. Given up while its proof waits if `gone` resolves.
    ///
    /// Returns where the id is taken if it is. A place under the quota is taken before the group is stored and given
    /// back if it is not, so that any number of nodes keep it together; a crash in between costs one place.
    ///
    /// # Errors
    /// [`Failure`]: the refusal, a full queue, or a failure of the store.
    pub(super) async fn create(
        &self,
        env: &Env,
        arrived: &Arrived,
        gone: impl Future<Output = ()>,
    ) -> Result<Result<Stored, Taken>, Failure> {
        let Some(quota) = env.settings.quota else {
            let checked = self.check(env, arrived, gone).await?;
            return append(env, arrived, checked).await;
        };
        // Once before anything is computed, and once more when it counts.
        if founded(env).await? >= quota {
            return Err(Failure::StorageFull);
        }
        let checked = self.check(env, arrived, gone).await?;
        let _one_at_a_time = self.counting.lock().await;
        if !count(env, |founded| (founded < quota).then(|| founded.saturating_add(1))).await? {
            return Err(Failure::StorageFull);
        }
        let created = append(env, arrived, checked).await;
        let certainly_not = match &created {
            Ok(outcome) => outcome.is_err(),
            // With an open outcome the group may be there.
            Err(failure) => !matches!(failure, Failure::StorageFailed | Failure::StorageUnavailable),
        };
        if certainly_not && let Err(failure) = count(env, |founded| Some(founded.saturating_sub(1))).await {
            tracing::warn!(error = %failure, "a place under the quota is lost");
        }
        created
    }

    /// Checks an Init, its proof included.
    async fn check(
        &self,
        env: &Env,
        arrived: &Arrived,
        gone: impl Future<Output = ()>,
    ) -> Result<Accepted, Failure> {
        let frame = &arrived.frame;
        if let protocol::head::Place::Operation { at, .. } = frame.head().place {
            let node_time = env.clock.now();
            admission::check_operation_time(at, node_time).map_err(|refusal| Failure::Refused {
                refusal,
                facts: Facts { node_time: Some(node_time), ..Facts::default() },
            })?;
        }
        let proposed = {
            let (frame, keys, metrics) = (frame.clone(), env.keys, env.metrics.clone());
            // Strangers' lane: whoever founds a group has shown nothing but a fresh key.
            let create = move || {
                metrics.checked(Stage::Fold);
                GroupState::create(&frame, keys)
            };
            env.pool.run(Lane::Door, create).await?.map_err(Failure::bare)?
        };
        env.metrics.checked(Stage::Proofs);
        let verdict = tokio::select! {
            verdict = env.verifier.verify(Flow::Founder(arrived.peer), proposed) => verdict?,
            () = gone => return Err(Failure::Abandoned),
        };
        // Charged to those who did the work of a proof: who only makes noise must not use up what is there for all.
        let accepted = verdict.map_err(Failure::bare)?;
        self.rate.take(&(), 1).map_err(too_fast)?;
        Ok(accepted)
    }
}

/// How many groups were founded on this store since there is a quota.
async fn founded(env: &Env) -> Result<u64, Failure> {
    number(Meta::load(&*env.store, FOUNDED).await?.as_ref())
}

fn number(stored: Option<&MetaValue>) -> Result<u64, Failure> {
    match stored {
        Some(value) => Ok(u64::from_be_bytes(value.as_bytes().try_into().map_err(|_| Failure::Internal)?)),
        None => Ok(0),
    }
}

/// Changes the number of founded groups, whoever else does so at the same time; `false` if `change` does not want to.
async fn count(env: &Env, change: impl Fn(u64) -> Option<u64>) -> Result<bool, Failure> {
    let mut stored = Meta::load(&*env.store, FOUNDED).await?;
    for _ in 0..MAX_TRIES {
        let Some(changed) = change(number(stored.as_ref())?) else { return Ok(false) };
        let changed = MetaValue::new(changed.to_be_bytes().to_vec());
        match Meta::replace(&*env.store, FOUNDED, stored, changed).await? {
            Replaced::Done => return Ok(true),
            Replaced::Differs(there) => stored = there,
        }
    }
    Err(Failure::busy())
}

/// Appends a checked Init at position 0 of its own log.
///
/// Its id is a digest of what it says, so nobody can found a group under somebody else's id; two nodes that get the
/// same Init at the same time are told apart by the log.
async fn append(env: &Env, arrived: &Arrived, accepted: Accepted) -> Result<Result<Stored, Taken>, Failure> {
    let (frame, now) = (&arrived.frame, env.now());
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
