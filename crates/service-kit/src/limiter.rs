//! Rate limits in a fixed amount of memory.
//!
//! Callers are not stored. A key is hashed, with a secret of the process, to one token bucket in each of two rows, as
//! in a count–min sketch: a request is allowed if either bucket has enough, and is charged to both. A key alone in one
//! of its buckets gets its whole allowance; no key ever gets more, whatever the others do; and an attacker with a
//! million keys fills no memory, and cannot choose whom to collide with.

use core::{hash::Hash, time::Duration};
use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::config::Problems;

/// How much, how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Units that come back every minute, for ever.
    pub per_minute: u32,
    /// Units that may be used at once after a rest.
    pub burst: u32,
}

impl Quota {
    /// Reports a quota that lets nothing through; `section` is where it stands.
    pub fn check(&self, section: &str, problems: &mut Problems) {
        problems.require(self.per_minute > 0, &format!("{section}.per_minute"), "must be more than 0");
        problems.require(self.burst > 0, &format!("{section}.burst"), "must be more than 0");
    }

    /// Nanoseconds one unit takes to come back.
    fn nanos_per_unit(self) -> u64 {
        60_000_000_000 / u64::from(self.per_minute.max(1))
    }
}

const ROWS: usize = 2;

/// A token-bucket limiter over keys of one kind.
#[derive(Debug)]
pub struct Limiter {
    nanos_per_unit: u64,
    /// Nanoseconds of debt a bucket may have: the burst.
    depth: u64,
    start: Instant,
    hashers: [RandomState; ROWS],
    /// For each bucket, when it will be full again, in nanoseconds since `start`.
    rows: [Mutex<Box<[u64]>>; ROWS],
}

impl Limiter {
    /// A limiter with so many buckets in each row, 16 bytes for each number given here. Collisions begin to matter
    /// when about as many keys are busy at once as there are buckets.
    #[must_use]
    pub fn new(quota: Quota, buckets: usize) -> Self {
        let nanos_per_unit = quota.nanos_per_unit();
        let row = || Mutex::new(vec![0; buckets.max(1)].into_boxed_slice());
        Self {
            nanos_per_unit,
            depth: nanos_per_unit.saturating_mul(u64::from(quota.burst)),
            start: Instant::now(),
            hashers: [RandomState::new(), RandomState::new()],
            rows: [row(), row()],
        }
    }

    /// Takes `cost` units from a key's allowance, or says how long until there are as many. A refusal takes nothing.
    ///
    /// # Errors
    /// The time to wait, at least a nanosecond. For a cost above the burst, the time until the allowance is whole,
    /// which will not be enough.
    pub fn take(&self, key: &impl Hash, cost: u32) -> Result<(), Duration> {
        self.take_at(key, cost, Instant::now())
    }

    fn take_at(&self, key: &impl Hash, cost: u32, now: Instant) -> Result<(), Duration> {
        let now = u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX);
        let price = self.nanos_per_unit.saturating_mul(u64::from(cost));
        let [first, second] = &self.rows;
        // Both rows stay locked, always in this order, so that two requests cannot each be charged to one row.
        let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
        let mut second = second.lock().unwrap_or_else(PoisonError::into_inner);
        let [first_hash, second_hash] = self.hashers.each_ref().map(|hasher| hasher.hash_one(key));
        let (Some(first), Some(second)) = (pick(&mut first, first_hash), pick(&mut second, second_hash))
        else {
            return Ok(());
        };
        let debt = |bucket: u64| bucket.saturating_sub(now).saturating_add(price);
        let lesser = debt(*first).min(debt(*second));
        if lesser > self.depth {
            return Err(Duration::from_nanos((lesser - self.depth).min(self.depth.max(1))));
        }
        for bucket in [first, second] {
            // A bucket that is empty already stays empty and owes no more: its other users are not to pay.
            *bucket = now.saturating_add(debt(*bucket).min(self.depth));
        }
        Ok(())
    }
}

fn pick(row: &mut [u64], hash: u64) -> Option<&mut u64> {
    let index = hash.checked_rem(row.len() as u64)?;
    usize::try_from(index).ok().and_then(|index| row.get_mut(index))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUOTA: Quota = Quota { per_minute: 60, burst: 5 };

    fn second(limiter: &Limiter, n: u64) -> Instant {
        limiter.start + Duration::from_secs(n)
    }

    #[tokio::test]
    async fn burst_then_rate_and_the_wait_is_what_it_takes() {
        let limiter = Limiter::new(QUOTA, 64);
        let now = second(&limiter, 0);
        for _ in 0..5 {
            assert_eq!(limiter.take_at(&"a", 1, now), Ok(()));
        }
        assert_eq!(limiter.take_at(&"a", 1, now), Err(Duration::from_secs(1)));
        assert_eq!(limiter.take_at(&"a", 3, now), Err(Duration::from_secs(3)));
        assert_eq!(limiter.take_at(&"a", 1, second(&limiter, 1)), Ok(()));
        assert!(limiter.take_at(&"a", 1, second(&limiter, 1)).is_err());
        // After a long rest there is a burst and no more.
        for _ in 0..5 {
            assert_eq!(limiter.take_at(&"a", 1, second(&limiter, 1000)), Ok(()));
        }
        assert!(limiter.take_at(&"a", 1, second(&limiter, 1000)).is_err());
    }

    #[tokio::test]
    async fn a_cost_above_the_burst_is_never_granted_and_takes_nothing() {
        let limiter = Limiter::new(QUOTA, 64);
        let now = second(&limiter, 0);
        assert_eq!(limiter.take_at(&"a", 6, now), Err(Duration::from_secs(1)));
        assert!(limiter.take_at(&"a", u32::MAX, now).is_err());
        assert_eq!(limiter.take_at(&"a", 5, now), Ok(()));
    }

    #[tokio::test]
    async fn a_flood_of_strangers_leaves_room_for_the_quiet() {
        // A quarter of the buckets are emptied; a quiet key finds both of its own among them once in twenty times.
        let limiter = Limiter::new(QUOTA, 4096);
        let now = second(&limiter, 0);
        for stranger in 0..1000_u32 {
            while limiter.take_at(&stranger, 1, now).is_ok() {}
        }
        let served =
            (1_000_000..1_000_500_u32).filter(|quiet| limiter.take_at(quiet, 1, now).is_ok()).count();
        assert!(served > 430, "{served} of 500");
    }

    proptest! {
        /// Whatever others do, a key never gets more than its burst and what came back since.
        #[test]
        fn nobody_exceeds_the_allowance(steps in proptest::collection::vec((0_u8..4, 1_u32..4, 0_u64..1500), 1..200)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _guard = runtime.enter();
            // Three buckets a row, four keys: collisions are the rule.
            let limiter = Limiter::new(QUOTA, 3);
            let mut elapsed = 0_u64;
            let mut granted = [0_u64; 4];
            for (key, cost, pause) in steps {
                elapsed += pause;
                if limiter.take_at(&key, cost, limiter.start + Duration::from_millis(elapsed)).is_ok() {
                    granted[usize::from(key)] += u64::from(cost);
                }
                prop_assert!(granted[usize::from(key)] <= 5 + elapsed / 1000);
            }
        }
    }
}
