//! The handle of one group.

use core::time::Duration;
use std::sync::Arc;

use api::ErrorCode;
use e2ee::{
    comparison::ComparisonDigits,
    contact::Contact,
    content::Content,
    name::{ContentType, DisplayName, FileName},
    node_url::NodeUrl,
    ticket::{Anchor, TicketLink},
};
use futures_util::future::BoxFuture;
use protocol::{GroupId, LeafId, SigningKey, Slot, VerifyingKey, body::Policy};
use ratchet_tree::Status;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    client::Client,
    entry::{Entry, Person, Position},
    error::Error,
    live::{Live, Posted, blocking},
    session::{AdminChange, Env, Intent, Session, SessionError, Standing, TEXT},
    store::StoreError,
};

/// How often an operation is rebuilt on a newer state before giving up for now.
const ATTEMPTS: u32 = 12;

/// A group of this home. A cheap handle; its state lives in the store.
///
/// Every call that changes the group takes the group's lock, brings the state up to date, stores what it is about to
/// send, sends it, and returns when the log shows it. An operation built on a state that others changed meanwhile is
/// built again by itself.
///
/// # Cancel safety
/// Every future here may be dropped at any point. What was already sent takes effect or not, and the next call for the
/// group finds out which.
#[derive(Clone, Debug)]
pub struct Group {
    client: Client,
    id: GroupId,
}

/// A member as members see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemberInfo {
    /// The name they chose, `None` while unknown.
    pub name: Option<String>,
    /// Their identity key in hexadecimal, `None` while unknown.
    pub identity: Option<String>,
    /// Name of their leaf.
    pub leaf_id: u64,
    /// Position of their leaf.
    pub slot: u32,
    /// Whether they have joined; otherwise they are invited.
    pub active: bool,
    /// Whether their identity signed the leaf as it is now.
    pub verified: bool,
    /// Whether it is this home.
    pub you: bool,
}

/// Why a home stopped trusting the history of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForkInfo {
    /// Position of the frame that showed it.
    pub seq: u64,
    /// What was wrong, as a code.
    pub reason: String,
    /// The member on whose signed word alone this rests, where it is one: they lie, or the node shows them another
    /// history than us.
    pub by: Option<Person>,
}

/// What is known of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupInfo {
    /// The group's id in hexadecimal.
    pub id: String,
    /// What this home calls it.
    pub title: String,
    /// The node that keeps it.
    pub server: String,
    /// Number of operations since it was founded.
    pub epoch: u64,
    /// Position of the last frame taken.
    pub seq: u64,
    /// `member`, `invited`, `lost`, `removed`, `closed` or `forked`.
    pub standing: &'static str,
    /// Why, where the standing is `forked`.
    pub fork: Option<ForkInfo>,
    /// Whether this home owns the group.
    pub owner: bool,
    /// Whether this home is an admin, as far as it was told.
    pub admin: bool,
    /// Whether no removal waits to be completed.
    pub clean: bool,
    /// `false` behind a gap in the history, until somebody known from before was heard: the group could be the
    /// node's invention.
    pub confirmed: bool,
    /// Members and invitees by slot.
    pub members: Vec<MemberInfo>,
    /// Structural hash of the key tree, in hexadecimal.
    pub tree_hash: String,
    /// Hash chain over the operations, in hexadecimal.
    pub transcript_hash: String,
    /// Hash chain over all frames, in hexadecimal.
    pub log_hash: String,
    /// Digits that all members of this epoch see alike, to compare out of band; `None` while a removal is pending.
    pub comparison: Option<String>,
    /// Open invitations.
    pub tickets: usize,
}

/// An admin as the owner knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdminInfo {
    /// Who.
    #[serde(flatten)]
    pub who: Person,
    /// `false` for one who left or was removed since; the next change of the list drops them.
    pub member: bool,
}

/// How an open invitation is made.
#[derive(Debug, Clone, Copy)]
pub struct LinkOptions {
    /// How many may join by it.
    pub uses: u32,
    /// How long it is good for.
    pub ttl: Duration,
}

