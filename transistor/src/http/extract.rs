//! What handlers are given instead of strings.

use core::{fmt, str::FromStr, time::Duration};
use std::sync::Arc;

use api::{
    ErrorCode, Problem,
    token::Token as Bearer,
    transistor::{self as wire, DocumentError},
};
use axum::{
    RequestExt as _,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request, rejection::BytesRejection},
    http::{HeaderMap, HeaderName, header, request::Parts},
};
use drop_state::{DropId, TokenHash};
use service_kit::http::Peer;
use tokio::sync::OwnedSemaphorePermit;

use super::{App, places::AGAIN, transfers::charge_drop};
use crate::drops::{NewDrop, Token};

/// The id in the path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Id(pub(super) DropId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        in_path(parts, state).await.map(Self)
    }
}

/// The token of an upload in the path.
#[derive(Debug, Clone)]
pub(super) struct Upload(pub(super) Token);

impl<S: Send + Sync> FromRequestParts<S> for Upload {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        in_path(parts, state).await.map(Self)
    }
}

async fn in_path<T: FromStr>(parts: &mut Parts, state: &(impl Send + Sync)) -> Result<T, Problem> {
    let invalid = || invalid("the path has no valid id");
    let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| invalid())?;
    text.parse().map_err(|_| invalid())
}

pub(super) fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(ErrorCode::InvalidRequest).with_detail(detail)
}

/// The one value of a header; `None` if it is not there.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(HeaderName::from_static(name)).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text)),
        _ => Err(unusable(name)),
    }
}

/// The one value of a header as what it means.
pub(super) fn value<T: FromStr>(headers: &HeaderMap, name: &'static str) -> Result<Option<T>, Problem> {
    text(headers, name)?.map(|text| text.trim().parse().map_err(|_| unusable(name))).transpose()
}

pub(super) fn unusable(name: &'static str) -> Problem {
    invalid(format!("`{name}` is not acceptable"))
}

/// The creator's token, if one is shown.
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<Token>, Problem> {
    let invalid = || Problem::new(ErrorCode::TokenInvalid);
    let Some(text) = text(headers, header::AUTHORIZATION.as_str()).map_err(|_| invalid())? else {
        return Ok(None);
    };
    let token = Bearer::from_authorization(text).map_err(|_| invalid())?;
    token.expose().parse().map(Some).map_err(|_| invalid())
}

/// The creator's token, without which there is nothing to be done.
#[derive(Debug, Clone)]
pub(super) struct Creator(pub(super) Token);

impl<S: Send + Sync> FromRequestParts<S> for Creator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        bearer(&parts.headers)?.map(Self).ok_or_else(|| Problem::new(ErrorCode::Unauthorized))
    }
}

/// A drop to be made, as headers describe it.
pub(super) fn described(headers: &HeaderMap, id: DropId) -> Result<NewDrop, Problem> {
    let hash = |name| value::<wire::TokenHash>(headers, name).map(|hash| hash.map(stored));
    Ok(NewDrop {
        id: Some(id),
        deleter: bearer(headers)?.map(|token| token.hash()),
        access: hash(wire::ACCESS_HASH)?,
        unlock: hash(wire::UNLOCK_HASH)?,
        info: value::<wire::Info>(headers, wire::INFO)?.map(wire::Info::into_bytes).unwrap_or_default(),
        expires_in: value(headers, wire::EXPIRES_IN)?.map(Duration::from_secs),
    })
}

/// A hash as records hold it.
pub(super) fn stored(hash: wire::TokenHash) -> TokenHash {
    TokenHash::from_bytes(*hash.as_bytes())
}

/// An id as records hold it.
pub(super) fn drop_id(id: wire::TransferId) -> Result<DropId, Problem> {
    DropId::from_bytes(*id.as_bytes()).map_err(|_| invalid("`id` is not acceptable"))
}

/// An id as documents have it.
pub(super) fn transfer_id(id: DropId) -> Result<wire::TransferId, Problem> {
    // Neither type has the nil UUID.
    wire::TransferId::from_bytes(*id.as_bytes()).map_err(|_| Problem::new(ErrorCode::Internal))
}

