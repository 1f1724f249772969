//! Following a group: catch up from the log, then live from the tail, and back to the log whenever behind.
//!
//! A follower remembers one thing, the next position it owes. It is driven by its reader: nothing is fetched before
//! the reader has taken what was fetched before, so a slow reader costs one page and never holds up the group. What a
//! group appends between two of its looks is found at the next one, because the book is published before anybody is
//! woken, and the wake is remembered: there is no moment at which a frame could slip through.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use api::{
    ErrorCode, Problem,
    events::{Event, Extent, ResetReason},
    frames::{EventId, ServedFrameBytes, StreamEpoch},
    token::Scope,
};
use bytes::Bytes;
use frame_log::{Limit, StoredRecord};
use protocol::{GroupId, Seq};
use service_kit::shutdown::Shutdown;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    access::Grant,
    config::FollowSettings,
    failure::Failure,
    group::{Book, Env, FollowGuard, Group, Groups},
    metrics::{Cut, Replay},
    served,
};

/// Frames of the tail taken at once; their bytes are shared by all followers.
const TAIL_BATCH: usize = 32;
/// Frames of one page of the log.
const PAGE_FRAMES: usize = 64;
/// Bytes of one page of the log, which is what a slow reader costs.
const PAGE_BYTES: usize = 128 * 1024;

/// What a follower gives its reader.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// An event.
    Event(Event),
    /// Nothing has happened for a while.
    Heartbeat,
}

/// Where a reader wants to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// With what comes.
    Now,
    /// At a position.
    At(Seq),
    /// After an event seen before.
    After(EventId),
}

/// One reader's way through one group's log.
#[derive(Debug)]
pub(crate) struct Follower {
    env: Arc<Env>,
    groups: Groups,
    group: Group,
    books: watch::Receiver<Arc<Book>>,
    guard: FollowGuard,
    id: GroupId,
    grant: Grant,
    settings: FollowSettings,
    shutdown: Shutdown,
    stream_epoch: StreamEpoch,
    next: Seq,
    /// Everything up to here was appended while the grant stood.
    checked: Seq,
    ready: VecDeque<Ready>,
    /// Since when the reader has been behind the tail, after having been up to date.
    behind: Option<Instant>,
    was_live: bool,
    ends: Instant,
    over: bool,
}

/// What every follower of a node is made with.
#[derive(Debug, Clone)]
pub(crate) struct FollowContext {
    pub(crate) groups: Groups,
    pub(crate) settings: FollowSettings,
    pub(crate) shutdown: Shutdown,
    pub(crate) stream_epoch: StreamEpoch,
}

impl Follower {
    /// A follower of `group` for a reader whose grant stands now.
    pub(crate) fn new(context: &FollowContext, group: Group, grant: Grant, start: Start) -> Self {
        let mut books = group.watch();
        let book = Arc::clone(&books.borrow_and_update());
        let head = book.state.seq();
        let extent = Extent { stream_epoch: context.stream_epoch, head, horizon: book.horizon };
        // One past the head is where the next frame will be; a position beyond that was never given.
        let next_new = head.next().unwrap_or(head);
        let (next, reset) = match start {
            Start::Now => (next_new, None),
            Start::At(seq) => (seq, None),
            Start::After(id) if id.stream_epoch != context.stream_epoch => {
                (next_new, Some(ResetReason::Restored))
            }
            Start::After(id) => (id.seq.next().unwrap_or(id.seq), None),
        };
        let reset = match reset {
            Some(reason) => Some(reason),
            None if next < book.horizon => Some(ResetReason::HistoryGap),
            None if next > next_new => Some(ResetReason::Restored),
            None => None,
        };
        let first = match reset {
            Some(reason) => Event::Reset { reason, extent },
            None => Event::Open { extent, next },
        };
        Self {
            env: Arc::clone(context.groups.env()),
            groups: context.groups.clone(),
            guard: group.followed(),
            id: group.id(),
            group,
            books,
            grant,
            settings: context.settings.clone(),
            shutdown: context.shutdown.clone(),
            stream_epoch: context.stream_epoch,
            next,
            checked: head,
            ready: VecDeque::from([Ready::Event(first)]),
            behind: None,
            was_live: false,
            ends: Instant::now() + context.settings.max_age.get(),
            over: reset.is_some(),
        }
    }

    /// The next thing for the reader; `None` once the stream has said its last.
    ///
    /// # Cancel safety
    /// Nothing is lost: what was fetched and not handed over is fetched again.
    pub(crate) async fn next(&mut self) -> Option<Delivery> {
        loop {
            match self.ready.pop_front() {
                Some(Ready::Event(event)) => return Some(Delivery::Event(event)),
                Some(Ready::Frame(seq, bytes)) => {
                    let id = EventId { stream_epoch: self.stream_epoch, seq };
                    let frame = ServedFrameBytes::new(bytes.to_vec());
                    return Some(Delivery::Event(Event::Frame { id, frame }));
                }
                None => {}
            }
            if self.over {
                return None;
            }
            match self.fetch().await {
                Ok(true) => {}
                Ok(false) => match self.wait().await {
                    Woken::News => {}
                    Woken::Silence => return Some(Delivery::Heartbeat),
                    Woken::Gone => self.reopen().await,
                    Woken::Stopping => self.end(Cut::Stopping, Problem::new(ErrorCode::ShuttingDown)),
                    Woken::Aged => self.end(Cut::Aged, Problem::new(ErrorCode::TokenExpired)),
                },
                Err(failure) => self.end(Cut::Failed, failure.into()),
            }
        }
    }

