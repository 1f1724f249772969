//! The bounded pool for what is done frame by frame: decoding points, folding, reading snapshots.
//!
//! Such work never runs on the threads that serve sockets. It runs on blocking threads, no more at a time than
//! [`Lane`] permits, and what waits for them is bounded too: a request that finds the queue full is told so at once.
//! There are two lanes. What nobody has vouched for yet (decoding what a stranger sent) has its own, so that a flood
//! of junk cannot stand in front of the frames of members.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use tokio::{sync::Semaphore, task::spawn_blocking};

use super::pace::Pace;
use crate::{failure::Failure, metrics::Metrics};

/// Which queue work waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Work for whoever knocks.
    Door,
    /// Work for those who showed a valid signature.
    Members,
}

/// Seconds that a job is taken to last until there is experience.
const FIRST_GUESS: f64 = 0.002;

/// Two queues in front of the processor. A clone is another handle.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    door: Queue,
    members: Queue,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Clone)]
struct Queue {
    /// One permit per job that runs or waits.
    places: Arc<Semaphore>,
    /// One permit per job that runs.
    running: Arc<Semaphore>,
    workers: usize,
    most: usize,
    pace: Arc<Mutex<Pace>>,
}

impl Queue {
    fn new(workers: usize, waiting: usize) -> Self {
        let most = workers.saturating_add(waiting).min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(most)),
            running: Arc::new(Semaphore::new(workers)),
            workers,
            most,
            pace: Arc::new(Mutex::new(Pace::guess(FIRST_GUESS))),
        }
    }

    /// What whoever finds no place is told.
    fn busy(&self) -> Failure {
        let jobs = self.most.saturating_sub(self.places.available_permits());
        let pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        Failure::Busy { retry_after: pace.wait(jobs, self.workers) }
    }
}

impl Pool {
    /// `workers` jobs of members run at a time, half as many of strangers (at least one), and `waiting` may wait in
    /// each lane.
    pub(crate) fn new(workers: NonZeroUsize, waiting: usize, metrics: Arc<Metrics>) -> Self {
        let workers = workers.get();
        Self {
            door: Queue::new(workers.div_ceil(2), waiting),
            members: Queue::new(workers, waiting),
            metrics,
        }
    }

    fn queue(&self, lane: Lane) -> &Queue {
        match lane {
            Lane::Door => &self.door,
            Lane::Members => &self.members,
        }
    }

    /// Runs `job`, or says [`Failure::Busy`] when the lane's queue is full.
    ///
    /// # Cancel safety
    /// A job that has begun runs to its end and keeps its permit until then; one that waits is taken back.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let queue = self.queue(lane);
        let Ok(place) = Arc::clone(&queue.places).try_acquire_owned() else {
            self.metrics.pool_refused(lane);
            return Err(queue.busy());
        };
        self.start(queue, place, job).await
    }

    /// Runs `job`, waiting for a place however long it takes.
    ///
    /// Only for work of which there is a bounded amount anyway, such as folding what is stored: one job a group.
    ///
    /// # Cancel safety
    /// As [`Self::run`].
    pub(crate) async fn run_patiently<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let queue = &self.members;
        let place = Arc::clone(&queue.places).acquire_owned().await.map_err(|_| Failure::Stopping)?;
        self.start(queue, place, job).await
    }

    async fn start<T: Send + 'static>(
        &self,
        queue: &Queue,
        place: tokio::sync::OwnedSemaphorePermit,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let running = Arc::clone(&queue.running).acquire_owned().await.map_err(|_| Failure::Stopping)?;
        let pace = Arc::clone(&queue.pace);
        let outcome = spawn_blocking(move || {
            let held = (place, running);
            let begun = Instant::now();
            let outcome = job();
            pace.lock().unwrap_or_else(PoisonError::into_inner).learn(1, begun.elapsed());
            drop(held);
            outcome
        });
        outcome.await.map_err(|error| {
            if error.is_panic() {
                self.metrics.panicked();
            }
            Failure::Internal
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn pool(workers: usize, waiting: usize) -> Pool {
        Pool::new(NonZeroUsize::new(workers).unwrap(), waiting, Arc::new(Metrics::unread()))
    }

    #[tokio::test]
    async fn full_queue_refuses_and_recovers() {
        let pool = pool(1, 1);
        let (release, gate) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(Lane::Members, move || gate.recv().is_ok()).await }
        });
        while pool.members.places.available_permits() == 2 {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(Lane::Members, || 2).await }
        });
        while pool.members.places.available_permits() == 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(Lane::Members, || 3).await, Err(Failure::busy()));
        // The other lane is not concerned.
        assert_eq!(pool.run(Lane::Door, || 4).await, Ok(4));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(true));
        assert_eq!(second.await.unwrap(), Ok(2));
        assert_eq!(pool.run(Lane::Members, || 5).await, Ok(5));
    }

    #[tokio::test]
    async fn a_panic_frees_its_place() {
        let pool = pool(1, 0);
        let outcome = pool.run(Lane::Members, || -> u8 { panic!("on purpose") }).await;
        assert_eq!(outcome, Err(Failure::Internal));
        assert_eq!(pool.run(Lane::Members, || 1).await, Ok(1));
    }
}