/// Bytes of a document, of the media type that documents have, for which a drop was charged.
pub(super) struct Document {
    bytes: Bytes,
    _place: OwnedSemaphorePermit,
}

impl Document {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&[u8]) -> Result<T, DocumentError>) -> Result<T, Problem> {
        read(&self.bytes).map_err(|error| invalid(error.to_string()))
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Document")
    }
}

impl FromRequest<Arc<App>> for Document {
    type Rejection = Problem;

    async fn from_request(mut request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        // Before the body is read: what cannot be understood, or may not be sent, need not be received.
        if !is_document(request.headers()) {
            return Err(Problem::new(ErrorCode::UnsupportedMediaType));
        }
        let Ok(peer) = request.extract_parts::<Peer>().await;
        charge_drop(app, peer)?;
        let place = Arc::clone(&app.limits.documents).try_acquire_owned();
        let place = place.map_err(|_| Problem::new(ErrorCode::Busy).with_retry_after(AGAIN))?;
        let bytes = Bytes::from_request(request, app).await.map_err(|rejection| refuse(&rejection))?;
        Ok(Self { bytes, _place: place })
    }
}

fn refuse(rejection: &BytesRejection) -> Problem {
    match rejection.status().as_u16() {
        413 => Problem::new(ErrorCode::PayloadTooLarge),
        _ => Problem::new(ErrorCode::UploadBroken),
    }
}

/// JSON:API has servers refuse extensions they do not know.
fn is_document(headers: &HeaderMap) -> bool {
    match media_type(headers) {
        Some((essence, parameters)) if essence == wire::JSON_API => {
            !parameters.split(';').any(|parameter| parameter.trim_start().starts_with("ext="))
        }
        Some((essence, _)) => essence == wire::JSON,
        None => false,
    }
}

/// Whether the body is of this type and not encoded any further.
pub(super) fn is_of_type(headers: &HeaderMap, wanted: &str) -> bool {
    media_type(headers).is_some_and(|(essence, _)| essence == wanted)
}

fn media_type(headers: &HeaderMap) -> Option<(String, &str)> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return None;
    }
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    Some((essence.trim().to_ascii_lowercase(), parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_header_is_there_once_or_not_at_all() {
        let twice = with(&[(wire::EXPIRES_IN, "1"), (wire::EXPIRES_IN, "1")]);
        assert!(value::<u64>(&twice, wire::EXPIRES_IN).is_err());
        assert_eq!(value::<u64>(&with(&[(wire::EXPIRES_IN, " 60 ")]), wire::EXPIRES_IN), Ok(Some(60)));
        assert_eq!(value::<u64>(&with(&[]), wire::EXPIRES_IN), Ok(None));
        assert!(value::<u64>(&with(&[(wire::EXPIRES_IN, "-1")]), wire::EXPIRES_IN).is_err());
    }

    #[test]
    fn documents_have_a_media_type() {
        for (value, expected) in [
            ("application/vnd.api+json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/vnd.api+json; profile=\"https://example.org\"", true),
            ("application/vnd.api+json; ext=\"https://jsonapi.org/ext/atomic\"", false),
            ("text/plain", false),
            ("", false),
        ] {
            assert_eq!(is_document(&with(&[("content-type", value)])), expected, "{value}");
        }
        assert!(!is_document(&with(&[])));
        let packed = with(&[("content-type", "application/json"), ("content-encoding", "gzip")]);
        assert!(!is_document(&packed));
    }

    #[test]
    fn a_deletion_token_is_a_token() {
        let good = format!("Bearer {}", "A".repeat(43));
        assert!(bearer(&with(&[("authorization", &good)])).unwrap().is_some());
        assert!(bearer(&with(&[])).unwrap().is_none());
        for bad in ["Bearer A", "Basic QTpB", ""] {
            let problem = bearer(&with(&[("authorization", bad)])).unwrap_err();
            assert_eq!(problem.code(), ErrorCode::TokenInvalid, "{bad}");
        }
    }
}
