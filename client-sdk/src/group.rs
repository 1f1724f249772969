//! The handle of one group.

mod admins;
mod fetch;
mod handing_over;
mod info;
mod push;
mod send;
mod submit;

use core::time::Duration;

use api::ErrorCode;
use e2ee::{
    contact::Contact,
    content::Content,
    name::{ContentType, DisplayName},
    node_url::NodeUrl,
    ticket::{Anchor, TicketLink},
};
use futures_util::future::BoxFuture;
use protocol::{GroupId, SigningKey, Slot, VerifyingKey, body::Policy};
use ratchet_tree::Status;
use zeroize::Zeroizing;

pub use self::{
    fetch::FetchOptions,
    info::{AdminInfo, ForkInfo, GroupInfo, MemberInfo},
    send::SendOptions,
};
use crate::{
    attachments::note_states,
    client::Client,
    entry::{Entry, Position},
    error::Error,
    live::{Live, blocking},
    session::{Intent, SessionError, TEXT},
    store::StoreError,
};

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
        Ok(info::info(&self.load().await?.session))
    }

    /// Up to `limit` entries of the local timeline from a position on, without asking the node.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn entries(&self, from: Position, limit: usize) -> Result<Vec<Entry>, Error> {
        let (store, id) = (self.client.inner.store.clone(), self.id);
        let entries = blocking(move || {
            store.read::<_, StoreError>(|tx| {
                let stored = tx.entries(&id, from.0, limit)?;
                let parse = |(_, bytes): (_, Vec<u8>)| {
                    serde_json::from_slice(&bytes).map_err(|_| StoreError::Damaged)
                };
                let mut entries = stored.into_iter().map(parse).collect::<Result<Vec<_>, _>>()?;
                note_states(tx, id, &mut entries)?;
                Ok(entries)
            })
        });
        Ok(entries.await??)
    }

    /// Sends a text of at most about 64 KB.
    ///
    /// # Errors
    /// [`Error::NotPossible`] (`too_large`, or not a member), [`Error::Node`], [`Error::OutcomeUnknown`].
    pub async fn send_text(&self, text: &str) -> Result<u64, Error> {
        let content_type = ContentType::new(TEXT).map_err(|_| Error::System)?;
        self.send(Content::Application { content_type, body: text.as_bytes().to_vec() }).await
    }

    /// Sends a file, as [`Self::send_file_with`] does by default.
    ///
    /// # Errors
    /// As [`Self::send_path`].
    ///
    /// # Cancel safety
    /// As [`Self::send_path`].
    pub async fn send_file(&self, name: &str, media_type: &str, content: Vec<u8>) -> Result<u64, Error> {
        self.send_file_with(name, media_type, content, SendOptions::default()).await
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
        live.checkpoint().await?.post_outbox().await
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
    /// open it, once. An invite of more than 1,500 characters is put into a drop, where the group's node announces a
    /// service for drops, and the drop's link is returned: [`Client::join`] takes either.
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
        let mut live = self.load().await?.sync().await?;
        // Before packages are used up for nothing.
        live.session.check_live()?;
        live.session.check_admin()?;
        let suite = live.session.fold.suite();
        let mut packages = Vec::with_capacity(contacts.len());
        for contact in &contacts {
            packages.push(self.client.claim_package(contact, suite).await?);
        }
        let service = Box::pin(live.prepare_snapshot()).await;
        let mut live = live.submit(Intent::AddMembers { packages, ttl: ttl.as_secs() }).await?;
        // The newest of each person: an older one may lie there unclaimed.
        let invites = &mut live.session.invites;
        let mut texts = Vec::with_capacity(contacts.len());
        for contact in contacts.iter().rev() {
            let at = invites.iter().rposition(|(to, _)| *to == contact.identity).ok_or(Error::System)?;
            texts.push(invites.remove(at).1);
        }
        texts.reverse();
        if let Some(service) = &service {
            Box::pin(live.lay_down_roster(service, ttl)).await;
            for text in &mut texts {
                *text = Box::pin(live.short_invite(service, core::mem::take(text), ttl)).await;
            }
        }
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
