//! Bodies outside the database: sealed pieces in a folder or in a bucket.
//!
//! A piece is an object `<body>/<name>`, both 32 digits of hexadecimal: `nonce (12) ‖ AES-256-GCM(key of the body, nonce,
//! bytes, body ‖ u64 start ‖ u64 length)`. The key stands beside the record and nowhere else, so that an object alone,
//! in a backup or on a disk that was thrown away, tells nothing but its length.

mod error;
mod folder;
mod piece;
mod settings;

use core::{fmt, time::Duration};
use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use drop_state::BodyId;
use futures_util::{StreamExt as _, TryStreamExt as _, future::ready, stream::BoxStream};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, PutPayload, path::Path};

pub(crate) use self::piece::Buffer;
use self::piece::Counted;
pub use self::{
    error::{BodyError, Broken, CheckError},
    settings::{BodyKind, BodySettings, S3Settings},
};
use crate::store::{BodyKey, Segment, StoreId};

/// Longest that anything asked of a folder or bucket takes, with all its retries.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bodies that are looked at together when the store is searched for what nobody knows.
const PAGE: usize = 500;
/// Object that says which store a place is used for.
const OWNER: &str = "owner-of-drops";
/// Objects of a bucket that are named in one request to delete.
const DELETE_AT_ONCE: usize = 500;

/// Sealed pieces of bodies. Cheap to clone.
#[derive(Clone)]
pub struct Bodies(Arc<Inner>);

struct Inner {
    objects: Box<dyn ObjectStore>,
    /// The folder, where it is one.
    folder: Option<PathBuf>,
    segment: usize,
    min_free: u64,
    counted: Counted,
}

impl fmt::Debug for Bodies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.0.folder.is_some() { "folder" } else { "s3" };
        f.debug_struct("Bodies").field("kind", &kind).finish_non_exhaustive()
    }
}

/// A body that was found, and how long ago anything of it was written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) body: BodyId,
    /// Milliseconds since 1970.
    pub(crate) written: u64,
}

impl Bodies {
    /// Opens the folder, which is made if it is missing, or gets ready to talk to the bucket. Nothing is tried yet:
    /// that is [`Self::check`].
    ///
    /// # Errors
    /// [`CheckError`] for a folder that cannot be made, a secret that cannot be read, and settings that make no client.
    pub fn open(settings: &BodySettings) -> Result<Self, CheckError> {
        let (objects, folder) = match settings.kind {
            BodyKind::Folder => {
                let (objects, path) = folder::open(&settings.path)?;
                (objects, Some(path))
            }
            BodyKind::S3 => (settings.s3.client()?, None),
        };
        Ok(Self(Arc::new(Inner {
            objects,
            folder,
            segment: settings.segment.as_usize(),
            min_free: settings.min_free.get(),
            counted: Counted::default(),
        })))
    }

    /// Writes, lists, reads and removes something, so that what is wrong with the place is said when a service starts
    /// and not when the first sender comes.
    ///
    /// # Errors
    /// [`CheckError`], for people.
    pub async fn check(&self) -> Result<(), CheckError> {
        let body = BodyId::from_bytes(crate::random().map_err(|_| CheckError::NoRandomness)?);
        let key = BodyKey::from_bytes(crate::random().map_err(|_| CheckError::NoRandomness)?);
        let mut buffer = self.buffer();
        buffer.fill(b"probe");
        let tried = async {
            let segment = self.put(body, &key, 0, buffer).await?;
            let bytes = self.get(body, &key, segment).await?;
            if bytes != b"probe".as_slice() {
                return Err(BodyError::Damaged("the probe came back altered"));
            }
            Ok(())
        }
        .await;
        // Also when writing failed, which may have left something.
        let erased = self.erase(body).await;
        tried.and(erased).map_err(|error| CheckError::of(error, self.0.folder.is_some()))
    }