impl Default for LinkOptions {
    /// One use within seven days.
    fn default() -> Self {
        Self { uses: 1, ttl: Duration::from_secs(7 * 24 * 3600) }
    }
}

impl Group {
    pub(crate) const fn new(client: Client, id: GroupId) -> Self {
        Self { client, id }
    }

    /// The group's id.
    #[must_use]
    pub const fn id(&self) -> GroupId {
        self.id
    }

    pub(crate) async fn load(&self) -> Result<Live, Error> {
        let live = Live::load(&self.client.inner, self.id).await?;
        live.ok_or_else(|| Error::NoSuchGroup(self.id.to_string()))
    }

    /// Takes everything the node has for this group.
    ///
    /// # Errors
    /// [`Error::Http`], [`Error::Node`], [`Error::Forked`].
    pub async fn sync(&self) -> Result<(), Error> {
        self.load().await?.sync().await.map(drop)
    }

    /// What this home knows of the group, without asking the node.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`] or [`Error::Store`].
    pub async fn info(&self) -> Result<GroupInfo, Error> {
        Ok(info(&self.load().await?.session))
    }

    /// Up to `limit` entries of the local timeline from a position on, without asking the node.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn entries(&self, from: Position, limit: usize) -> Result<Vec<Entry>, Error> {
        let (store, id) = (self.client.inner.store.clone(), self.id);
        let stored =
            blocking(move || store.read::<_, StoreError>(|tx| tx.entries(&id, from.0, limit))).await??;
        stored
            .into_iter()
            .map(|(_, bytes)| serde_json::from_slice(&bytes).map_err(|_| Error::Store(StoreError::Damaged)))
            .collect()
    }

    /// Sends a text of at most about 64 KB.
    ///
    /// # Errors
    /// [`Error::NotPossible`] (`too_large`, or not a member), [`Error::Node`], [`Error::OutcomeUnknown`].
    pub async fn send_text(&self, text: &str) -> Result<u64, Error> {
        let content_type = ContentType::new(TEXT).map_err(|_| Error::System)?;
        self.send(Content::Application { content_type, body: text.as_bytes().to_vec() }).await
    }

    /// Sends a file of at most about 64 KB. The name is made safe to create.
    ///
    /// # Errors
    /// As [`Self::send_text`], and [`Error::BadText`] for a media type that is none.
    pub async fn send_file(&self, name: &str, media_type: &str, content: Vec<u8>) -> Result<u64, Error> {
        let media_type =
            ContentType::new(media_type).map_err(|e| Error::bad_text("the media type is not usable", e))?;
        self.send(Content::File { name: FileName::sanitise(name), media_type, body: content }).await
    }

    /// Sends a message of the application's own type.
    ///
    /// # Errors
    /// As [`Self::send_text`], and [`Error::BadText`] for a content type that is none.
    pub async fn send_application(&self, content_type: &str, body: Vec<u8>) -> Result<u64, Error> {
        let content_type = ContentType::new(content_type)
            .map_err(|e| Error::bad_text("the content type is not usable", e))?;
        self.send(Content::Application { content_type, body }).await
    }

    /// Seals, stores, sends, and returns the message's sequence number once the log shows it.
    fn send(&self, content: Content) -> BoxFuture<'_, Result<u64, Error>> {
        Box::pin(self.send_unboxed(content))
    }

    async fn send_unboxed(&self, content: Content) -> Result<u64, Error> {
        let mut live = self.load().await?.sync().await?;
        live = live.heal_if_dirty().await?;
        live.seal_due()?;
        live.seal(&content)?;
        live = live.checkpoint().await?;
        live = live.settle_outbox().await?;
        match live.sent {
            Some(seq) => Ok(seq.get()),
            // Not accepted, and the group ended for us in between.
            None if live.session.standing != Standing::Member => {
                live.session.check_live()?;
                Err(SessionError::NotJoined.into())
            }
            None => Ok(live.session.fold.seq().get()),
        }
    }

    /// Gives the own leaf a fresh key; an invitee joins by it.
    ///
    /// # Errors
    /// [`Error::Node`], [`Error::Contention`], [`Error::OutcomeUnknown`], [`Error::NotPossible`].
    pub async fn update_keys(&self) -> Result<(), Error> {
        let live = self.load().await?.sync().await?;
        // An invitee who finds a removal pending completes it and joins in one step.
        let intent =
            if live.session.fold.is_clean() { Intent::UpdateKey } else { Intent::Heal { fresh: true } };
        live.submit(intent).await.map(drop)
    }

    /// Opens an invitation for whoever has the link.
    ///
    /// # Errors
    /// As [`Self::update_keys`]; only the owner and admins may.
    pub async fn invite_link(&self, options: LinkOptions) -> Result<Zeroizing<String>, Error> {
        let ticket = SigningKey::generate(&mut self.client.inner.rng());
        let live = self.load().await?.sync().await?;
        let ttl = options.ttl.as_secs();
        let intent = Intent::IssueTicket { ticket: ticket.verifying_key(), uses: options.uses, ttl };
        let live = live.submit(intent).await?;
        let session = &live.session;
        let expires = session.fold.ticket(&ticket.verifying_key()).map(|t| t.expires);
        let identity = self.client.inner.identity().ok_or(Error::NoIdentity)?;
        let anchor = Anchor {
            group: self.id,
            epoch: session.epoch(),
            ctx: session.fold.ctx(),
            seq: session.fold.seq(),
            log: session.fold.log(),
            owner: session.fold.owner(),
            expires: expires.unwrap_or_else(|| session.fold.at()),
            name: DisplayName::new(&session.title).ok(),
        };
        let server = NodeUrl::new(&session.server).map_err(|_| Error::System)?;
        Ok(TicketLink::issue(server, ticket, anchor, &identity.key).to_text())
    }

    /// Closes an invitation that this group has open.
    ///
    /// # Errors
    /// As [`Self::update_keys`].
    pub async fn revoke_link(&self, ticket: VerifyingKey) -> Result<(), Error> {
        self.load().await?.sync().await?.submit(Intent::RevokeTicket(ticket)).await.map(drop)
    }

    /// Invites a person by name: by the contact text they gave. Returns the invite to hand to them; only they can
    /// open it, once.
    ///
    /// # Errors
    /// As [`Self::update_keys`], and [`Error::BadText`] for a contact that is none or has no package left.
    pub async fn invite_contact(&self, contact: &str, ttl: Duration) -> Result<String, Error> {
        self.invite_contacts(&[contact], ttl).await?.pop().ok_or(Error::System)
    }

    /// Invites up to 64 people by name at once: one operation and one proof for each, all of them or none. Returns
    /// their invites in the order of `contacts`; without contacts it does nothing.
    ///
    /// Every contact gives up one key package, also where a later one turns out to have none left and nobody is
    /// invited.
    ///
    /// # Errors
    /// As [`Self::invite_contact`], and [`Error::NotPossible`] (`too_many`) for more than 64.
    pub async fn invite_contacts(&self, contacts: &[&str], ttl: Duration) -> Result<Vec<String>, Error> {
        if contacts.len() > protocol::limits::MAX_CHANGES {
            return Err(Error::NotPossible {
                code: "too_many",
                detail: format!("at most {} people are invited at once", protocol::limits::MAX_CHANGES),
            });
        }
        let parse = |text: &&str| {
            Contact::parse(text.trim()).map_err(|e| Error::bad_text("the contact is not usable", e))
        };
        let contacts = contacts.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        if contacts.is_empty() {
            return Ok(Vec::new());
        }
        let live = self.load().await?.sync().await?;
        // Before packages are used up for nothing.
        live.session.check_live()?;
        live.session.check_admin()?;
        let suite = live.session.fold.suite();
        let mut packages = Vec::with_capacity(contacts.len());
        for contact in &contacts {
            packages.push(self.client.claim_package(contact, suite).await?);
        }
        let mut live = live.submit(Intent::AddMembers { packages, ttl: ttl.as_secs() }).await?;
        // The newest of each person: an older one may lie there unclaimed.
        let invites = &mut live.session.invites;
        let mut texts = Vec::with_capacity(contacts.len());
        for contact in contacts.iter().rev() {
            let at = invites.iter().rposition(|(to, _)| *to == contact.identity).ok_or(Error::System)?;
            texts.push(invites.remove(at).1);
        }
        texts.reverse();
        live.checkpoint().await?;
        Ok(texts)
    }

    /// Invites that were sealed but never handed over, because the program ended in between. Takes them away.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn take_unclaimed_invites(&self) -> Result<Vec<String>, Error> {
        let mut live = self.load().await?;
        let texts = core::mem::take(&mut live.session.invites).into_iter().map(|(_, text)| text).collect();
        live.checkpoint().await?;
        Ok(texts)
    }

    /// Removes a person, with all their leaves, and completes the removal. By name, identity key or leaf id.
    ///
    /// Everybody sees which leaf did it. Where the owner removes an admin, the right goes in the same step.
    ///
    /// # Errors
    /// As [`Self::update_keys`]; only the owner and admins may; [`Error::NoSuchMember`] or [`Error::Ambiguous`] for
    /// the name.
    pub async fn remove(&self, member: &str) -> Result<(), Error> {
        let (live, leaves) = self.to_remove(member).await?;
        let live = live.submit(Intent::Remove(leaves)).await?.heal_if_dirty().await?;
        live.tell_admins().await.map(drop)
    }

    /// Marks a person, with all their leaves, for removal, and leaves it to others to complete: neither the node nor
    /// the members learn which admin did it. (The owner's mark shows that it is the owner's.) From the mark on the
    /// person has no rights; the next member to send anything completes the removal. If that is this home, its leaf is
    /// seen completing it.
    ///
    /// # Errors
    /// As [`Self::remove`].
    pub async fn remove_anonymously(&self, member: &str) -> Result<(), Error> {
        let (live, leaves) = self.to_remove(member).await?;
        live.submit(Intent::Mark(leaves)).await.map(drop)
    }

    async fn to_remove(&self, member: &str) -> Result<(Live, Vec<LeafId>), Error> {
        let live = self.load().await?.sync().await?;
        live.session.check_live()?;
        live.session.check_admin()?;
        let leaves = find_member(&live.session, member)?;
        Ok((live, leaves))
    }

    /// Makes a person an admin, with all their leaves that have joined, and tells all admins. By name, identity key or
    /// leaf id. Only the owner may; for somebody who is an admin already it draws new secrets, which is what a home
    /// needs that lost its own.
    ///
    /// # Errors
    /// As [`Self::remove`]; [`Error::NotPossible`] (`not_possible`) for an invitee, (`too_many`) beyond 256 admins.
    pub async fn grant_admin(&self, member: &str) -> Result<(), Error> {
        let live = self.as_owner().await?;
        let mut leaves = find_member(&live.session, member)?;
        let tree = live.session.fold.tree();
        let joined =
            |leaf: &LeafId| tree.slot_of_leaf(*leaf).is_some_and(|slot| tree.leaf(slot).active().is_some());
        if leaves.iter().any(joined) {
            leaves.retain(joined);
        }
        live.submit(Intent::SetAdmins(AdminChange::Grant(leaves))).await?.tell_admins().await.map(drop)
    }

    /// Takes the admin's right from a person. From this step on no proof of theirs holds; the others go on with new
    /// secrets. Only the owner may.
    ///
    /// # Errors
    /// As [`Self::remove`]; [`Error::NotPossible`] (`not_an_admin`).
    pub async fn revoke_admin(&self, member: &str) -> Result<(), Error> {
        let live = self.as_owner().await?;
        let leaves = find_member(&live.session, member)?;
        live.submit(Intent::SetAdmins(AdminChange::Revoke(leaves))).await?.tell_admins().await.map(drop)
    }

    /// Gives all admins new secrets, for when one may have been copied. Admins who are no members any more drop out;
    /// so do admins whom an earlier owner made. Only the owner may.
    ///
    /// # Errors
    /// As [`Self::update_keys`].
    pub async fn rotate_admins(&self) -> Result<(), Error> {
        let live = self.as_owner().await?;
        live.submit(Intent::SetAdmins(AdminChange::Rotate)).await?.tell_admins().await.map(drop)
    }

    /// Whether this home is an admin of the group, as far as it was told. The owner, who may all that an admin may, is
    /// none by that.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`] or [`Error::Store`].
    pub async fn is_admin(&self) -> Result<bool, Error> {
        Ok(self.load().await?.session.is_admin())
    }

    /// The admins, which the owner alone knows: for everybody else the list is empty.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`] or [`Error::Store`].
    pub async fn admins(&self) -> Result<Vec<AdminInfo>, Error> {
        let live = self.load().await?;
        let session = &live.session;
        let mut admins: Vec<_> = session
            .admins
            .granted
            .iter()
            .map(|one| AdminInfo { who: session.person(one.leaf_id), member: session.is_active(one.leaf_id) })
            .collect();
        admins.sort_by_key(|admin| admin.who.leaf_id);
        Ok(admins)
    }

    async fn as_owner(&self) -> Result<Live, Error> {
        let live = self.load().await?.sync().await?;
        live.session.check_live()?;
        if live.session.owner.is_none() {
            return Err(SessionError::OwnerOnly.into());
        }
        Ok(live)
    }

    /// Leaves the group. What was received stays readable here.
    ///
    /// # Errors
    /// As [`Self::update_keys`]; the last member cannot leave but close.
    pub async fn leave(&self) -> Result<(), Error> {
        self.load().await?.sync().await?.submit(Intent::Leave).await.map(drop)
    }

    /// Closes the group for everybody. Only the owner may.
    ///
    /// # Errors
    /// As [`Self::update_keys`].
    pub async fn close(&self) -> Result<(), Error> {
        self.load().await?.sync().await?.submit(Intent::Close).await.map(drop)
    }

    /// Completes a removal that somebody else left half done; does nothing if there is none.
    ///
    /// # Errors
    /// As [`Self::update_keys`].
    pub async fn heal(&self) -> Result<(), Error> {
        self.load().await?.sync().await?.heal_if_dirty().await.map(drop)
    }

    /// Frees the places of invites that have lapsed; does nothing if there are none.
    ///
    /// # Errors
    /// As [`Self::update_keys`].
    pub async fn expire_invites(&self) -> Result<(), Error> {
        let live = self.load().await?.sync().await?;
        let now = self.client.inner.operation_time();
        let lapsed: Vec<Slot> = live
            .session
            .fold
            .tree()
            .leaves()
            .filter(|(_, leaf)| {
                let status = leaf.live().map(|l| l.status);
                matches!(status, Some(Status::Invited { expires, .. }) if expires < now)
            })
            .map(|(slot, _)| slot)
            .take(protocol::limits::MAX_MARKS)
            .collect();
        if lapsed.is_empty() {
            return Ok(());
        }
        live.submit(Intent::Expire(lapsed)).await?.heal_if_dirty().await.map(drop)
    }

    /// For a home whose secrets may have been copied: gives the own leaf a fresh key and a fresh pseudonym, without
    /// which the copy could rejoin in its place, and gives up the leaves whose secret was chosen here, up to 64 at
    /// once. Invites that were not taken up yet become void.
    ///
    /// # Errors
    /// As [`Self::update_keys`].
    pub async fn recover_from_compromise(&self) -> Result<(), Error> {
        let live = self.load().await?.sync().await?;
        let tree = live.session.fold.tree();
        let keyed: Vec<Slot> =
            tree.keyed_by(live.session.own.leaf_id).take(protocol::limits::MAX_MARKS).collect();
        if keyed.is_empty() {
            return live.submit(Intent::Renew).await?.heal_if_dirty().await.map(drop);
        }
        let mut slots = keyed;
        slots.sort_unstable();
        live.submit(Intent::MarkOwn(slots))
            .await?
            .submit(Intent::Renew)
            .await?
            .heal_if_dirty()
            .await
            .map(drop)
    }

    /// Sets how many members the group may have, invitees included. Only the owner may.
    ///
    /// # Errors
    /// As [`Self::update_keys`]; `bad_policy` for fewer than there are, or more than the proofs allow.
    pub async fn set_max_members(&self, max_members: u32) -> Result<(), Error> {
        let live = self.load().await?.sync().await?;
        let policy = Policy { max_members, ..*live.session.fold.policy() };
        live.submit(Intent::SetPolicy(policy)).await.map(drop)
    }

    /// Sets for how long the node keeps the contents of messages, `None` for ever. Only the owner may.
    ///
    /// # Errors
    /// As [`Self::update_keys`].
    pub async fn set_message_retention(&self, keep: Option<Duration>) -> Result<(), Error> {
        let live = self.load().await?.sync().await?;
        let message_retention = keep.map_or(0, |keep| keep.as_secs().max(1));
        let policy = Policy { message_retention, ..*live.session.fold.policy() };
        live.submit(Intent::SetPolicy(policy)).await.map(drop)
    }

    /// Comes back with fresh secrets, for a home whose keys of this group are lost or suspect, or that was away for
    /// longer than the node keeps the group's history. In the last case the group's state is the node's word, and the
    /// timeline says so ([`crate::What::HistoryGap`]): nothing is sent from here before somebody known from earlier was
    /// heard in the group, or [`Self::confirm`] was called.
    ///
    /// # Errors
    /// As [`Self::update_keys`].
    pub async fn rejoin(&self) -> Result<(), Error> {
        let live = match self.load().await?.sync().await {
            Err(
                Error::Node { code: ErrorCode::HistoryGap } | Error::NotPossible { code: "history_gap", .. },
            ) => self.load().await?.skip_gap().await?,
            done => done?,
        };
        let intent = if live.session.fold.is_clean() { Intent::Rejoin } else { Intent::Heal { fresh: true } };
        live.submit(intent).await.map(drop)
    }

    /// Goes on without waiting for somebody known to be heard, after a rejoin behind a gap. To be called when the
    /// user has compared the group's digits with another member.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`] or [`Error::Store`].
    pub async fn confirm(&self) -> Result<(), Error> {
        let mut live = self.load().await?;
        live.session.unconfirmed = None;
        live.checkpoint().await.map(drop)
    }

    /// Goes on after a fork that rests on the word of one member alone ([`ForkInfo::by`]). To be called when the user
    /// has found, by comparing with the others, that this member lied: what it says of the log no longer counts here.
    ///
    /// # Errors
    /// [`Error::NotPossible`] for any other fork, or none; as [`Self::sync`] beyond that.
    pub async fn overrule(&self) -> Result<(), Error> {
        let mut live = self.load().await?;
        live.session.overrule()?;
        live.checkpoint().await?.sync().await.map(drop)
    }

    /// Keys for the application's own use, bound to the group's current epoch: the same for all members.
    ///
    /// # Errors
    /// [`Error::NotPossible`] while a removal is pending, or for a label above 128 bytes.
    pub async fn export_secret(
        &self,
        label: &str,
        context: &[u8],
        len: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let live = self.load().await?;
        live.session.check_live()?;
        if live.session.unconfirmed.is_some() {
            return Err(SessionError::Unconfirmed.into());
        }
        if !live.session.fold.is_clean() {
            return Err(Error::NotPossible {
                code: "heal_first",
                detail: "a removal has to be completed first".to_owned(),
            });
        }
        live.session
            .schedule
            .exporter
            .export(label, context, len)
            .map_err(|e| Error::NotPossible { code: "bad_export", detail: e.to_string() })
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }
}

