//! The handle of a home: identity, store, and the way to groups.

mod arrivals;
mod services;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use api::{
    ErrorCode,
    key_packages::{KeyPackageEntry, MailboxId, MailboxWriteKey, PutKeyPackages, SealedKeyPackage},
    token::{Scope as Reach, TokenAnswer},
};
use e2ee::{
    contact::Contact,
    invite::SealedInvite,
    key_package::{KeyPackage, KeyPackagePrivate, PackageId},
    name::DisplayName,
    node_url::NodeUrl,
    ticket::TicketLink,
};
use pinned_keys::PinnedKeys;
use proofs::VerifyingKeys;
use protocol::{GroupId, LogHash, Seq, Suite, UnixSeconds, body::Policy, limits::MAX_INVITE_TTL};
use rand_core::UnwrapErr;

use crate::{
    clock::{Clock, NodeOffset, SystemClock},
    drops::Drops,
    entry::Entry,
    error::Error,
    group::Group,
    http::{HttpError, NodeClient},
    identity::{Identity, IdentityInfo},
    live::{Folds, HomeChange, Live, Posted, Prover as Answer, blocking, check_receipt, post, request_token},
    prover::{Job, Prover, ProverProgress},
    session::{Env, FoundingDraft, Joining, JoiningStep, Session, SessionError, Standing},
    store::{GroupLock, Scope, Store, StoreError, StoreKey},
};

pub(crate) use self::arrivals::INVITE_TYPE;

const IDENTITY: &str = "identity";
const PACKAGES: &str = "packages";
/// Store name of a join under way.
pub(crate) const JOINING: &str = "joining";
/// One-time key packages kept at a node.
const PACKAGE_STOCK: u32 = 20;
/// One in so many of them is for groups with the rarer suite.
const SUITE_PERIOD: u32 = 4;
/// Life of a key package, in seconds.
const PACKAGE_TTL: u64 = 90 * 24 * 3600;
/// How often a joiner rebuilds its Join before giving up for now.
const JOIN_ATTEMPTS: u32 = 12;

/// Called while proofs are made, from any thread.
pub type OnProgress = Arc<dyn Fn(ProverProgress) + Send + Sync>;

/// How to open a [`Client`].
pub struct Options {
    /// Folder of this home: one identity, its groups, its store. Made if it is not there.
    pub home: PathBuf,
    /// Key of the encrypted store.
    pub key: StoreKey,
    /// Folder for proving keys, which several homes may share.
    pub cache: PathBuf,
    /// Proof keys of a ceremony; without them, those for development. Groups under other keys cannot be used.
    pub keys: Option<PinnedKeys>,
    /// Threads for proving; 0 for as many as there are processors.
    pub threads: usize,
    /// Told about proving, where it takes longer than a moment.
    pub progress: Option<OnProgress>,
    /// Source of time.
    pub clock: Arc<dyn Clock>,
    /// Whether nodes on other machines may be asked without TLS: contents stay sealed, but whoever is on the way sees
    /// who reads which group, and can take the tokens.
    pub allow_plain_http: bool,
}

impl Options {
    /// Usual options for a home.
    #[must_use]
    pub fn new(home: impl Into<PathBuf>, key: StoreKey, cache: impl Into<PathBuf>) -> Self {
        Self {
            home: home.into(),
            key,
            cache: cache.into(),
            keys: None,
            threads: 0,
            progress: None,
            clock: Arc::new(SystemClock),
            allow_plain_http: false,
        }
    }
}

impl core::fmt::Debug for Options {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Options").field("threads", &self.threads).finish_non_exhaustive()
    }
}

