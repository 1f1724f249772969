//! The one function that changes drops.

use crate::{
    Answer, Command, Create, Given, MAX_INFO, MAX_SEGMENTS, MAX_WRONG, Millis, Reader, Record, Refusal, Size,
    Slices, Stage, TokenHash,
};

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What to write, in the same transaction that read the record, before anything is answered.
    pub write: Write,
    /// What to answer.
    pub answer: Result<Answer, Refusal>,
}

/// What to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Nothing.
    Keep,
    /// This record, in the place of the one there was for the same body.
    Put(Box<Record>),
    /// This record where there was none.
    Insert(Box<Record>),
    /// No record any more; its body loses a drop.
    Erase,
    /// No record any more, and this one in its place.
    Replace(Box<Record>),
}

/// When time alone changes something about a record.
#[must_use]
pub fn due(record: &Record) -> Millis {
    match record.stage {
        Stage::Uploading { deadline, .. } => deadline.min(record.expires),
        Stage::Ready => record.expires,
        Stage::Claimed { until, .. } => until.min(record.expires),
    }
}

/// Carries out a command at a moment, on the record there is.
#[must_use]
pub fn apply(record: Option<&Record>, command: &Command, now: Millis) -> Step {
    let Some(stored) = record else {
        return if let Command::Create(create) = command {
            insert(create)
        } else {
            without(Write::Keep, command)
        };
    };
    let Some(live) = settle(stored, now) else {
        return if let Command::Create(create) = command {
            replace(create)
        } else {
            without(Write::Erase, command)
        };
    };
    let mut live = Live { changed: live != *stored, record: live, erase: None };
    let answer = live.carry_out(command, now);
    live.step(answer)
}

/// What time has made of a record; `None` if it has ended.
fn settle(record: &Record, now: Millis) -> Option<Record> {
    if now >= record.expires || record.wrong >= MAX_WRONG {
        return None;
    }
    match record.stage {
        Stage::Uploading { deadline, .. } if now >= deadline => None,
        Stage::Claimed { until, .. } if now >= until => {
            (!record.is_final()).then(|| Record { stage: Stage::Ready, ..record.clone() })
        }
        Stage::Uploading { .. } | Stage::Ready | Stage::Claimed { .. } => Some(record.clone()),
    }
}

/// Where there is no drop: time has nothing to do, everybody else hears the same.
fn without(write: Write, command: &Command) -> Step {
    let answer = if *command == Command::Settle { Ok(Answer::Done) } else { Err(Refusal::Gone) };
    Step { write, answer }
}

fn insert(create: &Create) -> Step {
    let record = create.record();
    Step { answer: Ok(Answer::Created(record.view())), write: Write::Insert(Box::new(record)) }
}

fn replace(create: &Create) -> Step {
    let record = create.record();
    Step { answer: Ok(Answer::Created(record.view())), write: Write::Replace(Box::new(record)) }
}

impl Create {
    fn record(&self) -> Record {
        let (size, stage) = match self.size {
            Size::Complete(size) => (size, Stage::Ready),
            Size::Coming { whole: Some(0), .. } => (0, Stage::Ready),
            Size::Coming { whole, deadline } => (0, Stage::Uploading { whole, segments: 0, deadline }),
        };
        Record {
            body: self.body,
            size,
            inline: self.inline,
            text: self.text,
            info: self.info.iter().copied().take(MAX_INFO).collect(),
            access: self.access,
            unlock: self.unlock,
            wrong: 0,
            deleter: self.deleter,
            upload: self.upload,
            expires: self.expires,
            given: Slices::NONE,
            stage,
        }
    }
}

impl Record {
    fn progress(&self) -> Answer {
        let (whole, segments, complete) = match self.stage {
            Stage::Uploading { whole, segments, .. } => (whole, segments, false),
            Stage::Ready | Stage::Claimed { .. } => (Some(self.size), 0, true),
        };
        let ends = if complete { self.expires } else { due(self) };
        Answer::Progress { offset: self.size, whole, complete, body: self.body, ends, segments }
    }

