//! Resumable upload: tus 1.0 with `creation`, `creation-with-upload`, `expiration`, `termination` and `checksum`.

use core::time::Duration;
use std::{sync::Arc, time::UNIX_EPOCH};

use api::{ErrorCode, Problem, UnixSeconds, transistor as wire};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use service_kit::http::Peer;

use super::{
    App,
    claims::document_answer,
    extract::{Upload, bearer, drop_id, invalid, is_of_type, stored, text, transfer_id, unusable, value},
    incoming::{Charged, announced},
    problem::{Refused, problem},
    transfers::{charge_drop, insert},
};
use crate::drops::{Begun, Checksum, Failure, NewDrop, Progress};

const EXTENSIONS: &str = "creation,creation-with-upload,expiration,termination,checksum";
const ALGORITHMS: &str = "sha256,sha1";
const VERSION: HeaderValue = HeaderValue::from_static(wire::TUS_VERSION_VALUE);

/// Refuses other versions, and says ours with every answer.
pub(super) async fn spoken(request: Request, next: Next) -> Response {
    let versions: Vec<_> = request.headers().get_all(wire::TUS_RESUMABLE).iter().collect();
    let is_spoken = request.method() == Method::OPTIONS || versions == [&VERSION];
    let mut response = if is_spoken {
        next.run(request).await
    } else {
        Refused::with(Problem::new(ErrorCode::TusVersion), wire::TUS_VERSION, VERSION).into_response()
    };
    response.headers_mut().insert(HeaderName::from_static(wire::TUS_RESUMABLE), VERSION);
    response
}

/// `OPTIONS`: what can be done.
pub(super) async fn abilities(State(app): State<Arc<App>>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(wire::TUS_VERSION, VERSION);
    headers.insert(wire::TUS_EXTENSION, HeaderValue::from_static(EXTENSIONS));
    headers.insert(wire::TUS_CHECKSUM_ALGORITHM, HeaderValue::from_static(ALGORITHMS));
    headers.insert(wire::TUS_MAX_SIZE, HeaderValue::from(app.max_size));
    response
}

/// `POST`: begins, and takes the first piece where there is one.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    peer: Peer,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let length = value::<u64>(&headers, wire::UPLOAD_LENGTH)?.ok_or_else(|| unusable(wire::UPLOAD_LENGTH))?;
    let checksum = checksum(&headers)?;
    let has_body = announced(&headers)? != Some(0) && headers.contains_key(header::CONTENT_TYPE);
    if has_body && !is_of_type(&headers, wire::OFFSET_OCTET_STREAM) {
        return Err(Problem::new(ErrorCode::UnsupportedMediaType).into());
    }
    let new = described(&headers)?;
    charge_drop(&app, peer)?;
    let begun = app.drops.begin(new, length).await?;
    if !has_body {
        return begun_answer(&begun, begun.progress);
    }
    let body = Charged::new(&app, peer, body);
    let patience = body.patience();
    match app.drops.append(&begun.upload, 0, checksum, body.stream).await {
        Ok(progress) => begun_answer(&begun, progress),
        // It has begun all the same, and goes on from where it says.
        Err(Failure::DigestMismatch | Failure::QuotaExceeded | Failure::Interrupted | Failure::Busy) => {
            begun_answer(&begun, app.drops.progress(&begun.upload).await?)
        }
        Err(failure) => {
            // The sender is not told where to go on, so nobody ever would. What fails here is left to time.
            let _ = app.drops.end_upload(&begun.upload).await;
            Err(patience.problem(failure, problem).into())
        }
    }
}

fn described(headers: &HeaderMap) -> Result<NewDrop, Problem> {
    let metadata = text(headers, wire::UPLOAD_METADATA)?.unwrap_or_default();
    let metadata = wire::UploadMetadata::from_header(metadata).map_err(|error| invalid(error.to_string()))?;
    let shown = bearer(headers)?.map(|token| token.hash());
    let deleter = match (shown, metadata.deletion_token_hash.map(stored)) {
        (Some(shown), Some(named)) if shown != named => {
            return Err(invalid("two deletion tokens"));
        }
        (shown, named) => shown.or(named),
    };
    Ok(NewDrop {
        id: metadata.id.map(drop_id).transpose()?,
        deleter,
        access: metadata.access_hash.map(stored),
        unlock: metadata.unlock_hash.map(stored),
        info: metadata.info.map(wire::Info::into_bytes).unwrap_or_default(),
        expires_in: metadata.expires_in.map(Duration::from_secs),
    })
}

