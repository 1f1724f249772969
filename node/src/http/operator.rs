//! What operators and their machines ask.

use std::sync::Arc;

use api::Problem;
use axum::{extract::State, http::StatusCode};
use service_kit::metrics::Exposition;

use super::App;

/// `GET /health/live`: the process runs.
pub(crate) async fn live() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// `GET /health/ready`: the process should be given work.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<StatusCode, Problem> {
    app.health.ready().map(|()| StatusCode::NO_CONTENT)
}

/// `GET /metrics`: measurements as Prometheus reads them.
pub(crate) async fn metrics(State(exposition): State<Exposition>) -> Exposition {
    exposition
}
