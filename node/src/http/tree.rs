//! States of groups, for those who join or come back.

use std::sync::Arc;

use api::{ErrorCode, Problem, StateAnswer, StateSnapshot, paths::TreeQuery, token::Scope};
use axum::extract::State;
use service_kit::http::{Accepted, Answer, Query};

use super::{App, extract::Reader};

/// `GET …/tree`: the state at the end of the operation that began an epoch.
pub(crate) async fn tree(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<TreeQuery>,
    accepted: Accepted,
) -> Result<Answer<StateAnswer>, Problem> {
    if reader.grant.scope() == Scope::Removal {
        return Err(Problem::new(ErrorCode::Forbidden));
    }
    let book = reader.group.book();
    let epoch = query.epoch.unwrap_or_else(|| book.state.epoch());
    let at = app.history.state_at(&book, epoch).await?;
    Ok(accepted.answer(StateAnswer {
        state: StateSnapshot::new(at.state.to_vec()),
        epoch: at.epoch,
        seq: at.seq,
        log: at.log,
        stream_epoch: app.follow.stream_epoch,
    }))
}
