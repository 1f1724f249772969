//! One group in hand: its session under the group's lock, kept in step with the store and the node.
//!
//! Whoever holds a [`Live`] is the only one, in all processes of this home, who reads or changes the group's secrets.
//! Every change is stored before its consequences leave the machine.
//!
//! # Cancel safety
//!
//! Dropping any of these futures loses nothing: what was sent was stored first, what was received is stored together
//! with what it led to, and the next holder goes on from there.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use api::{
    ErrorCode,
    challenge::{Claims, Statement},
    token::{Scope, Token, TokenAnswer, TokenRequest},
};
use curve::TreeSecret;
use futures_util::future::BoxFuture;
use group_state::GroupState;
use protocol::{Epoch, GroupId, LeafId, LogHash, Receipt, Seq, ServedFrame, SigningKey, Slot, VerifyingKey};

use crate::{
    attachments::stored_entry,
    client::Inner,
    entry::Entry,
    error::Error,
    http::{HttpError, NodeClient},
    session::{Env, Session, SessionError, Standing},
    store::{GroupLock, Scope as Part, Store, StoreError},
};

/// Store name of the public fold.
const FOLD: &str = "fold";
/// Store name of the rest of a session.
const SESSION: &str = "session";
/// Store name of the node's newest receipt.
const RECEIPT: &str = "receipt";
/// Frames asked for at once.
const PAGE: u32 = 256;
/// How often the same bytes are sent before their outcome stays unknown for now.
const RESENDS: u32 = 4;
/// Public folds kept in memory: a thousand members take about a megabyte.
const MAX_FOLDS: usize = 16;

/// What became of a frame that was sent.
pub(crate) enum Posted {
    /// It stands in the log.
    Accepted(Receipt),
    /// Refused, but a frame built on the current state may be accepted.
    Rebuild(ErrorCode),
    /// Refused for good.
    Refused(ErrorCode),
    /// Refused each time it was sent now, for a reason that passes; earlier copies may be in the log.
    Later(ErrorCode),
    /// Nobody knows.
    Unknown,
}

/// Public folds as they were last read or stored.
///
/// Reading one means checking every key of its tree, which for a thousand members takes longer than most calls; here
/// that was done once. A fold is known by the stored bytes it belongs to, so it does not matter who stored them.
#[derive(Default)]
pub(crate) struct Folds(Mutex<Vec<(GroupId, Vec<u8>, GroupState)>>);

impl Folds {
    fn read(&self, group: GroupId, bytes: &[u8]) -> Result<GroupState, StoreError> {
        let known = |folds: &[(GroupId, Vec<u8>, GroupState)]| {
            let (_, _, fold) = folds.iter().find(|(id, stored, _)| *id == group && stored == bytes)?;
            Some(fold.clone())
        };
        if let Some(fold) = known(&self.locked()) {
            return Ok(fold);
        }
        let fold = GroupState::from_bytes(bytes).map_err(|_| StoreError::Damaged)?;
        self.keep(group, bytes.to_vec(), fold.clone());
        Ok(fold)
    }

    fn keep(&self, group: GroupId, bytes: Vec<u8>, fold: GroupState) {
        let mut folds = self.locked();
        folds.retain(|(id, _, _)| *id != group);
        if folds.len() >= MAX_FOLDS {
            folds.remove(0);
        }
        folds.push((group, bytes, fold));
    }

