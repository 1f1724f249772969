//! Problem documents as axum responses.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{PROBLEM_JSON, Problem};
use crate::ErrorCode;

impl IntoResponse for Problem {
    /// The document with its status, `Retry-After`, and for a status of 401 the challenge RFC 9110 asks for.
    ///
    /// The problem is also put into the response's extensions, where a layer further out can find it to complete it.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.to_json()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for ErrorCode {
    fn into_response(self) -> Response {
        Problem::new(self).into_response()
    }
}
