//! Where the client's time comes from.
//!
//! Everything here that needs to know or to wait for a moment takes a [`Clock`], so that a test owns time:
//! [`SystemClock`] is the one place that asks the machine, [`ManualClock`] stands still until told to move.

use core::{fmt, future::Future, pin::Pin, time::Duration};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use protocol::UnixSeconds;
use tokio::sync::watch;

/// Milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(u64);

impl UnixMillis {
    /// Wraps a number.
    #[must_use]
    pub const fn new(millis: u64) -> Self {
        Self(millis)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The second this moment lies in.
    #[must_use]
    pub const fn seconds(self) -> UnixSeconds {
        UnixSeconds::new(self.0 / 1000)
    }

    /// This moment plus a duration, at most the end of the range.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// The future of [`Clock::sleep`].
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A source of time.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The moment it is.
    fn now_millis(&self) -> UnixMillis;

    /// The second it is.
    fn now(&self) -> UnixSeconds {
        self.now_millis().seconds()
    }

    /// A future that is ready once the duration, counted from this call, is over.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// The machine's clock; waiting needs a tokio runtime with its timer on.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place of the client that asks the machine for the time"
    )]
    fn now_millis(&self) -> UnixMillis {
        // A machine that believes in a time before 1970 gets 1970: the node will tell it how wrong it is.
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        UnixMillis::default().saturating_add(since)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that moves only when it is told to, for tests. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct ManualClock {
    state: Arc<watch::Sender<ManualState>>,
}

#[derive(Debug)]
struct ManualState {
    now: UnixMillis,
    deadlines: BTreeMap<u64, UnixMillis>,
    next_sleeper: u64,
}

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn new(start: UnixSeconds) -> Self {
        let now = UnixMillis::new(start.get().saturating_mul(1000));
        let state = ManualState { now, deadlines: BTreeMap::new(), next_sleeper: 0 };
        Self { state: Arc::new(watch::Sender::new(state)) }
    }

    /// Moves forward and wakes whoever waited for a moment that is now past.
    pub fn advance(&self, duration: Duration) {
        self.state.send_modify(|state| state.now = state.now.saturating_add(duration));
    }

    /// Jumps to a second, backwards too, as a machine's clock does when it is corrected.
    pub fn set(&self, now: UnixSeconds) {
        self.state.send_modify(|state| state.now = UnixMillis::new(now.get().saturating_mul(1000)));
    }

    /// How long each of those who wait still has to, the shortest wait first.
    #[must_use]
    pub fn sleepers(&self) -> Vec<Duration> {
        Self::remaining(&self.state.borrow())
    }

    /// Waits until the list of [`Self::sleepers`] satisfies a condition: the way to move the clock only after the code
    /// under test has begun to wait.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn sleepers_until(&self, mut condition: impl FnMut(&[Duration]) -> bool) {
        // The sender lives in `self`, so the channel cannot close while this waits.
        let _ = self.state.subscribe().wait_for(|state| condition(&Self::remaining(state))).await;
    }

    fn remaining(state: &ManualState) -> Vec<Duration> {
        let left =
            |deadline: &UnixMillis| Duration::from_millis(deadline.get().saturating_sub(state.now.get()));
        let mut remaining: Vec<_> = state.deadlines.values().map(left).collect();
        remaining.sort_unstable();
        remaining
    }
}

/// An entry in the list of sleepers, taken off it when the sleep ends or is dropped.
struct Sleeper {
    id: u64,
    state: Arc<watch::Sender<ManualState>>,
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.state.send_modify(|state| {
            state.deadlines.remove(&self.id);
        });
    }
}

impl Clock for ManualClock {
    fn now_millis(&self) -> UnixMillis {
        self.state.borrow().now
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let mut sleeper = Sleeper { id: 0, state: Arc::clone(&self.state) };
        let mut deadline = UnixMillis::default();
        self.state.send_modify(|state| {
            deadline = state.now.saturating_add(duration);
            sleeper.id = state.next_sleeper;
            state.next_sleeper += 1;
            state.deadlines.insert(sleeper.id, deadline);
        });
        Box::pin(async move {
            let mut changes = sleeper.state.subscribe();
            let _ = changes.wait_for(|state| state.now >= deadline).await;
            drop(sleeper);
        })
    }
}

/// By how much a node's clock is ahead of ours, as last told by the node. Clones share what they learn.
///
/// An operation is dated with the node's time, because the node refuses dates too far from its own. Only offsets up to
/// [`NodeOffset::MAX_SECONDS`] are believed: an operation's date moves the group's time for ever, and a node must not
/// be able to push it at will.
#[derive(Debug, Clone, Default)]
pub struct NodeOffset(Arc<AtomicI64>);

impl NodeOffset {
    /// Largest difference that is believed, either way: one day.
    pub const MAX_SECONDS: u64 = 24 * 3600;

    /// Notes the node's time next to ours. Says whether it was believed; if not, nothing changes.
    pub fn observe(&self, node: UnixSeconds, ours: UnixSeconds) -> bool {
        let believed = node.get().abs_diff(ours.get()) <= Self::MAX_SECONDS;
        if believed {
            self.0.store(node.get().wrapping_sub(ours.get()).cast_signed(), Ordering::Relaxed);
        }
        believed
    }

    /// The node's time at a time of ours.
    #[must_use]
    pub fn apply(&self, ours: UnixSeconds) -> UnixSeconds {
        UnixSeconds::new(ours.get().saturating_add_signed(self.seconds()))
    }

    /// The difference in seconds, positive where the node is ahead.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn manual_clock_wakes_whom_it_passed() {
        let clock = ManualClock::new(UnixSeconds::new(100));
        let (short, long) = (clock.sleep(Duration::from_secs(1)), clock.sleep(Duration::from_secs(60)));
        assert_eq!(clock.sleepers(), [Duration::from_secs(1), Duration::from_secs(60)]);
        clock.advance(Duration::from_millis(1500));
        short.await;
        assert_eq!(clock.now(), UnixSeconds::new(101));
        assert_eq!(clock.sleepers(), [Duration::from_millis(58_500)]);
        drop(long);
        assert!(clock.sleepers().is_empty());
    }

    #[tokio::test]
    async fn a_test_can_wait_for_somebody_to_wait() {
        let clock = ManualClock::new(UnixSeconds::new(0));
        let task = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_secs(5)).await }
        });
        clock.sleepers_until(|waits| !waits.is_empty()).await;
        clock.advance(Duration::from_secs(5));
        task.await.unwrap();
    }

    #[test]
    fn offset_is_applied_and_bounded() {
        let offset = NodeOffset::default();
        assert!(offset.observe(UnixSeconds::new(1_000), UnixSeconds::new(1_090)));
        assert_eq!(offset.seconds(), -90);
        let shared = offset.clone();
        assert_eq!(shared.apply(UnixSeconds::new(2_000)), UnixSeconds::new(1_910));
        assert_eq!(offset.apply(UnixSeconds::new(10)), UnixSeconds::ZERO);
        assert!(!offset.observe(UnixSeconds::new(u64::MAX), UnixSeconds::new(1_000)));
        assert!(!offset.observe(UnixSeconds::new(0), UnixSeconds::new(u64::MAX)));
        assert_eq!(offset.seconds(), -90);
    }

    #[test]
    fn system_clock_is_after_the_first_release() {
        assert!(SystemClock.now() > UnixSeconds::new(1_700_000_000));
    }
}