/// One home: an identity and its groups. A cheap handle; clones share everything.
///
/// Any number of clients, also in several processes, may work on one home at once.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) prover: Prover,
    pub(crate) keys: &'static VerifyingKeys,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) offset: NodeOffset,
    pub(crate) progress: Option<OnProgress>,
    pub(crate) folds: Folds,
    allow_plain_http: bool,
    identity: RwLock<Option<Arc<Identity>>>,
    nodes: Mutex<HashMap<String, NodeClient>>,
    tokens: Mutex<HashMap<GroupId, TokenAnswer>>,
    drops: Mutex<HashMap<String, Drops>>,
}

impl Inner {
    pub(crate) fn identity(&self) -> Option<Arc<Identity>> {
        self.identity.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fresh randomness from the system. It cannot fail once the system has booted.
    #[expect(clippy::unused_self, reason = "all that the client draws comes from its inner part")]
    pub(crate) fn rng(&self) -> UnwrapErr<getrandom::SysRng> {
        UnwrapErr(getrandom::SysRng)
    }

    pub(crate) fn node(&self, server: &str) -> Result<NodeClient, Error> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = nodes.get(server) {
            return Ok(node.clone());
        }
        let node = NodeClient::with_options(server, Arc::clone(&self.clock), self.node_options())
            .map_err(|error| Error::bad_text("the server's address is not usable", error))?;
        nodes.insert(server.to_owned(), node.clone());
        Ok(node)
    }

    pub(crate) fn cached_token(&self, group: &GroupId, now: UnixSeconds) -> Option<TokenAnswer> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(group).filter(|answer| now.saturating_add(30) < answer.expires).cloned()
    }

    pub(crate) fn cache_token(&self, group: GroupId, answer: &TokenAnswer) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(group, answer.clone());
    }

    pub(crate) fn forget_token(&self, group: &GroupId) {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
    }

    /// The time to date operations with: the node's, as far as it is believable.
    pub(crate) fn operation_time(&self) -> UnixSeconds {
        self.offset.apply(self.clock.now())
    }

    pub(crate) async fn prove(&self, jobs: Vec<impl Into<Job>>) -> Result<Vec<proofs::Proof>, Error> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let progress = self.progress.clone();
        let told = move |p: ProverProgress| {
            if let Some(progress) = &progress {
                progress(p);
            }
        };
        Ok(self.prover.prove(jobs, told).await?)
    }

    fn with_env<T>(&self, f: impl FnOnce(&mut Env<'_>) -> Result<T, SessionError>) -> Result<T, Error> {
        let identity = self.identity().ok_or(Error::NoIdentity)?;
        let history = |_: Seq| -> Option<LogHash> { None };
        let mut rng = self.rng();
        let mut env = Env {
            identity: &identity.key,
            name: &identity.name,
            keys: self.keys,
            history: &history,
            rng: &mut rng,
        };
        Ok(f(&mut env)?)
    }
}

/// A group as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct GroupSummary {
    /// The group's id, in hexadecimal.
    pub id: String,
    /// What this home calls it.
    pub title: String,
    /// The node that keeps it.
    pub server: String,
}