fn begun_answer(begun: &Begun, progress: Progress) -> Result<Response, Refused> {
    let document = wire::Transfer {
        id: transfer_id(begun.id)?,
        size: progress.whole.unwrap_or(progress.offset),
        expires_at: None,
        text: None,
        deletion_token: begun
            .deletion_token
            .as_ref()
            .map(|token| wire::DropToken::from_bytes(*token.expose())),
    };
    let mut response = document_answer(StatusCode::CREATED, document.to_json());
    let headers = response.headers_mut();
    let upload = wire::DropToken::from_bytes(*begun.upload.expose());
    insert(headers, header::LOCATION.as_str(), format!("{}{}", wire::BASE, wire::upload(&upload)));
    say(headers, &progress);
    Ok(response)
}

/// How far it is, and until when it may go on.
fn say(headers: &mut HeaderMap, progress: &Progress) {
    headers.insert(wire::UPLOAD_OFFSET, HeaderValue::from(progress.offset));
    insert(headers, wire::ID, progress.id.to_string());
    let seconds = progress.ends.get() / 1000;
    if progress.complete {
        insert(headers, wire::EXPIRES, wire::format_rfc3339(UnixSeconds::new(seconds)));
    } else if let Some(ends) = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) {
        insert(headers, wire::UPLOAD_EXPIRES, httpdate::fmt_http_date(ends));
    }
}

/// `HEAD`: how far it is.
pub(super) async fn progress(
    State(app): State<Arc<App>>,
    Upload(upload): Upload,
) -> Result<Response, Refused> {
    let progress = app.drops.progress(&upload).await?;
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    if let Some(whole) = progress.whole {
        headers.insert(wire::UPLOAD_LENGTH, HeaderValue::from(whole));
    }
    say(headers, &progress);
    Ok(response)
}

/// `PATCH`: the next piece.
pub(super) async fn append(
    State(app): State<Arc<App>>,
    peer: Peer,
    Upload(upload): Upload,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    if !is_of_type(&headers, wire::OFFSET_OCTET_STREAM) {
        return Err(Problem::new(ErrorCode::UnsupportedMediaType).into());
    }
    let offset = value::<u64>(&headers, wire::UPLOAD_OFFSET)?.ok_or_else(|| unusable(wire::UPLOAD_OFFSET))?;
    let checksum = checksum(&headers)?;
    let body = Charged::new(&app, peer, body);
    let patience = body.patience();
    let progress = match app.drops.append(&upload, offset, checksum, body.stream).await {
        Ok(progress) => progress,
        Err(Failure::DigestMismatch) => return Err(Problem::new(ErrorCode::ChecksumMismatch).into()),
        Err(failure @ Failure::QuotaExceeded) => return Err(patience.problem(failure, problem).into()),
        Err(failure) => return Err(failure.into()),
    };
    let mut response = StatusCode::NO_CONTENT.into_response();
    say(response.headers_mut(), &progress);
    Ok(response)
}

/// `DELETE`: ends the upload, or deletes what it became.
pub(super) async fn end(State(app): State<Arc<App>>, Upload(upload): Upload) -> Result<StatusCode, Refused> {
    app.drops.end_upload(&upload).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `Upload-Checksum`: an algorithm and a digest in base64.
fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Problem> {
    let Some(text) = text(headers, wire::UPLOAD_CHECKSUM)? else { return Ok(None) };
    let wrong = || unusable(wire::UPLOAD_CHECKSUM);
    let (algorithm, digest) = text.trim().split_once(' ').ok_or_else(wrong)?;
    let digest = STANDARD.decode(digest.trim()).map_err(|_| wrong())?;
    let checksum = match algorithm {
        "sha256" => digest.try_into().map(Checksum::Sha256),
        "sha1" => digest.try_into().map(Checksum::Sha1),
        _ => return Err(wrong()),
    };
    checksum.map(Some).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_name_their_algorithm() {
        let of = |value: &str| {
            let name = HeaderName::from_static(wire::UPLOAD_CHECKSUM);
            checksum(&HeaderMap::from_iter([(name, value.parse().unwrap())]))
        };
        assert_eq!(of(&format!("sha256 {}", STANDARD.encode([7; 32]))), Ok(Some(Checksum::Sha256([7; 32]))));
        assert_eq!(of(&format!("sha1 {}", STANDARD.encode([7; 20]))), Ok(Some(Checksum::Sha1([7; 20]))));
        assert_eq!(checksum(&HeaderMap::new()), Ok(None));
        for bad in ["sha256", "sha256 AAAA", "md5 AAAA", "sha1 !", ""] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
