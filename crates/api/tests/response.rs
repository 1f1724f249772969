//! Problem documents as HTTP answers.
#![cfg(feature = "axum")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

use api::{ErrorCode, PROBLEM_JSON, Problem};
use axum::response::IntoResponse;

#[test]
fn status_headers_and_extension() {
    for code in ErrorCode::ALL {
        let response = Problem::new(*code).into_response();
        assert_eq!(response.status().as_u16(), code.status());
        assert_eq!(response.headers()["content-type"], PROBLEM_JSON);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers().contains_key("www-authenticate"), code.status() == 401);
        assert_eq!(response.headers().contains_key("retry-after"), matches!(code.status(), 429 | 503 | 507));
        assert_eq!(response.extensions().get::<Problem>(), Some(&Problem::new(*code)));
    }
    let response = Problem::new(ErrorCode::RateLimited).with_retry_after(17).into_response();
    assert_eq!(response.headers()["retry-after"], "17");
}