impl Client {
    /// Opens a home, making it if it is not there.
    ///
    /// # Errors
    /// [`Error::Store`] when the store cannot be opened with this key.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let Options { home, key, cache, keys, threads, progress, clock, allow_plain_http } = options;
        let (store, identity) = blocking(move || {
            let store = Store::open(home.join("kith.db"), key)?;
            let identity = store.read::<_, StoreError>(|tx| tx.get(Scope::Home, IDENTITY))?;
            Ok::<_, StoreError>((store, identity))
        })
        .await??;
        let identity = match identity {
            Some(bytes) => Some(Arc::new(Identity::from_bytes(&bytes).ok_or(StoreError::Damaged)?)),
            None => None,
        };
        let inner = Inner {
            store,
            keys: keys.as_ref().map_or_else(VerifyingKeys::development, PinnedKeys::verifying_keys),
            prover: Prover::with_keys(cache, threads, keys),
            clock,
            offset: NodeOffset::default(),
            progress,
            folds: Folds::default(),
            allow_plain_http,
            identity: RwLock::new(identity),
            nodes: Mutex::default(),
            tokens: Mutex::default(),
            drops: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Makes the identity of this home.
    ///
    /// # Errors
    /// [`Error::IdentityExists`], or [`Error::BadText`] for a name that cannot be shown.
    pub async fn create_identity(&self, name: &str) -> Result<IdentityInfo, Error> {
        let name = DisplayName::new(name).map_err(|e| Error::bad_text("the name is not usable", e))?;
        let identity = Identity::generate(name, &mut self.inner.rng());
        let bytes = identity.to_bytes();
        let store = self.inner.store.clone();
        blocking(move || {
            store.write::<_, Error>(|tx| {
                if tx.get(Scope::Home, IDENTITY)?.is_some() {
                    return Err(Error::IdentityExists);
                }
                Ok(tx.put(Scope::Home, IDENTITY, &bytes)?)
            })
        })
        .await??;
        let info = identity.info();
        *self.inner.identity.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(identity));
        Ok(info)
    }

    /// The identity of this home.
    #[must_use]
    pub fn identity(&self) -> Option<IdentityInfo> {
        self.inner.identity().map(|identity| identity.info())
    }

    /// Founds a group on a node and becomes its owner and first member.
    ///
    /// # Errors
    /// [`Error::Node`] when the node refuses; after [`Error::OutcomeUnknown`] or [`Error::Http`] the group is there
    /// locally, and the next call for it finishes the founding.
    ///
    /// # Cancel safety
    /// The group is stored before it is sent; dropping the future leaves either nothing or such a group.
    pub async fn create_group(&self, title: &str, server: &str, suite: Suite) -> Result<Group, Error> {
        DisplayName::new(title).map_err(|e| Error::bad_text("the title is not usable", e))?;
        let server = NodeUrl::new(server.trim_end_matches('/'))
            .map_err(|e| Error::bad_text("the server's address is not usable", e))?;
        let inner = &self.inner;
        inner.identity().ok_or(Error::NoIdentity)?;
        self.observe_node(server.as_str()).await?;
        let policy = Policy {
            params: inner.keys.params_hash(),
            max_members: 1 << inner.keys.max_dh_levels().min(20),
            message_retention: 0,
            operation_retention: 0,
            invite_ttl: MAX_INVITE_TTL,
        };
        let now = inner.operation_time();
        let mut draft = inner.with_env(|env| FoundingDraft::new(suite, policy, env, now))?;
        let proofs = inner.prove(draft.take_jobs()).await?;
        let now_ms = inner.clock.now_millis().get();
        let (session, entries) = inner.with_env(|env| {
            draft.finish(&proofs, title.to_owned(), server.as_str().to_owned(), env, now_ms)
        })?;
        let group = session.group();
        let lock = inner.store.lock_group(&group).await?;
        let live = Live::begin(inner, Box::new(session), lock, entries, Vec::new()).await?;
        // What the node refuses for good is forgotten on the way.
        drop(live.sync().await?);
        Ok(self.handle(group))
    }

    /// Asks a node who it is and what time it has.
    async fn observe_node(&self, server: &str) -> Result<(), Error> {
        let node = self.inner.node(server)?;
        let info = node.node_info().await?;
        // Challenges are bound to the name we reach it by, so with another one it would answer nothing.
        if info.origin != *node.origin() {
            return Err(Error::NotPossible {
                code: "wrong_origin",
                detail: format!(
                    "this server is called {}: use that address, or start it with --origin {}",
                    info.origin,
                    node.origin()
                ),
            });
        }
        self.inner.offset.observe(info.time, self.inner.clock.now());
        if !info.params.contains(&self.inner.keys.params_hash()) {
            return Err(Error::NotPossible {
                code: "unknown_params",
                detail: format!(
                    "the node has other proof keys than this client{}",
                    if info.development_keys { ": those for development" } else { "" }
                ),
            });
        }
        Ok(())
    }

