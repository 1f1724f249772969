//! What operators and their machines ask of a process that answers nobody else.

use api::{ErrorCode, Problem, paths};
use axum::{Router, http::StatusCode, routing::get};

use crate::{health::Health, metrics::Exposition};

/// The paths of [`operators`]: the values of the `route` label.
pub const OPERATORS: &[&str] = &[paths::LIVE, paths::READY, paths::METRICS];

/// Measurements and health: `204` for a process that lives, and for one that is ready.
pub fn operators(exposition: Exposition, health: Health) -> Router {
    Router::new()
        .route(paths::LIVE, get(async || StatusCode::NO_CONTENT))
        .route(
            paths::READY,
            get(move || {
                let ready = health.ready().map(|()| StatusCode::NO_CONTENT);
                std::future::ready(ready)
            }),
        )
        .route(paths::METRICS, get(move || std::future::ready(exposition.clone())))
        .fallback(async || Problem::new(ErrorCode::NotFound))
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt as _;

    use super::*;
    use crate::{metrics::Metrics, shutdown};

    #[tokio::test]
    async fn health_and_measurements_and_nothing_else() {
        let (_trigger, stopping) = shutdown::channel();
        let health = Health::new(stopping);
        let part = health.part("part");
        let router = operators(Metrics::new().finish(), health);
        let status = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            router.clone().oneshot(request).await.unwrap().status().as_u16()
        };
        assert_eq!([status(paths::LIVE).await, status(paths::READY).await], [204, 503]);
        part.set(true);
        assert_eq!([status(paths::READY).await, status(paths::METRICS).await], [204, 200]);
        assert_eq!(status("/").await, 404);
    }
}
