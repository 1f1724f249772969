//! What happens without anybody asking: drops end, bodies are removed, memory of the disk is wiped.

use core::time::Duration;
use std::collections::HashMap;

use drop_state::{BodyId, Command};
use futures_util::TryStreamExt as _;
use tokio::time::{Instant, sleep, timeout};

use super::{Drops, Failure, metrics::Swept, millis};
use crate::store::Payload;

/// Drops or bodies that are asked for at once.
const PAGE: u32 = 256;
/// How often it is looked for bodies to erase if nobody says that there is one.
const ERASE_EVERY: Duration = Duration::from_secs(10);
/// How often it is measured how much there is.
const MEASURE_EVERY: Duration = Duration::from_secs(5);
/// Erasures are gathered for so long before the database's files are cleaned.
const SCRUB_AFTER: Duration = Duration::from_millis(250);
/// Pause after a failure, which doubles with every further one up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Failing bodies whose pauses are remembered.
const MOST_FAILING: usize = 10_000;
/// Failures in a row after which the fault is the place's, not the bodies'.
const ENOUGH: usize = 16;
/// An object may be older than the record that knows of it is visible; a body that nobody knows of has to be older.
const ORPHAN_AGE: Duration = Duration::from_secs(3600);
/// How long requests that are under way are waited for at the end.
const GRACE: Duration = Duration::from_secs(10);

impl Drops {
    /// Sweeps until the service stops, and then waits for what is being received to be kept or cleaned up.
    pub async fn background(&self) {
        let sweeping = async {
            tokio::join!(self.settling(), self.erasing(), self.orphans(), self.scrubbing(), self.measuring());
        };
        tokio::select! {
            () = self.0.shutdown.requested() => {}
            () = sweeping => {}
        }
        let all = u32::from(self.0.settings.max_uploads);
        if timeout(GRACE, self.0.uploads.acquire_many(all)).await.is_err() {
            tracing::warn!("bodies are still being received; what is missing of them will be sent again");
        }
        // One more time: the last readers may just have confirmed.
        if timeout(GRACE, self.scrub()).await.is_err() {
            tracing::warn!("the database's files were not cleaned in time; the next start does it");
        }
    }

    async fn settling(&self) {
        let every = self.0.settings.sweep_every.get();
        loop {
            if !self.settle_page().await.unwrap_or(false) {
                sleep(every).await;
            }
        }
    }

    /// Whether there may be more at once.
    async fn settle_page(&self) -> Result<bool, Failure> {
        let due = self.0.store.due(self.now(), PAGE).await;
        let due = due.map_err(|error| self.store_failed("find drops that have ended", &error))?;
        let full = due.len() >= PAGE as usize;
        let mut settled = 0;
        for id in due {
            // One that fails must not keep the others.
            if self.apply(id, Command::Settle, Payload::None).await.is_ok() {
                settled += 1;
            }
        }
        self.0.metrics.swept.inc_by(Swept::Ended, settled);
        Ok(full && settled > 0)
    }

    async fn erasing(&self) {
        let mut failing = Failing::default();
        loop {
            if !self.erase_page(&mut failing).await.unwrap_or(false) {
                // Whoever says that there is a body may do so while the page is worked on; it is remembered.
                let _ = timeout(ERASE_EVERY.min(failing.pause()), self.0.to_erase.notified()).await;
            }
        }
    }