    /// A text to give to others so that they can invite this identity by name; fills the mailbox behind it.
    ///
    /// # Errors
    /// [`Error::NoIdentity`], [`Error::Http`] or [`Error::Node`].
    pub async fn contact(&self, server: &str) -> Result<String, Error> {
        let identity = self.inner.identity().ok_or(Error::NoIdentity)?;
        let server = NodeUrl::new(server.trim_end_matches('/'))
            .map_err(|e| Error::bad_text("the server's address is not usable", e))?;
        let node = self.inner.node(server.as_str())?;
        let mailbox = MailboxId::new(*identity.contact.mailbox().as_bytes());
        let write_key = MailboxWriteKey::new(*identity.mailbox_write);
        let status = node.mailbox_status(&mailbox).await?;
        let missing = PACKAGE_STOCK.saturating_sub(status.remaining);
        let expires = self.inner.clock.now().saturating_add(PACKAGE_TTL);
        let mut privates = Vec::new();
        let mut packages = Vec::new();
        for (suite, last_resort) in (0..missing)
            .map(|n| if (n + 1) % SUITE_PERIOD == 0 { Suite::ChaCha20Poly1305 } else { Suite::Aes256Gcm })
            .map(|suite| (suite, false))
            .chain((!status.last_resort).then_some((Suite::Aes256Gcm, true)))
        {
            let mut rng = self.inner.rng();
            let private = KeyPackagePrivate::generate(
                &identity.key,
                identity.name.clone(),
                suite,
                expires,
                last_resort,
                &mut rng,
            );
            let sealed = identity.contact.seal_package(private.package(), &mut rng);
            let sealed = SealedKeyPackage::new(sealed).map_err(|_| Error::System)?;
            packages.push(KeyPackageEntry { sealed, expires, last_resort });
            privates.push(private);
        }
        if !packages.is_empty() {
            self.keep_packages(privates).await?;
            node.put_key_packages(&mailbox, &PutKeyPackages { write_key, packages }).await?;
        }
        let contact = Contact {
            secret: e2ee::contact::ContactSecret::from_bytes(&identity.contact.to_bytes()),
            identity: identity.key.verifying_key(),
            node: server,
        };
        Ok(contact.to_text().to_string())
    }

    /// Private halves are stored before the public ones are given away.
    async fn keep_packages(&self, new: Vec<KeyPackagePrivate>) -> Result<(), Error> {
        let store = self.inner.store.clone();
        let now = self.inner.clock.now();
        blocking(move || {
            store.write::<_, StoreError>(|tx| {
                let stored = tx.get(Scope::Home, PACKAGES)?;
                let mut all = crate::packages::read(stored.as_deref())?;
                all.retain(|p| !p.package().is_expired(now));
                all.extend(new);
                tx.put(Scope::Home, PACKAGES, &crate::packages::write(&all))
            })
        })
        .await??;
        Ok(())
    }

    /// Joins a group by a ticket link or a named invite, or by the link of a drop that has one of them.
    ///
    /// # Errors
    /// [`Error::BadText`] for a text that is neither; [`Error::Node`] when the node refuses, for a link that is used
    /// up or expired with `no_such_ticket` or as not found; [`Error::Forked`] when the node shows another state than
    /// the inviter signed; [`Error::Drop`] when the drop cannot be read, with `drop_gone` when somebody has.
    ///
    /// # Cancel safety
    /// A join under way is stored before it is sent; calling again with the same text goes on with it. What a drop had
    /// is stored before the drop is erased.
    pub async fn join(&self, text: &str) -> Result<Group, Error> {
        self.inner.identity().ok_or(Error::NoIdentity)?;
        let text = text.trim();
        match arrivals::drop_link(text)? {
            Some(link) => self.join_by_drop(&link).await,
            None => self.join_by_text(text).await,
        }
    }

