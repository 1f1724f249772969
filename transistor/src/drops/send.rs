//! Bodies on their way to readers.

use bytes::Bytes;
use drop_state::{Answer, Command, DropId, Given, Reader, Refusal, TokenHash};
use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::oneshot,
    time::{Duration, timeout},
};
use tracing::Instrument as _;

use super::{BodyTag, Drops, Failure, RangeSpec, Reading, Shown, Token, millis};
use crate::store::Payload;

mod sending;

use sending::Sending;

/// Longest that the first piece of a body is waited for by somebody who takes it.
const OPENING: Duration = Duration::from_secs(30);

impl Drops {
    /// Sends the holder of a claim the body, or a part of it. `only_of` is the body of which a part is wanted: of
    /// another one it is all.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn read(
        &self,
        id: DropId,
        claim: &Token,
        range: Option<RangeSpec>,
        only_of: Option<BodyTag>,
    ) -> Result<Reading, Failure> {
        let reading = self.read_claimed(id, claim.hash(), range, only_of).await;
        self.0.metrics.read(&reading);
        reading
    }

    async fn read_claimed(
        &self,
        id: DropId,
        by: TokenHash,
        range: Option<RangeSpec>,
        only_of: Option<BodyTag>,
    ) -> Result<Reading, Failure> {
        // Gives nothing, but says what there is.
        let (given, _) = self.give(id, by, 0..0).await?;
        let tag = tag(&given);
        let range = range.filter(|_| only_of.is_none_or(|body| body == tag));
        let wanted = match range {
            None => 0..given.size,
            Some(spec) => {
                let size = given.size;
                spec.within(size).ok_or(Failure::RangeNotSatisfiable { size })?
            }
        };
        let (size, text, partial) = (given.size, given.text, range.is_some());
        let stream = if given.inline {
            let (_, bytes) = self.give(id, by, 0..size).await?;
            let bytes = self.inline(bytes, size)?;
            self.whole(bytes.slice(index(wanted.start)..index(wanted.end)))
        } else {
            let mut sending = Sending::open(self, id, by, &given, wanted.clone()).await?;
            sending.give_next().await?;
            sending.into_stream()
        };
        Ok(Reading { size, range: wanted, partial, text, tag, stream })
    }

    /// Claims, sends everything and erases, for readers that know nothing of claims. With `text`, only a text.
    ///
    /// # Errors
    /// [`Failure`]. If the place of bodies does not answer, the drop is there again.
    ///
    /// # Cancel safety
    /// Dropped before anything was given, the drop is there again; after that, it is erased.
    pub async fn take(&self, id: DropId, reader: &Shown, text: bool) -> Result<Reading, Failure> {
        let (drops, reader) = (self.clone(), reader.hashed());
        let (answer, waiting) = oneshot::channel();
        let taking = async move {
            let reading = drops.take_once(id, reader, text, &|| answer.is_closed()).await;
            drops.0.metrics.take(&reading);
            // Where nobody waits any more, the end of the sending erases the drop.
            let _ = answer.send(reading);
        };
        tokio::spawn(taking.in_current_span());
        waiting.await.unwrap_or_else(|_| {
            tracing::error!("taking a drop panicked");
            Err(Failure::StorageFailed)
        })
    }

    /// `gone` tells whether the reader is.
    async fn take_once(
        &self,
        id: DropId,
        reader: Reader,
        text: bool,
        gone: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Reading, Failure> {
        // Most of those who come too late are sent away by this, which writes nothing.
        let Answer::Seen(view) = self.answer(id, Command::Look { reader }).await? else {
            return Err(self.unexpected());
        };
        if text && !view.text {
            return Err(Refusal::NotText.into());
        }
        let by = self.token()?.hash();
        if !view.inline {
            return self.take_outside(id, reader, by, text, gone).await;
        }
        if gone() {
            return Err(Failure::Interrupted);
        }
        let lease = millis(self.0.settings.lease.get());
        let applied = self.apply(id, Command::Take { reader, by, lease, text }, Payload::None).await?;
        let Answer::Given(given) = applied.answer? else { return Err(self.unexpected()) };
        if given.inline {
            let stream = self.whole(self.inline(applied.bytes, given.size)?);
            return Ok(taken(&given, stream));
        }
        // Another drop than the one that was looked at, under the same id.
        let sending = Sending::open(self, id, by, &given, 0..given.size).await?;
        Ok(taken(&given, sending.all_given().into_stream()))
    }

    /// Of a body outside the database the first piece is fetched before anything is given: if that fails, nobody was
    /// sent anything, and the drop must not be lost. Neither when that takes too long, or the reader went away meanwhile:
    /// giving is the last thing that is waited for before the answer.
    async fn take_outside(
        &self,
        id: DropId,
        reader: Reader,
        by: TokenHash,
        text: bool,
        gone: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Reading, Failure> {
        let lease = millis(self.0.settings.lease.get());
        let answer = self.answer(id, Command::Claim { reader, by, lease }).await?;
        let Answer::Claimed { view, .. } = answer else { return Err(self.unexpected()) };
        let opened = async {
            if view.inline || (text && !view.text) {
                // Another drop than the one that was looked at, under the same id.
                return Err(Failure::Refused(Refusal::Gone));
            }
            let (given, _) = self.give(id, by, 0..0).await?;
            let sending = Sending::open(self, id, by, &given, 0..given.size).await?;
            Ok((given, sending))
        };
        let opened = timeout(OPENING, opened).await.unwrap_or(Err(Failure::StorageUnavailable));
        match opened.and_then(|opened| if gone() { Err(Failure::Interrupted) } else { Ok(opened) }) {
            Ok((given, sending)) => {
                self.give(id, by, 0..given.size).await?;
                Ok(taken(&given, sending.all_given().into_stream()))
            }
            Err(failure) => {
                // If this fails, too, the lease ends by itself.
                let _ = self.answer(id, Command::GiveBack { by }).await;
                Err(failure)
            }
        }
    }

    /// Makes it durable that these bytes are given.
    async fn give(
        &self,
        id: DropId,
        by: TokenHash,
        bytes: core::ops::Range<u64>,
    ) -> Result<(Given, Option<Bytes>), Failure> {
        let lease = millis(self.0.settings.lease.get());
        let applied = self.apply(id, Command::Give { by, bytes, lease }, Payload::None).await?;
        let Answer::Given(given) = applied.answer? else { return Err(self.unexpected()) };
        Ok((given, applied.bytes))
    }

    /// Bytes that stood beside the record.
    fn inline(&self, bytes: Option<Bytes>, size: u64) -> Result<Bytes, Failure> {
        bytes.filter(|bytes| bytes.len() as u64 == size).ok_or_else(|| {
            self.0.metrics.database_failed();
            tracing::error!("the bytes beside a record are not those it tells of");
            Failure::StorageFailed
        })
    }

    fn whole(&self, bytes: Bytes) -> super::Outgoing {
        self.0.metrics.sent_bytes.inc_by(bytes.len() as u64);
        self.0.metrics.sent(Some(Ok(())));
        // An empty chunk would be the end of a body that is sent in chunks.
        let chunks = (!bytes.is_empty()).then_some(Ok(bytes));
        futures_util::stream::iter(chunks).boxed()
    }
}

fn taken(given: &Given, stream: super::Outgoing) -> Reading {
    let (size, text) = (given.size, given.text);
    Reading { size, range: 0..size, partial: false, text, tag: tag(given), stream }
}

fn tag(given: &Given) -> BodyTag {
    // Not the name itself, which is nobody's business.
    let digest: [u8; 32] =
        Sha256::new().chain_update(b"kith body tag").chain_update(given.body.as_bytes()).finalize().into();
    let mut tag = [0; 16];
    tag.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    BodyTag(tag)
}

/// A place in bytes that are in memory.
fn index(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}
