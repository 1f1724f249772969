//! A group's task where other nodes write to the same log: listening while somebody follows here, and looking.
//!
//! What is heard on NATS only makes it fast. A message that is the next one, in code under the log's key, and fits the
//! frame inside it, is folded as the log's own record is; anything else is at most a reason to read the log. What is
//! not heard at all is found by looking, from time to time.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use frame_feed_nats::{FrameFeed, FrameMessage, Heard, Listening};
use frame_log::StoredRecord;
use protocol::{Frame, GroupId};
use tokio::{sync::Semaphore, time::Instant};

use super::{Book, task::Task};
use crate::{failure::Failure, metrics::HeardAs};

/// Groups compared with the log at once because something may have been missed; when NATS comes back, that is all who
/// are followed.
const LOOKS: usize = 16;

/// When to look again after the log did not answer.
const AGAIN: Duration = Duration::from_secs(2);

/// How a node hears of what others write.
#[derive(Debug)]
pub(crate) struct Others {
    /// NATS, if that is the way.
    pub(crate) feed: Option<FrameFeed>,
    /// How often a followed group is compared with the log, on average.
    pub(crate) look_every: Duration,
    looks: Semaphore,
}

impl Others {
    pub(crate) fn new(feed: Option<FrameFeed>, look_every: Duration) -> Self {
        Self { feed, look_every, looks: Semaphore::new(LOOKS) }
    }

    /// When to look next: spread, so that groups opened together do not look together for ever.
    fn next_look(&self) -> Instant {
        let mut random = [0; 1];
        // Without randomness the looks are merely not spread.
        let _given = getrandom::fill(&mut random);
        let [random] = random;
        Instant::now() + self.look_every / 2 + (self.look_every / 255) * u32::from(random)
    }
}

/// A task's own part of this.
#[derive(Debug, Default)]
pub(super) struct Attention {
    listening: Option<Listening>,
    /// When to look next, while somebody follows.
    look: Option<Instant>,
}

impl Attention {
    /// What is heard next. Never ends while nothing is listened to.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn heard(&mut self) -> Option<Heard> {
        match &mut self.listening {
            Some(listening) => listening.next().await,
            None => std::future::pending().await,
        }
    }

    /// When to look next.
    pub(super) const fn look(&self) -> Option<Instant> {
        self.look
    }
}

impl Task {
    /// Listens if somebody follows here, and not otherwise.
    pub(super) fn attend(&mut self) {
        let Some(others) = &self.env.others else { return };
        if self.shared.followers.load(Ordering::Acquire) == 0 {
            self.attention = Attention::default();
            return;
        }
        if self.attention.look.is_none() {
            self.attention.look = Some(others.next_look());
        }
        if self.attention.listening.is_none() {
            self.attention.listening = others.feed.as_ref().map(|feed| feed.watch(&self.shared.id));
        }
    }

    /// Compares with the log because it is time to.
    pub(super) async fn look_again(&mut self) -> Result<(), Failure> {
        self.attention.look = self.env.others.as_ref().map(Others::next_look);
        let found = self.look().await?;
        self.env.metrics.looked(found);
        Ok(())
    }

    /// Compares with the log, and reads what is new; whether there was something. Nothing where nobody else writes.
    pub(super) async fn look(&mut self) -> Result<bool, Failure> {
        let env = &self.env;
        let Some(others) = &env.others else { return Ok(false) };
        let head = {
            let _one_of_few = others.looks.acquire().await.map_err(|_| Failure::Stopping)?;
            env.store.head(&self.shared.id).await
        };
        let outcome = match head {
            Ok(head) if head > Some(self.book.state.seq()) => self.catch_up().await.map(|()| true),
            Ok(_) => Ok(false),
            Err(error) => Err(error.into()),
        };
        if outcome.is_err() && self.attention.look.is_some() {
            // What there was to find is still there.
            self.attention.look = Some(Instant::now() + AGAIN);
        }
        outcome
    }

    /// Does what is to be done about something heard.
    pub(super) async fn note(&mut self, heard: Option<Heard>) -> Result<(), Failure> {
        let was = match heard {
            Some(Heard::Frame(message)) => self.take_over(&message).await?,
            Some(Heard::Gap) => {
                self.look().await?;
                HeardAs::Gap
            }
            Some(Heard::OtherLife(_)) => HeardAs::OtherLife,
            // Whatever it is, it is not from this log, and no reason to ask the log anything.
            Some(_) => HeardAs::Refused,
            None => {
                self.attention.listening = None;
                return Ok(());
            }
        };
        self.env.metrics.heard(was);
        Ok(())
    }

    /// Folds a message that is the next one; reads the log for one that is further on.
    async fn take_over(&mut self, message: &FrameMessage) -> Result<HeardAs, Failure> {
        let (record, known) = (&message.record, self.book.state.seq());
        if record.seq <= known {
            return Ok(HeardAs::Known);
        }
        if Some(record.seq) != known.next() || record.frame.is_none() {
            self.catch_up().await?;
            return Ok(HeardAs::Ahead);
        }
        let (book, group, keys) = (Book::clone(&self.book), message.group, self.env.keys);
        let one = record.clone();
        let folded = move || {
            if fits(&book, &group, &one) { Book::fold(Some(book), &[one], keys).ok().flatten() } else { None }
        };
        match self.env.pool.run_patiently(folded).await? {
            Some(book) => {
                self.show_others(record.clone(), Arc::new(book));
                Ok(HeardAs::Folded)
            }
            None => {
                tracing::error!("a message of the feed does not fit its group, reading the log instead");
                self.catch_up().await?;
                Ok(HeardAs::Refused)
            }
        }
    }
}

/// Whether a record says of its frame what is true, and follows on the book.
fn fits(book: &Book, group: &GroupId, record: &StoredRecord) -> bool {
    let Some(Ok(frame)) = record.frame.as_ref().map(|bytes| Frame::decode(bytes)) else { return false };
    frame.hash() == record.th
        && frame.head().frame_id == record.frame_id
        && frame.head().group == *group
        && frame.kind().is_operation() == record.is_operation
        && record.epoch == book.state.epoch()
}
