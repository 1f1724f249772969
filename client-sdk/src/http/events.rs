//! An open event stream.

use core::{fmt, time::Duration};
use std::{collections::VecDeque, sync::Arc};

use api::events::Event;
use reqwest::Response;

use super::{HttpError, sse::Parser};
use crate::clock::{Clock, Sleep};

/// The events of one connection, in the order the node sends them and as it sends them: repeats and gaps are for the
/// reader to notice.
pub struct Events {
    response: Response,
    parser: Parser,
    ready: VecDeque<Event>,
    clock: Arc<dyn Clock>,
    silence: Duration,
    /// Ready once nothing was heard for `silence`. Kept here, so that it also ends when `next` is dropped and called
    /// anew more often than that.
    dead: Sleep,
}

impl Events {
    pub(super) fn new(response: Response, clock: Arc<dyn Clock>, silence: Duration) -> Self {
        let dead = clock.sleep(silence);
        Self { response, parser: Parser::default(), ready: VecDeque::new(), clock, silence, dead }
    }

    /// The next event, `None` when the node ended the stream. After an error the stream is of no use.
    ///
    /// # Errors
    /// [`HttpError::UnknownOutcome`] for a broken link and [`HttpError::Timeout`] for one on which not even a heartbeat
    /// was heard; [`HttpError::BadAnswer`] for what is no event.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: bytes are taken only when they have come.
    pub async fn next(&mut self) -> Result<Option<Event>, HttpError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            // What has come while the caller was busy counts before the time that was.
            let chunk = tokio::select! {
                biased;
                chunk = self.response.chunk() => chunk?,
                () = &mut self.dead => return Err(HttpError::Timeout),
            };
            let Some(chunk) = chunk else { return Ok(None) };
            self.dead = self.clock.sleep(self.silence);
            let ready = &mut self.ready;
            self.parser
                .push(&chunk, |event| ready.push_back(event))
                .map_err(|_| HttpError::BadAnswer("not an event"))?;
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("ready", &self.ready.len()).finish_non_exhaustive()
    }
}
