//! From an intent to an operation in the log.

use core::time::Duration;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{
    error::Error,
    live::{Live, Posted},
    session::{Env, Intent, Session, Standing},
};

/// How often an operation is rebuilt on a newer state before giving up for now.
const ATTEMPTS: u32 = 12;

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
    pub(super) fn seal_due(&mut self) -> Result<(), Error> {
        let mut due = self.session.due_rosters();
        due.extend(self.session.due_admins(&mut self.inner.rng()));
        due.iter().try_for_each(|content| self.seal(content))
    }

    /// Tells the admins that they are, where that is due. Repeated when one of them changed its leaf meanwhile.
    pub(super) fn tell_admins(self) -> BoxFuture<'static, Result<Self, Error>> {
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