    /// Sees to it that this place is used for one store alone: bodies that a store does not know of are removed, and those
    /// of another store would be.
    ///
    /// # Errors
    /// [`CheckError::Foreign`] when it belongs to another one.
    pub async fn belong_to(&self, store: StoreId) -> Result<(), CheckError> {
        let path = Path::from(OWNER);
        let name = hex::encode(store.0);
        let read = async || {
            let found = patiently(async { self.0.objects.get(&path).await?.bytes().await }).await;
            match found {
                Ok(bytes) => Ok(Some(bytes)),
                Err(BodyError::Missing) => Ok(None),
                Err(error) => Err(CheckError::of(error, self.0.folder.is_some())),
            }
        };
        if read().await?.is_none() {
            let written = patiently(self.0.objects.put(&path, PutPayload::from(name.clone()))).await;
            written.map_err(|error| CheckError::of(error, self.0.folder.is_some()))?;
        }
        // Read once more: another store may have been as fast.
        let owner = read().await?;
        if owner.is_some_and(|owner| owner == name.as_bytes()) { Ok(()) } else { Err(CheckError::Foreign) }
    }

    /// Bytes of a full piece.
    pub(crate) fn segment(&self) -> u64 {
        self.0.segment as u64
    }

    /// Buffers and pieces that are in memory now.
    pub(crate) fn in_memory(&self) -> usize {
        self.0.counted.now()
    }

    /// Bytes that may still be written to the folder before it is as full as it may become; `None` for a bucket, and
    /// where the file system does not say.
    pub(crate) async fn room(&self) -> Option<u64> {
        let folder = self.0.folder.clone()?;
        let free = blocking(move || folder::free(&folder)).await.ok().flatten()?;
        Some(free.saturating_sub(self.0.min_free))
    }

    /// An empty buffer for a piece.
    pub(crate) fn buffer(&self) -> Buffer {
        Buffer::new(self.0.segment, &self.0.counted)
    }

    /// Seals a piece and stores it under a new name. Durable when it returns.
    ///
    /// # Errors
    /// [`BodyError`]; something may be there then, under a name that nobody knows.
    pub(crate) async fn put(
        &self,
        body: BodyId,
        key: &BodyKey,
        start: u64,
        buffer: Buffer,
    ) -> Result<Segment, BodyError> {
        let name = crate::random().map_err(|_| BodyError::NoRandomness)?;
        let segment = Segment { start, len: buffer.len() as u64, name };
        let (key, folder) = (key.clone(), self.0.folder.clone());
        let sealed = blocking(move || {
            folder.as_deref().map_or(Ok(()), folder::is_there)?;
            buffer.seal(body, &key, segment)
        });
        let sealed = sealed.await??;
        let path = object(body, &name);
        patiently(self.0.objects.put(&path, PutPayload::from_bytes(sealed))).await?;
        Ok(segment)
    }

    /// Reads a piece and opens it.
    ///
    /// # Errors
    /// [`BodyError`]; [`BodyError::Missing`] when it is not there (any more).
    pub(crate) async fn get(
        &self,
        body: BodyId,
        key: &BodyKey,
        segment: Segment,
    ) -> Result<Bytes, BodyError> {
        let live = self.0.counted.hold();
        let path = object(body, &segment.name);
        if let Some(folder) = self.0.folder.clone() {
            // Else a folder that went away would look like a body that was erased.
            blocking(move || folder::is_there(&folder)).await??;
        }
        let sealed = patiently(async {
            let found = self.0.objects.get(&path).await?;
            // Before it is read: whoever can write to the bucket must not fill the memory.
            if found.meta.size != piece::sealed_len(segment.len) {
                return Ok(None);
            }
            found.bytes().await.map(Some)
        })
        .await?
        .ok_or(BodyError::Damaged("a piece has another length"))?;
        let key = key.clone();
        blocking(move || piece::open(body, &key, segment, sealed, live)).await?
    }

