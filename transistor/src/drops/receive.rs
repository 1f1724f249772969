//! Drops made in one request: whole or not at all.

use core::time::Duration;

use bytes::Bytes;
use drop_state::{Answer, BodyId, Command, Create, DropId, MAX_INFO, Size};
use futures_util::StreamExt as _;

use super::{
    Checksum, Drops, Failure, Incoming, Made, NewDrop, Token, millis,
    source::{Source, Stop},
    upload::Upload,
};
use crate::{
    bodies::Buffer,
    store::{BodyKey, Payload},
};

/// A drop that is about to be made.
pub(super) struct Plan {
    pub(super) id: DropId,
    pub(super) create: Create,
    pub(super) deletion_token: Option<Token>,
}

impl Drops {
    /// Makes a drop of bytes that are there. Small ones are kept in the database, in one transaction.
    ///
    /// # Errors
    /// [`Failure`]; after [`Failure::StorageUnavailable`] and [`Failure::StorageFailed`] it is not known whether the drop
    /// was made. The same again, with the same id and deletion token, makes it at most once, as long as nobody was
    /// given the link: nothing is left of a drop that was read, so that after a reader it would be made once more.
    ///
    /// A text is at most one piece of a body long, or what is kept in the database: [`Failure::TooLarge`] else.
    pub async fn create(&self, new: NewDrop, bytes: Bytes, text: bool) -> Result<Made, Failure> {
        let length = bytes.len() as u64;
        let piece = self.0.bodies.segment();
        let made = if self.fits_inline(length) {
            self.create_inline(new, bytes, text).await
        } else if text && length > piece {
            // All of a text has to be there before it is given, since it is taken in one go.
            Err(Failure::TooLarge { max: piece })
        } else {
            let body = futures_util::stream::iter([Ok(bytes)]).boxed();
            let drops = self.clone();
            self.to_its_end(async move { drops.receive_whole(new, Some(length), None, body, text).await })
                .await
        };
        self.0.metrics.made(&made);
        made
    }

    /// Makes a drop of bytes that arrive, `length` of them if that was said, whose SHA-256 is `digest` if that was said.
    /// It is there whole or not at all.
    ///
    /// # Errors
    /// As [`Self::create`], and what can be wrong with the bytes.
    ///
    /// # Cancel safety
    /// Dropping the future does not end the work; the end of `body` does.
    pub async fn receive(
        &self,
        new: NewDrop,
        length: Option<u64>,
        digest: Option<[u8; 32]>,
        body: Incoming,
    ) -> Result<Made, Failure> {
        let drops = self.clone();
        let received = self.to_its_end(async move {
            drops.receive_whole(new, length, digest.map(Checksum::Sha256), body, false).await
        });
        let made = received.await;
        self.0.metrics.made(&made);
        made
    }

    fn fits_inline(&self, length: u64) -> bool {
        length <= self.0.settings.inline_max.get()
    }

    async fn create_inline(&self, new: NewDrop, bytes: Bytes, text: bool) -> Result<Made, Failure> {
        let length = bytes.len() as u64;
        let mut plan = self.plan(new, Size::Complete(length), text)?;
        plan.create.inline = true;
        self.need_room(length).await?;
        let made = self.make(plan, Payload::Inline(bytes)).await?;
        self.0.room.add(length);
        self.0.metrics.received_bytes.inc_by(length);
        Ok(made)
    }

