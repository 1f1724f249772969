//! The only writer of a group on this node: check, fold, append, publish, answer.

use std::sync::Arc;

use frame_log::{AppendError, Limit, Record, StoredRecord};
use protocol::{Frame, GroupId, LeafId, Refusal, head::Kind};
use service_kit::limiter::Limiter;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

use super::{
    Arrived, Book, Env, Hint, Request, Shared, Stored, TailItem, Taken, judge,
    others::Attention,
    snapshots::{self, Snapshots},
};
use crate::{
    failure::{Failure, too_fast},
    metrics::Stage,
    verify::{Flow, Lane},
};

/// How often a frame is judged anew because another writer was faster, before its sender is asked to come again.
const MAX_ATTEMPTS: usize = 16;
/// Buckets for the leaves of one group; a larger group has more leaves than are busy at once.
const LEAF_BUCKETS: usize = 64;
/// The bucket of operations whose leaf is not named; no leaf id gets this far.
const UNNAMED: u64 = u64::MAX;

/// Where the answer to a frame goes, and how the task learns that nobody waits for it.
type Reply = oneshot::Sender<Result<Stored, Failure>>;

/// The task of one group.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) env: Arc<Env>,
    pub(super) shared: Arc<Shared>,
    pub(super) book: Arc<Book>,
    pub(super) publish: watch::Sender<Arc<Book>>,
    pub(super) mailbox: mpsc::Receiver<Request>,
    pub(super) hint: watch::Receiver<Hint>,
    pub(super) attention: Attention,
    pub(super) snapshots: Snapshots,
    pub(super) rates: Rates,
}

/// The buckets of one group.
#[derive(Debug)]
pub(super) struct Rates {
    frames: Limiter,
    operations: Limiter,
    updates: Limiter,
}

impl Rates {
    pub(super) fn new(env: &Env) -> Self {
        Self {
            frames: Limiter::new(env.rates.group_frames, 1),
            operations: Limiter::new(env.rates.leaf_operations, LEAF_BUCKETS),
            updates: Limiter::new(env.rates.leaf_updates, LEAF_BUCKETS),
        }
    }
}

/// Why a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It had nothing to do, or was asked to.
    Quietly,
    /// What is stored does not fold any more.
    Broken,
}

impl Task {
    /// Works until there has been nothing to do for a while, until it is told to stop, or until the log breaks.
    ///
    /// Requests still in the mailbox when it stops are answered first.
    pub(super) async fn run(mut self) -> Ended {
        let ended = self.work().await;
        self.mailbox.close();
        if ended == Ended::Quietly {
            while let Some(request) = self.mailbox.recv().await {
                if self.handle(request).await.is_err() {
                    return Ended::Broken;
                }
            }
            self.snapshots.finish(&self.env, &self.book).await;
        }
        ended
    }

    async fn work(&mut self) -> Ended {
        let idle = self.env.settings.idle_after.get();
        let shared = Arc::clone(&self.shared);
        let mut missed = self.hint.borrow().missed;
        loop {
            self.attend();
            let look = self.attention.look();
            // Every branch is cancel safe: nothing is taken out of a channel that is not then handled.
            let outcome = tokio::select! {
                request = self.mailbox.recv() => match request {
                    Some(request) => self.handle(request).await,
                    None => return Ended::Quietly,
                },
                changed = self.hint.changed() => {
                    if changed.is_err() {
                        return Ended::Quietly;
                    }
                    let hint = *self.hint.borrow_and_update();
                    let again = std::mem::replace(&mut missed, hint.missed) != hint.missed;
                    if hint.seq > self.book.state.seq() {
                        self.catch_up().await
                    } else if again {
                        self.look().await.map(|_| ())
                    } else {
                        Ok(())
                    }
                }
                heard = self.attention.heard() => self.note(heard).await,
                // Nothing to do but to look who follows, which every round does.
                () = shared.followed.notified() => Ok(()),
                () = sleep_until(look.unwrap_or_else(Instant::now)), if look.is_some() => {
                    self.look_again().await
                }
                () = shared.stop.notified() => return Ended::Quietly,
                () = sleep_until(Instant::now() + idle) => {
                    if shared.followers.load(std::sync::atomic::Ordering::Acquire) == 0 {
                        return Ended::Quietly;
                    }
                    Ok(())
                }
            };
            // After any other failure the store may come back; the next request or hint tries again.
            if let Err(Failure::Unserved | Failure::HistoryGap { .. }) = outcome {
                return Ended::Broken;
            }
        }
    }

