//! Checking proofs in batches, on blocking threads.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use getrandom::{SysRng, rand_core::UnwrapErr};
use group_state::{Accepted, Proposed};
use proofs::VerifyingKeys;
use protocol::Refusal;
use tokio::{
    sync::{Notify, oneshot},
    task::spawn_blocking,
    time::Instant,
};

use super::{
    Flow,
    scheduler::{Batch, Bounds, Scheduler, Ticket},
};
use crate::{failure::Failure, metrics::Metrics};

/// Checks the proofs of frames.
pub(crate) type Verifier = Service<Proposed, Accepted>;

type Check<J, T> = dyn Fn(Vec<J>) -> Vec<Result<T, Refusal>> + Send + Sync;
type Verdict<T> = Result<Result<T, Refusal>, Failure>;

/// Runs a check over batches of jobs, fairly among flows. A clone is another handle.
///
/// A job that comes while a worker is free begins at once, alone; batches form of what comes while all are busy.
pub(crate) struct Service<J, T>(Arc<Inner<J, T>>);

struct Inner<J, T> {
    state: Mutex<State<J, T>>,
    check: Box<Check<J, T>>,
    metrics: Arc<Metrics>,
    /// Notified when a worker stops working.
    rested: Notify,
}

struct State<J, T> {
    scheduler: Scheduler<Flow, Pending<J, T>>,
    stopping: bool,
}

struct Pending<J, T> {
    job: J,
    since: Instant,
    answer: oneshot::Sender<Verdict<T>>,
}

impl Verifier {
    /// A verifier under `keys`.
    pub(crate) fn new(keys: &'static VerifyingKeys, bounds: Bounds, metrics: Arc<Metrics>) -> Self {
        let check = move |batch| group_state::verify_batch(batch, keys, &mut UnwrapErr(SysRng));
        Self::with(bounds, metrics, check)
    }

    /// Checks a frame's proofs. One without any is accepted at once.
    ///
    /// # Errors
    /// [`Failure::Busy`] when too much waits, [`Failure::Stopping`] after [`Self::stop`], [`Failure::Internal`] when
    /// checking failed on its own account; inside, the refusal.
    ///
    /// # Cancel safety
    /// A frame that waits is taken back with its place; one whose check has begun is checked in vain.
    pub(crate) async fn verify(&self, flow: Flow, proposed: Proposed) -> Verdict<Accepted> {
        self.check(flow, proposed.proof_count(), proposed).await
    }
}

impl<J: Send + 'static, T: Send + 'static> Service<J, T> {
    fn with(
        bounds: Bounds,
        metrics: Arc<Metrics>,
        check: impl Fn(Vec<J>) -> Vec<Result<T, Refusal>> + Send + Sync + 'static,
    ) -> Self {
        let state = State { scheduler: Scheduler::new(bounds), stopping: false };
        Self(Arc::new(Inner {
            state: Mutex::new(state),
            check: Box::new(check),
            metrics,
            rested: Notify::new(),
        }))
    }

    async fn check(&self, flow: Flow, proofs: usize, job: J) -> Verdict<T> {
        let inner = &self.0;
        if proofs == 0 {
            // Nothing to compute, so nothing to wait for.
            return (inner.check)(vec![job]).pop().ok_or(Failure::Internal);
        }
        let (answer, verdict) = oneshot::channel();
        let now = Instant::now();
        let ticket = {
            let mut state = inner.state();
            if state.stopping {
                return Err(Failure::Stopping);
            }
            let pending = Pending { job, since: now, answer };
            let submitted =
                state.scheduler.submit(flow, matches!(flow, Flow::Founder(_)), proofs, pending, now);
            inner.metrics.proofs_waiting(state.scheduler.waiting());
            submitted
        };
        let ticket = ticket.map_err(|full| {
            inner.metrics.verify_refused(full.reason);
            Failure::Busy { retry_after: full.retry_after }
        })?;
        // Taken back when this future is dropped.
        let _place = Place { inner, ticket };
        Inner::wake(inner);
        verdict.await.unwrap_or(Err(Failure::Internal))
    }

    /// Answers everything that waits with [`Failure::Stopping`] and returns when the batches under way have ended.
    pub(crate) async fn stop(&self) {
        let inner = &self.0;
        inner.close();
        loop {
            let rested = inner.rested.notified();
            if inner.state().scheduler.running() == 0 {
                return;
            }
            rested.await;
        }
    }
}

