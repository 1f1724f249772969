//! Who sent a bad proof lately.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
    time::Duration,
};

use tokio::time::Instant;

/// Remembered at most; beyond that the one whose time ends first is forgotten.
const MOST: usize = 4_096;
/// Good frames that make up for bad ones before the time is over.
const AMENDS: u8 = 8;

/// Those whose frames are checked apart from the others', each for a while.
#[derive(Debug)]
pub(super) struct Suspects<K> {
    lasts: Duration,
    known: HashMap<K, Suspicion>,
    by_end: BTreeSet<(Instant, K)>,
}

#[derive(Debug, Clone, Copy)]
struct Suspicion {
    until: Instant,
    good: u8,
}

impl<K: Copy + Ord + Hash> Suspects<K> {
    /// Each bad frame makes its sender suspect for so long.
    pub(super) fn new(lasts: Duration) -> Self {
        Self { lasts, known: HashMap::new(), by_end: BTreeSet::new() }
    }

    pub(super) fn contains(&self, key: &K, now: Instant) -> bool {
        self.known.get(key).is_some_and(|suspicion| suspicion.until > now)
    }

    /// A frame was bad.
    pub(super) fn failed(&mut self, key: K, now: Instant) {
        self.forget(&key);
        self.expire(now);
        if self.known.len() >= MOST
            && let Some((_, first)) = self.by_end.first().copied()
        {
            self.forget(&first);
        }
        let until = now + self.lasts;
        self.known.insert(key, Suspicion { until, good: 0 });
        self.by_end.insert((until, key));
    }

    /// A frame was good.
    pub(super) fn held(&mut self, key: &K) {
        if let Some(suspicion) = self.known.get_mut(key) {
            suspicion.good = suspicion.good.saturating_add(1);
            if suspicion.good >= AMENDS {
                self.forget(key);
            }
        }
    }

    /// How many there are.
    pub(super) fn count(&mut self, now: Instant) -> usize {
        self.expire(now);
        self.known.len()
    }

    fn expire(&mut self, now: Instant) {
        while let Some((until, key)) = self.by_end.first().copied()
            && until <= now
        {
            self.forget(&key);
        }
    }

    fn forget(&mut self, key: &K) {
        if let Some(suspicion) = self.known.remove(key) {
            self.by_end.remove(&(suspicion.until, *key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn suspicion_ends_with_time_or_amends() {
        let start = Instant::now();
        let mut suspects = Suspects::new(MINUTE);
        assert!(!suspects.contains(&1, start));
        suspects.failed(1, start);
        assert!(suspects.contains(&1, start + MINUTE - Duration::from_nanos(1)));
        assert!(!suspects.contains(&1, start + MINUTE));
        // A second bad frame begins the time anew.
        suspects.failed(1, start + MINUTE / 2);
        assert!(suspects.contains(&1, start + MINUTE));
        assert_eq!(suspects.count(start + MINUTE), 1);
        assert_eq!(suspects.count(start + 2 * MINUTE), 0);

        suspects.failed(1, start);
        suspects.failed(2, start);
        for _ in 1..AMENDS {
            suspects.held(&1);
        }
        assert!(suspects.contains(&1, start));
        // What was made up for counts no more after the next bad one.
        suspects.failed(1, start);
        suspects.held(&1);
        assert!(suspects.contains(&1, start));
        for _ in 0..AMENDS {
            suspects.held(&1);
            suspects.held(&3);
        }
        assert!(!suspects.contains(&1, start) && suspects.contains(&2, start));
        assert_eq!((suspects.known.len(), suspects.by_end.len()), (1, 1));
    }

    #[test]
    fn memory_is_bounded_and_the_newest_are_remembered() {
        let start = Instant::now();
        let mut suspects = Suspects::new(MINUTE);
        let most = u32::try_from(MOST).unwrap();
        for n in 0..3 * most {
            // One fails over and over in between.
            suspects.failed(u32::MAX, start + Duration::from_micros(u64::from(n)));
            suspects.failed(n, start + Duration::from_micros(u64::from(n)));
            assert!(suspects.known.len() <= MOST && suspects.by_end.len() == suspects.known.len());
        }
        let now = start + Duration::from_secs(1);
        assert!(suspects.contains(&u32::MAX, now) && suspects.contains(&(2 * most + 1), now));
        assert!(!suspects.contains(&(2 * most - 1), now));
    }
}