impl Live {
    /// Makes an operation, proves it, stores it, sends it, and takes it back from the log; again on a newer state
    /// whenever somebody else was faster.
    pub(crate) fn submit(self, intent: Intent) -> BoxFuture<'static, Result<Self, Error>> {
        Box::pin(self.submit_unboxed(intent))
    }

    async fn submit_unboxed(mut self, intent: Intent) -> Result<Self, Error> {
        let mut wait = Duration::from_millis(50);
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                self.inner.clock.sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(2));
                self = self.sync().await?;
            }
            if needs_clean(&intent) {
                self = self.heal_if_dirty().await?;
            }
            // A frame of ours that the node says it took and does not show: its secrets must not be lost.
            if self.session.pending.is_some() {
                return Err(Error::OutcomeUnknown);
            }
            let Some(intent) = as_things_stand(&self.session, &intent) else { return Ok(self) };
            let now = self.inner.operation_time();
            let inner = Arc::clone(&self.inner);
            let identity = inner.identity().ok_or(Error::NoIdentity)?;
            let mut draft = {
                let mut rng = inner.rng();
                let history = |_| None;
                let mut env = Env {
                    identity: &identity.key,
                    name: &identity.name,
                    keys: inner.keys,
                    history: &history,
                    rng: &mut rng,
                };
                self.session.draft(&intent, &mut env, now)?
            };
            let proofs = inner.prove(draft.take_jobs()).await?;
            let pending = draft.finish(&proofs)?;
            let (bytes, id) = (pending.bytes.clone(), pending.frame_id);
            self.session.pending = Some(pending);
            self = self.checkpoint().await?;
            match self.post(&bytes).await? {
                Posted::Accepted(receipt) => {
                    self = self.confirm(receipt).await?;
                    let decided = self.session.pending.as_ref().is_none_or(|p| p.frame_id != id);
                    if decided || !matches!(self.session.standing, Standing::Member | Standing::Invited) {
                        return Ok(self);
                    }
                    return Err(Error::OutcomeUnknown);
                }
                Posted::Rebuild(code) => {
                    tracing::debug!(code = code.code(), attempt, "building the operation anew");
                    self.session.pending = None;
                    self = self.checkpoint().await?;
                }
                // Sent for the first time just now, so it is not in the log.
                Posted::Refused(code) | Posted::Later(code) => {
                    self.session.pending = None;
                    drop(self.checkpoint().await?);
                    return Err(Error::Node { code });
                }
                Posted::Unknown => return Err(Error::OutcomeUnknown),
            }
        }
        Err(Error::Contention)
    }

    /// Seals what has to be said before anything else: the roster to newcomers, the list to admins.
    fn seal_due(&mut self) -> Result<(), Error> {
        let mut due = self.session.due_rosters();
        due.extend(self.session.due_admins(&mut self.inner.rng()));
        due.iter().try_for_each(|content| self.seal(content))
    }

    /// Tells the admins that they are, where that is due. Repeated when one of them changed its leaf meanwhile.
    fn tell_admins(self) -> BoxFuture<'static, Result<Self, Error>> {
        Box::pin(self.tell_admins_unboxed())
    }

    async fn tell_admins_unboxed(mut self) -> Result<Self, Error> {
        for _ in 0..ATTEMPTS {
            self = self.heal_if_dirty().await?;
            if self.session.due_admins(&mut self.inner.rng()).is_none() {
                return Ok(self);
            }
            // One that is on its way already is told again by itself.
            if self.session.outbox.is_empty() {
                self.seal_due()?;
                self = self.checkpoint().await?;
            }
            self = self.settle_outbox().await?;
        }
        Err(Error::Contention)
    }

    /// Completes a removal, as any active member may and the next one to speak must.
    pub(crate) async fn heal_if_dirty(mut self) -> Result<Self, Error> {
        // One frame heals up to 64 leaves; a removed inviter may leave more behind.
        for _ in 0..1_024 {
            if self.session.fold.is_clean() || self.session.standing != Standing::Member {
                return Ok(self);
            }
            self = match self.submit(Intent::Heal { fresh: false }).await {
                Ok(live) => live,
                Err(Error::NotPossible { code: "nothing_to_heal", .. }) => return Err(Error::Contention),
                Err(error) => return Err(error),
            };
        }
        Err(Error::Contention)
    }
}

