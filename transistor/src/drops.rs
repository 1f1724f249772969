//! What can be done with drops: make, claim, read, take, give back, confirm, delete; and the sweeping behind it.
//!
//! Who may is decided by `drop-state`, in the store, one transaction a step. This module puts the steps into an order
//! in which every crash and every broken connection errs on the side of fewer readers, and never of a drop lost that
//! nobody was sent all of: a piece of a body is stored before a record tells of it, a record tells that bytes are given
//! before any of them is sent, and a body is removed after its record.

mod failure;
mod metrics;
mod receive;
mod room;
mod send;
mod settings;
mod source;
mod sweep;
mod token;
mod turns;
mod types;
mod upload;

use core::{fmt, time::Duration};
use std::sync::Arc;

use drop_state::{Answer, BodyId, Command, DropId, Millis, Refusal, View};
use service_kit::{clock::Clock, metrics::Scope, shutdown::Shutdown};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tracing::Instrument as _;

pub use self::{
    failure::Failure,
    settings::DropSettings,
    token::{Token, TokenError},
    types::{
        Begun, BodyTag, Checksum, Claimed, Cut, Ended, Incoming, Made, NewDrop, Outgoing, Progress,
        RangeSpec, Reading, Shown, TagError,
    },
};
use self::{metrics::DropMetrics, room::Room, turns::Turns};
use crate::{
    bodies::{Bodies, BodyError},
    store::{Applied, Copy, MAX_COPIES, Payload, Store, StoreError},
};

/// All drops of a service. Cheap to clone.
#[derive(Clone)]
pub struct Drops(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    bodies: Bodies,
    settings: DropSettings,
    clock: Arc<dyn Clock>,
    metrics: DropMetrics,
    shutdown: Shutdown,
    room: Room,
    turns: Turns,
    uploads: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    /// A body has lost its last record.
    to_erase: Notify,
    /// Something may have been erased in the database.
    to_scrub: Notify,
}

impl fmt::Debug for Drops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drops").field("bodies", &self.0.bodies).finish_non_exhaustive()
    }
}

impl Drops {
    /// Brings a store and a place for bodies together. [`Self::background`] has to run beside it.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        bodies: Bodies,
        settings: DropSettings,
        clock: Arc<dyn Clock>,
        scope: &mut Scope<'_>,
        shutdown: Shutdown,
    ) -> Self {
        let metrics = DropMetrics::new(scope, &bodies);
        let room = Room::new(settings.max_bytes.get());
        Self(Arc::new(Inner {
            uploads: Arc::new(Semaphore::new(usize::from(settings.max_uploads))),
            readers: Arc::new(Semaphore::new(usize::from(settings.max_readers))),
            store,
            bodies,
            settings,
            clock,
            metrics,
            shutdown,
            room,
            turns: Turns::default(),
            to_erase: Notify::new(),
            to_scrub: Notify::new(),
        }))
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &DropSettings {
        &self.0.settings
    }

    /// Pieces of bodies that are in memory now: at most one for each upload, and two for each reader.
    #[must_use]
    pub fn pieces_in_memory(&self) -> usize {
        self.0.bodies.in_memory()
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// [`Failure`]; [`Refusal::Gone`] when there is no such upload (any more).
    pub async fn progress(&self, upload: &Token) -> Result<Progress, Failure> {
        let upload = upload.hash();
        let id = self.by_upload(upload).await?;
        let standing = self.standing(id, Command::Progress { upload }, Payload::None).await?;
        Ok(standing.progress)
    }

    /// What is told of a drop before it is claimed. Consumes nothing.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn look(&self, id: DropId, reader: &Shown) -> Result<View, Failure> {
        let answer = self.answer(id, Command::Look { reader: reader.hashed() }).await?;
        let Answer::Seen(view) = answer else { return Err(self.unexpected()) };
        Ok(view)
    }

    /// Reserves a drop for a reader, who chose the claim's token; the same again renews it.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn claim(&self, id: DropId, reader: &Shown, claim: &Token) -> Result<Claimed, Failure> {
        let lease = self.0.settings.lease.get();
        let command = Command::Claim { reader: reader.hashed(), by: claim.hash(), lease: millis(lease) };
        let claimed = match self.answer(id, command).await {
            Ok(Answer::Claimed { view, until }) => Ok(Claimed { view, lease, until }),
            Ok(_) => Err(self.unexpected()),
            Err(failure) => Err(failure),
        };
        self.0.metrics.claim(&claimed);
        claimed
    }

    /// Gives a claim back. If everything was sent to somebody, that is the end of the drop.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn give_back(&self, id: DropId, claim: &Token) -> Result<(), Failure> {
        self.answer(id, Command::GiveBack { by: claim.hash() }).await.map(drop)
    }

    /// A reader says that it has everything: the drop is erased.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn confirm(&self, id: DropId, claim: &Token) -> Result<(), Failure> {
        self.answer(id, Command::Confirm { by: claim.hash() }).await.map(drop)
    }

    /// Deletes a drop, by the deletion token.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn delete(&self, id: DropId, by: &Token) -> Result<(), Failure> {
        self.answer(id, Command::Delete { by: by.hash() }).await.map(drop)
    }

    /// Ends an upload, or deletes the drop that it has become.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn end_upload(&self, upload: &Token) -> Result<(), Failure> {
        let by = upload.hash();
        let id = self.by_upload(by).await?;
        self.answer(id, Command::Delete { by }).await.map(drop)
    }

    /// Lets further readers read the same body, each once; all of them or none.
    ///
    /// # Errors
    /// [`Failure`]; [`Refusal::Exists`] if one of the ids is in use.
    pub async fn share(&self, of: DropId, by: &Token, copies: Vec<Copy>) -> Result<View, Failure> {
        if copies.is_empty() || copies.len() > MAX_COPIES {
            return Err(Failure::BadCopies { max: MAX_COPIES });
        }
        if copies.iter().any(|copy| copy.info.len() > drop_state::MAX_INFO) {
            return Err(Failure::InfoTooLong { max: drop_state::MAX_INFO });
        }
        let shared = self.0.store.share(of, by.hash(), copies, self.now()).await;
        Ok(shared.map_err(|error| self.store_failed("share a drop", &error))??)
    }
}

