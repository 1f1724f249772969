//! How much may still be stored.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::time::Instant;

/// Measured now and then, and counted in between, so that nobody waits for a measurement.
#[derive(Debug)]
pub(super) struct Room {
    max: u64,
    /// What was measured to be left. More than there is until something was measured.
    left: AtomicU64,
    /// What was stored since.
    added: AtomicU64,
    measured: Mutex<Option<Instant>>,
    measuring: tokio::sync::Mutex<()>,
}

impl Room {
    pub(super) fn new(max: u64) -> Self {
        Self {
            max,
            left: AtomicU64::new(max),
            added: AtomicU64::new(0),
            measured: Mutex::default(),
            measuring: tokio::sync::Mutex::default(),
        }
    }

    /// To be held while it is measured: what was added must not be taken off twice.
    pub(super) async fn one_at_a_time(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.measuring.lock().await
    }

    /// Whether so many bytes more fit, as far as is known.
    pub(super) fn has(&self, bytes: u64) -> bool {
        let wanted = self.added.load(Ordering::Relaxed).saturating_add(bytes);
        wanted <= self.left.load(Ordering::Relaxed)
    }

    /// So many bytes were stored.
    pub(super) fn add(&self, bytes: u64) {
        self.added.fetch_add(bytes, Ordering::Relaxed);
    }

    /// When it was measured last.
    pub(super) fn measured(&self) -> Option<Instant> {
        *self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before a measurement begins. What is stored while it runs is counted twice until the next one, which errs on the
    /// side of a disk that does not fill.
    pub(super) fn before(&self) -> u64 {
        self.added.load(Ordering::Relaxed)
    }

    /// After a measurement: the bytes of all bodies, and what the place for bodies has room for.
    pub(super) fn after(&self, before: u64, used: u64, room: Option<u64>) {
        let left = self.max.saturating_sub(used).min(room.unwrap_or(u64::MAX));
        self.left.store(left, Ordering::Relaxed);
        self.added.fetch_sub(before, Ordering::Relaxed);
        *self.measured.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_added_counts_until_it_was_measured() {
        let room = Room::new(100);
        assert!(room.has(100) && !room.has(101));
        room.add(60);
        assert!(room.has(40) && !room.has(41));
        let before = room.before();
        // Arrives while it is measured.
        room.add(10);
        room.after(before, 60, None);
        assert!(room.has(30) && !room.has(31));
        let before = room.before();
        room.after(before, 70, Some(5));
        assert!(room.has(5) && !room.has(6));
        assert!(room.measured().is_some());
    }
}
