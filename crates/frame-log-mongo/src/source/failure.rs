//! What an error of the driver means to whoever follows a source.

use std::time::Duration;

use frame_log::SourceError;
use mongodb::error::Error;
use tokio::time::timeout;

use crate::error::describe;

/// Answers after which a resume token is of no more use.
///
/// | code | the server's name for it |
/// |---|---|
/// | 136 | `CappedPositionLost`, the oplog was cut beyond the place |
/// | 260 | `InvalidResumeToken` |
/// | 280 | `ChangeStreamFatalError` |
/// | 286 | `ChangeStreamHistoryLost` |
/// | 40576 | the oplog does not reach back to the place |
/// | 40615 | the event the token names is not there |
/// | 40647 | the token is not one |
/// | 40649, 50811 | the token's bytes are not its own |
const LOST: [i32; 9] = [136, 260, 280, 286, 40_576, 40_615, 40_647, 40_649, 50_811];

/// The label servers put on errors of a change stream that would come again.
const NOT_RESUMABLE: &str = "NonResumableChangeStreamError";

/// What is left of a source after `error`, which is told to people.
pub(super) fn of(error: &Error) -> SourceError {
    let (kind, code) = describe(error);
    let lost = code.is_some_and(|code| LOST.contains(&code)) || error.contains_label(NOT_RESUMABLE);
    tracing::warn!(kind, code, lost, "a source of records stops");
    if lost { SourceError::Lost } else { SourceError::Unavailable }
}

/// The outcome of an operation that must not take longer than `patience`.
///
/// The driver does not bound how long a server may be silent after it was connected to.
pub(super) async fn within<T>(
    patience: Duration,
    operation: impl IntoFuture<Output = Result<T, Error>>,
) -> Result<T, SourceError> {
    match timeout(patience, operation.into_future()).await {
        Ok(outcome) => outcome.map_err(|error| of(&error)),
        Err(_) => {
            tracing::warn!(?patience, "the database does not answer");
            Err(SourceError::Unavailable)
        }
    }
}

#[cfg(test)]
mod tests {
    use mongodb::{
        bson::{deserialize_from_document, doc},
        error::{CommandError, ErrorKind},
    };

    use super::*;

    fn command(code: i32, name: &str) -> Error {
        let answer = doc! { "code": code, "codeName": name, "errmsg": "text" };
        ErrorKind::Command(deserialize_from_document::<CommandError>(answer).unwrap()).into()
    }

    #[test]
    fn tokens_that_are_dead_are_told_from_servers_that_are_away() {
        for code in LOST {
            assert_eq!(of(&command(code, "Dead")), SourceError::Lost, "{code}");
        }
        for (code, name) in
            [(13, "Unauthorized"), (43, "CursorNotFound"), (189, "PrimarySteppedDown"), (40_573, "")]
        {
            assert_eq!(of(&command(code, name)), SourceError::Unavailable, "{name}");
        }
        assert_eq!(
            of(&std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()),
            SourceError::Unavailable
        );
    }

    #[tokio::test(start_paused = true)]
    async fn silence_has_an_end() {
        let never = std::future::pending::<Result<(), Error>>();
        assert_eq!(within(Duration::from_secs(3), never).await, Err(SourceError::Unavailable));
    }
}