    async fn join_by_text(&self, text: &str) -> Result<Group, Error> {
        if text.starts_with("kith-invite") {
            let invite =
                SealedInvite::parse(text).map_err(|e| Error::bad_text("the invite is not usable", e))?;
            self.join_by_invite(&invite).await
        } else {
            let link = TicketLink::parse(text).map_err(|e| Error::bad_text("the link is not usable", e))?;
            self.join_by_ticket(&link).await
        }
    }

    async fn join_by_invite(&self, sealed: &SealedInvite) -> Result<Group, Error> {
        let inner = &self.inner;
        let package = self.take_package(sealed.package()).await?;
        let mut opened =
            sealed.open(&package).map_err(|e| Error::bad_text("the invite cannot be opened", e))?;
        let invite = &opened.invite;
        if let Some(group) = self.find_existing(invite.group).await? {
            self.forget_package(package.package()).await?;
            return Ok(group);
        }
        let lock = inner.store.lock_group(&invite.group).await?;
        if self.has_joined(invite.group).await? {
            drop(lock);
            return self.find_existing(invite.group).await?.ok_or(Error::Contention);
        }
        let node = inner.node(invite.server.as_str())?;
        self.observe_node(invite.server.as_str()).await?;
        let sig = Answer::Leaf { key: package.sig().clone(), slot: invite.slot, leaf_id: invite.leaf_id };
        let answer = request_token(inner, &node, &invite.group, invite.epoch, &sig).await;
        let token = answer.map_err(invite_refused)?.token;
        let state = node.state(&invite.group, Some(invite.epoch), &token).await.map_err(invite_refused)?;
        let title = title(invite.name.as_ref(), &invite.group);
        let roster = self.fetch_roster(&mut opened.invite).await;
        let mut session = Box::new(Session::from_invite(&opened, &package, state.state.as_bytes(), title)?);
        let group = session.group();
        session.next_position = self.handle(group).end().await?.0;
        // One of an earlier membership may be left.
        inner.forget_token(&group);
        let live = Live::begin(inner, session, lock, Vec::new(), Vec::new()).await?;
        if let Some(roster) = roster {
            roster.confirm().await;
        }
        drop(live.sync().await?);
        let handle = self.handle(group);
        handle.update_keys().await?;
        self.forget_package(package.package()).await?;
        Ok(handle)
    }

    /// A package has served once it let its owner in: whoever gets hold of this home later opens no invite with it.
    async fn forget_package(&self, used: &KeyPackage) -> Result<(), Error> {
        if used.is_last_resort() {
            return Ok(());
        }
        let (store, id) = (self.inner.store.clone(), used.id());
        blocking(move || {
            store.write::<_, StoreError>(|tx| {
                let stored = tx.get(Scope::Home, PACKAGES)?;
                let mut all = crate::packages::read(stored.as_deref())?;
                all.retain(|p| p.package().id() != id);
                tx.put(Scope::Home, PACKAGES, &crate::packages::write(&all))
            })
        })
        .await??;
        Ok(())
    }

    async fn take_package(&self, id: PackageId) -> Result<KeyPackagePrivate, Error> {
        let store = self.inner.store.clone();
        let all = blocking(move || {
            store.read::<_, StoreError>(|tx| {
                let stored = tx.get(Scope::Home, PACKAGES)?;
                crate::packages::read(stored.as_deref())
            })
        })
        .await??;
        all.into_iter().find(|p| p.package().id() == id).ok_or_else(|| {
            Error::bad_text("the invite cannot be opened", "it was made for another person or home")
        })
    }