    /// Answers one request. An error concerns the group as a whole, not the request.
    async fn handle(&mut self, request: Request) -> Result<(), Failure> {
        match request {
            Request::Post { arrived, mut reply } => {
                // Nobody waits for it and nothing has been begun.
                if reply.is_closed() {
                    return Ok(());
                }
                let verdict = self.accept(&arrived, &mut reply).await;
                let broken = matches!(verdict, Err(Failure::Unserved)).then_some(Failure::Unserved);
                // The receiver may have gone meanwhile; the frame stays where it is.
                let _gone = reply.send(verdict);
                broken.map_or(Ok(()), Err)
            }
            Request::RaiseHorizon { horizon, reply } => {
                if horizon > self.book.horizon {
                    let raised = Arc::new(Book { horizon, ..Book::clone(&self.book) });
                    self.publish(raised);
                    // Written before anything is pruned, so that no node ever promises what is gone.
                    let written = snapshots::write(&self.env, &self.book).await;
                    let _gone = reply.send(if written { Ok(()) } else { Err(Failure::StorageFailed) });
                } else {
                    let _gone = reply.send(Ok(()));
                }
                Ok(())
            }
        }
    }

    /// Accepts a frame or says why not; a frame that is already there is accepted again.
    async fn accept(&mut self, arrived: &Arrived, reply: &mut Reply) -> Result<Stored, Failure> {
        for _ in 0..MAX_ATTEMPTS {
            let verdict = self.try_accept(arrived, reply).await;
            if !matches!(verdict, Err(Failure::Refused { .. } | Failure::NotAccepted)) {
                return verdict;
            }
            // Its first copy may have been accepted a moment ago, and be why this one no longer fits.
            if let Some(taken) = self.taken(arrived).await? {
                return self.known(arrived, taken).await;
            }
            // Or its sender knows by another node what has not been heard of here.
            let too_fast = matches!(verdict, Err(Failure::Refused { refusal: Refusal::RateLimited, .. }));
            if too_fast || !self.look().await? {
                return verdict;
            }
        }
        Err(Failure::busy())
    }

