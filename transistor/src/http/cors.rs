//! Programs of other origins: browsers ask whether they may, and are told which ones may.
//!
//! The page behind links is of the same origin and needs none of this.

use core::{fmt, str::FromStr};
use std::sync::Arc;

use api::{NodeOrigin, transistor as wire};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use super::App;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// What programs may send besides what every page may.
const SENT: &[&str] = &[
    "authorization",
    "content-type",
    "range",
    "if-range",
    wire::ACCESS,
    wire::UNLOCK,
    wire::CLAIM,
    wire::ACCESS_HASH,
    wire::UNLOCK_HASH,
    wire::INFO,
    wire::EXPIRES_IN,
    wire::REPR_DIGEST,
    wire::TUS_RESUMABLE,
    wire::UPLOAD_LENGTH,
    wire::UPLOAD_OFFSET,
    wire::UPLOAD_METADATA,
    wire::UPLOAD_CHECKSUM,
];
/// What programs may read besides what every page may.
const SHOWN: &[&str] = &[
    "accept-ranges",
    "content-range",
    "etag",
    "location",
    "retry-after",
    "x-request-id",
    wire::SIZE,
    wire::INFO,
    wire::EXPIRES,
    wire::ID,
    wire::TUS_RESUMABLE,
    wire::TUS_VERSION,
    wire::TUS_EXTENSION,
    wire::TUS_MAX_SIZE,
    wire::TUS_CHECKSUM_ALGORITHM,
    wire::UPLOAD_LENGTH,
    wire::UPLOAD_OFFSET,
    wire::UPLOAD_EXPIRES,
];
/// Seconds a browser may remember the answer.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");

/// An origin whose programs may use the interface: `https://app.example`, or `*` for every one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// All of them. Nothing here rests on who asks: there are no cookies, and whoever has a token may use it.
    Any,
    /// This one.
    One(NodeOrigin),
}

/// Text that is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected an origin such as `https://app.example`, or `*`")]
pub struct OriginError;

impl FromStr for AllowedOrigin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        match text {
            "*" => Ok(Self::Any),
            origin => origin.parse().map(Self::One).map_err(|_| OriginError),
        }
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::One(origin) => fmt::Display::fmt(origin, f),
        }
    }
}

impl Serialize for AllowedOrigin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AllowedOrigin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Answers what browsers ask before they send, and says with every answer who may read it.
pub(super) async fn allow(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if app.cors.is_empty() {
        return next.run(request).await;
    }
    let allowed = allowed(&app.cors, request.headers());
    let asks = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if asks { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    let Some(allowed) = allowed else { return response };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    if asks {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        insert_list(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, SENT);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
    } else {
        insert_list(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN);
    }
    response
}

fn allowed(origins: &[AllowedOrigin], headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let may = |allowed: &AllowedOrigin| match allowed {
        AllowedOrigin::Any => true,
        AllowedOrigin::One(one) => one.as_str().as_bytes() == origin.as_bytes(),
    };
    origins.iter().any(may).then(|| origin.clone())
}

fn insert_list(headers: &mut HeaderMap, name: header::HeaderName, names: &[&str]) {
    if let Ok(value) = HeaderValue::try_from(names.join(", ")) {
        headers.insert(name, value);
    }
}