    /// Removes a piece that no record knows of.
    ///
    /// # Errors
    /// [`BodyError`]; one that is not there is none.
    pub(crate) async fn discard(&self, body: BodyId, segment: Segment) -> Result<(), BodyError> {
        match patiently(self.0.objects.delete(&object(body, &segment.name))).await {
            Err(BodyError::Missing) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes all pieces of a body, known or not.
    ///
    /// # Errors
    /// [`BodyError`]; a body that is not there is none. Can be repeated.
    pub(crate) async fn erase(&self, body: BodyId) -> Result<(), BodyError> {
        if let Some(folder) = &self.0.folder {
            let (root, path) = (folder.clone(), folder.join(hex::encode(body.as_bytes())));
            return blocking(move || folder::remove(&root, &path)).await?;
        }
        let prefix = Path::from(hex::encode(body.as_bytes()));
        loop {
            let listed = self.0.objects.list(Some(&prefix)).map_ok(|object| object.location);
            let paths: Vec<Path> = patiently(listed.take(DELETE_AT_ONCE).try_collect()).await?;
            if paths.is_empty() {
                return Ok(());
            }
            let gone = self.0.objects.delete_stream(futures_util::stream::iter(paths).map(Ok).boxed());
            let gone = gone.filter(|done| ready(!matches!(done, Err(object_store::Error::NotFound { .. }))));
            patiently(gone.try_for_each(|_| ready(Ok(())))).await?;
        }
    }

    /// All bodies of which something is there, some at a time, in an order of the store's own.
    pub(crate) fn found(&self) -> BoxStream<'static, Result<Vec<Found>, BodyError>> {
        if let Some(folder) = &self.0.folder {
            return folder::list(folder.clone(), PAGE);
        }
        // Buckets are listed in the order of names, so that pieces of a body come one after another.
        let objects = self.0.objects.list(None);
        let state = (objects, None::<Found>, false);
        futures_util::stream::unfold(state, |(mut objects, mut last, ended)| async move {
            if ended {
                return None;
            }
            let mut page = Vec::new();
            while page.len() < PAGE {
                match patiently(objects.try_next()).await {
                    Ok(Some(object)) => {
                        let Some(found) = recognise(&object) else { continue };
                        match &mut last {
                            Some(same) if same.body == found.body => {
                                same.written = same.written.max(found.written);
                            }
                            _ => page.extend(last.replace(found)),
                        }
                    }
                    Ok(None) => {
                        page.extend(last.take());
                        return Some((Ok(page), (objects, None, true)));
                    }
                    Err(error) => return Some((Err(error), (objects, None, true))),
                }
            }
            Some((Ok(page), (objects, last, false)))
        })
        .boxed()
    }
}

/// Where a piece is.
fn object(body: BodyId, name: &[u8; 16]) -> Path {
    Path::from_iter([hex::encode(body.as_bytes()), hex::encode(name)])
}

/// The body that an object belongs to; `None` for what somebody else has put there.
fn recognise(object: &ObjectMeta) -> Option<Found> {
    let body = object.location.parts().next()?;
    let written = u64::try_from(object.last_modified.timestamp_millis()).unwrap_or(0);
    Some(Found { body: body_of(body.as_ref())?, written })
}

/// The body that a folder is called after.
fn body_of(name: &str) -> Option<BodyId> {
    // Only what this program would write itself: `hex` also reads capitals.
    let lower = name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut body = [0; 16];
    (lower && hex::decode_to_slice(name, &mut body).is_ok()).then(|| BodyId::from_bytes(body))
}

/// Waits, but not for ever.
async fn patiently<T>(asked: impl Future<Output = Result<T, object_store::Error>>) -> Result<T, BodyError> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer.map_err(BodyError::from),
        Err(_) => Err(BodyError::Unavailable(Broken::timed_out())),
    }
}

/// Does something outside the threads that serve requests.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, BodyError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| BodyError::Unavailable(Broken::unknown()))
}
