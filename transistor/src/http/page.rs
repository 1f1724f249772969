//! The page behind links, the same for every one, and without a secret: that stands behind the `#`, which browsers do not
//! send.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

/// Its own program and style, requests to where it came from, and nothing else: whatever got into the page could not
/// send anything away.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// `GET /transistor/d`.
pub(super) async fn page() -> Response {
    let mut response = asset("text/html; charset=utf-8", include_str!("../../page/open.html"));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY.as_str(), POLICY),
        // No other page has a handle to this one, nor reads what it loads.
        ("cross-origin-opener-policy", "same-origin"),
        ("x-robots-tag", "noindex, nofollow"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// `GET /transistor/d/open.js`.
pub(super) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../../page/open.js"))
}

/// `GET /transistor/d/open.css`.
pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("../../page/open.css"))
}

fn asset(media_type: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}