    async fn receive_whole(
        &self,
        new: NewDrop,
        length: Option<u64>,
        digest: Option<Checksum>,
        body: Incoming,
        text: bool,
    ) -> Result<Made, Failure> {
        let settings = &self.0.settings;
        let max = settings.max_size.get();
        if length.is_some_and(|length| length > max) {
            return Err(Failure::TooLarge { max });
        }
        self.need_room(length.unwrap_or(0)).await?;
        let _permit = Self::permit(&self.0.uploads)?;
        let _receiving = self.0.metrics.receiving.hold();
        let allowed = length.unwrap_or(max);
        let (stall, shutdown) = (settings.read_stall.get(), self.0.shutdown.clone());
        let mut source = Source::new(body, allowed, digest, stall, shutdown, None);
        let too_much = if length.is_some() { Failure::LengthMismatch } else { Failure::TooLarge { max } };

        let mut first = self.0.bodies.buffer();
        let mut filled = None;
        // What will not fit anyway is not waited for: if the drop exists, nothing has to be read.
        if length.is_none_or(|length| self.fits_inline(length)) {
            let stop = source.fill(&mut first).await;
            if stop == Err(Stop::End) && self.fits_inline(first.len() as u64) {
                if length.is_some_and(|length| length != first.len() as u64) {
                    return Err(Failure::LengthMismatch);
                }
                source.verified()?;
                return self.create_inline(new, first.into_plain(), text).await;
            }
            filled = Some(stop);
        }

        let token = self.token()?;
        // Without a length: the end of the bytes does not make a drop before they were checked.
        let size = Size::Coming { whole: None, deadline: self.upload_deadline() };
        let mut plan = self.plan(new, size, text)?;
        plan.create.upload = Some(token.hash());
        let key = BodyKey::from_bytes(self.random()?);
        let upload = Upload { id: plan.id, by: token.hash(), body: plan.create.body, key: key.clone() };
        let mut made = self.make(plan, Payload::Key(key)).await?;
        if made.existed {
            return Ok(made);
        }
        let failure = match self.receive_pieces(&upload, &mut source, first, filled, length, too_much).await {
            Ok(size) => {
                let finish = Command::Finish { upload: upload.by };
                match self.standing(upload.id, finish, Payload::None).await {
                    Ok(_) => {
                        made.view.size = size;
                        return Ok(made);
                    }
                    // It may be there, and whoever asked again may have been told so. If not, its deadline erases it.
                    Err(failure @ (Failure::StorageUnavailable | Failure::StorageFailed)) => {
                        return Err(failure);
                    }
                    Err(failure) => failure,
                }
            }
            Err(failure) => failure,
        };
        // If this fails, too, the sweeper does it when the deadline has come.
        let _ = self.answer(upload.id, Command::Delete { by: upload.by }).await;
        Err(failure)
    }

    /// Everything but the last step, after which it is a drop.
    async fn receive_pieces(
        &self,
        upload: &Upload,
        source: &mut Source,
        mut buffer: Buffer,
        mut filled: Option<Result<(), Stop>>,
        length: Option<u64>,
        too_much: Failure,
    ) -> Result<u64, Failure> {
        let mut at = 0;
        loop {
            let stop = match filled.take() {
                Some(stop) => stop,
                None => source.fill(&mut buffer).await,
            };
            let ended = match stop {
                Ok(()) => false,
                Err(Stop::End) => true,
                Err(Stop::TooMuch) => return Err(too_much),
                Err(Stop::Short(failure)) => return Err(failure),
                Err(Stop::Superseded) => return Err(Failure::Interrupted),
            };
            if buffer.len() > 0 {
                at = self.store_piece(upload, at, buffer).await?.progress.offset;
            }
            if ended {
                break;
            }
            buffer = self.0.bodies.buffer();
        }
        if length.is_some_and(|length| length != at) {
            return Err(Failure::LengthMismatch);
        }
        source.verified()?;
        Ok(at)
    }

    /// Puts together what a drop will be, outside the database unless that is changed.
    pub(super) fn plan(&self, new: NewDrop, size: Size, text: bool) -> Result<Plan, Failure> {
        let settings = &self.0.settings;
        if new.info.len() > MAX_INFO {
            return Err(Failure::InfoTooLong { max: MAX_INFO });
        }
        let lasts = new.expires_in.unwrap_or_else(|| settings.default_expiry.get());
        if lasts < Duration::from_millis(1) || lasts > settings.max_expiry.get() {
            return Err(Failure::BadExpiry { max_seconds: settings.max_expiry.as_secs() });
        }
        let id = match new.id {
            Some(id) => id,
            None => DropId::from_random(self.random()?),
        };
        let (deleter, deletion_token) = match new.deleter {
            Some(deleter) => (deleter, None),
            None => {
                let token = self.token()?;
                (token.hash(), Some(token))
            }
        };
        let create = Create {
            body: BodyId::from_bytes(self.random()?),
            size,
            inline: false,
            text,
            info: new.info,
            access: new.access,
            unlock: new.unlock,
            deleter,
            upload: None,
            expires: self.now().after(millis(lasts)),
        };
        Ok(Plan { id, create, deletion_token })
    }

    pub(super) async fn make(&self, plan: Plan, payload: Payload) -> Result<Made, Failure> {
        let Plan { id, create, deletion_token } = plan;
        let answer = self.apply(id, Command::Create(Box::new(create)), payload).await?.answer?;
        let existed = matches!(answer, Answer::Existed(_));
        let (Answer::Created(view) | Answer::Existed(view)) = answer else { return Err(self.unexpected()) };
        Ok(Made { id, deletion_token, view, existed })
    }
}