    /// The group, where this home is in it still; a join by invite that was interrupted is completed.
    async fn find_existing(&self, group: GroupId) -> Result<Option<Group>, Error> {
        let store = self.inner.store.clone();
        let known = blocking(move || store.read::<_, StoreError>(|tx| tx.groups())).await??;
        let live = if known.contains(&group) { Live::load(&self.inner, group).await? } else { None };
        let Some(live) = live else { return Ok(None) };
        // Asked now: a removal may not have been seen here yet.
        let standing = live.sync().await?.session.standing.clone();
        let handle = self.handle(group);
        match standing {
            // Whoever was removed may be invited again; what was read before stays in the timeline.
            Standing::Removed(_) => return Ok(None),
            Standing::Invited => handle.update_keys().await?,
            Standing::Member | Standing::Lost | Standing::Closed | Standing::Forked(_) => {}
        }
        Ok(Some(handle))
    }

    /// Whether a membership is stored that has not ended. Asked under the group's lock: another call or process may have
    /// joined while this one waited, and its secrets must not be written over.
    async fn has_joined(&self, group: GroupId) -> Result<bool, Error> {
        let store = self.inner.store.clone();
        let standing = blocking(move || Live::stored_standing(&store, group)).await??;
        Ok(standing.is_some_and(|standing| !matches!(standing, Standing::Removed(_))))
    }

