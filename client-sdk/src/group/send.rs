//! Files larger than a frame: sealed once, with a copy for every other member.

use core::{fmt, time::Duration};
use std::{
    io::Cursor,
    path::{Path, PathBuf},
};

use api::ErrorCode;
use bytes::Bytes;
use e2ee::{
    attachment::{Attachment, FileDigest, copy_name},
    content::{Content, ContentError, MAX_CONTENT},
    name::{ContentType, FileName},
    node_url::NodeUrl,
};
use futures_util::future::BoxFuture;
use protocol::LeafId;

use super::Group;
use crate::{
    attachments::{Digesting, Hashed},
    drops::{DropError, Drops, MadeDrop, OnBytes, PutOptions, Source},
    error::Error,
    live::Live,
    session::{SessionError, Standing},
};

/// Most copies that one request makes.
const COPIES_AT_ONCE: usize = 1_024;
/// How often members that came while the others' copies were made are given theirs.
const ROUNDS: usize = 8;
/// How long copies wait for those who are away, unless the caller says otherwise.
const WEEK: u64 = 7 * 24 * 3600;
/// Longest wait for what would happen by itself, too.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a file is sent.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct SendOptions {
    /// Told of what was sent so far and of the whole, in sealed bytes, where the file does not fit a frame.
    pub progress: Option<OnBytes>,
    /// Seconds for which the service keeps copies that nobody fetched; `None` is a week, or what the service likes if
    /// that is too long for it.
    pub expires_in: Option<u64>,
    /// Address of another service than the one that the group's node announces. Members fetch from there only if they
    /// say so.
    pub service: Option<String>,
}

impl fmt::Debug for SendOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendOptions").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// A file about to be sent.
struct Outgoing {
    name: FileName,
    media_type: ContentType,
    place: Place,
    size: u64,
}

/// Where its content is.
enum Place {
    Memory(Bytes),
    Disk(PathBuf),
}

impl Outgoing {
    /// The content from its beginning, and the hash of what will have been read of it.
    async fn open(&self) -> Result<(Source, Digesting), DropError> {
        Ok(match &self.place {
            Place::Memory(bytes) => {
                let (reader, digest) = Hashed::new(Cursor::new(bytes.clone()));
                (Source::reader(reader, self.size), digest)
            }
            Place::Disk(path) => {
                let file = tokio::fs::File::open(path).await.map_err(DropError::Source)?;
                let (reader, digest) = Hashed::new(file);
                (Source::reader(reader, self.size), digest)
            }
        })
    }
}

impl Group {
    /// Sends a file. The name is made safe. What fits a frame (about 64 KB) travels in it. What does not is sealed and
    /// brought to the service that the group's node announces, with a copy for every other member that can be read
    /// once, and the message is posted when all of that is durable: then the members find it in their timelines as
    /// [`crate::What::Attachment`].
    ///
    /// # Errors
    /// As [`Self::send_text`]; [`Error::BadText`] for a media type that is none; [`Error::NotPossible`] with
    /// `no_drop_service` for a file that does not fit where there is no service; [`Error::Drop`].
    ///
    /// # Cancel safety
    /// Until the message is stored, dropping the future leaves at most a drop that nobody was told of, and that
    /// expires.
    pub async fn send_path(
        &self,
        path: &Path,
        name: &str,
        media_type: &str,
        options: SendOptions,
    ) -> Result<u64, Error> {
        Box::pin(self.send_path_unboxed(path, name, media_type, options)).await
    }

    async fn send_path_unboxed(
        &self,
        path: &Path,
        name: &str,
        media_type: &str,
        options: SendOptions,
    ) -> Result<u64, Error> {
        let (name, media_type) = described(name, media_type)?;
        let about = tokio::fs::metadata(path).await.map_err(DropError::Source)?;
        if !about.is_file() {
            return Err(DropError::Source(std::io::Error::other("not a file")).into());
        }
        let size = about.len();
        if size <= MAX_CONTENT as u64 {
            let content = tokio::fs::read(path).await.map_err(DropError::Source)?;
            return self.send_bytes(name, media_type, content, options).await;
        }
        let place = Place::Disk(path.to_owned());
        self.send_outside(Outgoing { name, media_type, place, size }, options).await
    }

    /// As [`Self::send_path`], with the content in memory.
    ///
    /// # Errors
    /// As [`Self::send_path`].
    ///
    /// # Cancel safety
    /// As [`Self::send_path`].
    pub async fn send_file_with(
        &self,
        name: &str,
        media_type: &str,
        content: Vec<u8>,
        options: SendOptions,
    ) -> Result<u64, Error> {
        let (name, media_type) = described(name, media_type)?;
        Box::pin(self.send_bytes(name, media_type, content, options)).await
    }

    async fn send_bytes(
        &self,
        name: FileName,
        media_type: ContentType,
        body: Vec<u8>,
        options: SendOptions,
    ) -> Result<u64, Error> {
        let inside = Content::File { name, media_type, body };
        let too_long = matches!(inside.to_bytes(), Err(ContentError::TooLong { .. }));
        let Content::File { name, media_type, body } = inside else { return Err(Error::System) };
        if !too_long {
            return self.send(Content::File { name, media_type, body }).await;
        }
        let size = body.len() as u64;
        let place = Place::Memory(body.into());
        self.send_outside(Outgoing { name, media_type, place, size }, options).await
    }

