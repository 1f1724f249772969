//! Keeping up with a group's log across broken connections.

use core::{fmt, time::Duration};
use std::collections::VecDeque;

use api::{
    ErrorCode, Problem,
    events::{Event, Extent, RETRY_MS, ResetReason},
    frames::{EventId, ServedFrameBytes, StreamEpoch},
    token::Token,
};
use futures_util::{Stream, stream};
use protocol::{GroupId, Seq, ServedFrame};
use thiserror::Error;

use super::{Events, HttpError, NodeClient};

/// Frames asked for at once when a gap is filled.
const PAGE: u32 = 256;
/// Longest wait before connecting again, unless the node asks for more.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Longest wait the node can ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(300);
/// Streams in a row, none of which brings a frame, that may hold something wrong; and tokens in a row that may be
/// refused.
const STRIKES: u32 = 3;

/// From where to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Start {
    /// Position of the last frame that is known, `None` to begin with the first.
    pub after: Option<Seq>,
    /// The life of the log that position is from, where it is known: a log restored from a backup is then noticed.
    pub stream_epoch: Option<StreamEpoch>,
}

impl From<Option<Seq>> for Start {
    fn from(after: Option<Seq>) -> Self {
        Self { after, stream_epoch: None }
    }
}

impl From<Seq> for Start {
    fn from(after: Seq) -> Self {
        Some(after).into()
    }
}

impl From<EventId> for Start {
    fn from(id: EventId) -> Self {
        Self { after: Some(id.seq), stream_epoch: Some(id.stream_epoch) }
    }
}

/// What following a log gives.
#[derive(Debug)]
#[non_exhaustive]
pub enum Followed {
    /// The next frame: the position is one more than that of the last.
    Frame {
        /// The life of the log.
        stream_epoch: StreamEpoch,
        /// The frame.
        frame: Box<ServedFrame>,
    },
    /// The log does not go on from here, and the stream ends: the history is gone, or the log was restored.
    Reset {
        /// Why.
        reason: ResetReason,
        /// Where the log begins and ends.
        extent: Extent,
    },
    /// Connected. Frames up to this position were there already, later ones are live.
    Online {
        /// Position of the newest frame.
        head: Seq,
    },
    /// Not connected; after the wait it is tried again.
    Offline {
        /// What happened.
        error: HttpError,
        /// The wait.
        wait: Duration,
    },
}

/// Why no token could be given.
#[derive(Debug)]
pub enum TokenFailure<E> {
    /// Asking the node failed; where that is transient it is tried again like a broken stream.
    Http(HttpError),
    /// There will be none, and the stream ends.
    Final(E),
}

