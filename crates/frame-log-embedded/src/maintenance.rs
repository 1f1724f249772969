//! The one thread that turns memtables into tables, merges tables, and gives finished journal segments back.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    error::CommitFailure,
    journal::{self, Place, Spares},
    log::Shared,
    writer::PoisonOnPanic,
};

/// How long a flush that found the disk full waits before it tries again.
const RETRY_FULL: Duration = Duration::from_millis(200);
/// Steps of compaction after one flush, so that flushing is never far away.
const MAX_STEPS: usize = 8;

/// What writer and background thread tell each other.
#[derive(Debug, Default)]
pub(crate) struct Maintenance {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Number of the last journal entry in a closed memtable.
    sealed: Option<u64>,
    /// The last flush found the disk full; it is tried again.
    full: bool,
    /// The tables cannot be merged; reading and appending go on.
    unmergeable: bool,
    stop: bool,
}

impl Maintenance {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a memtable with everything up to entry `last` has been closed.
    pub(crate) fn sealed(&self, last: u64) {
        self.state().sealed = Some(last);
        self.changed.notify_all();
    }

    /// Says that nothing more will come.
    pub(crate) fn stop(&self) {
        self.state().stop = true;
        self.changed.notify_all();
    }

    /// Returns once fewer than `max` memtables wait to be flushed.
    pub(crate) fn wait_for_flush(&self, shared: &Shared, max: usize) -> Result<(), CommitFailure> {
        let mut state = self.state();
        while shared.store.sealed() >= max {
            if shared.poisoned() {
                return Err(CommitFailure::Poisoned);
            }
            if state.full {
                return Err(CommitFailure::NoSpace);
            }
            // Woken after every flush, and when the log is poisoned, but for a poisoning by other hands.
            let woken = self.changed.wait_timeout(state, RETRY_FULL);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// The thread's loop, until [`stop`](Self::stop).
    pub(crate) fn run(&self, shared: &Arc<Shared>, place: &Place, spares: &Spares) {
        let _watch = PoisonOnPanic(Arc::clone(shared));
        loop {
            let sealed = {
                let mut state = self.state();
                loop {
                    if state.stop {
                        return;
                    }
                    if let Some(sealed) = state.sealed.take() {
                        break sealed;
                    }
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            };
            if !self.flush(shared, sealed) {
                return;
            }
            if let Err(error) = journal::retire(place, spares, sealed) {
                tracing::error!(%error, "cannot give back journal segments; nothing more is accepted");
                shared.poison();
                return;
            }
            self.changed.notify_all();
            self.compact(shared);
        }
    }

    /// Flushes what is sealed, as often as it takes for the disk to have room; whether it got there.
    fn flush(&self, shared: &Shared, sealed: u64) -> bool {
        loop {
            match shared.store.flush() {
                Ok(()) => {
                    self.state().full = false;
                    return true;
                }
                Err(error) if is_full(&error) => {
                    let mut state = self.state();
                    if !state.full {
                        tracing::warn!(entry = sealed, "no space left to write tables; waiting for it");
                    }
                    state.full = true;
                    self.changed.notify_all();
                    if state.stop {
                        return false; // The journal has everything.
                    }
                    drop(self.changed.wait_timeout(state, RETRY_FULL));
                }
                // Nothing is lost, for the journal has it, but memory can no longer be bounded.
                Err(error) => {
                    tracing::error!(%error, "cannot write tables; nothing more is accepted, restart the process");
                    shared.poison();
                    self.changed.notify_all();
                    return false;
                }
            }
        }
    }

    fn compact(&self, shared: &Shared) {
        for _ in 0..MAX_STEPS {
            {
                let state = self.state();
                if state.stop || state.sealed.is_some() || state.unmergeable {
                    return;
                }
            }
            match shared.store.compact() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) if is_full(&error) => {
                    tracing::warn!("no space left to merge tables; trying again after the next flush");
                    return;
                }
                // Merging reads what nobody asked for: damage found here is reported, and told to whoever reads it.
                Err(error) => {
                    tracing::error!(%error, "tables cannot be merged; check the log and restore it from a copy");
                    self.state().unmergeable = true;
                    return;
                }
            }
        }
    }
}

fn is_full(error: &lsm_tree::Error) -> bool {
    matches!(error, lsm_tree::Error::Io(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
}
