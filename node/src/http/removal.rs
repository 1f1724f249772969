//! The last thing a removed member is told.

use std::sync::Arc;

use api::{
    ErrorCode, Problem,
    frames::{FramesPage, ServedFrameBytes},
};
use axum::extract::State;
use service_kit::http::{Accepted, Answer};

use super::{App, extract::Reader};
use crate::{access::Grant, served};

/// `GET …/removal`: the frame that removed the bearer's leaf, so that a removal can be verified and not just asserted.
///
/// The page is cut to this frame: where the group stands now is not the bearer's business any more.
pub(crate) async fn removal(
    State(app): State<Arc<App>>,
    reader: Reader,
    accepted: Accepted,
) -> Result<Answer<FramesPage>, Problem> {
    let Grant::Removed { seq } = reader.grant else { return Err(Problem::new(ErrorCode::Forbidden)) };
    let record = app.history.record_at(&reader.group.id(), seq).await?;
    if record.frame.is_none() {
        return Err(Problem::new(ErrorCode::HistoryGap));
    }
    Ok(accepted.answer(FramesPage {
        stream_epoch: app.follow.stream_epoch,
        frames: vec![ServedFrameBytes::new(served::full(&record).to_vec())],
        next: seq.next().unwrap_or(seq),
        head: seq,
        horizon: seq,
    }))
}
