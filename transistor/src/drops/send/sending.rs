//! A body outside the database on its way to one reader.

use core::{future::ready, ops::Range, time::Duration};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Buf as _, Bytes};
use drop_state::{Command, DropId, Given, Millis, Refusal, TokenHash};
use futures_util::StreamExt as _;
use service_kit::metrics::Held;
use tokio::{sync::OwnedSemaphorePermit, task::JoinHandle, time::sleep};

use super::super::{Drops, Ended, Failure, Outgoing, millis};
use crate::{
    bodies::BodyError,
    store::{BodyKey, Segment},
};

/// Bytes that are handed on at once. Copied out of the piece, so that the piece is not kept by whoever sends slowly.
const CHUNK: u64 = 128 * 1024;
/// Bytes that are given at once, at least: below 64 of these a body takes fewer writes than it has slices.
const UNIT: u64 = 1024 * 1024;

/// Sends a range, piece by piece, with the next one fetched ahead.
///
/// Every byte is given before it is sent, and the lease is renewed as long as the reader takes bytes.
pub(super) struct Sending {
    drops: Drops,
    id: DropId,
    by: TokenHash,
    given: Given,
    key: BodyKey,
    /// Pieces with something of the range, that were not asked for yet.
    segments: VecDeque<Segment>,
    /// What is left of the range.
    left: Range<u64>,
    /// Bytes that may be sent end here.
    given_to: u64,
    /// By the clock that leases are measured with.
    renewed: Millis,
    /// Fetched: what follows at the beginning of `left`.
    piece: Bytes,
    next: Option<Ahead>,
    /// Whether the drop is to be erased when this ends, however it does.
    confirm: bool,
    over: bool,
    _permit: OwnedSemaphorePermit,
    _sending: Held,
}

/// A sending while nobody asks for more of it. A reader that asks for nothing as long as a lease lasts has lost its claim
/// by that, and must not go on taking the place and the memory of others.
struct Waiting {
    slot: Arc<Mutex<Option<Sending>>>,
    watch: Option<Watch>,
}

/// A task that ends with this.
struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // At once: the task that is told to end may hold the slot for a moment longer.
        drop(self.take());
    }
}

impl Waiting {
    fn take(&self) -> Option<Sending> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&mut self, sending: Sending, patience: Duration) {
        let over = sending.over;
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(sending);
        if over {
            return;
        }
        let slot = Arc::clone(&self.slot);
        self.watch = Some(Watch(tokio::spawn(async move {
            sleep(patience).await;
            let left = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(left);
        })));
    }
}

