//! Which proofs are checked next, and together with which: a data structure without clock, threads or locks.
//!
//! Frames wait by [`Standing`]. Frames of different standing never share a batch, because one bad proof makes everybody
//! in its batch pay for finding it. Between standings the workers are shared by weight, in the manner of start-time
//! fair queueing (P. Goyal, H. Vin, H. Cheng, 1996): each has a virtual time that advances by what it was served over
//! its weight, and the one that is furthest behind goes next. Within a standing, flows take turns ([`FairQueue`]).

use std::{hash::Hash, num::NonZeroUsize, time::Duration};

use tokio::time::Instant;

use super::{
    fair_queue::{Entry, FairQueue},
    pace::Pace,
    suspects::Suspects,
};
use crate::metrics::{NoRoom, Standing};

/// Seconds that one proof is taken to cost until there is experience.
const FIRST_GUESS: f64 = 0.001;

/// Limits of a scheduler.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Batches that run at once.
    pub(crate) workers: NonZeroUsize,
    /// Proofs in one batch, unless a single frame has more.
    pub(crate) batch: NonZeroUsize,
    /// Proofs that may wait of flows in good standing; of strangers and of suspects a quarter each.
    pub(crate) queue: usize,
    /// Proofs that may wait of one flow.
    pub(crate) flow: usize,
    /// How long a bad proof makes its flow suspect.
    pub(crate) suspect_for: Duration,
}

/// Where something waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket<K> {
    standing: Standing,
    key: K,
    id: u64,
}

/// There was no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full {
    pub(super) reason: NoRoom,
    /// Seconds until there may be some.
    pub(super) retry_after: u32,
}

/// Work for one worker.
#[derive(Debug)]
pub(super) struct Batch<K, J> {
    pub(super) standing: Standing,
    pub(super) proofs: usize,
    /// Of each frame: whose it is, how many proofs it has, and the frame.
    pub(super) frames: Vec<(K, usize, J)>,
}

/// Frames of one standing.
#[derive(Debug)]
struct Line<K, J> {
    queue: FairQueue<K, J>,
    /// Proofs that may wait.
    room: usize,
    weight: usize,
    /// Proofs served, over the weight: in units of `1 / (product of all weights)`.
    virtual_time: u64,
    /// Frames a batch may have: half after a batch with a bad frame, by half of its frames more after one without.
    /// So it settles where about every other batch fails, and finding the bad ones costs no more than it saves.
    frames: usize,
}

/// What waits, what runs, and who is suspect.
#[derive(Debug)]
pub(super) struct Scheduler<K, J> {
    bounds: Bounds,
    good: Line<K, J>,
    strangers: Line<K, J>,
    suspects: Line<K, J>,
    known: Suspects<K>,
    /// The virtual time of whoever was served last.
    clock: u64,
    running: usize,
    /// Of these, batches of strangers and suspects.
    running_apart: usize,
    next_id: u64,
    pace: Pace,
}

impl<K, J> Line<K, J> {
    const fn step(&self, proofs: usize) -> u64 {
        // The product of the weights 8, 2 and 1 by the weight: exact.
        (proofs as u64).saturating_mul((16 / self.weight) as u64)
    }
}

impl<K: Copy + Ord + Hash, J> Scheduler<K, J> {
    pub(super) fn new(bounds: Bounds) -> Self {
        let batch = bounds.batch.get();
        let line =
            |room, weight, frames| Line { queue: FairQueue::new(), room, weight, virtual_time: 0, frames };
        Self {
            good: line(bounds.queue, 8, batch),
            strangers: line(bounds.queue / 4, 2, batch),
            // One frame at a time: where most are bad, checking them together only adds work.
            suspects: line(bounds.queue / 4, 1, 1),
            known: Suspects::new(bounds.suspect_for),
            clock: 0,
            running: 0,
            running_apart: 0,
            next_id: 0,
            pace: Pace::guess(FIRST_GUESS),
            bounds,
        }
    }

    /// Puts a frame into the queue. A `stranger` has shown nothing that would make it answer for its frames, so it
    /// stays one whatever they are like.
    ///
    /// # Errors
    /// [`Full`] when the flow has too much waiting, or all of its standing have.
    pub(super) fn submit(
        &mut self,
        key: K,
        stranger: bool,
        proofs: usize,
        job: J,
        now: Instant,
    ) -> Result<Ticket<K>, Full> {
        let standing = if stranger {
            Standing::Stranger
        } else if self.known.contains(&key, now) {
            Standing::Suspect
        } else {
            Standing::Good
        };
        let (flow, clock) = (self.bounds.flow, self.clock);
        let line = self.line(standing);
        let reason = if line.queue.proofs_of(&key).saturating_add(proofs) > flow {
            Some(NoRoom::Flow)
        } else if line.queue.proofs().saturating_add(proofs) > line.room {
            Some(NoRoom::Standing)
        } else {
            None
        };
        if let Some(reason) = reason {
            return Err(Full { reason, retry_after: self.retry_after(standing) });
        }
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let line = self.line(standing);
        if line.queue.is_empty() {
            // Nobody saves up a share while there is nothing to do.
            line.virtual_time = line.virtual_time.max(clock);
        }
        line.queue.push(key, Entry { id, proofs, job });
        Ok(Ticket { standing, key, id })
    }