    fn locked(&self) -> MutexGuard<'_, Vec<(GroupId, Vec<u8>, GroupState)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A group's session with what it takes to move it.
pub(crate) struct Live {
    pub(crate) inner: Arc<Inner>,
    /// Behind a box, because it moves into and out of every future here.
    pub(crate) session: Box<Session>,
    _lock: GroupLock,
    /// Epoch of the fold in the store, to write it only when it changed.
    stored_epoch: Option<Epoch>,
    /// The frame that removed us, shown by the node without those before it.
    removal: Option<ServedFrame>,
    /// Where the last message of ours stands.
    pub(crate) sent: Option<Seq>,
}

impl Live {
    /// Locks and loads a group, `None` if the store has none of this id.
    pub(crate) async fn load(inner: &Arc<Inner>, group: GroupId) -> Result<Option<Self>, Error> {
        let lock = inner.store.lock_group(&group).await?;
        let inner = Arc::clone(inner);
        blocking(move || {
            let (fold, rest) = inner.store.read::<_, StoreError>(|tx| {
                Ok((tx.get(Part::Group(group), FOLD)?, tx.get(Part::Group(group), SESSION)?))
            })?;
            let (Some(fold), Some(rest)) = (fold, rest) else { return Ok(None) };
            let fold = inner.folds.read(group, &fold)?;
            let session = Box::new(Session::with_fold(fold, &rest).map_err(|_| StoreError::Damaged)?);
            let stored_epoch = Some(session.epoch());
            Ok(Some(Self { inner, session, _lock: lock, stored_epoch, removal: None, sent: None }))
        })
        .await?
    }

    /// How a stored group stands, without its lock.
    pub(crate) fn stored_standing(store: &Store, group: GroupId) -> Result<Option<Standing>, StoreError> {
        let (fold, rest) = store.read::<_, StoreError>(|tx| {
            Ok((tx.get(Part::Group(group), FOLD)?, tx.get(Part::Group(group), SESSION)?))
        })?;
        let (Some(fold), Some(rest)) = (fold, rest) else { return Ok(None) };
        Ok(Some(Session::from_bytes(&fold, &rest).map_err(|_| StoreError::Damaged)?.standing))
    }

    /// Takes a new session into the store, with its first entries.
    pub(crate) async fn begin(
        inner: &Arc<Inner>,
        session: Box<Session>,
        lock: GroupLock,
        entries: Vec<Entry>,
        home: Vec<HomeChange>,
    ) -> Result<Self, Error> {
        let log = (session.fold.seq(), session.fold.log());
        let live = Self {
            inner: Arc::clone(inner),
            session,
            _lock: lock,
            stored_epoch: None,
            removal: None,
            sent: None,
        };
        live.save(entries, vec![log], home).await
    }

    pub(crate) fn group(&self) -> GroupId {
        self.session.group()
    }

    pub(crate) fn node(&self) -> Result<NodeClient, Error> {
        self.inner.node(&self.session.server)
    }

    /// Stores the session together with what happened.
    async fn save(
        self,
        entries: Vec<Entry>,
        logs: Vec<(Seq, LogHash)>,
        home: Vec<HomeChange>,
    ) -> Result<Self, Error> {
        blocking(move || {
            let mut live = self;
            let group = live.group();
            let epoch = live.session.epoch();
            let fold = (live.stored_epoch != Some(epoch)).then(|| live.session.fold.to_bytes());
            let rest = live.session.to_bytes();
            let copies = core::mem::take(&mut live.session.copies);
            live.inner.store.write::<_, StoreError>(|tx| {
                if let Some(fold) = &fold {
                    tx.put(Part::Group(group), FOLD, fold)?;
                }
                tx.put(Part::Group(group), SESSION, &rest)?;
                for entry in &entries {
                    let bytes = stored_entry(entry, &copies)?;
                    tx.put_entry(&group, entry.position.0, &bytes)?;
                }
                for (seq, log) in &logs {
                    tx.put_log_hash(&group, *seq, *log)?;
                }
                for change in &home {
                    change.apply(tx)?;
                }
                Ok(())
            })?;
            if let Some(fold) = fold {
                live.inner.folds.keep(group, fold, live.session.fold.clone());
            }
            live.stored_epoch = Some(epoch);
            Ok(live)
        })
        .await?
    }

    /// Stores the session alone, before something is sent.
    pub(crate) async fn checkpoint(self) -> Result<Self, Error> {
        self.save(Vec::new(), Vec::new(), Vec::new()).await
    }