    async fn erase_page(&self, failing: &mut Failing) -> Result<bool, Failure> {
        // Enough to see past those that have to wait.
        let limit = PAGE.saturating_add(u32::try_from(failing.0.len()).unwrap_or(PAGE));
        let bodies = self.0.store.to_erase(limit).await;
        let bodies = bodies.map_err(|error| self.store_failed("find bodies to erase", &error))?;
        failing.0.retain(|body, _| bodies.contains(body));
        let full = bodies.len() >= limit as usize;
        let (mut erased, mut in_a_row) = (0, 0);
        for body in bodies.into_iter().filter(|body| failing.is_due(*body)).collect::<Vec<_>>() {
            match self.erase_one(body, Swept::Body).await {
                Ok(()) => {
                    failing.0.remove(&body);
                    (erased, in_a_row) = (erased + 1, 0);
                }
                Err(_) => {
                    failing.failed(body);
                    in_a_row += 1;
                }
            }
            if in_a_row >= ENOUGH {
                break;
            }
        }
        Ok(full && erased > 0)
    }

    /// First the pieces, then what says that they have to be removed.
    async fn erase_one(&self, body: BodyId, kind: Swept) -> Result<(), Failure> {
        let erased = self.0.bodies.erase(body).await;
        erased.map_err(|error| self.bodies_failed("remove a body", &error))?;
        if let Swept::Body = kind {
            let told = self.0.store.erased(body).await;
            told.map_err(|error| self.store_failed("forget a body", &error))?;
            self.0.to_scrub.notify_one();
        }
        self.0.metrics.swept.inc(kind);
        Ok(())
    }

    async fn orphans(&self) {
        loop {
            // What went wrong was said where it did; the next round tries again.
            let _ = self.erase_orphans().await;
            sleep(self.0.settings.orphans_every.get()).await;
        }
    }

    /// Removes bodies that the database knows nothing of: those of a crash between storing a piece and telling of it,
    /// and of an upload that was erased while it stored one.
    pub(super) async fn erase_orphans(&self) -> Result<(), Failure> {
        let mut pages = self.0.bodies.found();
        loop {
            let page = pages.try_next().await;
            let page = page.map_err(|error| self.bodies_failed("list bodies", &error))?;
            let Some(page) = page else { return Ok(()) };
            let old = self.now().get().saturating_sub(millis(ORPHAN_AGE));
            let old: Vec<BodyId> =
                page.into_iter().filter(|found| found.written < old).map(|found| found.body).collect();
            if old.is_empty() {
                continue;
            }
            let unknown = self.0.store.unknown(&old).await;
            let unknown = unknown.map_err(|error| self.store_failed("look for unknown bodies", &error))?;
            for body in unknown {
                let _ = self.erase_one(body, Swept::Orphan).await;
            }
        }
    }

    async fn scrubbing(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            // At the start, too: before it there may have been a crash.
            if self.scrub().await.is_ok() {
                pause = FIRST_PAUSE;
                self.0.to_scrub.notified().await;
                sleep(SCRUB_AFTER).await;
            } else {
                sleep(pause).await;
                pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            }
        }
    }

    async fn scrub(&self) -> Result<(), Failure> {
        self.0.store.scrub().await.map_err(|error| self.store_failed("clean the database's files", &error))
    }

    async fn measuring(&self) {
        loop {
            let _ = self.measure().await;
            sleep(MEASURE_EVERY).await;
        }
    }
}

/// Bodies that could not be removed, and when they are tried again.
#[derive(Debug, Default)]
struct Failing(HashMap<BodyId, (Instant, Duration)>);

impl Failing {
    fn is_due(&self, body: BodyId) -> bool {
        self.0.get(&body).is_none_or(|(next, _)| Instant::now() >= *next)
    }

    fn failed(&mut self, body: BodyId) {
        let pause = self.0.get(&body).map_or(FIRST_PAUSE, |(_, pause)| pause.saturating_mul(2));
        let pause = pause.min(LONGEST_PAUSE);
        if self.0.len() < MOST_FAILING {
            self.0.insert(body, (Instant::now() + pause, pause));
        }
    }

    /// Until the first of them is tried again.
    fn pause(&self) -> Duration {
        let next = self.0.values().map(|(next, _)| *next).min();
        next.map_or(Duration::MAX, |next| next.saturating_duration_since(Instant::now())).max(FIRST_PAUSE)
    }
}
