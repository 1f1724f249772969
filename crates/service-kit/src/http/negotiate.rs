//! Bodies in, bodies out, in the format the client speaks.

use api::{Body, ErrorCode, Format, Problem};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, rejection::BytesRejection},
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;

/// The format the client wants its answer in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted(pub Format);

impl<S: Sync> FromRequestParts<S> for Accepted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let accept = match parts.headers.get(header::ACCEPT) {
            Some(value) => Some(value.to_str().map_err(|_| Problem::new(ErrorCode::NotAcceptable))?),
            None => None,
        };
        Format::from_accept(accept).map(Self).ok_or_else(|| Problem::new(ErrorCode::NotAcceptable))
    }
}

impl Accepted {
    /// An answer in this format.
    #[must_use]
    pub const fn answer<B: Body>(self, body: B) -> Answer<B> {
        Answer { format: self.0, body }
    }
}

/// A body to send.
#[derive(Debug, Clone, Copy)]
pub struct Answer<B> {
    format: Format,
    body: B,
}

impl<B: Body> IntoResponse for Answer<B> {
    fn into_response(self) -> Response {
        let mut response = self.body.encode(self.format).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.format.content_type()));
        headers.insert(header::VARY, HeaderValue::from_static("accept"));
        response
    }
}

/// A body received, in the format its `Content-Type` names.
#[derive(Debug, Clone, Copy)]
pub struct Payload<B>(pub B);

impl<S: Send + Sync, B: Body> FromRequest<S> for Payload<B> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        // Before the body is read: what cannot be understood need not be received.
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let format = content_type
            .and_then(Format::from_content_type)
            .ok_or_else(|| Problem::new(ErrorCode::UnsupportedMediaType))?;
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| refuse(&rejection))?;
        B::decode(format, &bytes)
            .map(Self)
            .map_err(|error| Problem::new(ErrorCode::InvalidRequest).with_detail(error.to_string()))
    }
}

fn refuse(rejection: &BytesRejection) -> Problem {
    match rejection.status().as_u16() {
        413 => Problem::new(ErrorCode::PayloadTooLarge),
        // The connection broke, or the framing did.
        _ => Problem::new(ErrorCode::InvalidRequest).with_detail("the body could not be read"),
    }
}

/// A query, of a type that refuses what it does not know.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // The rejection's text quotes the query.
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        let axum::extract::Query(query) = query.map_err(|_| {
            Problem::new(ErrorCode::InvalidRequest)
                .with_detail("the query has a missing, unknown or wrong parameter")
        })?;
        Ok(Self(query))
    }
}
