//! Tokens for a Centrifugo beside the node.

use std::sync::Arc;

use api::{ErrorCode, Problem, centrifugo::CentrifugoTokens, token::Scope};
use axum::extract::State;
use service_kit::http::{Accepted, Answer};

use super::{App, extract::Reader};
use crate::failure::Failure;

/// `GET …/centrifugo`: tokens for the group's channel, for whoever may read all of the group.
///
/// They are good until they expire, whatever becomes of the group, so they are short-lived: who was removed gets no
/// others.
pub(crate) async fn centrifugo(
    State(app): State<Arc<App>>,
    reader: Reader,
    accepted: Accepted,
) -> Result<Answer<CentrifugoTokens>, Problem> {
    if reader.grant.scope() != Scope::Full {
        return Err(Problem::new(ErrorCode::Forbidden));
    }
    let Some(issuer) = &app.centrifugo else {
        return Err(Problem::new(ErrorCode::NotFound).with_detail("this node works with no Centrifugo"));
    };
    let now = app.groups.env().clock.now();
    let tokens = issuer.issue(&reader.group.id(), now).ok_or(Failure::Internal)?;
    Ok(accepted.answer(tokens))
}
