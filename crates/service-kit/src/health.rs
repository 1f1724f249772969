//! Whether the process runs, and whether it should be given work.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use api::{ErrorCode, Problem};

use crate::shutdown::Shutdown;

/// What a process needs before it can work, each part with a name. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Health {
    shutdown: Shutdown,
    parts: Arc<Mutex<Vec<Part>>>,
}

/// One part's say. Dropping it leaves the part as it was.
#[derive(Debug, Clone)]
pub struct Part {
    name: &'static str,
    ready: Arc<AtomicBool>,
}

impl Part {
    /// Says whether the part works.
    pub fn set(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }
}

impl Health {
    /// A process without parts, which is ready.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self { shutdown, parts: Arc::default() }
    }

    /// Adds a part, not ready yet.
    #[must_use]
    pub fn part(&self, name: &'static str) -> Part {
        let part = Part { name, ready: Arc::new(AtomicBool::new(false)) };
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).push(part.clone());
        part
    }

    /// Whether the process should be given work.
    ///
    /// # Errors
    /// The problem to answer with: `shutting_down`, or `not_ready`. Which parts are missing is in the log, not in the
    /// answer.
    pub fn ready(&self) -> Result<(), Problem> {
        if self.shutdown.is_requested() {
            return Err(Problem::new(ErrorCode::ShuttingDown));
        }
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        match parts.iter().find(|part| !part.ready.load(Ordering::Relaxed)) {
            Some(part) => {
                tracing::debug!(part = part.name, "not ready");
                Err(Problem::new(ErrorCode::NotReady))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shutdown::channel;

    #[test]
    fn ready_when_all_parts_are_and_nobody_asked_to_stop() {
        let (trigger, shutdown) = channel();
        let health = Health::new(shutdown);
        assert_eq!(health.ready(), Ok(()));
        let (log, feed) = (health.part("log"), health.part("feed"));
        log.set(true);
        assert_eq!(health.ready(), Err(Problem::new(ErrorCode::NotReady)));
        feed.set(true);
        assert_eq!(health.ready(), Ok(()));
        trigger.request();
        assert_eq!(health.ready(), Err(Problem::new(ErrorCode::ShuttingDown)));
    }
}
