//! Uploads that go on after a broken connection, and the storing of pieces.

use core::ops::Range;

use drop_state::{BodyId, Command, DropId, MAX_SEGMENTS, Millis, Refusal, Size, TokenHash};
use tokio::time::{Duration, Instant};

use super::{
    Begun, Checksum, Drops, Failure, Incoming, NewDrop, Progress, Standing, Token, millis,
    settings::SPARE_SEGMENTS,
    source::{Source, Stop},
};
use crate::{
    bodies::Buffer,
    store::{BodyKey, Payload, Segment},
};

/// A measurement of the room that is older is made anew before anybody is refused.
const ROOM_IS_OLD: Duration = Duration::from_secs(1);

/// Bytes that a request has to bring to have its last piece kept in any case, or an eighth of a full piece.
const DECENT: u64 = 512 * 1024;

/// Where the pieces of an upload go.
pub(super) struct Upload {
    pub(super) id: DropId,
    pub(super) by: TokenHash,
    pub(super) body: BodyId,
    pub(super) key: BodyKey,
}

impl Drops {
    /// Begins an upload of `length` bytes. The same again, with the same id and deletion token, begins anew.
    ///
    /// # Errors
    /// [`Failure`]; [`Refusal::Exists`] also if the creator's own upload is complete already.
    pub async fn begin(&self, new: NewDrop, length: u64) -> Result<Begun, Failure> {
        let max = self.0.settings.max_size.get();
        if length > max {
            return Err(Failure::TooLarge { max });
        }
        self.need_room(length).await?;
        let upload = self.token()?;
        let deadline = self.upload_deadline();
        let mut plan = self.plan(new, Size::Coming { whole: Some(length), deadline }, false)?;
        plan.create.upload = Some(upload.hash());
        let key = BodyKey::from_bytes(self.random()?);
        let made = self.make(plan, Payload::Key(key)).await?;
        if made.existed {
            return Err(Refusal::Exists.into());
        }
        let complete = length == 0;
        let ends = if complete { made.view.expires } else { deadline.min(made.view.expires) };
        let progress = Progress { id: made.id, offset: 0, whole: Some(length), complete, ends };
        Ok(Begun { id: made.id, upload, deletion_token: made.deletion_token, progress })
    }

    /// Goes on with an upload at `offset`. When the connection breaks, what has arrived is kept, unless a checksum was
    /// promised for it: then all of it is kept or nothing.
    ///
    /// The last piece of a request that brings neither the end of the upload nor 512 KiB, nor an eighth of a full piece,
    /// is kept only so many times: after that the answer is where the upload stood before.
    ///
    /// An earlier request of the same upload that is still under way is ended, and what it had not stored is not kept.
    ///
    /// # Errors
    /// [`Failure`]; [`Refusal::Offset`] says where the upload stands. Also after a failure something may have been kept:
    /// [`Self::progress`] tells.
    ///
    /// # Cancel safety
    /// Dropping the future does not end the work; the end of `body` does.
    pub async fn append(
        &self,
        upload: &Token,
        offset: u64,
        checksum: Option<Checksum>,
        body: Incoming,
    ) -> Result<Progress, Failure> {
        let (drops, by) = (self.clone(), upload.hash());
        let appended = self.to_its_end(async move { drops.append_pieces(by, offset, checksum, body).await });
        let progress = appended.await;
        self.0.metrics.piece(&progress);
        progress
    }

    async fn append_pieces(
        &self,
        by: TokenHash,
        offset: u64,
        checksum: Option<Checksum>,
        body: Incoming,
    ) -> Result<Progress, Failure> {
        let turn = self.0.turns.enter(by).await?;
        let id = self.by_upload(by).await?;
        let mut standing = self.standing(id, Command::Progress { upload: by }, Payload::None).await?;
        if standing.progress.offset != offset {
            return Err(Refusal::Offset { at: standing.progress.offset }.into());
        }
        if standing.progress.complete {
            return Ok(standing.progress);
        }
        let _permit = Self::permit(&self.0.uploads)?;
        let _receiving = self.0.metrics.receiving.hold();
        let parts = self.0.store.parts(standing.body).await;
        let parts = parts.map_err(|error| self.store_failed("find the key of a body", &error))?;
        let key = parts.ok_or(Failure::Refused(Refusal::Gone))?.key;
        let upload = Upload { id, by, body: standing.body, key };

        let settings = &self.0.settings;
        let whole = standing.progress.whole.unwrap_or_else(|| settings.max_size.get());
        let allowed = whole.saturating_sub(offset);
        let (stall, shutdown) = (settings.read_stall.get(), self.0.shutdown.clone());
        let mut source = Source::new(body, allowed, checksum, stall, shutdown, Some(turn));
        if checksum.is_some() {
            return self.append_checked(&upload, standing, whole, &mut source).await;
        }
        loop {
            let mut buffer = self.0.bodies.buffer();
            let stop = source.fill(&mut buffer).await.err();
            let keep = match stop {
                None => true,
                Some(Stop::End) => {
                    let at = standing.progress.offset.saturating_add(buffer.len() as u64);
                    self.may_keep_ended(&standing, offset..at, whole)
                }
                Some(Stop::Short(_)) => self.may_keep_short(&standing, whole),
                Some(Stop::TooMuch | Stop::Superseded) => false,
            };
            if keep && buffer.len() > 0 {
                standing = self.store_piece(&upload, standing.progress.offset, buffer).await?;
            }
            if let Some(stop) = stop {
                return ended(stop).map(|()| standing.progress);
            }
        }
    }