    /// Takes frames in order and stores what they led to. Frames already taken are passed over.
    pub(crate) async fn take(self, frames: Vec<ServedFrame>) -> Result<(Self, Option<SessionError>), Error> {
        let (live, entries, logs, error) = blocking(move || {
            let mut live = self;
            let mut entries = Vec::new();
            let mut recent = BTreeMap::new();
            let mut error = None;
            for served in &frames {
                match live.step(served, &recent) {
                    Ok(new) => entries.extend(new),
                    Err(failed) => {
                        error = Some(failed);
                        break;
                    }
                }
                recent.insert(live.session.fold.seq(), live.session.fold.log());
            }
            Ok::<_, Error>((live, entries, recent, error))
        })
        .await??;
        let live = live.save(entries, logs.into_iter().collect(), Vec::new()).await?;
        Ok((live, error))
    }

    fn step(
        &mut self,
        served: &ServedFrame,
        recent: &BTreeMap<Seq, LogHash>,
    ) -> Result<Vec<Entry>, SessionError> {
        let group = self.group();
        let inner = Arc::clone(&self.inner);
        let history = |seq: Seq| {
            recent
                .get(&seq)
                .copied()
                .or_else(|| inner.store.read::<_, StoreError>(|tx| tx.log_hash(&group, seq)).ok().flatten())
        };
        let Some(identity) = inner.identity() else {
            return Err(SessionError::NotPossible("there is no identity in this home"));
        };
        let mut rng = inner.rng();
        let mut env = Env {
            identity: &identity.key,
            name: &identity.name,
            keys: inner.keys,
            history: &history,
            rng: &mut rng,
        };
        self.session.process(served, &mut env)
    }

    /// Fetches and takes everything up to the head of the log, then settles what may be on its way.
    ///
    /// Boxed, as the other long ways are: they are parts of every public future.
    pub(crate) fn sync(self) -> BoxFuture<'static, Result<Self, Error>> {
        Box::pin(async move {
            if let Standing::Forked(evidence) = &self.session.standing {
                return Err(Error::Forked { seq: evidence.seq.get(), reason: evidence.code.clone() });
            }
            // An Init that may not have arrived yet comes before any reading.
            let mut live = self;
            if live.session.is_founding() {
                live = live.settle_init().await?;
            }
            live = live.fetch().await?;
            live = live.settle_pending().await?;
            live.settle_outbox().await
        })
    }

    /// Fetches and takes everything up to the head of the log.
    pub(crate) async fn fetch(mut self) -> Result<Self, Error> {
        let mut suspect = None;
        loop {
            if matches!(self.session.standing, Standing::Removed(_) | Standing::Forked(_)) {
                return Ok(self);
            }
            let after = self.session.fold.seq();
            let Some(page) = self.page(after).await? else { return self.end_by_removal().await };
            if page.frames.is_empty() {
                return Ok(self);
            }
            let head = page.head;
            let (live, error) = self.take(page.frames).await?;
            self = live;
            match error {
                None => {}
                // Bytes may have been damaged on the way: once more, then it counts.
                Some(SessionError::Suspect { seq, code }) if suspect != Some(seq) => {
                    suspect = Some(seq);
                    tracing::warn!(code, "a stored frame does not apply; fetching it once more");
                    continue;
                }
                Some(SessionError::Suspect { seq, code }) => {
                    self.session.fork(seq, code);
                    let _ = self.checkpoint().await?;
                    return Err(SessionError::Forked { seq, code }.into());
                }
                Some(SessionError::Gap { expected, got }) => return self.gap(expected, got).await,
                Some(other) => return Err(other.into()),
            }
            if self.session.fold.seq() >= head {
                return Ok(self);
            }
            if self.session.fold.seq() == after {
                // Asked for once more, the same would come for ever.
                return Err(Error::NotPossible {
                    code: "bad_answer",
                    detail: "the node served frames that were asked for long before".to_owned(),
                });
            }
        }
    }

    /// Records a removal that was shown.
    async fn end_by_removal(mut self) -> Result<Self, Error> {
        let Some(served) = self.removal.take() else { return Ok(self) };
        if served.seq == self.session.next_seq() {
            let (live, error) = self.take(vec![served]).await?;
            return match error {
                Some(error) => Err(error.into()),
                None => Ok(live),
            };
        }
        let entries = self.session.removed_unseen(&served);
        self.save(entries, Vec::new(), Vec::new()).await
    }

