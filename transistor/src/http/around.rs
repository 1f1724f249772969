//! What is done around handlers.

use core::time::Duration;
use std::sync::Arc;

use api::{ErrorCode, Problem};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use service_kit::http::Peer;
use tokio::time::Instant;

use super::{App, problem::too_fast};

/// Takes one request from the peer's allowance.
pub(super) async fn charged(
    State(app): State<Arc<App>>,
    peer: Peer,
    request: Request,
    next: Next,
) -> Response {
    match peer.charge(&app.limits.requests) {
        Ok(()) => next.run(request).await,
        Err(wait) => too_fast(ErrorCode::RateLimited, wait).into_response(),
    }
}

/// Bounds the time of what is asked at a path where others send bodies.
pub(super) async fn timed(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(app.request_timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_elapsed) => Problem::new(ErrorCode::TimedOut).into_response(),
    }
}

/// Lets "nothing there" be answered at the same time after the request, whatever the reason, so that the time tells none.
/// Where it took longer, at the next multiple of that time.
pub(super) async fn misses_take_as_long(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let response = next.run(request).await;
    let missed =
        response.extensions().get::<Problem>().is_some_and(|problem| problem.code() == ErrorCode::DropGone);
    if missed {
        tokio::time::sleep_until(started + grid(started.elapsed(), app.miss_floor)).await;
    }
    response
}

/// The next multiple of `step` from `elapsed` on, at least one.
fn grid(elapsed: Duration, step: Duration) -> Duration {
    let steps = elapsed.as_nanos().div_ceil(step.as_nanos().max(1)).max(1);
    step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_hides_small_differences() {
        let ms = Duration::from_millis;
        for (elapsed, expected) in [(0, 25), (1, 25), (24, 25), (25, 25), (26, 50), (60, 75)] {
            assert_eq!(grid(ms(elapsed), ms(25)), ms(expected), "{elapsed}");
        }
        assert_eq!(grid(ms(7), ms(0)), ms(0));
    }
}