    /// Takes a frame back that has not begun; `None` if it has.
    pub(super) fn withdraw(&mut self, ticket: &Ticket<K>) -> Option<J> {
        self.line(ticket.standing).queue.remove(&ticket.key, ticket.id)
    }

    /// The next batch, if a worker is free and something waits that may have it.
    ///
    /// Where there are several workers, one is kept from strangers and suspects.
    pub(super) fn start(&mut self) -> Option<Batch<K, J>> {
        let workers = self.bounds.workers.get();
        if self.running >= workers {
            return None;
        }
        let room_apart = self.running_apart < workers.saturating_sub(1).max(1);
        let may_go = |standing: &Standing| {
            !self.line_ref(*standing).queue.is_empty() && (*standing == Standing::Good || room_apart)
        };
        let standing = [Standing::Good, Standing::Stranger, Standing::Suspect]
            .into_iter()
            .filter(may_go)
            .min_by_key(|standing| self.line_ref(*standing).virtual_time)?;

        let most = self.bounds.batch.get();
        let line = self.line(standing);
        let (mut frames, mut proofs) = (Vec::new(), 0_usize);
        while frames.len() < line.frames {
            let room = if frames.is_empty() { usize::MAX } else { most.saturating_sub(proofs) };
            let Some((key, entry)) = line.queue.pop(room) else { break };
            proofs = proofs.saturating_add(entry.proofs);
            frames.push((key, entry.proofs, entry.job));
        }
        let begins = line.virtual_time;
        line.virtual_time = begins.saturating_add(line.step(proofs));
        self.clock = self.clock.max(begins);
        self.running = self.running.saturating_add(1);
        if standing != Standing::Good {
            self.running_apart = self.running_apart.saturating_add(1);
        }
        Some(Batch { standing, proofs, frames })
    }

    /// A batch that was started has ended, with a verdict on each frame: whose it is, and whether it held.
    pub(super) fn finish(
        &mut self,
        standing: Standing,
        proofs: usize,
        verdicts: &[(K, bool)],
        took: Duration,
        now: Instant,
    ) {
        self.running = self.running.saturating_sub(1);
        if standing != Standing::Good {
            self.running_apart = self.running_apart.saturating_sub(1);
        }
        self.pace.learn(proofs, took);
        if standing != Standing::Stranger {
            for (key, held) in verdicts {
                if *held {
                    self.known.held(key);
                } else {
                    self.known.failed(*key, now);
                }
            }
        }
        if standing != Standing::Suspect {
            let most = self.bounds.batch.get();
            let line = self.line(standing);
            let changed = if verdicts.iter().all(|(_, held)| *held) {
                line.frames.saturating_add(verdicts.len().div_ceil(2))
            } else {
                line.frames / 2
            };
            line.frames = changed.clamp(1, most);
        }
    }

    /// Everything that waits; nothing does afterwards.
    pub(super) fn drain(&mut self) -> Vec<J> {
        let mut jobs = self.good.queue.drain();
        jobs.append(&mut self.strangers.queue.drain());
        jobs.append(&mut self.suspects.queue.drain());
        jobs
    }

    /// Proofs waiting.
    pub(super) const fn waiting(&self) -> usize {
        self.good
            .queue
            .proofs()
            .saturating_add(self.strangers.queue.proofs())
            .saturating_add(self.suspects.queue.proofs())
    }

    /// Batches under way.
    pub(super) const fn running(&self) -> usize {
        self.running
    }

    /// Flows that are suspect.
    pub(super) fn suspects(&mut self, now: Instant) -> usize {
        self.known.count(now)
    }

    /// Seconds until what waits of a standing is done: by its share of the workers, or with everything else, whichever
    /// is sooner.
    fn retry_after(&self, standing: Standing) -> u32 {
        let busy = [&self.good, &self.strangers, &self.suspects];
        let weights: usize = busy.iter().filter(|line| !line.queue.is_empty()).map(|line| line.weight).sum();
        let line = self.line_ref(standing);
        let by_share = line.queue.proofs().saturating_mul(weights).div_ceil(line.weight);
        self.pace.wait(by_share.min(self.waiting()), self.bounds.workers.get())
    }

    const fn line(&mut self, standing: Standing) -> &mut Line<K, J> {
        match standing {
            Standing::Good => &mut self.good,
            Standing::Stranger => &mut self.strangers,
            Standing::Suspect => &mut self.suspects,
        }
    }

    const fn line_ref(&self, standing: Standing) -> &Line<K, J> {
        match standing {
            Standing::Good => &self.good,
            Standing::Stranger => &self.strangers,
            Standing::Suspect => &self.suspects,
        }
    }
}

#[cfg(test)]
mod tests;
