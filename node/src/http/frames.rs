//! Sending frames and paging through them.

use std::{sync::Arc, time::Instant};

use api::{
    ErrorCode, Problem,
    frames::{FrameReceipt, FramesPage, PostFrame, ServedFrameBytes},
    paths::{FrameForm, FramesQuery},
    token::Scope,
};
use axum::extract::State;
use bytes::Bytes;
use frame_log::Limit;
use protocol::{Frame, GroupId, Receipt};
use service_kit::http::{Accepted, Answer, Payload, Peer, Query};

use super::{
    App,
    extract::{Id, Reader},
};
use crate::{
    failure::{Failure, too_fast},
    group::{Arrived, Stored},
    metrics::{FrameOutcome, Stage},
    served,
    verify::Lane,
};

/// Frames in one page.
pub(crate) const PAGE_FRAMES: u32 = 256;
/// Bytes in one page, unless its first frame alone is longer.
pub(crate) const PAGE_BYTES: u32 = 1024 * 1024;

/// `POST …/frames`: accept a frame, answer with a signed receipt.
///
/// # Cancel safety
/// A connection that is lost meanwhile does not undo what was begun; the same bytes sent again get the same receipt.
pub(crate) async fn send(
    State(app): State<Arc<App>>,
    peer: Peer,
    Id(group): Id<GroupId>,
    accepted: Accepted,
    Payload(body): Payload<PostFrame>,
) -> Result<Answer<FrameReceipt>, Problem> {
    peer.charge(&app.limits.frames).map_err(too_fast)?;
    let started = Instant::now();
    let verdict = accept(&app, &group, peer, body.frame.into()).await;
    let outcome = match &verdict {
        Ok(Stored { duplicate: false, .. }) => FrameOutcome::Accepted,
        Ok(Stored { duplicate: true, .. }) => FrameOutcome::Duplicate,
        Err(Failure::Refused { .. }) => FrameOutcome::Refused,
        Err(Failure::NotAccepted) => FrameOutcome::NotAccepted,
        Err(Failure::Busy { .. } | Failure::Abandoned | Failure::Stopping | Failure::StorageFull) => {
            FrameOutcome::Busy
        }
        Err(
            Failure::Unserved
            | Failure::HistoryGap { .. }
            | Failure::NotFound
            | Failure::StorageFailed
            | Failure::StorageUnavailable
            | Failure::Internal,
        ) => FrameOutcome::Failed,
    };
    app.groups.env().metrics.frame(outcome, started.elapsed());
    let stored = verdict?;
    let receipt = Receipt::sign(&app.receipts, group, stored.seq, stored.log, stored.received_at.get());
    Ok(accepted.answer(FrameReceipt { receipt, duplicate: stored.duplicate }))
}

async fn accept(app: &App, group: &GroupId, peer: Peer, bytes: Bytes) -> Result<Stored, Failure> {
    let env = app.groups.env();
    env.metrics.checked(Stage::Decode);
    // Decoding checks every point in the frame, which can take as long as checking a proof.
    let undecoded = bytes.clone();
    let frame = env.pool.run(Lane::Door, move || Frame::decode(&undecoded)).await?.map_err(Failure::bare)?;
    if frame.head().group != *group {
        return Err(Failure::bare(protocol::Refusal::Malformed));
    }
    app.groups.post(Arrived { frame: Arc::new(frame), bytes, peer }).await
}

/// `GET …/frames`: a page of the log.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<FramesQuery>,
    accepted: Accepted,
) -> Result<Answer<FramesPage>, Problem> {
    let heads = match (reader.grant.scope(), query.form) {
        (Scope::Removal, _) => return Err(Problem::new(ErrorCode::Forbidden)),
        (Scope::Heads, _) | (Scope::Full, FrameForm::Heads) => true,
        (Scope::Full, FrameForm::Full) => false,
    };
    // Rights were checked against this book: what was appended later is for a later request.
    let book = reader.group.book();
    let head = book.state.seq();
    if query.from < book.horizon {
        return Err(Problem::new(ErrorCode::HistoryGap).with_horizon(book.horizon).with_seq(head));
    }
    let most = query.limit.unwrap_or(PAGE_FRAMES).clamp(1, PAGE_FRAMES);
    let limit = Limit::new(usize::try_from(most).unwrap_or(1), usize::try_from(PAGE_BYTES).unwrap_or(0));
    let env = app.groups.env();
    let page = env.store.read(&reader.group.id(), query.from, limit).await.map_err(Failure::from)?;
    if let Some(horizon) = book.horizon_shown_by(&page.records) {
        app.groups.raise_horizon(&reader.group.id(), horizon).await?;
        return Err(Problem::new(ErrorCode::HistoryGap).with_horizon(horizon).with_seq(head));
    }
    let form = if heads { served::heads } else { served::full };
    let mut next = query.from;
    let mut frames = Vec::with_capacity(page.records.len());
    for record in page.records.iter().take_while(|record| record.seq <= head) {
        frames.push(ServedFrameBytes::new(form(record).to_vec()));
        next = record.seq.next().unwrap_or(record.seq);
    }
    Ok(accepted.answer(FramesPage {
        stream_epoch: app.follow.stream_epoch,
        frames,
        next,
        head,
        horizon: book.horizon,
    }))
}
