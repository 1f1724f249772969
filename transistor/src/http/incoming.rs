//! Bodies of clients, charged to them as they arrive.

use core::time::Duration;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use api::{ErrorCode, Problem};
use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use futures_util::StreamExt as _;
use service_kit::http::Peer;

use super::{App, extract::unusable, problem::too_fast};
use crate::drops::{Cut, Failure, Incoming};

/// Bytes that one unit of the allowance pays for.
const UNIT: u64 = 1024;

/// A body on its way in.
pub(super) struct Charged {
    pub(super) stream: Incoming,
    wait: Arc<AtomicU64>,
}

impl Charged {
    /// Every kilobyte that begins is taken from the peer's allowance before it is passed on.
    pub(super) fn new(app: &Arc<App>, peer: Peer, body: Body) -> Self {
        let wait = Arc::new(AtomicU64::new(0));
        let (app, until) = (Arc::clone(app), Arc::clone(&wait));
        let (mut received, mut paid) = (0_u64, 0_u64);
        let stream = body.into_data_stream().map(move |arrived| {
            let bytes = arrived.map_err(|_| Cut::Broken)?;
            received = received.saturating_add(bytes.len() as u64);
            let due = received.saturating_sub(paid).div_ceil(UNIT);
            let price = u32::try_from(due).unwrap_or(u32::MAX);
            app.limits.kilobytes.take(&peer, price).map_err(|wait| {
                until.store(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
                Cut::Quota
            })?;
            paid = paid.saturating_add(due.saturating_mul(UNIT));
            Ok(bytes)
        });
        Self { stream: stream.boxed(), wait }
    }

    /// How long the peer has to wait, for a body that was cut off.
    pub(super) fn patience(&self) -> Patience {
        Patience(Arc::clone(&self.wait))
    }
}

/// Knows how long a peer has to wait.
pub(super) struct Patience(Arc<AtomicU64>);

impl Patience {
    /// A failure of receiving, with the time to wait where that is what it takes.
    pub(super) fn problem(&self, failure: Failure, otherwise: impl FnOnce(Failure) -> Problem) -> Problem {
        if failure == Failure::QuotaExceeded {
            return too_fast(ErrorCode::QuotaExceeded, Duration::from_millis(self.0.load(Ordering::Relaxed)));
        }
        otherwise(failure)
    }
}

/// Bytes that `Content-Length` announces.
pub(super) fn announced(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    super::extract::value(headers, header::CONTENT_LENGTH.as_str())
        .map_err(|_| unusable(header::CONTENT_LENGTH.as_str()))
}
