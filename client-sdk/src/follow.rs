//! Following a group: what is stored, then what comes, without a gap or a repeat.

use core::time::Duration;
use std::collections::VecDeque;

use api::events::Event;
use futures_util::{Stream, stream};

use crate::{
    entry::{Entry, Position},
    error::Error,
    group::Group,
    http::{Events, HttpError, jittered},
    live::{Live, blocking},
    session::Standing,
    store::StoreError,
};

/// Entries read from the store at once.
const PAGE: usize = 256;
/// First and longest wait before connecting again.
const WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));

struct Follower {
    group: Group,
    next: Position,
    ready: VecDeque<Entry>,
    events: Option<Events>,
    wait: Duration,
    /// The group ended for us; what is stored is delivered, then the stream ends.
    ended: bool,
    failed: bool,
}

impl Group {
    /// Position behind the last entry stored now.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn end(&self) -> Result<Position, Error> {
        let (store, id) = (self.client().inner.store.clone(), self.id());
        let last = blocking(move || store.read::<_, StoreError>(|tx| tx.last_entry(&id))).await??;
        Ok(Position(last.map_or(0, |(position, _)| position + 1)))
    }

    /// All entries from a position on, as they come: first those stored, then live. Each comes once, in order.
    ///
    /// A broken connection is made again by itself, as long as it takes. The stream ends when the group ends for this
    /// home (left, removed, closed) or with the first error that waiting does not mend.
    ///
    /// # Cancel safety
    /// Dropping the stream, or a future of its `next`, loses nothing: entries are stored before they are delivered, and
    /// following again from the position behind the last one goes on exactly there.
    pub fn follow(&self, from: Position) -> impl Stream<Item = Result<Entry, Error>> + Send + use<> {
        let follower = Follower {
            group: self.clone(),
            next: from,
            ready: VecDeque::new(),
            events: None,
            wait: WAITS.0,
            ended: false,
            failed: false,
        };
        stream::unfold(follower, |mut follower| async move {
            let item = follower.next().await?;
            Some((item, follower))
        })
    }
}

impl Follower {
    async fn next(&mut self) -> Option<Result<Entry, Error>> {
        if self.failed {
            return None;
        }
        loop {
            if let Some(entry) = self.ready.pop_front() {
                self.next = Position(entry.position.0 + 1);
                return Some(Ok(entry));
            }
            match self.group.entries(self.next, PAGE).await {
                Ok(entries) => self.ready.extend(entries),
                Err(error) => return self.fail(error),
            }
            if !self.ready.is_empty() {
                continue;
            }
            if self.ended {
                return None;
            }
            if let Err(error) = self.wait_for_news().await {
                if !error.is_retryable() && !is_unauthorised(&error) {
                    return self.fail(error);
                }
                tracing::debug!(code = error.code(), "the stream broke; connecting again");
                self.events = None;
                self.group.client().inner.forget_token(&self.group.id());
                self.group.client().inner.clock.sleep(jittered(self.wait)).await;
                self.wait = (self.wait * 2).min(WAITS.1);
            }
        }
    }

    fn fail(&mut self, error: Error) -> Option<Result<Entry, Error>> {
        self.failed = true;
        Some(Err(error))
    }

    /// Returns when there may be something new in the store.
    async fn wait_for_news(&mut self) -> Result<(), Error> {
        let Some(events) = &mut self.events else { return self.connect().await };
        match events.next().await? {
            Some(Event::Frame { frame, .. }) => {
                self.wait = WAITS.0;
                let served = frame.decode().map_err(|_| HttpError::BadAnswer("not a frame"))?;
                let live = self.group.load().await?;
                let next = live.session.next_seq();
                if served.seq > next {
                    // Another process of this home is behind, or the node skipped something: the log knows.
                    return self.after(live.sync().await?).await;
                }
                let (live, error) = live.take(vec![served]).await?;
                if error.is_some() {
                    return self.after(live.sync().await?).await;
                }
                self.after(live).await
            }
            Some(Event::Open { .. }) => Ok(()),
            Some(Event::Reset { .. } | Event::Problem(_)) | None => {
                self.events = None;
                self.group.client().inner.forget_token(&self.group.id());
                // A stream that ends before it told anything may do so again and again.
                self.group.client().inner.clock.sleep(jittered(self.wait)).await;
                self.wait = (self.wait * 2).min(WAITS.1);
                let live = self.group.load().await?.sync().await?;
                self.after(live).await
            }
        }
    }

    /// Catches up by pages, then opens the stream behind what was read.
    async fn connect(&mut self) -> Result<(), Error> {
        let live = self.group.load().await?.sync().await?;
        if !goes_on(&live) {
            self.ended = true;
            return Ok(());
        }
        let after = live.session.fold.seq();
        let token = live.token(false).await?.token;
        let node = live.node()?;
        drop(live);
        self.events = Some(node.events(&self.group.id(), after, &token).await?);
        Ok(())
    }

    /// What a member who is online owes the others: a removal somebody left half done is completed, unless another
    /// member is faster.
    async fn after(&mut self, live: Live) -> Result<(), Error> {
        if !goes_on(&live) {
            self.ended = true;
            return Ok(());
        }
        if live.session.fold.is_clean() {
            return Ok(());
        }
        drop(live);
        let clock = &self.group.client().inner.clock;
        clock.sleep(jittered(Duration::from_millis(500)) * 2).await;
        match self.group.heal().await {
            Err(error @ (Error::Forked { .. } | Error::Store(_))) => Err(error),
            // Somebody else got there first, or will. Reading goes on in any case.
            Err(error) => {
                tracing::debug!(code = error.code(), "a removal is left to others");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

/// Whether there is anything to wait for.
fn goes_on(live: &Live) -> bool {
    matches!(live.session.standing, Standing::Member | Standing::Invited | Standing::Lost)
}

fn is_unauthorised(error: &Error) -> bool {
    matches!(error, Error::Node { code } if matches!(code.status(), 401 | 403 | 404))
}
