//! Claims: to have a drop to oneself while one reads it.

use std::sync::Arc;

use api::transistor as wire;
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    App,
    extract::{Id, transfer_id, unusable},
    problem::Refused,
    reader::{Reader, not_ahead},
    transfers::ends,
};
use crate::drops::Token;

/// `PUT …/claim`.
pub(super) async fn claim(
    State(app): State<Arc<App>>,
    Id(id): Id,
    reader: Reader,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    not_ahead(&headers)?;
    let token = token(&reader)?;
    let claimed = app.drops.claim(id, &reader.shown, token).await?;
    let (ends, view) = (ends(&claimed.view), claimed.view);
    let info = (!view.info.is_empty()).then(|| wire::Info::from_bytes(view.info).ok()).flatten();
    let document = wire::Claim {
        id: transfer_id(id)?,
        size: view.size,
        lease_seconds: claimed.lease.as_secs(),
        expires_at: ends,
        is_final: view.is_final,
        info,
    };
    Ok(document_answer(StatusCode::OK, document.to_json()))
}

/// `DELETE …/claim`.
pub(super) async fn give_back(
    State(app): State<Arc<App>>,
    Id(id): Id,
    reader: Reader,
) -> Result<StatusCode, Refused> {
    app.drops.give_back(id, token(&reader)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST …/claim/confirm`.
pub(super) async fn confirm(
    State(app): State<Arc<App>>,
    Id(id): Id,
    reader: Reader,
) -> Result<StatusCode, Refused> {
    app.drops.confirm(id, token(&reader)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn token(reader: &Reader) -> Result<&Token, Refused> {
    reader.claim.as_ref().ok_or_else(|| unusable(wire::CLAIM).into())
}

/// An answer with a document.
pub(super) fn document_answer(status: StatusCode, document: Vec<u8>) -> Response {
    let mut response = (status, document).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(wire::JSON_API));
    response
}
