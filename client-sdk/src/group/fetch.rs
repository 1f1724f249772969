//! Getting one's copy of a file that lies outside the log.

use core::fmt;
use std::{path::Path, sync::Arc};

use tokio::io::AsyncWriteExt as _;

use super::Group;
use crate::{
    attachments::{Fetches, Hashed, OwnCopy, copy_of},
    drops::{DropError, OnBytes, Reading, Token},
    entry::{AttachmentState, Entry, Position, What},
    error::Error,
    live::blocking,
    store::StoreError,
};

/// How an attachment is fetched.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct FetchOptions {
    /// Told of what has arrived so far and of the whole, in sealed bytes.
    pub progress: Option<OnBytes>,
    /// Whether a file that is there may be replaced.
    pub overwrite: bool,
    /// Whether a service may be asked that the sender chose and the group's node does not announce. It learns the
    /// address of this machine.
    pub any_service: bool,
}

impl fmt::Debug for FetchOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchOptions")
            .field("overwrite", &self.overwrite)
            .field("any_service", &self.any_service)
            .finish_non_exhaustive()
    }
}

/// What is known of an attachment before it is fetched.
struct Wanted {
    size: u64,
    sha256: String,
    copy: OwnCopy,
    claim: Token,
}

impl Group {
    /// Fetches the attachment that the entry at a position tells of into a file, across broken connections. The file
    /// appears whole or not at all; size and hash are those that the sender signed. It can be fetched once: this
    /// member's copy is erased then, and nobody else's.
    ///
    /// Only the service that the group's node announces is asked, unless the options allow any.
    ///
    /// # Errors
    /// [`Error::NotPossible`] with `not_an_attachment`, `attachment_sent` (from this home), `attachment_fetched`,
    /// `no_drop_service`, `foreign_service` (another one than the node announces), or `attachment_mismatch` (what was
    /// there is not what the sender signed); [`Error::Drop`], with `drop_gone` when there is nothing for this home.
    /// Nothing is written then.
    ///
    /// # Cancel safety
    /// Dropping the future leaves no file; call again. What was claimed is remembered, also by the next process.
    pub async fn fetch_attachment(
        &self,
        at: Position,
        to: &Path,
        options: FetchOptions,
    ) -> Result<(), Error> {
        Box::pin(self.fetch_unboxed(at, to, options)).await
    }

    async fn fetch_unboxed(&self, at: Position, to: &Path, options: FetchOptions) -> Result<(), Error> {
        if !options.overwrite && to.symlink_metadata().is_ok() {
            return Err(DropError::FileExists.into());
        }
        let wanted = self.wanted(at).await?;
        let service = self.service_of(&wanted.copy, options.any_service).await?;
        let inner = &self.client().inner;
        let mut reading = inner.reading(&service, &wanted.copy.secret, Some(wanted.claim.clone()))?;
        if let Some(progress) = &options.progress {
            reading = reading.with_progress(Arc::clone(progress));
        }
        match receive(&mut reading, &wanted, to, options.overwrite).await {
            Ok(()) => {
                self.end_fetch(at, AttachmentState::Fetched).await?;
                reading.confirm().await;
                Ok(())
            }
            Err(error) => {
                if matches!(error, Error::Drop(DropError::Gone)) {
                    self.end_fetch(at, AttachmentState::Gone).await?;
                }
                Err(error)
            }
        }
    }

    /// What is stored of an attachment, with a claim that is stored, too.
    async fn wanted(&self, at: Position) -> Result<Wanted, Error> {
        let (store, id) = (self.client().inner.store.clone(), self.id());
        let fresh = Token::generate(&mut self.client().inner.rng());
        let refused = |code, detail: &str| Error::NotPossible { code, detail: detail.to_owned() };
        let none = move || refused("not_an_attachment", "there is no attachment at this place");
        blocking(move || {
            store.write::<_, Error>(|tx| {
                let stored = tx.entries(&id, at.0, 1)?.into_iter().find(|(position, _)| *position == at.0);
                let (_, stored) = stored.ok_or_else(none)?;
                let entry: Entry = serde_json::from_slice(&stored).map_err(|_| StoreError::Damaged)?;
                let What::Attachment { size, sha256, .. } = entry.what else { return Err(none()) };
                let Some(copy) = copy_of(&stored)? else {
                    return Err(refused("attachment_sent", "this file was sent from here"));
                };
                if Fetches::read(tx, id)?.state(at) == Some(AttachmentState::Fetched) {
                    return Err(refused("attachment_fetched", "this file was fetched before"));
                }
                let claim = Fetches::begin(tx, id, at, fresh.clone())?;
                Ok(Wanted { size, sha256, copy, claim })
            })
        })
        .await?
    }

    /// A member must not be able to have others' machines call servers of its choice.
    async fn service_of(&self, copy: &OwnCopy, any: bool) -> Result<String, Error> {
        let inner = &self.client().inner;
        let server = self.load().await?.session.server.clone();
        match (inner.announced(&server).await?, &copy.service) {
            (Some(announced), None) => Ok(announced.to_string()),
            (Some(announced), Some(url)) if announced.as_str() == url => Ok(announced.to_string()),
            (_, Some(url)) if any => Ok(url.clone()),
            (_, Some(url)) => Err(Error::NotPossible {
                code: "foreign_service",
                detail: format!("the sender put this file at {url}, which the group's server does not name"),
            }),
            (None, None) => Err(Error::NotPossible {
                code: "no_drop_service",
                detail: "the group's server does not say any more where its files are".to_owned(),
            }),
        }
    }

    async fn end_fetch(&self, at: Position, state: AttachmentState) -> Result<(), Error> {
        let (store, id) = (self.client().inner.store.clone(), self.id());
        blocking(move || store.write::<_, StoreError>(|tx| Fetches::end(tx, id, at, state))).await??;
        Ok(())
    }
}

/// Reads a copy into a file beside its place, checks it, and gives it its name.
async fn receive(reading: &mut Reading, wanted: &Wanted, to: &Path, overwrite: bool) -> Result<(), Error> {
    let told = reading.claim(None).await?;
    if told.len.is_some_and(|len| len != wanted.size) {
        reading.release().await;
        return Err(mismatch());
    }
    let folder =
        to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let temporary = tempfile::Builder::new().prefix(".kith-").tempfile_in(folder);
    let temporary = match temporary.and_then(|temporary| Ok((temporary.as_file().try_clone()?, temporary))) {
        Ok(temporary) => temporary,
        Err(error) => {
            reading.release().await;
            return Err(DropError::Target(error).into());
        }
    };
    let (file, temporary) = temporary;
    let (mut file, digest) = Hashed::new(tokio::fs::File::from_std(file));
    reading.receive(&mut file).await?;
    file.shutdown().await.map_err(DropError::Target)?;
    if hex::encode(digest.digest().as_bytes()) != wanted.sha256 {
        return Err(mismatch());
    }
    let to = to.to_owned();
    let kept = blocking(move || {
        temporary.as_file().sync_all()?;
        let named = if overwrite { temporary.persist(&to) } else { temporary.persist_noclobber(&to) };
        named.map_err(|error| error.error)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
        std::fs::File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
    })
    .await?;
    let exists = |error: &std::io::Error| error.kind() == std::io::ErrorKind::AlreadyExists;
    kept.map_err(|error| if exists(&error) { DropError::FileExists } else { DropError::Target(error) }.into())
}

fn mismatch() -> Error {
    Error::NotPossible {
        code: "attachment_mismatch",
        detail: "what the service has is not the file that the sender described".to_owned(),
    }
}
