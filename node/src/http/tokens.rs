//! Challenges, and tokens for answered ones.

use std::sync::Arc;

use api::{
    NodeOrigin, Problem,
    challenge::{Challenge, Claims, Statement},
    paths::ChallengeQuery,
    token::{TokenAnswer, TokenRequest},
};
use axum::extract::State;
use protocol::{GroupId, Refusal, SignatureBytes, SigningKey, UnixSeconds};
use service_kit::http::{Accepted, Answer, Payload, Peer, Query};

use super::{App, extract::Id};
use crate::{
    access::{Binding, Grant},
    failure::{Facts, Failure, too_fast},
    group::Book,
    verify::Lane,
};

/// `GET …/challenge`: given to anybody for any group, known or not.
pub(crate) async fn challenge(
    State(app): State<Arc<App>>,
    peer: Peer,
    Id(group): Id<GroupId>,
    Query(query): Query<ChallengeQuery>,
    accepted: Accepted,
) -> Result<Answer<Challenge>, Problem> {
    peer.charge(&app.limits.requests).map_err(too_fast)?;
    let binding = Binding { group, epoch: query.epoch, purpose: query.purpose };
    Ok(accepted.answer(app.challenges.issue(&binding, app.groups.env().clock.now())?))
}

/// `POST …/tokens`: a token for an answered challenge.
pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    peer: Peer,
    Id(group): Id<GroupId>,
    accepted: Accepted,
    Payload(request): Payload<TokenRequest>,
) -> Result<Answer<TokenAnswer>, Problem> {
    peer.charge(&app.limits.requests).map_err(too_fast)?;
    let env = app.groups.env();
    let now = env.clock.now();
    let binding = Binding { group, epoch: request.epoch, purpose: request.claims.purpose() };
    app.challenges.check(&request.challenge, &binding, now)?;

    let book = app.groups.open(&group).await?.map(|group| group.book());
    let origin = app.origin().clone();
    let shown =
        env.pool.run(Lane::Door, move || show(book.as_deref(), &origin, &group, &request, now)).await?;
    let grant = match shown {
        Ok(grant) => grant,
        Err(failure) => {
            env.metrics.token_refused();
            return Err(failure.into());
        }
    };
    // Only now: an answer that shows nothing must not use up anybody's challenge, nor any memory.
    app.challenges.take(&request.challenge, now).await??;
    env.metrics.token_issued();
    let answer = app.tokens.issue(&group, &grant, now).ok_or(Failure::Internal)?;
    Ok(accepted.answer(answer))
}

/// What an answer shows. An unknown group takes as long as a known one and ends the same.
fn show(
    book: Option<&Book>,
    origin: &NodeOrigin,
    group: &GroupId,
    request: &TokenRequest,
    now: UnixSeconds,
) -> Result<Grant, Failure> {
    let statement = Statement {
        origin,
        group,
        epoch: request.epoch,
        claims: request.claims,
        challenge: request.challenge,
    };
    let shown = match (book, &request.claims) {
        (None, _) => None,
        (Some(book), Claims::Root) => show_root(book, &statement, request),
        (Some(book), Claims::Leaf { .. } | Claims::Ticket { .. }) => {
            show_key(book, &statement, request, now).map(Ok)
        }
    };
    shown.unwrap_or_else(|| {
        feign(&statement.digest(), request);
        Err(Failure::NotAccepted)
    })
}

/// The signing key of the current epoch, while the group is clean. `None` if nothing valid was shown.
fn show_root(
    book: &Book,
    statement: &Statement<'_>,
    request: &TokenRequest,
) -> Option<Result<Grant, Failure>> {
    let state = &book.state;
    let epoch = state.message_epoch(request.epoch)?;
    // Whoever was removed knows the keys of the epochs before the group was clean again.
    if epoch.epoch < state.first_clean_epoch() {
        return None;
    }
    statement.verify_root(&epoch.sign_key, &request.signature).ok()?;
    let refuse =
        |refusal, epoch| Err(Failure::Refused { refusal, facts: Facts { epoch, ..Facts::default() } });
    Some(if !state.is_clean() {
        refuse(Refusal::HealFirst, None)
    } else if epoch.epoch < state.epoch() {
        refuse(Refusal::StaleEpoch, Some(state.epoch()))
    } else {
        Ok(Grant::Root { epoch: epoch.epoch })
    })
}

/// The key of a live leaf, of a removed one, or of an open ticket. `None` if nothing valid was shown.
fn show_key(
    book: &Book,
    statement: &Statement<'_>,
    request: &TokenRequest,
    now: UnixSeconds,
) -> Option<Grant> {
    let state = &book.state;
    if request.epoch > state.epoch() {
        return None;
    }
    let (key, grant) = match request.claims {
        Claims::Root => return None,
        Claims::Leaf { slot, leaf_id } => {
            match state.tree().leaf(slot).live().filter(|leaf| leaf.leaf_id == leaf_id) {
                Some(leaf) => (leaf.sig, Grant::Leaf { slot, leaf_id, sig: leaf.sig }),
                None => {
                    let removed = book.removed_leaf(slot, leaf_id)?;
                    (removed.sig, Grant::Removed { seq: removed.seq })
                }
            }
        }
        Claims::Ticket { key } => {
            state.ticket(&key).filter(|ticket| ticket.expires >= now)?;
            (key, Grant::Ticket { key })
        }
    };
    statement.verify(&key, &request.signature).ok()?;
    Some(grant)
}

/// Checks the signature against a key that is nobody's.
fn feign(digest: &[u8; 32], request: &TokenRequest) {
    let decoy = SigningKey::from_seed(&[0xdc; 32]).verifying_key();
    let _verdict = decoy.verify(digest, &SignatureBytes::new(*request.signature.as_bytes()));
}
