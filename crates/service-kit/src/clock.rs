//! The clock of a service, as a value that can be replaced.

use core::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

use api::UnixSeconds;

/// Where the time of day comes from. Durations are measured elsewhere, by a clock that cannot jump.
pub trait Clock: Debug + Send + Sync {
    /// Milliseconds since 1970-01-01 UTC; 0 for a machine that believes to live earlier.
    fn now_ms(&self) -> u64;

    /// The same in whole seconds.
    fn now(&self) -> UnixSeconds {
        UnixSeconds::new(self.now_ms() / 1000)
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where a service asks the machine for the time"
    )]
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_lives_after_this_was_written() {
        assert!(SystemClock.now() > UnixSeconds::new(1_700_000_000));
    }
}