impl<E> From<HttpError> for TokenFailure<E> {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

/// Why following ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FollowError<E: core::error::Error + 'static> {
    /// The node refuses in a way that waiting does not mend, or keeps sending what is no stream of frames.
    #[error("the log cannot be followed")]
    Http(#[source] HttpError),
    /// There is no token.
    #[error("there is no token to follow with")]
    Token(#[source] E),
}

impl NodeClient {
    /// The frames of a group's log behind a position as they come, in order, each once, and without gaps.
    ///
    /// A link that breaks or falls silent is made again, with growing waits and as long as it takes; what the node
    /// leaves out is read from its pages. `tokens` is asked for a token at first and whenever the node refuses one, which
    /// it is then given. After [`Followed::Reset`] and after an error the stream ends.
    ///
    /// # Cancel safety
    /// Dropping a future of the stream's `next` loses nothing. A stream that was dropped is gone on with from the last
    /// frame it gave.
    pub fn follow<F, R, E>(
        &self,
        group: GroupId,
        start: Start,
        tokens: F,
    ) -> impl Stream<Item = Result<Followed, FollowError<E>>> + Send + use<F, R, E>
    where
        F: FnMut(Option<Token>) -> R + Send,
        R: Future<Output = Result<Token, TokenFailure<E>>> + Send,
        E: core::error::Error + Send + 'static,
    {
        let Start { after, stream_epoch } = start;
        let follower = Follower {
            client: self.clone(),
            group,
            tokens,
            token: None,
            refused: None,
            stream_epoch,
            after,
            link: None,
            gap: None,
            ready: VecDeque::new(),
            pause: None,
            failures: 0,
            strikes: 0,
            refusals: 0,
            ended: false,
        };
        stream::unfold(follower, |mut follower| async move {
            let item = follower.next().await?;
            Some((item, follower))
        })
    }
}

/// Frames the stream passed over: to be read up to here, and then the one it went on with.
struct Gap {
    until: Seq,
    then: Option<(EventId, ServedFrameBytes)>,
}

struct Follower<F> {
    client: NodeClient,
    group: GroupId,
    tokens: F,
    token: Option<Token>,
    refused: Option<Token>,
    stream_epoch: Option<StreamEpoch>,
    /// The last frame given out or ready to be.
    after: Option<Seq>,
    link: Option<Events>,
    gap: Option<Gap>,
    ready: VecDeque<Followed>,
    /// To be waited for before connecting.
    pause: Option<Duration>,
    /// Links in a row that broke before they opened.
    failures: u32,
    strikes: u32,
    refusals: u32,
    ended: bool,
}

impl<F> fmt::Debug for Follower<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("after", &self.after).finish_non_exhaustive()
    }
}