    async fn send_outside(&self, file: Outgoing, options: SendOptions) -> Result<u64, Error> {
        let inner = &self.client().inner;
        // Whether we may say anything is known before anything is brought anywhere.
        let live = self.load().await?.sync().await?.heal_if_dirty().await?;
        may_speak(&live)?;
        let (server, readers) = (live.session.server.clone(), live.session.others());
        drop(live);
        let (url, service) = match &options.service {
            Some(url) => {
                let drops = inner.drops(url)?;
                let named = NodeUrl::new(drops.url())
                    .map_err(|e| Error::bad_text("the address of the service is not usable", e))?;
                (drops.url().to_owned(), Some(named))
            }
            None => match inner.announced(&server).await? {
                Some(url) => (url.to_string(), None),
                None => return Err(no_service(file.size)),
            },
        };
        let drops = inner.drops(&url)?;
        let (made, digest) = put(&drops, &file, &options).await?;
        let attachment = Attachment {
            name: file.name,
            media_type: file.media_type,
            size: file.size,
            digest,
            secret: made.link.secret().clone(),
            service,
        };
        let sealed = self.seal_outside(&drops, &made, attachment, readers).await;
        // Nobody is to read the original: each body has as many readers as there are members.
        let deleted = inner.within(PATIENCE, drops.delete(&made.id(), &made.deletion)).await;
        if !matches!(deleted, Some(Ok(()))) {
            tracing::debug!("the original of an attachment waits for its end");
        }
        sealed?.post_outbox().await
    }

    /// Gives every other member a copy, and stores the message that tells of them.
    async fn seal_outside(
        &self,
        drops: &Drops,
        made: &MadeDrop,
        attachment: Attachment,
        mut readers: Vec<LeafId>,
    ) -> Result<Live, Error> {
        copy(drops, made, &readers).await?;
        for _ in 0..ROUNDS {
            let mut live = self.load().await?.sync().await?.heal_if_dirty().await?;
            may_speak(&live)?;
            let late: Vec<LeafId> =
                live.session.others().into_iter().filter(|id| !readers.contains(id)).collect();
            if late.is_empty() {
                live.seal_due()?;
                live.seal(&Content::Attachment(attachment))?;
                return live.checkpoint().await;
            }
            drop(live);
            copy(drops, made, &late).await?;
            readers.extend(late);
        }
        Err(Error::Contention)
    }
}

impl Live {
    /// Posts what was stored to be sent, and gives the sequence number of the last of it.
    pub(super) fn post_outbox(self) -> BoxFuture<'static, Result<u64, Error>> {
        Box::pin(async move {
            let live = self.settle_outbox().await?;
            match live.sent {
                Some(seq) => Ok(seq.get()),
                // Not accepted, and the group ended for us in between.
                None if live.session.standing != Standing::Member => {
                    live.session.check_live()?;
                    Err(SessionError::NotJoined.into())
                }
                None => Ok(live.session.fold.seq().get()),
            }
        })
    }
}

/// Brings the file to the service: for as long as the caller wishes, or else for a week where the service does that.
async fn put(
    drops: &Drops,
    file: &Outgoing,
    options: &SendOptions,
) -> Result<(MadeDrop, FileDigest), DropError> {
    let mut expires_in = options.expires_in.or(Some(WEEK));
    loop {
        let (source, digest) = file.open().await?;
        let put = PutOptions { progress: options.progress.clone(), expires_in, ..PutOptions::default() };
        match drops.put(source, put).await {
            Err(DropError::Refused { code: ErrorCode::BadExpiry })
                if options.expires_in.is_none() && expires_in.is_some() =>
            {
                expires_in = None;
            }
            made => return Ok((made?, digest.digest())),
        }
    }
}

async fn copy(drops: &Drops, made: &MadeDrop, readers: &[LeafId]) -> Result<(), Error> {
    for readers in readers.chunks(COPIES_AT_ONCE) {
        let names: Vec<[u8; 8]> = readers.iter().map(|id| copy_name(*id)).collect();
        let names: Vec<&[u8]> = names.iter().map(<[u8; 8]>::as_slice).collect();
        drops.copies(made, &names, None).await?;
    }
    Ok(())
}

fn may_speak(live: &Live) -> Result<(), Error> {
    live.session.check_live()?;
    if live.session.standing != Standing::Member {
        return Err(SessionError::NotJoined.into());
    }
    if live.session.unconfirmed.is_some() {
        return Err(SessionError::Unconfirmed.into());
    }
    Ok(())
}

fn described(name: &str, media_type: &str) -> Result<(FileName, ContentType), Error> {
    let media_type =
        ContentType::new(media_type).map_err(|e| Error::bad_text("the media type is not usable", e))?;
    Ok((FileName::sanitise(name), media_type))
}

fn no_service(size: u64) -> Error {
    Error::NotPossible {
        code: "no_drop_service",
        detail: format!(
            "a message holds about 65,000 of these {size} bytes, and the group's server keeps no files"
        ),
    }
}