    async fn try_accept(&mut self, arrived: &Arrived, reply: &mut Reply) -> Result<Stored, Failure> {
        for _ in 0..MAX_ATTEMPTS {
            let next = self.judge(arrived, reply).await?;
            let record = self.record(arrived);
            let expected = next.state.seq();
            match self.env.store.append(&self.id(), expected, record.clone()).await {
                Ok(seq) => return Ok(self.stored(StoredRecord::new(seq, record), next)),
                Err(AppendError::Duplicate { seq, th }) => {
                    return self.known(arrived, Taken { seq, th }).await;
                }
                // Another node wrote first: learn what, and judge again on top of it.
                Err(AppendError::Conflict { .. }) => {
                    self.env.metrics.append_conflict();
                    self.catch_up().await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::busy())
    }

    /// All checks in the order of their price; the book the frame leads to.
    async fn judge(&self, arrived: &Arrived, reply: &mut Reply) -> Result<Book, Failure> {
        let env = &self.env;
        let now = env.clock.now();
        let is_operation = arrived.frame.kind().is_operation();
        if is_operation {
            let (state, frame, metrics) =
                (self.book.state.clone(), arrived.frame.clone(), env.metrics.clone());
            env.pool.run(Lane::Members, move || judge::authenticate(&state, &frame, &metrics)).await??;
            judge::admit(&self.book.state, &arrived.frame, now, self.book.epoch_since())?;
            self.charge_leaf(&arrived.frame)?;
        }
        let proposed = {
            let (state, frame, metrics) =
                (self.book.state.clone(), arrived.frame.clone(), env.metrics.clone());
            let keys = env.keys;
            env.pool.run(Lane::Members, move || judge::fold(&state, &frame, keys, &metrics)).await??
        };
        if proposed.proof_count() > 0 {
            env.metrics.checked(Stage::Proofs);
        }
        let verdict = tokio::select! {
            verdict = env.verifier.verify(Flow::Group(self.id()), proposed) => verdict?,
            // The costliest part is not done for somebody who has gone; nothing has been written yet.
            () = reply.closed() => return Err(Failure::Abandoned),
        };
        let accepted = verdict.map_err(|refusal| judge::telling(&self.book.state, refusal, None))?;
        if !is_operation {
            // A message is authenticated by folding it; before that it may not be told about epochs.
            judge::admit(&self.book.state, &arrived.frame, now, self.book.epoch_since())?;
        }
        self.rates.frames.take(&(), 1).map_err(too_fast)?;
        Ok(if is_operation {
            self.book.after_operation(accepted, env.now())
        } else {
            self.book.after_message(accepted.state)
        })
    }

    /// Operations of one leaf come at a bounded rate, its key updates at a lower one: every operation makes all
    /// others under way stale.
    ///
    /// Marks by admins name no leaf and share one bucket: any member could have the node check proofs for them.
    fn charge_leaf(&self, frame: &Frame) -> Result<(), Failure> {
        let body = &frame.head().body;
        let leaf =
            body.doer().and_then(|slot| self.book.state.tree().leaf(slot).live()).map(|leaf| leaf.leaf_id);
        let unnamed = frame.auth.admin_proof.map(|_| UNNAMED);
        let Some(leaf) = leaf.map(LeafId::get).or(unnamed) else { return Ok(()) };
        if matches!(body.kind(), Kind::UpdateKey | Kind::Rejoin) {
            self.rates.updates.take(&leaf, 1).map_err(too_fast)?;
        }
        self.rates.operations.take(&leaf, 1).map_err(too_fast)
    }

    fn record(&self, arrived: &Arrived) -> Record {
        Record {
            frame: arrived.bytes.clone(),
            frame_id: arrived.frame.head().frame_id,
            th: arrived.frame.hash(),
            received_at: self.env.now(),
            epoch: self.book.state.epoch(),
            is_operation: arrived.frame.kind().is_operation(),
        }
    }

    /// Makes an appended frame visible: first the book, then the frame, then whoever waits.
    fn stored(&mut self, record: StoredRecord, mut next: Book) -> Stored {
        if record.is_operation {
            next.began.at = record.received_at;
        }
        let stored = Stored {
            seq: record.seq,
            log: next.state.log(),
            received_at: record.received_at,
            duplicate: false,
        };
        self.show(record, Arc::new(next));
        self.snapshots.consider(&self.env, &self.book);
        stored
    }

    /// Makes visible what another node appended.
    pub(super) fn show_others(&mut self, record: StoredRecord, book: Arc<Book>) {
        self.show(record, book);
        self.snapshots.leave_to_others(&self.env, &self.book);
    }

    fn show(&mut self, record: StoredRecord, book: Arc<Book>) {
        self.shared.tail.push(TailItem::new(record, &book));
        self.publish(book);
    }

    fn publish(&mut self, book: Arc<Book>) {
        self.book = Arc::clone(&book);
        self.publish.send_replace(book);
    }

    /// Folds what others appended.
    pub(super) async fn catch_up(&mut self) -> Result<(), Failure> {
        loop {
            let next = self.book.state.seq().next().ok_or(Failure::Internal)?;
            let page = self.env.store.read(&self.id(), next, Limit::MAX).await?;
            if page.records.is_empty() {
                return Ok(());
            }
            for record in page.records {
                let (book, keys) = (Book::clone(&self.book), self.env.keys);
                let one = record.clone();
                let folded = self
                    .env
                    .pool
                    .run_patiently(move || Book::fold(Some(book), &[one], keys))
                    .await?
                    .map_err(|broken| {
                        tracing::error!(%broken, "a stored log does not fold");
                        Failure::Unserved
                    })?;
                let book = folded.ok_or(Failure::Internal)?;
                self.show_others(record, Arc::new(book));
            }
        }
    }

    async fn taken(&self, arrived: &Arrived) -> Result<Option<Taken>, Failure> {
        let found = self.env.store.find(&self.id(), &arrived.frame.head().frame_id).await?;
        Ok(found.map(|(seq, th)| Taken { seq, th }))
    }

    /// The answer for a frame whose id is taken.
    async fn known(&mut self, arrived: &Arrived, taken: Taken) -> Result<Stored, Failure> {
        if taken.th != arrived.frame.hash() {
            // Without a position: whoever sends this has shown no signature yet.
            return Err(Failure::bare(Refusal::FrameIdConflict));
        }
        if taken.seq > self.book.state.seq() {
            self.catch_up().await?;
        }
        if let Some(item) = self.shared.tail.at(taken.seq) {
            return Ok(Stored {
                seq: taken.seq,
                log: item.log,
                received_at: item.record.received_at,
                duplicate: true,
            });
        }
        let (log, received_at) = super::history::log_at(&self.env, &self.id(), taken.seq).await?;
        Ok(Stored { seq: taken.seq, log, received_at, duplicate: true })
    }

    fn id(&self) -> GroupId {
        self.shared.id
    }
}
