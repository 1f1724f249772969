//! Drops as documents.

use core::time::Duration;
use std::sync::Arc;

use api::{ErrorCode, Problem, UnixSeconds, transistor as wire};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use drop_state::{DropId, View};
use futures_util::TryStreamExt as _;
use service_kit::http::Peer;

use super::{
    App,
    claims::document_answer,
    extract::{Creator, Document, Id, bearer, drop_id, stored, transfer_id},
    problem::{Refused, too_fast},
    reader::Reader,
};
use crate::{
    drops::{Failure, Made, NewDrop, Reading},
    store::Copy,
};

/// Copies that cost as much as one drop: they share its body.
const COPIES_OF_A_UNIT: usize = 16;

/// `POST …/transfers`.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    peer: Peer,
    headers: HeaderMap,
    document: Document,
) -> Result<Response, Refused> {
    let deleter = bearer(&headers)?.map(|token| token.hash());
    let wanted = document.read(wire::CreateTransfer::from_json)?;
    let new = NewDrop {
        id: wanted.id.map(drop_id).transpose()?,
        deleter,
        access: wanted.access_hash.map(stored),
        unlock: wanted.unlock_hash.map(stored),
        info: wanted.info.map(wire::Info::into_bytes).unwrap_or_default(),
        expires_in: wanted.expires_in.map(Duration::from_secs),
    };
    charge_bytes(&app, peer, wanted.text.len())?;
    let made = app.drops.create(new, Bytes::from(wanted.text), true).await?;
    made_answer(made)
}

/// Takes one drop from the allowance of those that make them. A [`Document`] has done so when it is there.
pub(super) fn charge_drop(app: &App, peer: Peer) -> Result<(), Problem> {
    peer.charge(&app.limits.drops).map_err(|wait| too_fast(ErrorCode::RateLimited, wait))
}

/// Takes what so many copies cost, besides the one drop that their document was charged. Never more than there can be:
/// who has made nothing else for long enough may always make as many as fit into a document.
fn charge_copies(app: &App, peer: Peer, copies: usize) -> Result<(), Problem> {
    let units = u32::try_from(copies.div_ceil(COPIES_OF_A_UNIT)).unwrap_or(u32::MAX);
    let more = units.min(app.limits.most_drops).saturating_sub(1);
    app.limits.drops.take(&peer, more).map_err(|wait| too_fast(ErrorCode::RateLimited, wait))
}

fn charge_bytes(app: &App, peer: Peer, bytes: usize) -> Result<(), Problem> {
    let kilobytes = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
    app.limits.kilobytes.take(&peer, kilobytes).map_err(|wait| too_fast(ErrorCode::QuotaExceeded, wait))
}

/// What is told of a drop that was made: 201, or 200 if it had been made before.
pub(super) fn made_answer(made: Made) -> Result<Response, Refused> {
    let id = transfer_id(made.id)?;
    let ends = ends(&made.view);
    let document = wire::Transfer {
        id,
        size: made.view.size,
        expires_at: Some(ends),
        text: None,
        deletion_token: made.deletion_token.map(|token| wire::DropToken::from_bytes(*token.expose())),
    };
    let status = if made.existed { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = document_answer(status, document.to_json());
    let headers = response.headers_mut();
    insert(headers, wire::EXPIRES, wire::format_rfc3339(ends));
    insert(headers, header::LOCATION.as_str(), format!("{}{}", wire::BASE, wire::transfer(&id)));
    Ok(response)
}

pub(super) fn insert(headers: &mut HeaderMap, name: &'static str, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// `GET …/transfers/{id}`.
pub(super) async fn take(
    State(app): State<Arc<App>>,
    Id(id): Id,
    reader: Reader,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    reader.means_it(&headers, &[wire::JSON_API, wire::JSON])?;
    let reading = app.drops.take(id, &reader.shown, true).await?;
    let size = reading.size;
    let text = String::from_utf8(collect(reading).await?).map_err(|_| Problem::new(ErrorCode::Internal))?;
    let document = wire::Transfer {
        id: transfer_id(id)?,
        size,
        expires_at: None,
        text: Some(text),
        deletion_token: None,
    };
    Ok(document_answer(StatusCode::OK, document.to_json()))
}

/// A text, which is no longer than a piece of a body, and so was fetched before it was given.
async fn collect(reading: Reading) -> Result<Vec<u8>, Problem> {
    reading
        .stream
        .try_fold(Vec::new(), async |mut all, bytes| {
            all.extend_from_slice(&bytes);
            Ok(all)
        })
        .await
        .map_err(|_| super::problem::problem(Failure::StorageFailed))
}

/// `HEAD …/transfers/{id}`: is it there, and how large.
pub(super) async fn look(
    State(app): State<Arc<App>>,
    Id(id): Id,
    reader: Reader,
) -> Result<Response, Refused> {
    looked(&app, id, &reader).await.map(|(_, response)| response)
}

/// `HEAD …/transfers/{id}/content`: the same, with the head that taking the bytes would have.
pub(super) async fn look_at_content(
    State(app): State<Arc<App>>,
    Id(id): Id,
    reader: Reader,
) -> Result<Response, Refused> {
    let (size, mut response) = looked(&app, id, &reader).await?;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(wire::OCTET_STREAM));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    Ok(response)
}

async fn looked(app: &App, id: DropId, reader: &Reader) -> Result<(u64, Response), Refused> {
    let view = app.drops.look(id, &reader.shown).await?;
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    headers.insert(wire::SIZE, HeaderValue::from(view.size));
    insert(headers, wire::EXPIRES, wire::format_rfc3339(ends(&view)));
    // With a password, the info is what it could be tried on.
    if !view.locked && !view.info.is_empty() {
        let info = wire::Info::from_bytes(view.info).map_err(|_| Problem::new(ErrorCode::Internal))?;
        insert(headers, wire::INFO, info.to_string());
    }
    Ok((view.size, response))
}

pub(super) fn ends(view: &View) -> UnixSeconds {
    UnixSeconds::new(view.expires.get() / 1000)
}

/// `DELETE …/transfers/{id}`.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Creator(by): Creator,
) -> Result<StatusCode, Refused> {
    app.drops.delete(id, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST …/copies`.
pub(super) async fn share(
    State(app): State<Arc<App>>,
    peer: Peer,
    Id(id): Id,
    Creator(by): Creator,
    document: Document,
) -> Result<StatusCode, Refused> {
    charge_bytes(&app, peer, document.len())?;
    let wire::Copies(wanted) = document.read(wire::Copies::from_json)?;
    charge_copies(&app, peer, wanted.len())?;
    let copies = wanted.into_iter().map(|copy| {
        Ok(Copy {
            id: drop_id(copy.id)?,
            info: copy.info.map(wire::Info::into_bytes).unwrap_or_default(),
            access: copy.access_hash.map(stored),
            unlock: copy.unlock_hash.map(stored),
        })
    });
    let copies = copies.collect::<Result<Vec<_>, Problem>>()?;
    app.drops.share(id, &by, copies).await?;
    Ok(StatusCode::NO_CONTENT)
}