impl<J, T> Inner<J, T> {
    fn state(&self) -> MutexGuard<'_, State<J, T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let waiting = {
            let mut state = self.state();
            state.stopping = true;
            let waiting = state.scheduler.drain();
            self.metrics.proofs_waiting(0);
            waiting
        };
        for pending in waiting {
            let _gone = pending.answer.send(Err(Failure::Stopping));
        }
    }
}

impl<J: Send + 'static, T: Send + 'static> Inner<J, T> {
    /// Sets a worker to work if one is free and something waits.
    fn wake(inner: &Arc<Self>) {
        let batch = inner.next(&mut inner.state());
        if let Some(batch) = batch {
            let mut shift = Shift { inner: Arc::clone(inner), batch: Some(batch) };
            // Not waited for: whoever waits does so for an answer.
            drop(spawn_blocking(move || shift.work()));
        }
    }

    fn next(&self, state: &mut State<J, T>) -> Option<Batch<Flow, Pending<J, T>>> {
        let batch = state.scheduler.start()?;
        self.metrics.proofs_waiting(state.scheduler.waiting());
        Some(batch)
    }

    /// Checks a batch, answers everybody in it, and takes the next one.
    fn run(&self, batch: Batch<Flow, Pending<J, T>>) -> Option<Batch<Flow, Pending<J, T>>> {
        let Batch { standing, proofs, frames } = batch;
        let begun = Instant::now();
        let (mut senders, mut jobs) = (Vec::with_capacity(frames.len()), Vec::with_capacity(frames.len()));
        for (flow, proofs, Pending { job, since, answer }) in frames {
            self.metrics.proofs_waited(begun.saturating_duration_since(since));
            senders.push((flow, proofs, answer));
            jobs.push(job);
        }
        // Nothing is looked at again that a panic could have left half done: the jobs are gone with it.
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.check)(jobs)));
        let now = Instant::now();
        let took = now.saturating_duration_since(begun);
        if outcome.is_err() {
            self.metrics.panicked();
        }
        let mut outcomes = outcome.unwrap_or_default().into_iter();
        let answered: Vec<_> = senders
            .into_iter()
            .map(|(flow, proofs, answer)| {
                let outcome = outcomes.next();
                (flow, proofs, outcome.as_ref().map(Result::is_ok), answer, outcome.ok_or(Failure::Internal))
            })
            .collect();
        let frames = answered.iter().map(|(_, proofs, held, ..)| (*proofs, *held));
        self.metrics.batch(standing, proofs, took, frames);
        // Whoever was in a batch that panicked is checked alone for a while, which finds the one it is about.
        let verdicts: Vec<_> =
            answered.iter().map(|(flow, _, held, ..)| (*flow, held.unwrap_or_default())).collect();
        // Before anybody is answered: what they send next is to meet the consequences.
        let next = {
            let mut state = self.state();
            state.scheduler.finish(standing, proofs, &verdicts, took, now);
            let suspects = state.scheduler.suspects(now);
            self.metrics.suspects(suspects);
            self.next(&mut state)
        };
        for (.., answer, outcome) in answered {
            // Nobody may be left to hear it.
            let _gone = answer.send(outcome);
        }
        if next.is_none() {
            self.rested.notify_waiters();
        }
        next
    }
}

/// A worker from its first batch until nothing waits.
struct Shift<J, T> {
    inner: Arc<Inner<J, T>>,
    batch: Option<Batch<Flow, Pending<J, T>>>,
}

impl<J: Send + 'static, T: Send + 'static> Shift<J, T> {
    fn work(&mut self) {
        while let Some(batch) = self.batch.take() {
            self.batch = self.inner.run(batch);
        }
    }
}

impl<J, T> Drop for Shift<J, T> {
    fn drop(&mut self) {
        // Never begun: the runtime is going away, and with it everybody who would wait.
        if let Some(batch) = self.batch.take() {
            let now = Instant::now();
            self.inner.state().scheduler.finish(batch.standing, 0, &[], Duration::ZERO, now);
            self.inner.close();
            self.inner.rested.notify_waiters();
        }
    }
}

/// Where a frame waits, for as long as somebody waits for it.
struct Place<'a, J, T> {
    inner: &'a Inner<J, T>,
    ticket: Ticket<Flow>,
}

impl<J, T> Drop for Place<'_, J, T> {
    fn drop(&mut self) {
        let mut state = self.inner.state();
        if state.scheduler.withdraw(&self.ticket).is_some() {
            self.inner.metrics.verify_withdrawn();
            self.inner.metrics.proofs_waiting(state.scheduler.waiting());
        }
    }
}

impl<J, T> Clone for Service<J, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<J, T> fmt::Debug for Service<J, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Service")
    }
}

#[cfg(test)]
mod tests;
