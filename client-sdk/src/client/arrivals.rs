//! What comes by a drop: an invite too long for a messenger, a roster too large for an invite.
//!
//! An invite in a drop can be read once. So the claim is stored before it is read, and the invite before the drop is
//! confirmed: whatever this program is killed at, joining again by the same link goes on.

use core::time::Duration;

use e2ee::{invite::Invite, invite::SealedInvite, roster::MAX_SNAPSHOT, roster::Roster, ticket::TicketLink};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::Client;
use crate::{
    drops::{DropError, DropLink, Reading, Token},
    error::Error,
    group::Group,
    live::blocking,
    store::{ReadTx, Scope, StoreError, WriteTx},
};

/// Store name of the drops that invites come by.
const ARRIVALS: &str = "arrivals";
/// Most of them that are remembered.
const MOST_ARRIVALS: usize = 64;
/// Longest invite that is read.
const MAX_INVITE: u64 = 128 * 1024;
/// Media type of an invite in a drop. No other drop is read for one, so that a link pasted by mistake costs nothing.
pub(crate) const INVITE_TYPE: &str = "text/vnd.kith.invite";
/// Longest wait for a roster: joining goes on without.
const ROSTER_WAIT: Duration = Duration::from_secs(30);

/// An invite on its way into this home.
#[derive(Serialize, Deserialize)]
struct Arrival {
    drop: String,
    claim: String,
    text: Option<String>,
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.claim.zeroize();
        self.text.zeroize();
    }
}

fn read(tx: &ReadTx<'_>) -> Result<Vec<Arrival>, StoreError> {
    match tx.get(Scope::Home, ARRIVALS)? {
        Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| StoreError::Damaged),
        None => Ok(Vec::new()),
    }
}

fn write(tx: &WriteTx<'_>, mut all: Vec<Arrival>) -> Result<(), StoreError> {
    let surplus = all.len().saturating_sub(MOST_ARRIVALS);
    all.drain(..surplus);
    let bytes = serde_json::to_vec(&all).map(Zeroizing::new).map_err(|_| StoreError::Damaged)?;
    tx.put(Scope::Home, ARRIVALS, &bytes)
}

/// The link of a drop, where a text is meant to be one.
pub(super) fn drop_link(text: &str) -> Result<Option<DropLink>, Error> {
    if !text.contains("#kith-drop") {
        return Ok(None);
    }
    DropLink::parse(text).map(Some).map_err(|error| Error::bad_text("the link is not usable", error))
}

impl Client {
    pub(super) async fn join_by_drop(&self, link: &DropLink) -> Result<Group, Error> {
        if link.is_locked() {
            return Err(DropError::PasswordNeeded.into());
        }
        let (drop, claim, text) = self.begin_arrival(link).await?;
        let text = match text {
            Some(text) => text,
            None => self.receive_invite(link, &drop, claim).await?,
        };
        let group = self.join_by_text(text.trim()).await?;
        self.change_arrivals(move |all| all.retain(|arrival| arrival.drop != drop)).await?;
        Ok(group)
    }

    /// The drop's id, the claim to read it under, and the invite where it was read before.
    async fn begin_arrival(
        &self,
        link: &DropLink,
    ) -> Result<(String, Token, Option<Zeroizing<String>>), Error> {
        let drop = link.secret().id().to_string();
        let fresh = Token::generate(&mut self.inner.rng());
        let store = self.inner.store.clone();
        let (id, claim, text) = blocking(move || {
            store.write::<_, StoreError>(|tx| {
                let mut all = read(tx)?;
                if let Some(earlier) = all.iter().find(|arrival| arrival.drop == drop) {
                    let claim = Token::parse(&earlier.claim).map_err(|_| StoreError::Damaged)?;
                    return Ok((drop.clone(), claim, earlier.text.clone()));
                }
                all.push(Arrival { drop: drop.clone(), claim: fresh.to_text().to_string(), text: None });
                write(tx, all)?;
                Ok((drop.clone(), fresh.clone(), None))
            })
        })
        .await??;
        Ok((id, claim, text.map(Zeroizing::new)))
    }

