//! Reading a drop.

mod keep;

use core::fmt;
use std::{path::Path, sync::Arc};

use api::transistor::{self as paths, Claim, EXPIRES, INFO, JSON_API, OCTET_STREAM, parse_rfc3339};
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_RANGE},
};
use sealed_drop::{
    ContentKey, DropKeys, DropLink, DropSecret, Info, OpenError, Opener, Password, SealedInfo, Token,
    sealed_len,
};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use zeroize::Zeroizing;

use self::keep::{folder_of, keep};
use super::{
    DropError, DropInfo, OnBytes, derive, plain_id,
    service::{Service, Verb},
    upload::draw_token,
};
use crate::{
    clock::Clock,
    http::{HttpError, NodeOptions},
};

/// A drop being read by whoever has its link.
///
/// Asking for the [`Self::info`] consumes nothing; [`Self::claim`] keeps others out, and one of [`Self::save`],
/// [`Self::bytes`] and [`Self::write_to`] fetches the content. Whoever stops in between calls [`Self::release`].
///
/// # Cancel safety
/// Every method may be called again after its future was dropped, [`Self::write_to`] excepted. What is claimed and
/// neither read nor given back comes free by itself after a while, as long as not everything was sent.
pub struct Reading {
    service: Service,
    secret: DropSecret,
    locked: bool,
    token: Token,
    progress: Option<OnBytes>,
    state: State,
}

enum State {
    /// Nothing was asked for.
    Untouched,
    /// A claim may have reached the server.
    Asked,
    /// Claimed.
    Claimed(Box<Claimed>),
    /// Read to its end, or given back.
    Over,
}

