//! For tests: a clock that is set, and a layer that finds in logs what must not be there.

mod canary;

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

pub use canary::{Canaries, CanaryLayer, Finding, Leak};

use crate::clock::Clock;

/// A clock that stands still until it is set. Clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    /// A clock that shows so many seconds since 1970.
    #[must_use]
    pub fn at(seconds: u64) -> Self {
        let clock = Self::default();
        clock.set(seconds);
        clock
    }

    /// Sets it, also backwards.
    pub fn set(&self, seconds: u64) {
        self.0.store(seconds.saturating_mul(1000), Ordering::SeqCst);
    }

    /// Moves it on.
    pub fn advance(&self, by: core::time::Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        // The closure always gives a value, so the update cannot fail.
        let _ =
            self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| Some(now.saturating_add(millis)));
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
