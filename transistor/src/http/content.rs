//! Drops as bytes.

use std::sync::Arc;

use api::{ErrorCode, Problem, transistor as wire};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use drop_state::DropId;
use service_kit::http::Peer;

use super::{
    App,
    extract::{Id, described, is_of_type, text, unusable},
    incoming::{Charged, announced},
    problem::{Refused, problem},
    range,
    reader::Reader,
    transfers::{charge_drop, insert, made_answer},
};
use crate::drops::{BodyTag, Reading, Token};

/// `PUT …/content`.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    peer: Peer,
    Id(id): Id,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    if !is_of_type(&headers, wire::OCTET_STREAM) {
        return Err(Problem::new(ErrorCode::UnsupportedMediaType).into());
    }
    let new = described(&headers, id)?;
    let digest = digest(&headers)?;
    let length = announced(&headers)?;
    charge_drop(&app, peer)?;
    let body = Charged::new(&app, peer, body);
    let patience = body.patience();
    let made = app.drops.receive(new, length, digest, body.stream).await;
    made_answer(made.map_err(|failure| patience.problem(failure, problem))?)
}

/// `GET …/content`.
pub(super) async fn take(
    State(app): State<Arc<App>>,
    Id(id): Id,
    reader: Reader,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    reader.means_it(&headers, &[wire::OCTET_STREAM])?;
    let reading = match &reader.claim {
        Some(claim) => tokio::time::timeout(app.request_timeout, read(&app, id, claim, &headers))
            .await
            .map_err(|_elapsed| Problem::new(ErrorCode::TimedOut))??,
        None => app.drops.take(id, &reader.shown, false).await?,
    };
    Ok(answer(reading))
}

async fn read(app: &App, id: DropId, claim: &Token, headers: &HeaderMap) -> Result<Reading, Refused> {
    let condition = match headers.get(header::IF_RANGE) {
        None => None,
        // A strong comparison. With anything else, a date too, the body is not the same.
        Some(value) => match value.to_str().ok().and_then(tag_of) {
            Some(tag) => Some(tag),
            None => return Ok(app.drops.read(id, claim, None, None).await?),
        },
    };
    Ok(app.drops.read(id, claim, range::wanted(headers), condition).await?)
}

fn etag(tag: BodyTag) -> String {
    format!("\"{tag}\"")
}

fn tag_of(etag: &str) -> Option<BodyTag> {
    etag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

fn answer(reading: Reading) -> Response {
    let status = if reading.partial { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(wire::OCTET_STREAM));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Somebody who opens it in a browser by hand is not to have it shown.
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    let range = &reading.range;
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end.saturating_sub(range.start)));
    insert(&mut headers, header::ETAG.as_str(), etag(reading.tag));
    if reading.partial {
        let (first, last, size) = (range.start, range.end.saturating_sub(1), reading.size);
        insert(&mut headers, header::CONTENT_RANGE.as_str(), format!("bytes {first}-{last}/{size}"));
    }
    (status, headers, Body::from_stream(reading.stream)).into_response()
}

/// The SHA-256 in `Repr-Digest` (RFC 9530), if there is one; other algorithms are passed over.
fn digest(headers: &HeaderMap) -> Result<Option<[u8; 32]>, Problem> {
    let Some(text) = text(headers, wire::REPR_DIGEST)? else { return Ok(None) };
    let mut members = text.split(',').filter_map(|member| member.trim().split_once('='));
    let Some((_, value)) = members.find(|(algorithm, _)| *algorithm == "sha-256") else { return Ok(None) };
    value
        .strip_prefix(':')
        .and_then(|value| value.strip_suffix(':'))
        .and_then(|value| STANDARD.decode(value).ok())
        .and_then(|digest| digest.try_into().ok())
        .map(Some)
        .ok_or_else(|| unusable(wire::REPR_DIGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_of_one_algorithm() {
        let of = |value: &str| {
            digest(&HeaderMap::from_iter([(
                header::HeaderName::from_static(wire::REPR_DIGEST),
                value.parse().unwrap(),
            )]))
        };
        let right = format!("sha-256=:{}:", STANDARD.encode([7; 32]));
        assert_eq!(of(&right), Ok(Some([7; 32])));
        assert_eq!(of(&format!("md5=:AAAA:, {right}")), Ok(Some([7; 32])));
        assert_eq!(of("sha-512=:AAAA:"), Ok(None));
        assert_eq!(digest(&HeaderMap::new()), Ok(None));
        for bad in ["sha-256=AAAA", "sha-256=:AAAA:", "sha-256=::"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
