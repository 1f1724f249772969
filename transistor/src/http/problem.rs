//! Failures of drops as problem documents: one exhaustive match.

use core::time::Duration;

use api::{ErrorCode, Problem, transistor as wire};
use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use drop_state::Refusal;

use crate::drops::Failure;

/// A failed request: the problem, and the header that some of them are answered with.
#[derive(Debug)]
pub(super) struct Refused {
    problem: Problem,
    header: Option<(&'static str, HeaderValue)>,
}

impl Refused {
    pub(super) const fn with(problem: Problem, name: &'static str, value: HeaderValue) -> Self {
        Self { problem, header: Some((name, value)) }
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problem, header: None }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        let header = if let Failure::Refused(Refusal::Offset { at }) = failure {
            Some((wire::UPLOAD_OFFSET, HeaderValue::from(at)))
        } else if let Failure::RangeNotSatisfiable { size } = failure {
            let value = HeaderValue::try_from(format!("bytes */{size}")).ok();
            value.map(|value| (header::CONTENT_RANGE.as_str(), value))
        } else {
            None
        };
        Self { problem: problem(failure), header }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = self.problem.into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// What a client is told of a failure.
pub(super) fn problem(failure: Failure) -> Problem {
    match failure {
        Failure::Refused(refusal) => refused(refusal),
        Failure::TooLarge { max } => {
            Problem::new(ErrorCode::PayloadTooLarge).with_detail(format!("at most {max} bytes"))
        }
        Failure::InfoTooLong { max } => {
            Problem::new(ErrorCode::InvalidRequest).with_detail(format!("the info has at most {max} bytes"))
        }
        Failure::BadExpiry { max_seconds } => {
            Problem::new(ErrorCode::BadExpiry).with_detail(format!("1 to {max_seconds} seconds"))
        }
        Failure::BadCopies { max } => {
            Problem::new(ErrorCode::InvalidRequest).with_detail(format!("1 to {max} copies"))
        }
        Failure::RangeNotSatisfiable { .. } => Problem::new(ErrorCode::RangeNotSatisfiable),
        Failure::DigestMismatch => Problem::new(ErrorCode::DigestMismatch),
        Failure::LengthMismatch | Failure::Interrupted => Problem::new(ErrorCode::UploadBroken),
        Failure::QuotaExceeded => Problem::new(ErrorCode::QuotaExceeded),
        Failure::UploadBusy | Failure::Busy => Problem::new(ErrorCode::Busy),
        Failure::StorageFull => Problem::new(ErrorCode::StorageFull),
        Failure::StorageUnavailable => Problem::new(ErrorCode::StorageUnavailable),
        Failure::StorageFailed => Problem::new(ErrorCode::StorageFailed),
        Failure::Stopping => Problem::new(ErrorCode::ShuttingDown),
    }
}

fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Exists => Problem::new(ErrorCode::DropExists),
        Refusal::WrongPassword { left } => {
            Problem::new(ErrorCode::PasswordWrong).with_detail(format!("Attempts left: {left}."))
        }
        Refusal::NotText => Problem::new(ErrorCode::NotAcceptable),
        Refusal::Offset { .. } => Problem::new(ErrorCode::UploadOffset),
        Refusal::TooLong => Problem::new(ErrorCode::UploadBroken),
        // Also for what a later version of the rules may refuse: it says least.
        Refusal::Gone | _ => Problem::new(ErrorCode::DropGone),
    }
}

/// Somebody who has to wait.
pub(super) fn too_fast(code: ErrorCode, wait: Duration) -> Problem {
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
    Problem::new(code).with_retry_after(seconds)
}
