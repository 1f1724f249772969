//! Which groups are active, and the way from a group's id to its task.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use protocol::{GroupId, Refusal, Seq, SigningKey, body::Body};
use tokio::{
    sync::{Notify, OnceCell, Semaphore, mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    Arrived, Env, Group, Hint, Shared, Stored, Tail, Taken, create,
    fresh::Looks,
    history, open,
    others::Attention,
    snapshots::Snapshots,
    task::{Ended, Rates, Task},
};
use crate::{failure::Failure, metrics::Stage, verify::Lane};

/// How often a request follows a group whose task ended under it.
const MAX_REOPENS: usize = 3;
/// Groups remembered as broken; beyond that the memory starts anew.
const MAX_BROKEN: usize = 1_024;

/// All groups of a node. A clone is another handle.
#[derive(Debug, Clone)]
pub(crate) struct Groups(Arc<Registry>);

#[derive(Debug)]
struct Registry {
    env: Arc<Env>,
    active: Mutex<Active>,
    opening: Semaphore,
    looking_back: Semaphore,
    uses: AtomicU64,
    founding: create::Founding,
    /// A key nobody has signed with; checking against it takes as long as checking against a group's.
    decoy: protocol::VerifyingKey,
}

type Slot = Arc<OnceCell<Group>>;

#[derive(Debug, Default)]
struct Active {
    slots: HashMap<GroupId, Slot>,
    broken: HashMap<GroupId, Instant>,
    stopping: bool,
}

impl Groups {
    pub(crate) fn new(env: Arc<Env>) -> Self {
        let opening = Semaphore::new(env.settings.opening_jobs.get());
        let looking_back = Semaphore::new(env.settings.history_jobs.get());
        let founding = create::Founding::new(&env);
        Self(Arc::new(Registry {
            env,
            active: Mutex::default(),
            opening,
            looking_back,
            uses: AtomicU64::new(0),
            founding,
            decoy: SigningKey::from_seed(&[0xdc; 32]).verifying_key(),
        }))
    }

    pub(crate) fn env(&self) -> &Arc<Env> {
        &self.0.env
    }

    /// The group of this id as its log holds it now, opened if it is stored; `None` for one that is not.
    ///
    /// # Errors
    /// [`Failure::Unserved`] for one whose log does not fold, [`Failure::Busy`] when there is no room for another,
    /// else a failure of the store.
    pub(crate) async fn open(&self, id: &GroupId) -> Result<Option<Group>, Failure> {
        for _ in 0..MAX_REOPENS {
            let (group, opened_now) = match self.activate(id).await? {
                Some(found) => found,
                None => return Ok(None),
            };
            if opened_now {
                return Ok(Some(group));
            }
            if let Ok(caught_up) = group.catch_up(&self.0.env).await {
                return caught_up.map(|()| Some(group));
            }
        }
        Err(Failure::busy())
    }

    /// The active group of this id, which others may have written to since; opened if it is stored, which the second
    /// value says. `None` for one that is not.
    async fn activate(&self, id: &GroupId) -> Result<Option<(Group, bool)>, Failure> {
        for _ in 0..MAX_REOPENS {
            let Some(slot) = self.slot(id).await? else { return Ok(None) };
            let mut now = false;
            let start = || {
                now = true;
                self.start(id, &slot)
            };
            let opened = slot.get_or_try_init(start).await;
            match opened {
                Ok(group) if group.is_gone() => self.forget(id, &slot),
                Ok(group) => {
                    let use_number = self.0.uses.fetch_add(1, Ordering::Relaxed);
                    group.0.last_used.store(use_number, Ordering::Relaxed);
                    return Ok(Some((group.clone(), now)));
                }
                Err(failure) => {
                    self.forget(id, &slot);
                    if matches!(failure, Failure::Unserved | Failure::HistoryGap { .. }) {
                        self.mark_broken(id);
                        return Err(Failure::Unserved);
                    }
                    return Err(failure);
                }
            }
        }
        Err(Failure::busy())
    }

    /// Accepts a frame or says why not.
    ///
    /// # Errors
    /// See [`Failure`]; the same answer for an unknown group as for nothing valid shown.
    ///
    /// # Cancel safety
    /// Once the group's task has begun with the frame, or the frame founds a group, it is carried out to its end.
    pub(crate) async fn post(&self, arrived: Arrived) -> Result<Stored, Failure> {
        let id = arrived.frame.head().group;
        if let Some(stored) = self.seen_before(&arrived).await? {
            return Ok(stored);
        }
        for _ in 0..MAX_REOPENS {
            let Some((group, _)) = self.activate(&id).await? else {
                return if matches!(arrived.frame.head().body, Body::Init(_)) {
                    self.found(arrived).await
                } else {
                    self.feign(&arrived).await
                };
            };
            if let Ok(verdict) = group.post(arrived.clone()).await {
                return verdict;
            }
        }
        Err(Failure::busy())
    }

    /// The answer to a frame that is a retry, found without its group being opened; `None` for a new one.
    async fn seen_before(&self, arrived: &Arrived) -> Result<Option<Stored>, Failure> {
        let head = arrived.frame.head();
        self.0.env.metrics.checked(Stage::Duplicate);
        match self.0.env.store.find(&head.group, &head.frame_id).await? {
            Some((seq, th)) => self.known(arrived, Taken { seq, th }).await.map(Some),
            None => Ok(None),
        }
    }

    async fn known(&self, arrived: &Arrived, taken: Taken) -> Result<Stored, Failure> {
        if taken.th != arrived.frame.hash() {
            // Without a position: whoever sends this has shown no signature yet.
            return Err(Failure::bare(Refusal::FrameIdConflict));
        }
        let id = arrived.frame.head().group;
        if let Some(item) = self.peek(&id).and_then(|group| group.tail().at(taken.seq)) {
            return Ok(Stored {
                seq: taken.seq,
                log: item.log,
                received_at: item.record.received_at,
                duplicate: true,
            });
        }
        let _job = self.0.looking_back.acquire().await.map_err(|_| Failure::Stopping)?;
        let (log, received_at) = history::log_at(&self.0.env, &id, taken.seq).await?;
        Ok(Stored { seq: taken.seq, log, received_at, duplicate: true })
    }

    /// Founds a group, in a task of its own so that a lost connection does not stop it halfway. One that is lost while
    /// the proof still waits does.
    async fn found(&self, arrived: Arrived) -> Result<Stored, Failure> {
        let env = Arc::clone(&self.0.env);
        let groups = self.clone();
        // Dropped with this future: whoever asked has gone.
        let (asked, gone) = oneshot::channel::<Infallible>();
        let job = tokio::spawn(async move {
            let gone = async {
                let _dropped = gone.await;
            };
            match groups.0.founding.create(&env, &arrived, gone).await? {
                Ok(stored) => {
                    env.metrics.group_created();
                    Ok(stored)
                }
                Err(taken) => groups.known(&arrived, taken).await,
            }
        });
        let outcome = job.await;
        drop(asked);
        outcome.map_err(|_| Failure::Internal)?
    }

    /// Takes about as long as refusing a frame of a group that exists.
    async fn feign(&self, arrived: &Arrived) -> Result<Stored, Failure> {
        let (frame, decoy) = (Arc::clone(&arrived.frame), self.0.decoy);
        let metrics = Arc::clone(&self.0.env.metrics);
        let check = move || {
            metrics.checked(Stage::Authenticate);
            let signature = frame.auth.leaf.or(frame.auth.owner).or(frame.auth.ticket);
            let signature = signature.unwrap_or(protocol::SignatureBytes::new([1; 64]));
            // The verdict does not matter: nobody has this key's secret to gain anything by.
            let _verdict = decoy.verify(frame.hash().as_bytes(), &signature);
        };
        self.0.env.pool.run(Lane::Members, check).await?;
        Err(Failure::NotAccepted)
    }

    /// Says that another writer has got as far as `seq` in a group, active or not.
    pub(crate) fn hint(&self, id: &GroupId, seq: Seq) {
        if let Some(group) = self.peek(id) {
            group.hint(seq);
        }
    }

    /// Says that what other writers did may not have been told of any group.
    pub(crate) fn hint_missed(&self) {
        let groups: Vec<Group> =
            self.active().slots.values().filter_map(|slot| slot.get().cloned()).collect();
        for group in groups {
            group.hint_missed();
        }
    }

    /// Gives up operations before `horizon`, durably.
    ///
    /// # Errors
    /// As [`Self::open`], and [`Failure::StorageFailed`] when it could not be written down.
    pub(crate) async fn raise_horizon(&self, id: &GroupId, horizon: Seq) -> Result<(), Failure> {
        for _ in 0..MAX_REOPENS {
            let (group, _) = self.activate(id).await?.ok_or(Failure::NotFound)?;
            if let Ok(done) = group.raise_horizon(horizon).await {
                return done;
            }
        }
        Err(Failure::busy())
    }

    /// Stops taking on work and waits until every task has answered what it was asked and ended.
    pub(crate) async fn stop(&self) {
        let groups: Vec<Group> = {
            let mut active = self.active();
            active.stopping = true;
            active.slots.drain().filter_map(|(_, slot)| slot.get().cloned()).collect()
        };
        for group in &groups {
            group.0.stop.notify_one();
        }
        for group in groups {
            // Closed by the task's end: the sender of books lives in it.
            let mut books = group.watch();
            while books.changed().await.is_ok() {}
        }
    }

    /// The group if it is active already.
    fn peek(&self, id: &GroupId) -> Option<Group> {
        self.active().slots.get(id).and_then(|slot| slot.get().cloned())
    }

    fn active(&self) -> MutexGuard<'_, Active> {
        self.0.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a group in the table, made if the group is stored.
    async fn slot(&self, id: &GroupId) -> Result<Option<Slot>, Failure> {
        {
            let mut active = self.active();
            if let Some(slot) = active.slots.get(id) {
                return Ok(Some(Arc::clone(slot)));
            }
            if active.stopping {
                return Err(Failure::Stopping);
            }
            match active.broken.get(id) {
                Some(until) if *until > Instant::now() => return Err(Failure::Unserved),
                Some(_) => {
                    active.broken.remove(id);
                }
                None => {}
            }
        }
        // An id nobody has stored anything under must not cost a place.
        if self.0.env.store.head(id).await?.is_none() {
            return Ok(None);
        }
        let mut active = self.active();
        if active.slots.len() >= self.0.env.settings.most_active.get() && !active.slots.contains_key(id) {
            evict(&mut active);
            if active.slots.len() >= self.0.env.settings.most_active.get() {
                return Err(Failure::busy());
            }
        }
        Ok(Some(Arc::clone(active.slots.entry(*id).or_default())))
    }

    async fn start(&self, id: &GroupId, slot: &Slot) -> Result<Group, Failure> {
        let _job = self.0.opening.acquire().await.map_err(|_| Failure::Stopping)?;
        let env = &self.0.env;
        let (book, last_snapshot) = open::open(env, id).await?.ok_or(Failure::Internal)?;
        let book = Arc::new(book);
        let (publish, published) = watch::channel(Arc::clone(&book));
        let (sender, mailbox) = mpsc::channel(env.settings.mailbox.get());
        let (hints, hint) = watch::channel(Hint { seq: book.state.seq(), missed: 0 });
        let shared = Arc::new(Shared {
            id: *id,
            mailbox: sender,
            published,
            tail: Arc::new(Tail::new(env.settings.tail_frames.get(), env.settings.tail_bytes.as_usize())),
            hint: hints,
            looks: Looks::default(),
            stop: Notify::new(),
            last_used: AtomicU64::new(self.0.uses.load(Ordering::Relaxed)),
            followers: AtomicUsize::new(0),
            followed: Notify::new(),
        });
        let task = Task {
            env: Arc::clone(env),
            shared: Arc::clone(&shared),
            book,
            publish,
            mailbox,
            hint,
            attention: Attention::default(),
            snapshots: Snapshots::new(last_snapshot),
            rates: Rates::new(env),
        };
        let (groups, id, slot) = (self.clone(), *id, Arc::downgrade(slot));
        let held = env.metrics.group_active();
        tokio::spawn(async move {
            let ended = tokio::spawn(task.run()).await;
            if let Some(slot) = slot.upgrade() {
                groups.forget(&id, &slot);
            }
            drop(held);
            match ended {
                Ok(Ended::Quietly) => {}
                Ok(Ended::Broken) => groups.mark_broken(&id),
                Err(_) => groups.0.env.metrics.panicked(),
            }
        });
        Ok(Group(shared))
    }

    /// Takes a place out of the table, unless it has been given anew meanwhile.
    fn forget(&self, id: &GroupId, slot: &Slot) {
        let mut active = self.active();
        if active.slots.get(id).is_some_and(|current| Arc::ptr_eq(current, slot)) {
            active.slots.remove(id);
        }
    }

    /// Refuses a group for a while, so that a broken log is not folded again at every request.
    fn mark_broken(&self, id: &GroupId) {
        self.0.env.metrics.group_broken();
        let until = Instant::now() + self.0.env.settings.broken_for.get();
        let mut active = self.active();
        if active.broken.len() >= MAX_BROKEN {
            active.broken.clear();
        }
        active.broken.insert(*id, until);
    }
}

/// Asks the group that has been unused for longest, and that nobody follows, to end; it leaves the table at once.
///
/// Its task answers what it was asked before. Should it be wanted again meanwhile, two tasks write to one group for a
/// moment, which the log sorts out.
fn evict(active: &mut Active) {
    let oldest = active
        .slots
        .iter()
        .filter_map(|(id, slot)| slot.get().map(|group| (id, group)))
        .filter(|(_, group)| group.0.followers.load(Ordering::Acquire) == 0)
        .min_by_key(|(_, group)| group.0.last_used.load(Ordering::Relaxed))
        .map(|(id, group)| (*id, group.clone()));
    if let Some((id, group)) = oldest {
        active.slots.remove(&id);
        group.0.stop.notify_one();
    }
}