    /// Frames are missing: the node no longer holds them, or shows a removed member no more than its removal.
    async fn gap(self, expected: Seq, got: Seq) -> Result<Self, Error> {
        tracing::warn!(expected = expected.get(), got = got.get(), "the node skipped frames");
        Err(Error::NotPossible {
            code: "history_gap",
            detail: "the node no longer holds the frames that come next; rejoin the group".to_owned(),
        })
    }

    async fn page(&mut self, after: Seq) -> Result<Option<Page>, Error> {
        let node = self.node()?;
        let group = self.group();
        let mut fresh = false;
        loop {
            let token = self.token(fresh).await?;
            if token.scope == Scope::Removal {
                return self.take_removal(&node, &token.token).await.map(|()| None);
            }
            match node.frames(&group, after, PAGE, false, &token.token).await {
                Ok(page) => {
                    let frames =
                        page.frames.iter().map(|f| f.decode()).collect::<Result<Vec<_>, _>>().map_err(
                            |refusal| Error::NotPossible {
                                code: "bad_answer",
                                detail: format!(
                                    "the node served a frame that cannot be read ({})",
                                    refusal.code()
                                ),
                            },
                        )?;
                    return Ok(Some(Page { frames, head: page.head }));
                }
                Err(error) if is_unauthorised(&error) && !fresh => fresh = true,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The node shows no more than the frame that removed us. It is believed if it follows from what we know, or is
    /// signed by somebody entitled to it.
    async fn take_removal(&mut self, node: &NodeClient, token: &Token) -> Result<(), Error> {
        let bytes = node.removal(&self.group(), token).await?;
        let served = ServedFrame::decode(&bytes).map_err(|refusal| Error::NotPossible {
            code: "bad_answer",
            detail: format!("the node served a frame that cannot be read ({})", refusal.code()),
        })?;
        let follows = served.seq == self.session.next_seq();
        let shown = served.frame().is_some_and(|frame| self.session.is_removed_by(frame, self.inner.keys));
        if !follows && !shown {
            return Err(Error::NotPossible {
                code: "removal_not_shown",
                detail: "the node says that you were removed but shows no valid removal".to_owned(),
            });
        }
        self.removal = Some(served);
        Ok(())
    }

    /// A token for reading this group: anonymous where possible, by the own leaf otherwise.
    pub(crate) async fn token(&self, fresh: bool) -> Result<TokenAnswer, Error> {
        let group = self.group();
        let now = self.inner.clock.now();
        if !fresh && let Some(token) = self.inner.cached_token(&group, now) {
            return Ok(token);
        }
        let node = self.node()?;
        let anonymous = self.session.standing == Standing::Member && self.session.fold.is_clean();
        let root = self.session.own.path.as_ref().map(|p| p.sign().clone()).filter(|_| anonymous);
        let epoch = self.session.epoch();
        if let Some(root) = root {
            match self.token_by(&node, epoch, &Prover::Root(root)).await {
                Ok(token) => return Ok(token),
                // The group has moved on, or a removal is pending: the own leaf still opens the way.
                Err(error) if error.code().is_some_and(|code| !code.is_retryable()) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let own = &self.session.own;
        let leaf = Prover::Leaf { key: own.sig.clone(), slot: own.slot, leaf_id: own.leaf_id };
        Ok(self.token_by(&node, epoch, &leaf).await?)
    }

    async fn token_by(
        &self,
        node: &NodeClient,
        epoch: Epoch,
        prover: &Prover,
    ) -> Result<TokenAnswer, HttpError> {
        let group = self.group();
        let answer = request_token(&self.inner, node, &group, epoch, prover).await?;
        self.inner.cache_token(group, &answer);
        Ok(answer)
    }

    /// Sends bytes that were stored, again and again until the outcome is known or patience ends.
    pub(crate) async fn post(&self, bytes: &[u8]) -> Result<Posted, Error> {
        let node = self.node()?;
        post(&self.inner, &node, &self.group(), bytes).await
    }

    /// Checks a receipt against what we know, and remembers the node's key.
    pub(crate) fn check_receipt(&mut self, receipt: &Receipt) -> Result<(), Error> {
        check_receipt(receipt, &self.group(), &mut self.session.node)
    }

    /// Takes what the log has up to a receipt, and holds the node to it: a log that is not the one it signed is a fork.
    /// The newest receipt is kept as evidence.
    pub(crate) async fn confirm(mut self, receipt: Receipt) -> Result<Self, Error> {
        self.check_receipt(&receipt)?;
        let live = self.fetch().await?;
        let (group, store) = (live.group(), live.inner.store.clone());
        let ours = blocking(move || {
            store.write::<_, StoreError>(|tx| {
                tx.put(Part::Group(group), RECEIPT, &receipt.encode())?;
                tx.log_hash(&group, receipt.seq)
            })
        })
        .await??;
        if ours.is_none_or(|log| log == receipt.log) {
            return Ok(live);
        }
        let mut live = live;
        live.session.fork(receipt.seq, "receipt_mismatch");
        drop(live.checkpoint().await?);
        Err(SessionError::Forked { seq: receipt.seq, code: "receipt_mismatch" }.into())
    }

    /// Takes the node's word for the group's state, where the frames in between are gone. What it says is told to the
    /// application as a gap; own keys are lost until a rejoin.
    pub(crate) async fn skip_gap(mut self) -> Result<Self, Error> {
        let own = &self.session.own;
        let leaf = Prover::Leaf { key: own.sig.clone(), slot: own.slot, leaf_id: own.leaf_id };
        let (node, group, epoch) = (self.node()?, self.group(), self.session.epoch());
        let token = self.token_by(&node, epoch, &leaf).await?.token;
        let answer = node.state(&group, None, &token).await?;
        let (live, entry) = blocking(move || {
            let entry = self.session.skip_to(&answer)?;
            Ok::<_, SessionError>((self, entry))
        })
        .await??;
        let mut live = live;
        // Of one epoch there may be two states, where the node does not say the truth.
        live.stored_epoch = None;
        live.save(vec![entry], Vec::new(), Vec::new()).await
    }

    async fn settle_init(self) -> Result<Self, Error> {
        let Some(pending) = &self.session.pending else { return Ok(self) };
        match self.post(&pending.bytes).await? {
            Posted::Accepted(receipt) => {
                let mut live = self;
                live.check_receipt(&receipt)?;
                if (receipt.seq, receipt.log) != (live.session.fold.seq(), live.session.fold.log()) {
                    return Err(SessionError::Forked { seq: receipt.seq, code: "receipt_mismatch" }.into());
                }
                live.session.pending = None;
                live.checkpoint().await
            }
            Posted::Rebuild(code) | Posted::Refused(code) => {
                // There is no such group and there will be none, since its first frame cannot be built anew.
                let (group, store) = (self.group(), self.inner.store.clone());
                blocking(move || store.write::<_, StoreError>(|tx| tx.delete_group(&group))).await??;
                Err(Error::Node { code })
            }
            Posted::Later(_) | Posted::Unknown => Err(Error::OutcomeUnknown),
        }
    }

    /// An operation of ours that the log does not show: sent once more as it is, then it is in or out.
    async fn settle_pending(self) -> Result<Self, Error> {
        let Some(pending) = &self.session.pending else { return Ok(self) };
        // To a node whose history is forked nothing is sent any more.
        if matches!(self.session.standing, Standing::Forked(_)) {
            return Ok(self);
        }
        match self.post(&pending.bytes).await? {
            Posted::Accepted(receipt) => self.confirm(receipt).await,
            Posted::Rebuild(code) | Posted::Refused(code) => {
                tracing::info!(code = code.code(), "an earlier operation did not get through");
                let mut live = self;
                live.session.pending = None;
                live.checkpoint().await
            }
            Posted::Later(_) | Posted::Unknown => Err(Error::OutcomeUnknown),
        }
    }

    /// Messages of ours that the log does not show: sent once more; sealed anew where their epoch has passed.
    pub(crate) async fn settle_outbox(mut self) -> Result<Self, Error> {
        for _ in 0..64 {
            let Some(first) = self.session.outbox.first() else { return Ok(self) };
            if !matches!(self.session.standing, Standing::Member) || self.session.unconfirmed.is_some() {
                return Ok(self);
            }
            // No node takes it any more, and it is not among what was taken: both follow from the state here, so it
            // cannot come twice.
            if first.epoch().is_none_or(|epoch| !self.session.fold.accepts_messages_of(epoch)) {
                self = self.heal_if_dirty().await?;
                self = self.reseal_first().await?;
                continue;
            }
            let is_last = self.session.outbox.len() == 1;
            match self.post(&first.bytes).await? {
                Posted::Accepted(receipt) => {
                    self.sent = is_last.then_some(receipt.seq);
                    self = self.confirm(receipt).await?;
                }
                Posted::Rebuild(code) => {
                    tracing::debug!(code = code.code(), "sealing a message anew");
                    self = self.fetch().await?;
                    self = self.heal_if_dirty().await?;
                    self = self.reseal_first().await?;
                }
                Posted::Refused(ErrorCode::NotAccepted) => {
                    // Signed for an epoch the node no longer tells about: the same as stale.
                    let before = self.session.epoch();
                    self = self.fetch().await?;
                    if self.session.epoch() == before {
                        return Err(Error::Node { code: ErrorCode::NotAccepted });
                    }
                    self = self.heal_if_dirty().await?;
                    self = self.reseal_first().await?;
                }
                Posted::Refused(code) => {
                    self.session.outbox.remove(0);
                    let _ = self.checkpoint().await?;
                    return Err(Error::Node { code });
                }
                Posted::Later(_) | Posted::Unknown => return Err(Error::OutcomeUnknown),
            }
        }
        Err(Error::Contention)
    }

    async fn reseal_first(mut self) -> Result<Self, Error> {
        if self.session.outbox.is_empty() {
            return Ok(self);
        }
        let old = self.session.outbox.remove(0);
        let content = e2ee::content::Content::from_bytes(&old.content).map_err(|_| StoreError::Damaged)?;
        // A list of admins is sealed to leaves as they are now, and pointless once there is another.
        let content = if matches!(content, e2ee::content::Content::Admins(_)) {
            let due = self.session.due_admins(&mut self.inner.rng());
            let Some(list) = due else { return self.checkpoint().await };
            list
        } else {
            content
        };
        self.seal(&content)?;
        // It keeps its place before younger ones.
        if let Some(new) = self.session.outbox.pop() {
            self.session.outbox.insert(0, new);
        }
        self.checkpoint().await
    }

    /// Seals a message into the outbox; to be stored before it is sent.
    pub(crate) fn seal(&mut self, content: &e2ee::content::Content) -> Result<(), Error> {
        let inner = Arc::clone(&self.inner);
        let identity = inner.identity().ok_or(Error::NoIdentity)?;
        let mut rng = inner.rng();
        let history = |_: Seq| None;
        let mut env = Env {
            identity: &identity.key,
            name: &identity.name,
            keys: inner.keys,
            history: &history,
            rng: &mut rng,
        };
        self.session.seal_message(content, &mut env)?;
        Ok(())
    }
}

struct Page {
    frames: Vec<ServedFrame>,
    head: Seq,
}

/// With what a challenge is answered.
pub(crate) enum Prover {
    /// The epoch's shared signing key: says nothing about who asks.
    Root(TreeSecret),
    /// A leaf's pseudonym.
    Leaf {
        /// Its secret.
        key: SigningKey,
        /// Where the leaf is.
        slot: Slot,
        /// Its name.
        leaf_id: LeafId,
    },
    /// A ticket.
    Ticket(SigningKey),
}

/// Answers a challenge of the node and gets a token.
pub(crate) async fn request_token(
    inner: &Inner,
    node: &NodeClient,
    group: &GroupId,
    epoch: Epoch,
    prover: &Prover,
) -> Result<TokenAnswer, HttpError> {
    let claims = match prover {
        Prover::Root(_) => Claims::Root,
        Prover::Leaf { slot, leaf_id, .. } => Claims::Leaf { slot: *slot, leaf_id: *leaf_id },
        Prover::Ticket(key) => Claims::Ticket { key: key.verifying_key() },
    };
    let challenge = node.challenge(group, epoch, claims.purpose()).await?;
    let statement = Statement { origin: node.origin(), group, epoch, claims, challenge };
    let signature = match prover {
        Prover::Root(secret) => statement.sign_root(secret, &mut inner.rng()),
        Prover::Leaf { key, .. } | Prover::Ticket(key) => statement.sign(key),
    };
    node.token(group, &TokenRequest { challenge, epoch, claims, signature }).await
}

/// Sends a frame until its outcome is known or patience ends.
pub(crate) async fn post(
    inner: &Inner,
    node: &NodeClient,
    group: &GroupId,
    bytes: &[u8],
) -> Result<Posted, Error> {
    let mut wait = core::time::Duration::from_millis(200);
    let mut refused = Some(ErrorCode::Busy);
    for _ in 0..RESENDS {
        match node.post_frame(group, bytes.to_vec()).await {
            Ok(answer) => return Ok(Posted::Accepted(answer.receipt)),
            Err(error) => match error.code() {
                Some(ErrorCode::ClockSkew) => {
                    // The node says what time it has; the next draft is dated by it.
                    if let HttpError::Problem(problem) = &error
                        && let Some(time) = problem.node_time()
                    {
                        inner.offset.observe(time, inner.clock.now());
                    }
                    return Ok(Posted::Rebuild(ErrorCode::ClockSkew));
                }
                Some(code) if code.retry() == protocol::refusal::Retry::Rebuild => {
                    return Ok(Posted::Rebuild(code));
                }
                // A refusal that may have had an effect is no refusal: the same bytes again, until it is clear.
                Some(code) if !code.is_retryable() && code.has_no_side_effects() => {
                    return Ok(Posted::Refused(code));
                }
                // These pass, but not while anybody waits; and a node that judges a frame so has looked for copies.
                Some(
                    code @ (ErrorCode::TooManyTickets | ErrorCode::TooManyInvites | ErrorCode::NotOverdue),
                ) => return Ok(Posted::Refused(code)),
                Some(code) if code.has_no_side_effects() => refused = refused.map(|_| code),
                // Not reached or not answered: either way it is stored, and the next call sends it again. To say that
                // it failed would invite the caller to say it a second time.
                _ => refused = None,
            },
        }
        inner.clock.sleep(wait).await;
        wait *= 2;
    }
    Ok(refused.map_or(Posted::Unknown, Posted::Later))
}

/// A receipt must be signed by the node's key, which stays the same for a group's node from the first one on.
pub(crate) fn check_receipt(
    receipt: &Receipt,
    group: &GroupId,
    node: &mut Option<VerifyingKey>,
) -> Result<(), Error> {
    let known = node.get_or_insert(receipt.node);
    if receipt.verify().is_err() || receipt.group != *group || *known != receipt.node {
        return Err(Error::NotPossible {
            code: "bad_receipt",
            detail: "the node's receipt is not signed by the key it had before".to_owned(),
        });
    }
    Ok(())
}

fn is_unauthorised(error: &HttpError) -> bool {
    error.code().is_some_and(|code| matches!(code.status(), 401 | 403 | 404))
}

/// A change of the home that belongs into the same transaction as a group's.
pub(crate) enum HomeChange {
    /// Forget a part of a group.
    DeleteGroupPart(GroupId, &'static str),
}

impl HomeChange {
    fn apply(&self, tx: &crate::store::WriteTx<'_>) -> Result<(), StoreError> {
        match self {
            Self::DeleteGroupPart(group, name) => tx.delete(Part::Group(*group), name),
        }
    }
}

/// Runs blocking work aside.
pub(crate) async fn blocking<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(f).await.map_err(|_| Error::System)
}