    /// Stores the pieces, and tells the record of them once the checksum was right.
    async fn append_checked(
        &self,
        upload: &Upload,
        mut standing: Standing,
        whole: u64,
        source: &mut Source,
    ) -> Result<Progress, Failure> {
        let mut pieces = Vec::new();
        let stored = self.store_unknown(upload, standing.progress.offset, source, &mut pieces).await;
        let offset = standing.progress.offset;
        let at = pieces.last().map_or(offset, |last| last.start.saturating_add(last.len));
        let keep = self.may_keep_ended(&standing, offset..at, whole);
        let mut pieces = pieces.into_iter();
        let mut result = stored;
        if result.is_ok() && keep {
            for piece in pieces.by_ref() {
                match self.tell(upload, piece).await {
                    Ok(now) => standing = now,
                    Err(failure) => {
                        result = Err(failure);
                        break;
                    }
                }
            }
        }
        // Those that no record was told of, and will not be.
        for piece in pieces {
            self.discard(upload, piece).await;
        }
        result.map(|()| standing.progress)
    }

    async fn store_unknown(
        &self,
        upload: &Upload,
        mut at: u64,
        source: &mut Source,
        pieces: &mut Vec<Segment>,
    ) -> Result<(), Failure> {
        loop {
            let mut buffer = self.0.bodies.buffer();
            let stop = source.fill(&mut buffer).await.err();
            if let Some(stop) = stop {
                ended(stop)?;
            }
            if buffer.len() > 0 {
                let piece = self.put(upload, at, buffer).await?;
                at = at.saturating_add(piece.len);
                pieces.push(piece);
            }
            if stop.is_some() {
                return source.verified();
            }
        }
    }

    /// A sender whose connection breaks after each byte must not make an object of each.
    fn may_keep_short(&self, standing: &Standing, whole: u64) -> bool {
        let needed = whole / self.0.bodies.segment().max(1);
        u64::from(standing.segments) < needed.saturating_add(u64::from(SPARE_SEGMENTS))
    }

    /// Nor one that ends its requests after a byte. What a request of a decent length brought is kept, as long as there
    /// are enough pieces left for all that is to come; of others the last piece is not.
    fn may_keep_ended(&self, standing: &Standing, brought: Range<u64>, whole: u64) -> bool {
        let segment = self.0.bodies.segment().max(1);
        let to_come = whole.saturating_sub(brought.end).div_ceil(segment);
        let segments = u64::from(standing.segments);
        // One more than of broken ones: the rest of what was meant to be sent with the last of these.
        if to_come == 0 || segments <= (whole / segment).saturating_add(u64::from(SPARE_SEGMENTS)) {
            return true;
        }
        let is_decent = brought.end.saturating_sub(brought.start) >= (segment / 8).min(DECENT);
        let most = u64::from(MAX_SEGMENTS.saturating_sub(SPARE_SEGMENTS));
        is_decent && segments.saturating_add(to_come) < most
    }

    pub(super) fn upload_deadline(&self) -> Millis {
        self.now().after(millis(self.0.settings.upload_idle.get()))
    }

    /// Stores a piece and tells the record of it.
    pub(super) async fn store_piece(
        &self,
        upload: &Upload,
        at: u64,
        buffer: Buffer,
    ) -> Result<Standing, Failure> {
        let piece = self.put(upload, at, buffer).await?;
        self.tell(upload, piece).await
    }

    async fn put(&self, upload: &Upload, at: u64, buffer: Buffer) -> Result<Segment, Failure> {
        let len = buffer.len() as u64;
        self.need_room(len).await?;
        let put = self.0.bodies.put(upload.body, &upload.key, at, buffer).await;
        let piece = put.map_err(|error| self.bodies_failed("store a piece of a body", &error))?;
        self.0.room.add(len);
        self.0.metrics.received_bytes.inc_by(len);
        Ok(piece)
    }

    async fn tell(&self, upload: &Upload, piece: Segment) -> Result<Standing, Failure> {
        let bytes = piece.start..piece.start.saturating_add(piece.len);
        let command = Command::Append { upload: upload.by, bytes, deadline: self.upload_deadline() };
        let told = self.standing(upload.id, command, Payload::Segment(piece)).await;
        // After any other failure the record may know of it.
        if let Err(Failure::Refused(_)) = told {
            self.discard(upload, piece).await;
        }
        told
    }

    async fn discard(&self, upload: &Upload, piece: Segment) {
        // What stays goes with the body, or as the body of nobody.
        if let Err(error) = self.0.bodies.discard(upload.body, piece).await {
            let _ = self.bodies_failed("remove a piece that nobody needs", &error);
        }
    }

    /// Refuses what would not fit.
    pub(super) async fn need_room(&self, bytes: u64) -> Result<(), Failure> {
        let room = &self.0.room;
        if room.has(bytes) {
            return Ok(());
        }
        if room.measured().is_none_or(|at| Instant::now().saturating_duration_since(at) > ROOM_IS_OLD) {
            self.measure().await?;
        }
        if room.has(bytes) { Ok(()) } else { Err(Failure::StorageFull) }
    }

    /// Measures how much there is.
    pub(super) async fn measure(&self) -> Result<(), Failure> {
        let _one = self.0.room.one_at_a_time().await;
        let before = self.0.room.before();
        let usage = self.0.store.usage().await;
        let usage = usage.map_err(|error| self.store_failed("measure what there is", &error))?;
        self.0.room.after(before, usage.bytes, self.0.bodies.room().await);
        self.0.metrics.usage(usage);
        Ok(())
    }
}

fn ended(stop: Stop) -> Result<(), Failure> {
    match stop {
        Stop::End => Ok(()),
        Stop::TooMuch => Err(Refusal::TooLong.into()),
        Stop::Short(failure) => Err(failure),
        Stop::Superseded => Err(Failure::Interrupted),
    }
}