/// What an upload stands at, and where its bytes go.
#[derive(Debug, Clone, Copy)]
struct Standing {
    progress: Progress,
    body: BodyId,
    segments: u32,
}

impl Drops {
    fn now(&self) -> Millis {
        Millis::new(self.0.clock.now_ms())
    }

    async fn apply(&self, id: DropId, command: Command, payload: Payload) -> Result<Applied, Failure> {
        let erases =
            !matches!(command, Command::Look { .. } | Command::Progress { .. } | Command::Append { .. });
        let applied = self.0.store.apply(id, command, payload, self.now()).await;
        let applied = applied.map_err(|error| self.store_failed("change a drop", &error))?;
        if applied.to_erase {
            self.0.to_erase.notify_one();
        }
        // The others erase only what they find to have ended.
        if erases || applied.to_erase || applied.answer == Err(Refusal::Gone) {
            self.0.to_scrub.notify_one();
        }
        Ok(applied)
    }

    async fn answer(&self, id: DropId, command: Command) -> Result<Answer, Failure> {
        Ok(self.apply(id, command, Payload::None).await?.answer?)
    }

    async fn standing(&self, id: DropId, command: Command, payload: Payload) -> Result<Standing, Failure> {
        let answer = self.apply(id, command, payload).await?.answer?;
        let Answer::Progress { offset, whole, complete, body, ends, segments } = answer else {
            return Err(self.unexpected());
        };
        Ok(Standing { progress: Progress { id, offset, whole, complete, ends }, body, segments })
    }

    async fn by_upload(&self, upload: drop_state::TokenHash) -> Result<DropId, Failure> {
        let found = self.0.store.by_upload(upload).await;
        let found = found.map_err(|error| self.store_failed("find an upload", &error))?;
        found.ok_or(Failure::Refused(Refusal::Gone))
    }

    fn store_failed(&self, doing: &'static str, error: &StoreError) -> Failure {
        self.0.metrics.database_failed();
        let shown: &(dyn core::error::Error + 'static) = error;
        tracing::error!(error = shown, "could not {doing}");
        Failure::of_store(error)
    }

    fn bodies_failed(&self, doing: &'static str, error: &BodyError) -> Failure {
        self.0.metrics.bodies_failed();
        let shown: &(dyn core::error::Error + 'static) = error;
        tracing::error!(error = shown, "could not {doing}");
        Failure::of_bodies(error)
    }

    /// A store that answers something else than it was asked.
    fn unexpected(&self) -> Failure {
        self.0.metrics.database_failed();
        tracing::error!("the store answered something it was not asked");
        Failure::StorageFailed
    }

    fn random<const N: usize>(&self) -> Result<[u8; N], Failure> {
        crate::random().map_err(|_| self.bodies_failed("choose a name", &BodyError::NoRandomness))
    }

    fn token(&self) -> Result<Token, Failure> {
        self.random().map(Token::from_bytes)
    }

    fn permit(of: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Failure> {
        Arc::clone(of).try_acquire_owned().map_err(|_| Failure::Busy)
    }

    /// Does something to its end even if nobody waits for it any more: a server drops a request's future when the
    /// connection breaks, and what has arrived is to be kept or cleaned up all the same.
    async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        match tokio::spawn(work.in_current_span()).await {
            Ok(done) => done,
            Err(_) => {
                tracing::error!("receiving a body panicked");
                Err(Failure::StorageFailed)
            }
        }
    }
}

/// In milliseconds, the most there are for what is longer.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
