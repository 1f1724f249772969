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
    State(floor): State<Duration>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let response = next.run(request).await;
    let missed =
        response.extensions().get::<Problem>().is_some_and(|problem| problem.code() == ErrorCode::DropGone);
    if missed {
        tokio::time::sleep_until(started + grid(started.elapsed(), floor)).await;
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
    use axum::{Router, body::Body, extract::Path, middleware, routing::get};
    use tower::ServiceExt as _;

    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// How long it takes to answer, in time that passes only when everybody waits.
    async fn time_of(path: &str) -> Duration {
        let handler = async |Path((code, millis)): Path<(String, u64)>| {
            tokio::time::sleep(ms(millis)).await;
            Problem::new(code.parse().unwrap())
        };
        let router = Router::new()
            .route("/{code}/{millis}", get(handler))
            .layer(middleware::from_fn_with_state(ms(25), misses_take_as_long));
        let started = Instant::now();
        router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        started.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_miss_takes_the_same_time_whatever_was_done_for_it() {
        for done in [0, 1, 7, 24] {
            assert_eq!(time_of(&format!("/drop_gone/{done}")).await, ms(25), "{done}");
        }
        assert_eq!(time_of("/drop_gone/26").await, ms(50));
        assert_eq!(time_of("/drop_gone/60").await, ms(75));
        // Everybody else waits for nothing.
        assert_eq!(time_of("/prefetch_refused/1").await, ms(1));
    }

    #[test]
    fn no_floor_is_none() {
        assert_eq!(grid(ms(7), ms(0)), ms(0));
        assert_eq!(grid(ms(25), ms(25)), ms(25));
    }
}