impl<F, R, E> Follower<F>
where
    F: FnMut(Option<Token>) -> R,
    R: Future<Output = Result<Token, TokenFailure<E>>>,
    E: core::error::Error + 'static,
{
    async fn next(&mut self) -> Option<Result<Followed, FollowError<E>>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(Ok(item));
            }
            if self.ended {
                return None;
            }
            let done = match self.step().await {
                Ok(()) => Ok(()),
                Err(TokenFailure::Http(error)) => self.recover(error).map_err(FollowError::Http),
                Err(TokenFailure::Final(error)) => Err(FollowError::Token(error)),
            };
            if let Err(error) = done {
                self.ended = true;
                return Some(Err(error));
            }
        }
    }

    /// Does one thing that takes time.
    async fn step(&mut self) -> Result<(), TokenFailure<E>> {
        if let Some(pause) = self.pause.take() {
            self.client.transport.clock.sleep(pause).await;
        }
        if self.token.is_none() {
            self.token = Some((self.tokens)(self.refused.take()).await?);
        }
        let Some(token) = &self.token else { return Ok(()) };
        if let Some(gap) = &self.gap {
            if self.wanted() < gap.until {
                let page = self.client.frames(&self.group, self.after, PAGE, false, token).await?;
                let extent =
                    Extent { stream_epoch: page.stream_epoch, head: page.head, horizon: page.horizon };
                if page.frames.is_empty() {
                    return Err(HttpError::BadAnswer("frames are missing").into());
                }
                for frame in page.frames {
                    self.take(extent, None, &frame)?;
                }
            } else if let Some((id, frame)) = self.gap.take().and_then(|gap| gap.then) {
                let extent = Extent { stream_epoch: id.stream_epoch, head: id.seq, horizon: Seq::ZERO };
                self.take(extent, Some(id.seq), &frame)?;
            }
            return Ok(());
        }
        let Some(link) = &mut self.link else {
            let last = self.stream_epoch.zip(self.after);
            let last = last.map(|(stream_epoch, seq)| EventId { stream_epoch, seq });
            self.link = Some(self.client.open_events(&self.group, self.after, last, token).await?);
            return Ok(());
        };
        match link.next().await? {
            Some(event) => self.see(event)?,
            // A node says why it ends a stream. What ends it without a word was on the way.
            None => return Err(HttpError::from(Problem::new(ErrorCode::TimedOut)).into()),
        }
        Ok(())
    }

    fn see(&mut self, event: Event) -> Result<(), HttpError> {
        match event {
            Event::Open { extent, next } => {
                self.failures = 0;
                self.refusals = 0;
                if self.is_another_life(extent) {
                    return Ok(());
                }
                self.ready.push_back(Followed::Online { head: extent.head });
                if next > self.wanted() {
                    self.gap = Some(Gap { until: next, then: None });
                }
            }
            Event::Frame { id, frame } if id.seq > self.wanted() => {
                self.gap = Some(Gap { until: id.seq, then: Some((id, frame)) });
            }
            Event::Frame { id, frame } => {
                let extent = Extent { stream_epoch: id.stream_epoch, head: id.seq, horizon: Seq::ZERO };
                self.take(extent, Some(id.seq), &frame)?;
            }
            Event::Reset { reason, extent } => self.reset(reason, extent),
            Event::Problem(problem) => return Err(problem.into()),
        }
        Ok(())
    }

    /// Makes a frame ready to be given out if it is the next one, and drops it if it was given out before.
    fn take(
        &mut self,
        extent: Extent,
        promised: Option<Seq>,
        bytes: &ServedFrameBytes,
    ) -> Result<(), HttpError> {
        if self.ended || self.is_another_life(extent) {
            return Ok(());
        }
        let frame = bytes.decode().map_err(|_| HttpError::BadAnswer("a frame that cannot be read"))?;
        if promised.is_some_and(|seq| seq != frame.seq) || frame.seq > self.wanted() {
            return Err(HttpError::BadAnswer("a frame of another position"));
        }
        if frame.seq == self.wanted() {
            self.after = Some(frame.seq);
            self.strikes = 0;
            self.ready
                .push_back(Followed::Frame { stream_epoch: extent.stream_epoch, frame: Box::new(frame) });
        }
        Ok(())
    }

    /// Notes which life of the log this is; another one than before is a reset that the node did not tell of.
    fn is_another_life(&mut self, extent: Extent) -> bool {
        let known = *self.stream_epoch.get_or_insert(extent.stream_epoch);
        if known != extent.stream_epoch {
            self.reset(ResetReason::Restored, extent);
        }
        known != extent.stream_epoch
    }

    fn reset(&mut self, reason: ResetReason, extent: Extent) {
        self.ready.push_back(Followed::Reset { reason, extent });
        self.ended = true;
        self.link = None;
    }

    fn wanted(&self) -> Seq {
        super::behind(self.after)
    }

    /// Decides whether an error is one to connect again after.
    fn recover(&mut self, error: HttpError) -> Result<(), HttpError> {
        let was_open = self.link.take().is_some();
        self.gap = None;
        if error.is_unauthorized() && self.token.is_some() {
            self.refused = self.token.take();
            self.refusals += 1;
            if self.refusals >= STRIKES {
                return Err(error);
            }
            // A token that had its time costs no wait; one that opens a stream and is then refused could go on for ever.
            if was_open || self.refusals > 1 {
                self.go_offline(error);
            }
            return Ok(());
        }
        if matches!(error, HttpError::BadAnswer(_)) {
            self.strikes += 1;
            if self.strikes >= STRIKES {
                return Err(error);
            }
        } else if !error.is_transient() {
            return Err(error);
        }
        self.go_offline(error);
        Ok(())
    }

    fn go_offline(&mut self, error: HttpError) {
        let first = Duration::from_millis(RETRY_MS.into());
        let doubled = first.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST_WAIT);
        self.failures = self.failures.saturating_add(1);
        let asked = error.retry_after().map(|seconds| Duration::from_secs(seconds.into()).min(LONGEST_ASKED));
        let wait = self.client.transport.options.jitter.spread(doubled.max(asked.unwrap_or_default()));
        tracing::debug!(
            wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            code = error.code().map(|code| code.code()),
            "the event stream broke"
        );
        self.pause = Some(wait);
        self.ready.push_back(Followed::Offline { error, wait });
    }
}