    /// Puts what there is into `ready`; `false` when the reader is up to date.
    async fn fetch(&mut self) -> Result<bool, Failure> {
        if self.shutdown.is_requested() {
            self.end(Cut::Stopping, Problem::new(ErrorCode::ShuttingDown));
            return Ok(true);
        }
        let book = Arc::clone(&self.books.borrow_and_update());
        let head = book.state.seq();
        let stands = self.stands(&book);
        if stands {
            self.checked = self.checked.max(head);
            if self.next > head {
                self.behind = None;
                self.was_live = true;
                return Ok(false);
            }
        }
        if let Some(items) = self.group.tail().from(self.next, TAIL_BATCH) {
            self.behind = None;
            self.env.metrics.followed(Replay::Tail, items.len());
            for item in items {
                // The tail may be ahead of the book: every operation not yet covered by a check has its own, and one
                // that took the reader's rights is the last frame it sees.
                let unchecked = item.record.seq > self.checked;
                let revoked = unchecked && item.changed.as_ref().is_some_and(|after| !self.stands(after));
                let bytes = if self.grant.scope() == Scope::Full { item.full() } else { item.heads() };
                self.deliver(item.record.seq, bytes);
                if revoked {
                    self.revoke();
                    return Ok(true);
                }
            }
            if !stands && self.next > head {
                self.revoke();
            }
            return Ok(true);
        }
        if !stands {
            // Which of the frames between took the rights cannot be told from here; it is asked for separately.
            self.revoke();
            return Ok(true);
        }
        if self.lags() {
            self.end(Cut::Lagged, Problem::new(ErrorCode::FollowerLagged));
            return Ok(true);
        }
        self.fetch_page(&book).await?;
        Ok(true)
    }

    fn stands(&self, book: &Book) -> bool {
        self.grant.stands(book, self.env.clock.now())
    }

    /// A page of the log, up to the position at which the reader's rights were checked.
    async fn fetch_page(&mut self, book: &Book) -> Result<(), Failure> {
        let page = self.env.store.read(&self.id, self.next, Limit::new(PAGE_FRAMES, PAGE_BYTES)).await?;
        let records: Vec<StoredRecord> =
            page.records.into_iter().take_while(|record| record.seq <= book.state.seq()).collect();
        if records.is_empty() {
            // Published, but not in the log: the log has lost what it had acknowledged.
            return Err(Failure::Internal);
        }
        if let Some(horizon) = book.horizon_shown_by(&records) {
            self.groups.raise_horizon(&self.id, horizon).await?;
            return Err(Failure::HistoryGap { horizon });
        }
        self.env.metrics.followed(Replay::Log, records.len());
        for record in records {
            let bytes = if self.grant.scope() == Scope::Full {
                served::full(&record)
            } else {
                served::heads(&record)
            };
            self.deliver(record.seq, bytes);
        }
        Ok(())
    }

    fn deliver(&mut self, seq: Seq, bytes: Bytes) {
        self.ready.push_back(Ready::Frame(seq, bytes));
        self.next = seq.next().unwrap_or(seq);
    }

    /// Whether a reader that was up to date has been behind the tail for too long.
    fn lags(&mut self) -> bool {
        if !self.was_live {
            return false;
        }
        let since = *self.behind.get_or_insert_with(Instant::now);
        since.elapsed() >= self.settings.lag_grace.get()
    }

    async fn wait(&mut self) -> Woken {
        let silence: Duration = self.settings.heartbeat.get();
        // A ticket runs out by the clock alone, so silence is also the time to look again.
        tokio::select! {
            changed = self.books.changed() => if changed.is_ok() { Woken::News } else { Woken::Gone },
            () = self.shutdown.requested() => Woken::Stopping,
            () = sleep_until(self.ends) => Woken::Aged,
            () = sleep_until(Instant::now() + silence) => Woken::Silence,
        }
    }

    /// Goes on with a new task of the same group, after the old one ended.
    async fn reopen(&mut self) {
        match self.groups.open(&self.id).await {
            Ok(Some(group)) => {
                self.guard = group.followed();
                self.books = group.watch();
                self.group = group;
            }
            Ok(None) => self.end(Cut::Failed, Failure::Internal.into()),
            Err(Failure::Stopping) => self.end(Cut::Stopping, Problem::new(ErrorCode::ShuttingDown)),
            Err(failure) => self.end(Cut::Failed, failure.into()),
        }
    }

    fn revoke(&mut self) {
        self.end(Cut::Revoked, Problem::new(ErrorCode::TokenRevoked));
    }

    fn end(&mut self, cut: Cut, problem: Problem) {
        self.env.metrics.follower_cut(cut);
        self.ready.push_back(Ready::Event(Event::Problem(problem)));
        self.over = true;
    }
}

/// What waits for the reader. Bytes of frames stay shared until they are handed over.
#[derive(Debug)]
enum Ready {
    Event(Event),
    Frame(Seq, Bytes),
}

/// Why a wait ended.
enum Woken {
    News,
    Silence,
    Gone,
    Stopping,
    Aged,
}