    async fn receive_invite(
        &self,
        link: &DropLink,
        drop: &str,
        claim: Token,
    ) -> Result<Zeroizing<String>, Error> {
        let mut reading = self.inner.reading(link.url(), link.secret(), Some(claim))?;
        let told = reading.claim(None).await?;
        if told.media_type != INVITE_TYPE || told.len.is_none_or(|len| len > MAX_INVITE) {
            reading.release().await;
            return Err(Error::bad_text("the link is not usable", "this drop holds no invite"));
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_INVITE).unwrap_or(0)));
        reading.receive(&mut *bytes).await?;
        let text = core::str::from_utf8(&bytes).map(str::trim).unwrap_or_default();
        let usable = SealedInvite::parse(text).is_ok() || TicketLink::parse(text).is_ok();
        if !usable {
            return Err(Error::bad_text("the link is not usable", "what is in this drop is no invite"));
        }
        let text = Zeroizing::new(text.to_owned());
        let (id, kept) = (drop.to_owned(), text.clone());
        self.change_arrivals(move |all| {
            let arrived = all.iter_mut().find(|arrival| arrival.drop == id);
            if let Some(arrived) = arrived {
                arrived.text = Some(kept.to_string());
            }
        })
        .await?;
        reading.confirm().await;
        Ok(text)
    }

    async fn change_arrivals(
        &self,
        change: impl FnOnce(&mut Vec<Arrival>) + Send + 'static,
    ) -> Result<(), Error> {
        let store = self.inner.store.clone();
        blocking(move || {
            let mut change = Some(change);
            store.write::<_, StoreError>(|tx| {
                let mut all = read(tx)?;
                if let Some(change) = change.take() {
                    change(&mut all);
                }
                write(tx, all)
            })
        })
        .await??;
        Ok(())
    }

    /// Fetches the roster that an invite tells of, where it is needed and there; to be confirmed once it is stored.
    pub(super) async fn fetch_roster(&self, invite: &mut Invite) -> Option<Reading> {
        let secret = invite.roster_secret.as_ref().filter(|_| invite.roster.is_none())?;
        let service = self.inner.announced_now(invite.server.as_str()).await?;
        let mut reading = self.inner.reading(service.as_str(), secret, None).ok()?;
        let fetched = self.inner.within(ROSTER_WAIT, fetch(&mut reading)).await;
        let bytes = match fetched {
            Some(Ok(bytes)) => bytes,
            // Members without names are no reason not to join.
            Some(Err(error)) => {
                tracing::info!(code = error.code(), "the roster of the group cannot be had");
                return None;
            }
            None => return None,
        };
        let roster = Roster::from_snapshot(&bytes).ok().filter(|roster| roster.hash() == invite.roster_hash);
        if roster.is_none() {
            tracing::warn!("what lies in the place of the group's roster is something else");
        }
        invite.roster = Some(roster?);
        Some(reading)
    }
}

async fn fetch(reading: &mut Reading) -> Result<Vec<u8>, DropError> {
    let told = reading.claim(None).await?;
    let max = MAX_SNAPSHOT as u64;
    let len = told.len.unwrap_or(told.sealed_len);
    if len > max {
        reading.release().await;
        return Err(DropError::TooLarge { len, max });
    }
    let mut bytes = Vec::new();
    reading.receive(&mut bytes).await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_drops_are_told_from_other_texts() {
        let link = DropLink::new(
            "https://kith.example/transistor",
            crate::drops::DropSecret::from_bytes(&[7; 32]),
            false,
        );
        let text = link.unwrap().to_text();
        assert!(drop_link(&text).unwrap().is_some());
        let cut = drop_link(text.get(..text.len() - 5).unwrap()).err().unwrap();
        assert_eq!(cut.code(), "bad_text");
        for other in ["kith-invite1.AAAA", "https://kith.example/join#kith-ticket1.AAAA", ""] {
            assert!(drop_link(other).unwrap().is_none(), "{other}");
        }
    }
}
