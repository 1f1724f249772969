//! Mailboxes of key packages.

use std::sync::Arc;

use api::{
    Problem,
    key_packages::{ClaimedKeyPackage, MailboxId, MailboxStatus, PutKeyPackages},
};
use axum::extract::State;
use service_kit::http::{Accepted, Answer, Payload, Peer};

use super::{App, extract::Id};
use crate::failure::too_fast;

/// `POST /v1/key-packages/{mailbox}`: fill a mailbox.
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    peer: Peer,
    Id(mailbox): Id<MailboxId>,
    accepted: Accepted,
    Payload(body): Payload<PutKeyPackages>,
) -> Result<Answer<MailboxStatus>, Problem> {
    peer.charge(&app.limits.requests).map_err(too_fast)?;
    let now = app.groups.env().clock.now();
    Ok(accepted.answer(app.packages.put(&mailbox, body, now).await?))
}

/// `GET /v1/key-packages/{mailbox}`: when to refill.
pub(crate) async fn status(
    State(app): State<Arc<App>>,
    peer: Peer,
    Id(mailbox): Id<MailboxId>,
    accepted: Accepted,
) -> Result<Answer<MailboxStatus>, Problem> {
    peer.charge(&app.limits.requests).map_err(too_fast)?;
    Ok(accepted.answer(app.packages.status(&mailbox)))
}

/// `POST /v1/key-packages/{mailbox}/claim`: take one out.
///
/// # Cancel safety
/// A package whose answer is lost on the way is lost; it is never given out twice.
pub(crate) async fn claim(
    State(app): State<Arc<App>>,
    peer: Peer,
    Id(mailbox): Id<MailboxId>,
    accepted: Accepted,
) -> Result<Answer<ClaimedKeyPackage>, Problem> {
    peer.charge(&app.limits.requests).map_err(too_fast)?;
    let now = app.groups.env().clock.now();
    Ok(accepted.answer(app.packages.claim(&mailbox, now).await?))
}