    async fn join_by_ticket(&self, link: &TicketLink) -> Result<Group, Error> {
        let inner = &self.inner;
        let anchor = link.anchor();
        if let Some(group) = self.find_existing(anchor.group).await? {
            return Ok(group);
        }
        let server = link.server().as_str();
        let lock = inner.store.lock_group(&anchor.group).await?;
        if self.has_joined(anchor.group).await? {
            drop(lock);
            return self.find_existing(anchor.group).await?.ok_or(Error::Contention);
        }
        self.observe_node(server).await?;
        let node = inner.node(server)?;
        let ticket = link.ticket().verifying_key();
        let mut stored = self.stored_joining(anchor.group).await?;
        if let Some(earlier) = stored.as_mut().filter(|j| j.ticket.verifying_key() != ticket) {
            // By another link. If that came through after all, this home is in; otherwise it is over.
            if earlier.attempt.is_some()
                && let Ok(Some((session, entry))) = self.follow_joining(earlier, &node).await
            {
                return self.joined(session, entry, lock).await;
            }
            stored = None;
        }
        let mut joining = match stored {
            Some(joining) => joining,
            None => {
                let key = Answer::Ticket(link.ticket().clone());
                let answer = request_token(inner, &node, &anchor.group, anchor.epoch, &key).await;
                let token = answer.map_err(link_refused)?.token;
                let state = node.state(&anchor.group, Some(anchor.epoch), &token).await?;
                let title = title(anchor.name.as_ref(), &anchor.group);
                Joining::new(anchor, link.ticket().clone(), state.state.as_bytes(), title, server.to_owned())?
            }
        };
        let mut node_key = None;
        for _ in 0..JOIN_ATTEMPTS {
            if let Some((session, entry)) = self.follow_joining(&mut joining, &node).await? {
                return self.joined(session, entry, lock).await;
            }
            if joining.attempt.is_none() {
                let now = inner.operation_time();
                let drafted = inner.with_env(|env| joining.draft(env, now));
                let mut draft = match drafted {
                    Ok(draft) => draft,
                    // Somebody has to complete a removal first; members do so as soon as they see it.
                    Err(Error::NotPossible { code: "heal_first", .. }) => {
                        inner.clock.sleep(core::time::Duration::from_millis(700)).await;
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let proofs = inner.prove(draft.take_jobs()).await?;
                joining.attempt = Some(draft.finish(&proofs)?);
                self.store_joining(&joining).await?;
            }
            let Some(attempt) = &joining.attempt else { continue };
            match post(inner, &node, &joining.group(), &attempt.bytes).await? {
                Posted::Accepted(receipt) => check_receipt(&receipt, &joining.group(), &mut node_key)?,
                Posted::Rebuild(_) => {
                    joining.attempt = None;
                    self.store_joining(&joining).await?;
                }
                Posted::Refused(code) => {
                    joining.attempt = None;
                    self.store_joining(&joining).await?;
                    // Others may have used the link up meanwhile: asking for the state again tells.
                    if code != ErrorCode::NotAccepted {
                        return Err(Error::Node { code });
                    }
                }
                Posted::Later(_) | Posted::Unknown => return Err(Error::OutcomeUnknown),
            }
        }
        Err(Error::Contention)
    }

    /// Folds what the log has beyond the joiner's state.
    async fn follow_joining(
        &self,
        joining: &mut Joining,
        node: &NodeClient,
    ) -> Result<Option<(Box<Session>, Entry)>, Error> {
        let inner = &self.inner;
        let group = joining.group();
        // Once the Join is in, the ticket may be used up, but the new leaf opens the way.
        let mut answers = vec![Answer::Ticket(joining.ticket.clone())];
        if let Some(attempt) = &joining.attempt {
            let leaf_id = joining.fold.tree().next_leaf_id();
            answers.insert(0, Answer::Leaf { key: attempt.sig.clone(), slot: attempt.slot, leaf_id });
        }
        let mut token = None;
        let mut last = None;
        for answer in answers {
            match request_token(inner, node, &group, joining.fold.epoch(), &answer).await {
                Ok(answer) => {
                    token = Some(answer);
                    break;
                }
                Err(error) => last = Some(error),
            }
        }
        let Some(token) = token else {
            return Err(last.map_or(Error::System, link_refused));
        };
        loop {
            // The ticket opens heads only; the heads are all that folding takes.
            let heads = token.scope != Reach::Full;
            let after = joining.fold.seq();
            let page = node.frames(&group, after, 256, heads, &token.token).await?;
            if page.frames.is_empty() {
                return Ok(None);
            }
            for bytes in &page.frames {
                let served = bytes.decode().map_err(|refusal| Error::NotPossible {
                    code: "bad_answer",
                    detail: format!("the node served a frame that cannot be read ({})", refusal.code()),
                })?;
                match inner.with_env(|env| joining.process(&served, env))? {
                    JoiningStep::Outside => {}
                    JoiningStep::Inside(session, entry) => return Ok(Some((session, entry))),
                }
            }
            if joining.fold.seq() >= page.head {
                return Ok(None);
            }
            if joining.fold.seq() == after {
                // Asked for once more, the same would come for ever.
                return Err(Error::NotPossible {
                    code: "bad_answer",
                    detail: "the node served frames that were asked for long before".to_owned(),
                });
            }
        }
    }

    async fn joined(
        &self,
        mut session: Box<Session>,
        mut entry: Entry,
        lock: GroupLock,
    ) -> Result<Group, Error> {
        let group = session.group();
        // Not the first time in this group: the timeline goes on.
        let earlier = self.handle(group).end().await?.0;
        session.next_position += earlier;
        entry.position.0 += earlier;
        self.inner.forget_token(&group);
        let forget = vec![HomeChange::DeleteGroupPart(group, JOINING)];
        let live = Live::begin(&self.inner, session, lock, vec![entry], forget).await?;
        drop(live.sync().await?);
        Ok(self.handle(group))
    }

    async fn stored_joining(&self, group: GroupId) -> Result<Option<Joining>, Error> {
        let store = self.inner.store.clone();
        let stored = blocking(move || store.read::<_, StoreError>(|tx| tx.get(Scope::Group(group), JOINING)))
            .await??;
        match stored {
            Some(bytes) => Ok(Some(Joining::from_bytes(&bytes).map_err(|_| StoreError::Damaged)?)),
            None => Ok(None),
        }
    }

    async fn store_joining(&self, joining: &Joining) -> Result<(), Error> {
        let (store, group, bytes) = (self.inner.store.clone(), joining.group(), joining.to_bytes());
        blocking(move || store.write::<_, StoreError>(|tx| tx.put(Scope::Group(group), JOINING, &bytes)))
            .await??;
        Ok(())
    }

    /// The groups of this home.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn groups(&self) -> Result<Vec<GroupSummary>, Error> {
        let store = self.inner.store.clone();
        let ids = blocking(move || store.read::<_, StoreError>(|tx| tx.groups())).await??;
        let mut groups = Vec::new();
        for id in ids {
            match Live::load(&self.inner, id).await {
                Ok(Some(live)) => {
                    let (title, server) = (live.session.title.clone(), live.session.server.clone());
                    groups.push(GroupSummary { id: id.to_string(), title, server });
                }
                Ok(None) => {}
                // One damaged group does not hide the others.
                Err(Error::Store(StoreError::Damaged | StoreError::Tampered(_))) => {
                    tracing::warn!("the stored state of a group is damaged");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(groups)
    }

    /// The group of a title, an id, or an unambiguous beginning of an id (6 digits or more).
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`] or [`Error::Ambiguous`].
    pub async fn group(&self, name: &str) -> Result<Group, Error> {
        let groups = self.groups().await?;
        let by_id = |g: &&GroupSummary| name.len() >= 6 && g.id.starts_with(name);
        // Titles come from inviters: one that looks like another group's id must not stand in for it.
        let found: Vec<_> = groups.iter().filter(|g| g.title == name || by_id(g)).collect();
        match found.as_slice() {
            [one] => {
                let id = one.id.parse().map_err(|_| Error::NoSuchGroup(name.to_owned()))?;
                Ok(self.handle(id))
            }
            [] => Err(Error::NoSuchGroup(name.to_owned())),
            _ => Err(Error::Ambiguous(name.to_owned())),
        }
    }

    pub(crate) fn handle(&self, id: GroupId) -> Group {
        Group::new(self.clone(), id)
    }

    /// Takes one key package of a contact from its node.
    pub(crate) async fn claim_package(&self, contact: &Contact, suite: Suite) -> Result<KeyPackage, Error> {
        let node = self.inner.node(contact.node.as_str())?;
        let mailbox = MailboxId::new(*contact.secret.mailbox().as_bytes());
        // Packages of both suites lie in one mailbox, the rarer ones never more than this far apart.
        for _ in 0..SUITE_PERIOD {
            let claimed = node.claim_key_package(&mailbox).await?;
            let package = contact
                .open_package(claimed.sealed.as_bytes())
                .map_err(|e| Error::bad_text("the contact's key package is not usable", e))?;
            if !package.is_expired(self.inner.clock.now()) && package.suite() == suite {
                return Ok(package);
            }
        }
        Err(Error::bad_text("the contact's key package is not usable", "expired, or for another suite"))
    }
}

impl core::fmt::Debug for Client {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Client(..)")
    }
}

/// A node does not say why it knows no such ticket, so the possible reasons are named here.
fn link_refused(error: HttpError) -> Error {
    let detail = "the link is used up, expired or revoked, or its group is not at this server";
    not_let_in(error, "link_not_valid", detail)
}

/// As [`link_refused`], for the place of a named invitee.
fn invite_refused(error: HttpError) -> Error {
    let detail = "the invite has lapsed or was withdrawn, or its group is not at this server";
    not_let_in(error, "invite_not_valid", detail)
}

fn not_let_in(error: HttpError, code: &'static str, detail: &'static str) -> Error {
    match error.code() {
        Some(refusal) if matches!(refusal.status(), 401 | 403 | 404) => {
            Error::NotPossible { code, detail: detail.to_owned() }
        }
        _ => error.into(),
    }
}

/// What the inviter calls the group, or something to tell it by.
fn title(name: Option<&DisplayName>, group: &GroupId) -> String {
    let short = || format!("group {}", group.to_string().chars().take(8).collect::<String>());
    name.map_or_else(short, |name| name.as_str().to_owned())
}