struct Claimed {
    keys: DropKeys,
    /// The key of the content, if not that of the link.
    content: Option<ContentKey>,
    /// Exact length, where the drop has an info.
    len: Option<u64>,
    sealed_len: u64,
    told: DropInfo,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untouched => "Untouched",
            Self::Asked => "Asked",
            Self::Claimed(_) => "Claimed",
            Self::Over => "Over",
        })
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Reading {
    /// Begins to read what a link leads to; nothing is asked yet.
    ///
    /// # Errors
    /// [`DropError::Http`] for a link to a server that is not spoken to, [`DropError::System`] without randomness.
    pub fn new(link: &DropLink, clock: Arc<dyn Clock>, options: NodeOptions) -> Result<Self, DropError> {
        Ok(Self {
            service: Service::new(link.url(), clock, options)?,
            secret: link.secret().clone(),
            locked: link.is_locked(),
            token: draw_token()?,
            progress: None,
            state: State::Untouched,
        })
    }

    /// Has the progress told, in sealed bytes.
    #[must_use]
    pub fn with_progress(mut self, progress: OnBytes) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Claims under this token instead of a fresh one: with that of an earlier attempt, its claim goes on.
    #[must_use]
    pub(crate) fn with_claim(mut self, claim: Token) -> Self {
        self.token = claim;
        self
    }

    /// Whether a password is needed.
    #[must_use]
    pub const fn is_locked(&self) -> bool {
        self.locked
    }

    /// Whether it is there and what it is, as far as that is told to anybody who has not claimed it. Consumes nothing.
    ///
    /// # Errors
    /// [`DropError::Gone`] when there is nothing to read; otherwise [`DropError`].
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn info(&self) -> Result<DropInfo, DropError> {
        let (path, access) = (paths::content(&plain_id(&self.secret.id())?), self.secret.access());
        let service = &self.service;
        let answer = service
            .patiently(|_| service.request(Verb::Head, &path).access(&access).accept(OCTET_STREAM).send())
            .await?;
        let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let size = answer.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let size = size.ok_or(HttpError::BadAnswer("a drop without a size"))?;
        let info = match text(INFO) {
            Some(info) if !self.locked => {
                Some(Info::open(&SealedInfo::parse(info)?, &self.secret.keys(None).info)?)
            }
            Some(_) | None => None,
        };
        let expires_at = text(EXPIRES).and_then(|text| parse_rfc3339(text).ok());
        Ok(DropInfo::of(info.as_ref(), size, self.locked, expires_at))
    }

    /// Keeps others from reading it, and tells what it is. Nothing is consumed yet.
    ///
    /// # Errors
    /// [`DropError::Gone`], [`DropError::PasswordNeeded`], [`DropError::PasswordWrong`] (call again with another one:
    /// the tenth wrong one erases the drop), [`DropError::Damaged`] when what is there cannot be what was sealed.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it claimed or not; call again, or [`Self::release`].
    pub async fn claim(&mut self, password: Option<&Password>) -> Result<DropInfo, DropError> {
        match &self.state {
            State::Claimed(claimed) => return Ok(claimed.told.clone()),
            State::Over => return Err(DropError::NotClaimed),
            State::Untouched | State::Asked => {}
        }
        let password = password.filter(|_| self.locked);
        if self.locked && password.is_none() {
            return Err(DropError::PasswordNeeded);
        }
        let keys = derive(&self.secret, password).await?;
        self.state = State::Asked;
        let (path, access) = (paths::claim(&plain_id(&self.secret.id())?), self.secret.access());
        let (service, token) = (&self.service, &self.token);
        let answer = service
            .patiently(|_| {
                let request = service.request(Verb::Put, &path).access(&access).claim(token, Some(&keys));
                request.accept(JSON_API).empty().send()
            })
            .await?;
        let claim = Claim::from_json(&service.document(answer).await?)
            .map_err(|_| HttpError::BadAnswer("not a claim"))?;
        let checked = self.check(keys, &claim);
        if checked.is_err() {
            self.release().await;
        }
        let claimed = checked?;
        let told = claimed.told.clone();
        self.state = State::Claimed(Box::new(claimed));
        Ok(told)
    }

    fn check(&self, keys: DropKeys, claim: &Claim) -> Result<Claimed, DropError> {
        let info = match &claim.info {
            Some(info) => Some(Info::open(&SealedInfo::parse(&info.to_string())?, &keys.info)?),
            None => None,
        };
        let len = info.as_ref().map(Info::content_len);
        // Seen before anything is consumed, so that the drop is not lost by it.
        if len.is_some_and(|len| sealed_len(len) != Some(claim.size)) {
            return Err(DropError::Damaged(OpenError::Length));
        }
        let content = info.as_ref().and_then(Info::content_key).cloned();
        let told = DropInfo::of(info.as_ref(), claim.size, self.locked, Some(claim.expires_at));
        Ok(Claimed { keys, content, len, sealed_len: claim.size, told })
    }

    /// Fetches it into a file, which appears whole or not at all: it is written beside it, verified, made durable, and
    /// gets its name before the server is told that it arrived. Without `overwrite` a file that is there stays.
    ///
    /// # Errors
    /// [`DropError::FileExists`] before anything is fetched; [`DropError::KeptAside`] when all of it arrived but could
    /// not get its name, which somebody may have taken meanwhile: the file beside it stays, and the reading is over.
    /// Otherwise [`DropError`], after which the drop is given back, unless it was sent to its end already.
    ///
    /// # Cancel safety
    /// Dropping the future leaves no file, except in the moment between its name and the confirmation; call again, or
    /// [`Self::release`].
    pub async fn save(&mut self, path: &Path, overwrite: bool) -> Result<(), DropError> {
        if !overwrite && path.symlink_metadata().is_ok() {
            return Err(DropError::FileExists);
        }
        // Readable by its owner alone, as the library that makes it does.
        let temporary = tempfile::Builder::new()
            .prefix(".kith-drop-")
            .tempfile_in(folder_of(path))
            .map_err(DropError::Target)?;
        let file = temporary.as_file().try_clone().map_err(DropError::Target)?;
        let mut file = tokio::fs::File::from_std(file);
        let fetched = self.fetch(&mut file).await;
        let kept = match fetched {
            Ok(()) => keep(file, temporary, path, overwrite).await,
            Err(error) => Err(error),
        };
        self.end(kept).await
    }

    /// Fetches it into memory, at most `max` bytes.
    ///
    /// # Errors
    /// [`DropError::TooLarge`] before anything is fetched; otherwise as [`Self::save`].
    ///
    /// # Cancel safety
    /// Dropping the future loses what was fetched; call again, or [`Self::release`].
    pub async fn bytes(&mut self, max: u64) -> Result<Zeroizing<Vec<u8>>, DropError> {
        let State::Claimed(claimed) = &self.state else { return Err(DropError::NotClaimed) };
        let len = claimed.len.unwrap_or(claimed.sealed_len);
        if len > max {
            return Err(DropError::TooLarge { len, max });
        }
        // As much as it will be, so that growing leaves no copies behind.
        let mut out = Zeroizing::new(Vec::with_capacity(usize::try_from(len).unwrap_or(0)));
        let fetched = self.fetch(&mut *out).await;
        self.end(fetched).await?;
        Ok(out)
    }

    /// Fetches it into a writer, chunk by chunk. What is written is authentic, but whole only if this succeeds.
    ///
    /// # Errors
    /// As [`Self::save`].
    ///
    /// # Cancel safety
    /// None: after dropping the future the writer has a part of it.
    pub async fn write_to(&mut self, out: &mut (impl AsyncWrite + Send + Unpin)) -> Result<(), DropError> {
        let fetched = self.fetch(out).await;
        self.end(fetched).await
    }

    /// As [`Self::write_to`], but it does not confirm: for callers that have more to check and to store before.
    pub(crate) async fn receive(
        &mut self,
        out: &mut (impl AsyncWrite + Send + Unpin),
    ) -> Result<(), DropError> {
        let fetched = self.fetch(out).await;
        if fetched.is_err() {
            self.release().await;
        }
        fetched
    }

    /// Gives a claim back, so that the link opens it again at once. Does nothing where nothing was claimed, and nothing
    /// can be done where everything was sent or the server cannot be reached.
    ///
    /// # Cancel safety
    /// Dropping the future may leave it claimed, until the claim runs out.
    pub async fn release(&mut self) {
        if matches!(self.state, State::Untouched | State::Over) {
            return;
        }
        let Ok(id) = plain_id(&self.secret.id()) else { return };
        let (path, access) = (paths::claim(&id), self.secret.access());
        let request = self.service.request(Verb::Delete, &path).access(&access).claim(&self.token, None);
        if let Err(error) = request.send().await {
            tracing::debug!(code = error.code(), "a claim was not given back");
        }
        self.state = State::Over;
    }

    /// Confirms what was kept, gives back what was not, and leaves alone what was kept elsewhere.
    async fn end(&mut self, kept: Result<(), DropError>) -> Result<(), DropError> {
        match kept {
            Ok(()) => {
                self.confirm().await;
                self.state = State::Over;
                Ok(())
            }
            // Giving back what was sent to its end would erase it at once. What is kept aside may not be durable, and
            // until the claim runs out, nobody else gets the drop either.
            Err(error @ DropError::KeptAside { .. }) => {
                self.state = State::Over;
                Err(error)
            }
            Err(error) => {
                self.release().await;
                Err(error)
            }
        }
    }

    /// Says that it arrived. Everything was sent, so it is erased whether this arrives or not.
    pub(crate) async fn confirm(&self) {
        let Ok(id) = plain_id(&self.secret.id()) else { return };
        let (path, access) = (paths::confirm(&id), self.secret.access());
        let (service, token) = (&self.service, &self.token);
        let done = service
            .patiently(|_| {
                service.request(Verb::Post, &path).access(&access).claim(token, None).empty().send()
            })
            .await;
        match done {
            Ok(_) | Err(DropError::Gone) => {}
            Err(error) => tracing::debug!(code = error.code(), "a drop was not confirmed"),
        }
    }

    /// Fetches and verifies all of it, across broken connections.
    async fn fetch(&self, out: &mut (impl AsyncWrite + Send + Unpin)) -> Result<(), DropError> {
        let State::Claimed(claimed) = &self.state else { return Err(DropError::NotClaimed) };
        let key = claimed.content.as_ref().unwrap_or(&claimed.keys.content);
        let mut opener = match claimed.len {
            Some(len) => Opener::expecting(key, len),
            None => Opener::new(key),
        };
        let path = paths::content(&plain_id(&self.secret.id())?);
        let mut content = Zeroizing::new(Vec::new());
        let mut failed = 0;
        while opener.offset() < claimed.sealed_len {
            let before = opener.offset();
            match self.some(&path, claimed, &mut opener, &mut content, out).await {
                Ok(()) if opener.offset() > before => failed = 0,
                Ok(()) => {
                    failed += 1;
                    self.service
                        .pause(failed, HttpError::BadAnswer("an answer without bytes").into())
                        .await?;
                }
                Err(error) if error.is_retryable() => {
                    // Attempts count anew whenever something came.
                    failed = if opener.offset() > before { 1 } else { failed + 1 };
                    self.service.pause(failed, error).await?;
                }
                Err(error) => return Err(error),
            }
        }
        content.clear();
        opener.finish(&mut content)?;
        out.write_all(&content).await.map_err(DropError::Target)?;
        out.flush().await.map_err(DropError::Target)
    }

    /// One request for the rest, as far as it gets.
    async fn some(
        &self,
        path: &str,
        claimed: &Claimed,
        opener: &mut Opener,
        content: &mut Vec<u8>,
        out: &mut (impl AsyncWrite + Send + Unpin),
    ) -> Result<(), DropError> {
        let from = opener.offset();
        let mut request = self
            .service
            .request(Verb::Get, path)
            .access(&self.secret.access())
            .claim(&self.token, Some(&claimed.keys))
            .accept(OCTET_STREAM);
        if from > 0 {
            request = request.header("range", &format!("bytes={from}-"));
        }
        let mut answer = request.send().await?;
        let start = start(&answer).filter(|start| *start <= from);
        // Whoever passes over the range begins anew; what is known already is passed over here.
        let mut known = from - start.ok_or(HttpError::BadAnswer("another range"))?;
        while let Some(piece) = self.service.piece(&mut answer).await? {
            let skip = usize::try_from(known).unwrap_or(usize::MAX).min(piece.len());
            known -= skip as u64;
            content.clear();
            opener.push(piece.get(skip..).unwrap_or_default(), content)?;
            out.write_all(content).await.map_err(DropError::Target)?;
            if let Some(progress) = &self.progress {
                progress(opener.offset(), claimed.sealed_len);
            }
        }
        Ok(())
    }
}

/// Where an answer begins.
fn start(answer: &Response) -> Option<u64> {
    if answer.status() != StatusCode::PARTIAL_CONTENT {
        return Some(0);
    }
    let range = answer.headers().get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    range.split_once('-')?.0.parse().ok()
}