/// A piece that is being fetched.
struct Ahead {
    segment: Segment,
    task: JoinHandle<Result<Bytes, BodyError>>,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sending {
    /// Fetches the first piece. Nothing is given by that.
    pub(super) async fn open(
        drops: &Drops,
        id: DropId,
        by: TokenHash,
        given: &Given,
        range: Range<u64>,
    ) -> Result<Self, Failure> {
        let permit = Drops::permit(&drops.0.readers)?;
        let parts = drops.0.store.parts(given.body).await;
        let parts = parts.map_err(|error| drops.store_failed("find the pieces of a body", &error))?;
        let parts = parts.ok_or(Failure::Refused(Refusal::Gone))?;
        let overlaps = |segment: &Segment| {
            segment.start < range.end && range.start < segment.start.saturating_add(segment.len)
        };
        let mut sending = Self {
            drops: drops.clone(),
            id,
            by,
            given: *given,
            key: parts.key,
            segments: parts.segments.into_iter().filter(overlaps).collect(),
            given_to: range.start,
            left: range,
            renewed: drops.now(),
            piece: Bytes::new(),
            next: None,
            confirm: false,
            over: false,
            _permit: permit,
            _sending: drops.0.metrics.sending.hold(),
        };
        sending.fetch().await?;
        Ok(sending)
    }

    /// Everything was given already, and the drop is to be erased when this ends.
    pub(super) fn all_given(mut self) -> Self {
        self.given_to = self.left.end;
        self.confirm = true;
        self
    }

    pub(super) fn into_stream(self) -> Outgoing {
        let patience = self.drops.0.settings.lease.get();
        let mut waiting = Waiting { slot: Arc::default(), watch: None };
        waiting.put(self, patience);
        futures_util::stream::unfold(waiting, move |mut waiting| async move {
            waiting.watch = None;
            let Some(mut sending) = waiting.take() else { return Some((Err(Ended::Gone), waiting)) };
            let chunk = sending.chunk().await?;
            match chunk {
                Ok(_) => waiting.put(sending, patience),
                Err(ended) => sending.end(Some(Err(ended))),
            }
            Some((chunk, waiting))
        })
        // After an error nothing follows.
        .scan(false, |over, chunk: Result<Bytes, Ended>| {
            ready(if core::mem::replace(over, chunk.is_err()) { None } else { Some(chunk) })
        })
        .boxed()
    }

    /// Gives what is sent next: whole slices, so that a body of any size takes at most about 64 writes, and a small one
    /// one for each megabyte.
    pub(super) async fn give_next(&mut self) -> Result<(), Failure> {
        let start = self.left.start;
        let end = unit_end(start, self.given.size).min(self.left.end);
        let now = self.drops.now();
        self.drops.give(self.id, self.by, start..end).await?;
        (self.given_to, self.renewed) = (end, now);
        Ok(())
    }

    async fn chunk(&mut self) -> Option<Result<Bytes, Ended>> {
        if self.over {
            return None;
        }
        if self.left.is_empty() {
            self.finish().await;
            return None;
        }
        if let Err(failure) = self.prepare().await {
            let gone = matches!(failure, Failure::Refused(_));
            return Some(Err(if gone { Ended::Gone } else { Ended::Failed }));
        }
        let given = self.given_to.saturating_sub(self.left.start);
        let len = given.min(CHUNK).min(self.piece.len() as u64);
        let chunk = Bytes::copy_from_slice(self.piece.get(..super::index(len)).unwrap_or_default());
        self.piece.advance(chunk.len());
        if self.piece.is_empty() {
            // What is left of an empty piece is its memory.
            self.piece = Bytes::new();
        }
        self.left.start = self.left.start.saturating_add(len);
        self.drops.0.metrics.sent_bytes.inc_by(len);
        if self.left.is_empty() {
            // Not after it: whoever has counted the bytes does not ask for the end.
            self.finish().await;
        }
        Some(Ok(chunk))
    }

    /// Sees to it that there is a byte that may be sent.
    async fn prepare(&mut self) -> Result<(), Failure> {
        if self.piece.is_empty() {
            self.fetch().await?;
        }
        if self.left.start >= self.given_to { self.give_next().await } else { self.renew().await }
    }

    async fn renew(&mut self) -> Result<(), Failure> {
        let (now, lease) = (self.drops.now(), millis(self.drops.0.settings.lease.get()));
        if now > self.renewed.after(lease / 4) {
            let at = self.left.start;
            self.drops.give(self.id, self.by, at..at).await?;
            self.renewed = now;
        }
        Ok(())
    }

    async fn fetch(&mut self) -> Result<(), Failure> {
        if self.left.is_empty() {
            return Ok(());
        }
        let next = self.next.take().or_else(|| self.ahead());
        let fetched = match next {
            None => Err(BodyError::Damaged("a body has fewer pieces than bytes")),
            Some(mut ahead) => match (&mut ahead.task).await {
                Ok(fetched) => fetched.and_then(|bytes| self.rest_of(ahead.segment, bytes)),
                Err(_) => Err(BodyError::Damaged("reading a piece panicked")),
            },
        };
        match fetched {
            Ok(piece) => {
                self.piece = piece;
                self.next = self.ahead();
                Ok(())
            }
            // The drop may have ended, and its body with it, which is no failure.
            Err(BodyError::Missing) => {
                let at = self.left.start;
                self.drops.give(self.id, self.by, at..at).await?;
                Err(self.drops.bodies_failed("read a piece of a body", &BodyError::Missing))
            }
            Err(error) => Err(self.drops.bodies_failed("read a piece of a body", &error)),
        }
    }

    /// Begins to fetch the next piece.
    fn ahead(&mut self) -> Option<Ahead> {
        let segment = self.segments.pop_front()?;
        let (bodies, body, key) = (self.drops.0.bodies.clone(), self.given.body, self.key.clone());
        let task = tokio::spawn(async move { bodies.get(body, &key, segment).await });
        Some(Ahead { segment, task })
    }

    /// The part of a piece that is left to be sent.
    fn rest_of(&self, segment: Segment, mut bytes: Bytes) -> Result<Bytes, BodyError> {
        let skip = self.left.start.checked_sub(segment.start).map(super::index);
        match skip.filter(|skip| *skip < bytes.len()) {
            Some(skip) => {
                bytes.advance(skip);
                bytes.truncate(super::index(self.left.end.saturating_sub(self.left.start)));
                Ok(bytes)
            }
            None => Err(BodyError::Damaged("pieces of a body do not follow one another")),
        }
    }

    async fn finish(&mut self) {
        if core::mem::take(&mut self.confirm) {
            // Was deleted meanwhile, or will be swept.
            let _ = self.drops.answer(self.id, Command::Confirm { by: self.by }).await;
        }
        self.end(Some(Ok(())));
    }

    fn end(&mut self, ended: Option<Result<(), Ended>>) {
        if !core::mem::replace(&mut self.over, true) {
            self.drops.0.metrics.sent(ended);
            (self.next, self.piece) = (None, Bytes::new());
        }
    }
}

/// Where what is given together with the byte at `start` ends.
fn unit_end(start: u64, size: u64) -> u64 {
    let width = size.div_ceil(64).max(1);
    (start.saturating_add(UNIT - 1) / width).saturating_add(1).saturating_mul(width)
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.end(None);
        // Taken is taken. Where there is nobody to do it, the sweeper will.
        if self.confirm
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (drops, id, by) = (self.drops.clone(), self.id, self.by);
            runtime.spawn(async move { drops.answer(id, Command::Confirm { by }).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use drop_state::Slices;

    use super::*;

    #[test]
    fn a_body_of_any_size_takes_few_writes_and_none_gives_more_than_it_says() {
        const MIB: u64 = 1 << 20;
        for (size, expected) in [
            (1, 1),
            (MIB, 1),
            (MIB + 1, 1),
            (4 * MIB, 4),
            (63 * MIB + 5, 32),
            (64 * MIB, 64),
            (1000 * MIB + 7, 64),
            (4096 * MIB, 64),
        ] {
            let (mut at, mut writes, mut given) = (0, 0, Slices::NONE);
            while at < size {
                assert!(!given.covers(Slices::all(size)), "{size}: not final before the last write");
                let end = unit_end(at, size).min(size);
                given = given.with(Slices::touched(&(at..end), size));
                (at, writes) = (end, writes + 1);
            }
            assert_eq!((writes, given), (expected, Slices::all(size)), "{size}");
        }
        assert_eq!(unit_end(u64::MAX, u64::MAX), u64::MAX);
    }
}
