//! Bounds and habits of a client.

use core::{fmt, time::Duration};
use std::sync::Arc;

/// Longest wait before a request is repeated, whatever the node asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How to treat a node.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Whether `http://` is allowed to other machines than this one. Tokens then travel in the clear.
    pub allow_plain_http: bool,
    /// Time for a connection.
    pub connect_timeout: Duration,
    /// Time for an answer to begin, and between two parts of it.
    pub timeout: Duration,
    /// Silence after which an event stream counts as dead.
    pub silence: Duration,
    /// How often a request that may be repeated is sent, the first time included.
    pub attempts: u32,
    /// Wait before the second attempt; it doubles from there.
    pub first_wait: Duration,
    /// Spreads waits.
    pub jitter: Jitter,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            allow_plain_http: false,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
            silence: Duration::from_secs(3 * u64::from(api::events::HEARTBEAT_SECONDS)),
            attempts: 4,
            first_wait: Duration::from_millis(200),
            jitter: Jitter::default(),
        }
    }
}

impl NodeOptions {
    /// Wait after so many failed attempts: what the node asked for, else twice as long as the last; at most ten
    /// seconds, and spread.
    pub(crate) fn wait(&self, failed: u32, asked: Option<u32>) -> Duration {
        let doubled = self.first_wait.saturating_mul(2_u32.saturating_pow(failed.saturating_sub(1)));
        let asked = asked.map(|seconds| Duration::from_secs(seconds.into()));
        self.jitter.spread(asked.unwrap_or(doubled).min(LONGEST_WAIT))
    }
}

/// Makes waits up to half as long again, so that clients which were cut off together do not come back together.
#[derive(Clone)]
pub struct Jitter(Arc<dyn Fn() -> u8 + Send + Sync>);

impl Jitter {
    /// Spreads by a source of numbers: 0 leaves a wait as it is, 255 makes it longest.
    #[must_use]
    pub fn new(source: impl Fn() -> u8 + Send + Sync + 'static) -> Self {
        Self(Arc::new(source))
    }

    /// No spread, for tests.
    #[must_use]
    pub fn none() -> Self {
        Self::new(|| 0)
    }

    /// The wait, spread.
    #[must_use]
    pub fn spread(&self, wait: Duration) -> Duration {
        wait.saturating_add(wait.mul_f64(f64::from((self.0)()) / 512.0))
    }
}

impl Default for Jitter {
    /// Spreads by the system's randomness.
    fn default() -> Self {
        Self::new(|| {
            let mut byte = [0];
            // Without randomness all wait alike; that is a nuisance, not a fault.
            let _ = getrandom::fill(&mut byte);
            let [byte] = byte;
            byte
        })
    }
}

impl fmt::Debug for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jitter")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_follow_the_node() {
        let options = NodeOptions { jitter: Jitter::none(), ..NodeOptions::default() };
        let waits: Vec<_> = [1, 2, 3, 10, u32::MAX].map(|n| options.wait(n, None).as_millis()).into();
        assert_eq!(waits, [200, 400, 800, 10_000, 10_000]);
        assert_eq!(options.wait(1, Some(3)), Duration::from_secs(3));
        assert_eq!(options.wait(1, Some(u32::MAX)), LONGEST_WAIT);
    }

    #[test]
    fn jitter_lengthens_by_half_at_most() {
        let second = Duration::from_secs(1);
        assert_eq!(Jitter::none().spread(second), second);
        let most = Jitter::new(|| 255).spread(second);
        assert!(most > second.mul_f64(1.49) && most < second.mul_f64(1.5));
    }
}