    fn given(&self, erased: bool) -> Answer {
        Answer::Given(Given {
            body: self.body,
            inline: self.inline,
            text: self.text,
            size: self.size,
            erased,
        })
    }
}

/// A record that has not ended, while a command works on it.
struct Live {
    record: Record,
    changed: bool,
    /// `Some(None)`: gone; `Some(Some(…))`: another one in its place.
    erase: Option<Option<Box<Record>>>,
}

impl Live {
    fn step(self, answer: Result<Answer, Refusal>) -> Step {
        let write = match self.erase {
            Some(None) => Write::Erase,
            Some(Some(record)) => Write::Replace(record),
            None if self.changed => Write::Put(Box::new(self.record)),
            None => Write::Keep,
        };
        Step { write, answer }
    }

    fn carry_out(&mut self, command: &Command, now: Millis) -> Result<Answer, Refusal> {
        match command {
            Command::Create(create) => self.create_again(create),
            Command::Append { upload, bytes, deadline } => {
                self.uploader(upload)?;
                self.append(bytes.start, bytes.end, *deadline)
            }
            Command::Finish { upload } => {
                self.uploader(upload)?;
                self.finish()
            }
            Command::Progress { upload } => {
                self.uploader(upload)?;
                Ok(self.record.progress())
            }
            Command::Look { reader } => {
                self.access(reader)?;
                self.unclaimed()?;
                Ok(Answer::Seen(self.record.view()))
            }
            Command::Claim { reader, by, lease } => self.claim(reader, by, now.after(*lease)),
            Command::Give { by, bytes, lease } => {
                self.holder(by)?;
                let touched = Slices::touched(bytes, self.record.size);
                self.give(touched, *by, now.after(*lease));
                Ok(self.record.given(false))
            }
            Command::Take { reader, by, lease, text } => self.take(reader, by, now.after(*lease), *text),
            Command::GiveBack { by } => {
                self.holder(by)?;
                if self.record.is_final() {
                    self.erase = Some(None);
                } else {
                    self.set_stage(Stage::Ready);
                }
                Ok(Answer::Done)
            }
            Command::Confirm { by } => {
                self.holder(by)?;
                self.erase = Some(None);
                Ok(Answer::Done)
            }
            Command::Delete { by } => {
                let uploader = self.record.upload.is_some_and(|upload| upload == *by);
                // Both are compared, whichever it is.
                if (self.record.deleter == *by) | uploader {
                    self.erase = Some(None);
                    Ok(Answer::Done)
                } else {
                    Err(Refusal::Gone)
                }
            }
            Command::Settle => Ok(Answer::Done),
        }
    }

    /// The creator who does not know whether it was heard says the same again.
    fn create_again(&mut self, create: &Create) -> Result<Answer, Refusal> {
        if self.record.deleter != create.deleter {
            return Err(Refusal::Exists);
        }
        if matches!(self.record.stage, Stage::Uploading { .. }) {
            let record = create.record();
            let view = record.view();
            self.erase = Some(Some(Box::new(record)));
            return Ok(Answer::Created(view));
        }
        Ok(Answer::Existed(self.record.view()))
    }

    fn append(&mut self, from: u64, to: u64, later: Millis) -> Result<Answer, Refusal> {
        let Stage::Uploading { whole, segments, .. } = self.record.stage else {
            return Err(Refusal::Offset { at: self.record.size });
        };
        if from != self.record.size {
            return Err(Refusal::Offset { at: self.record.size });
        }
        if to <= from || whole.is_some_and(|whole| to > whole) || segments >= MAX_SEGMENTS {
            return Err(Refusal::TooLong);
        }
        self.record.size = to;
        self.changed = true;
        self.record.stage = if whole == Some(to) {
            Stage::Ready
        } else {
            Stage::Uploading { whole, segments: segments + 1, deadline: later }
        };
        Ok(self.record.progress())
    }