/// What an intent comes to in the present state: others may have begun or completed a removal since it was formed.
/// `None` where nothing is left to do.
fn as_things_stand(session: &Session, intent: &Intent) -> Option<Intent> {
    Some(match (intent, &session.standing, session.fold.is_clean()) {
        (Intent::Heal { fresh: false }, Standing::Member, true) => return None,
        (Intent::Heal { .. }, Standing::Lost, true) => Intent::Rejoin,
        (Intent::Heal { .. }, Standing::Member | Standing::Invited, true) => Intent::UpdateKey,
        (Intent::UpdateKey, Standing::Invited, false) | (Intent::Rejoin, _, false) => {
            Intent::Heal { fresh: true }
        }
        _ => intent.clone(),
    })
}

/// Whether an operation waits for a pending removal to be completed.
const fn needs_clean(intent: &Intent) -> bool {
    matches!(
        intent,
        Intent::UpdateKey
            | Intent::AddMembers { .. }
            | Intent::IssueTicket { .. }
            | Intent::RevokeTicket(_)
            | Intent::SetPolicy(_)
    )
}

/// All leaves of the person a text names.
fn find_member(session: &Session, name: &str) -> Result<Vec<LeafId>, Error> {
    let members: Vec<_> = member_infos(session).into_iter().filter(|m| !m.you).collect();
    let by_leaf: Vec<_> = members.iter().filter(|m| name.parse() == Ok(m.leaf_id)).collect();
    if let [one] = by_leaf.as_slice() {
        return Ok(vec![LeafId::new(one.leaf_id)]);
    }
    let is_meant = |m: &&MemberInfo| {
        let by_key = name.len() >= 8 && m.identity.as_ref().is_some_and(|key| key.starts_with(name));
        by_key || m.name.as_deref() == Some(name)
    };
    let found: Vec<_> = members.iter().filter(is_meant).collect();
    let mut identities: Vec<_> = found.iter().map(|m| m.identity.as_ref()).collect();
    identities.sort();
    identities.dedup();
    match identities.len() {
        0 => Err(Error::NoSuchMember(name.to_owned())),
        // All leaves of that person: a name is chosen for each.
        1 => Ok(members
            .iter()
            .filter(|m| found.iter().any(|f| f.leaf_id == m.leaf_id || f.identity == m.identity))
            .map(|m| LeafId::new(m.leaf_id))
            .collect()),
        _ => Err(Error::Ambiguous(name.to_owned())),
    }
}