    fn finish(&mut self) -> Result<Answer, Refusal> {
        if let Stage::Uploading { whole, .. } = self.record.stage {
            if whole.is_some_and(|whole| whole != self.record.size) {
                return Err(Refusal::Offset { at: self.record.size });
            }
            self.set_stage(Stage::Ready);
        }
        Ok(self.record.progress())
    }

    fn claim(&mut self, reader: &Reader, by: &TokenHash, until: Millis) -> Result<Answer, Refusal> {
        self.access(reader)?;
        match self.record.stage {
            Stage::Uploading { .. } => return Err(Refusal::Gone),
            Stage::Claimed { by: holder, .. } if holder != *by => return Err(Refusal::Gone),
            Stage::Ready | Stage::Claimed { .. } => {}
        }
        self.unlock(reader)?;
        let until = until.min(self.record.expires);
        self.set_stage(Stage::Claimed { by: *by, until });
        Ok(Answer::Claimed { view: self.record.view(), until })
    }

    fn take(
        &mut self,
        reader: &Reader,
        by: &TokenHash,
        until: Millis,
        text: bool,
    ) -> Result<Answer, Refusal> {
        self.access(reader)?;
        self.unclaimed()?;
        if text && !self.record.text {
            return Err(Refusal::NotText);
        }
        self.unlock(reader)?;
        if self.record.inline {
            self.erase = Some(None);
            return Ok(self.record.given(true));
        }
        self.give(Slices::all(self.record.size), *by, until);
        Ok(self.record.given(false))
    }

    fn give(&mut self, slices: Slices, by: TokenHash, until: Millis) {
        self.record.given = self.record.given.with(slices);
        self.set_stage(Stage::Claimed { by, until: until.min(self.record.expires) });
    }

    fn set_stage(&mut self, stage: Stage) {
        self.record.stage = stage;
        self.changed = true;
    }

    fn access(&self, reader: &Reader) -> Result<(), Refusal> {
        match (self.record.access, reader.access) {
            (None, _) => Ok(()),
            (Some(wanted), Some(shown)) if wanted == shown => Ok(()),
            (Some(_), _) => Err(Refusal::Gone),
        }
    }

    /// Counted only for readers with the right access token: a stranger must not be able to burn a drop.
    fn unlock(&mut self, reader: &Reader) -> Result<(), Refusal> {
        match (self.record.unlock, reader.unlock) {
            (None, _) => Ok(()),
            (Some(wanted), Some(shown)) if wanted == shown => Ok(()),
            (Some(_), None) => {
                Err(Refusal::WrongPassword { left: MAX_WRONG.saturating_sub(self.record.wrong) })
            }
            (Some(_), Some(_)) => {
                self.record.wrong = self.record.wrong.saturating_add(1);
                self.changed = true;
                let left = MAX_WRONG.saturating_sub(self.record.wrong);
                if left == 0 {
                    self.erase = Some(None);
                }
                Err(Refusal::WrongPassword { left })
            }
        }
    }

    fn unclaimed(&self) -> Result<(), Refusal> {
        if self.record.stage == Stage::Ready { Ok(()) } else { Err(Refusal::Gone) }
    }

    fn holder(&self, by: &TokenHash) -> Result<(), Refusal> {
        match self.record.stage {
            Stage::Claimed { by: holder, .. } if holder == *by => Ok(()),
            Stage::Uploading { .. } | Stage::Ready | Stage::Claimed { .. } => Err(Refusal::Gone),
        }
    }

    fn uploader(&self, by: &TokenHash) -> Result<(), Refusal> {
        match self.record.upload {
            Some(upload) if upload == *by => Ok(()),
            _ => Err(Refusal::Gone),
        }
    }
}

#[cfg(test)]
mod tests;