fn member_infos(session: &Session) -> Vec<MemberInfo> {
    session
        .fold
        .tree()
        .leaves()
        .filter_map(|(slot, leaf)| {
            let live = leaf.live()?;
            let person = session.person(live.leaf_id);
            Some(MemberInfo {
                name: person.name,
                identity: person.identity,
                leaf_id: live.leaf_id.get(),
                slot: slot.get(),
                active: live.is_active(),
                verified: session.members.verified(&session.fold, live.leaf_id).is_some(),
                you: live.leaf_id == session.own.leaf_id,
            })
        })
        .collect()
}

fn info(session: &Session) -> GroupInfo {
    let fold = &session.fold;
    let live = matches!(session.standing, Standing::Member | Standing::Invited);
    let comparison = (live && fold.is_clean())
        .then(|| ComparisonDigits::of_epoch(&session.schedule.authenticator).to_string());
    GroupInfo {
        id: fold.group().to_string(),
        title: session.title.clone(),
        server: session.server.clone(),
        epoch: fold.epoch().get(),
        seq: fold.seq().get(),
        standing: match session.standing {
            Standing::Invited => "invited",
            Standing::Member => "member",
            Standing::Lost => "lost",
            Standing::Removed(_) => "removed",
            Standing::Closed => "closed",
            Standing::Forked(_) => "forked",
        },
        fork: match &session.standing {
            Standing::Forked(evidence) => Some(ForkInfo {
                seq: evidence.seq.get(),
                reason: evidence.code.clone(),
                by: evidence.by.map(|leaf_id| session.person(leaf_id)),
            }),
            Standing::Invited
            | Standing::Member
            | Standing::Lost
            | Standing::Removed(_)
            | Standing::Closed => None,
        },
        owner: session.owner.is_some(),
        admin: session.is_admin(),
        clean: fold.is_clean(),
        confirmed: session.unconfirmed.is_none(),
        members: member_infos(session),
        tree_hash: fold.tree().hash().to_string(),
        transcript_hash: fold.transcript().to_string(),
        log_hash: fold.log().to_string(),
        comparison,
        tickets: fold.tickets().count(),
    }
}
