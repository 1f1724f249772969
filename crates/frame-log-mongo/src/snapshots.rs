//! Snapshots: bytes in chunks, and a manifest that makes them one.
//!
//! A document holds at most 16 MiB, a snapshot has up to 64. Each upload writes its chunks under an id nobody else uses
//! and its manifest (`_id.g` group, `_id.s` position, `u` upload, `l` length, `d` SHA-256) last, which is the moment
//! the snapshot exists. Replacing one swaps the manifest and then deletes the chunks of the old one; dropping one
//! deletes the manifest first. What a broken-off upload leaves behind is deleted by the next call for the same group that
//! comes [`ORPHAN_AGE`] later by the server's clock, long after an upload has [given up](UPLOAD_TIME).

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use frame_log::{MAX_SNAPSHOT, ReadError, WriteError};
use futures_util::TryStreamExt as _;
use mongodb::{
    bson::{Document, RawDocumentBuf, Timestamp, doc, oid::ObjectId},
    options::Hint,
};
use protocol::{GroupId, Seq};
use sha2::{Digest as _, Sha256};

use crate::{
    MongoFrameLog,
    committed::Patience,
    document::{binary, bytes_of, id, position},
    error::Fault,
    prune::written,
    read::{by_id, range},
    schema::CHUNKS_BY_GROUP,
};

/// Bytes of a chunk.
const CHUNK: usize = 4 * 1024 * 1024;
/// Longest an upload takes.
const UPLOAD_TIME: Duration = Duration::from_secs(600);
/// Age of chunks, in milliseconds by the server's clock, beyond which no upload can still be about to write their manifest.
const ORPHAN_AGE: i64 = 3_600 * 1_000;
/// Most chunks looked at in search of orphans.
const MAX_LISTED: i64 = 4_096;

/// A complete snapshot.
struct Manifest {
    at: i64,
    upload: ObjectId,
    len: usize,
    digest: Vec<u8>,
}

impl Manifest {
    fn read(document: &Document) -> Option<Self> {
        let len = usize::try_from(document.get_i64("l").ok()?).ok()?;
        Some(Self {
            at: document.get_document("_id").ok()?.get_i64("s").ok()?,
            upload: document.get_object_id("u").ok()?,
            len: Some(len).filter(|len| *len <= MAX_SNAPSHOT)?,
            digest: document.get_binary_generic("d").ok()?.clone(),
        })
    }
}

/// The chunks of an upload, or those from `first` on.
fn chunks_of(group: &GroupId, upload: ObjectId, first: i32) -> Document {
    doc! {
        "g": binary(group.as_bytes()),
        "_id": { "$gte": { "u": upload, "k": first }, "$lte": { "u": upload, "k": i32::MAX } },
    }
}

impl MongoFrameLog {
    pub(crate) async fn keep_snapshot(
        &self,
        group: &GroupId,
        at: Seq,
        state: Bytes,
    ) -> Result<(), WriteError> {
        let len = state.len();
        if len > MAX_SNAPSHOT {
            return Err(WriteError::TooLarge { len, max: MAX_SNAPSHOT });
        }
        if self.committed.get(group) < Some(at) && self.last(group).await.map_err(written)? < Some(at) {
            return Err(WriteError::BeyondHead);
        }
        let Some(position) = position(at) else { return Err(WriteError::BeyondHead) };
        self.sweep_orphans(group).await?;
        let upload = ObjectId::new();
        match tokio::time::timeout(UPLOAD_TIME, self.upload(group, position, upload, &state)).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(WriteError::Unavailable),
        }
    }

    async fn upload(&self, group: &GroupId, at: i64, upload: ObjectId, state: &Bytes) -> Result<(), Fault> {
        let mut digest = Sha256::new();
        for (k, bytes) in (0_i32..).zip(state.chunks(CHUNK)) {
            digest.update(bytes);
            let chunk = doc! {
                "_id": { "u": upload, "k": k },
                "g": binary(group.as_bytes()),
                "n": Timestamp { time: 0, increment: 0 },
                "b": binary(bytes),
            };
            let chunk = RawDocumentBuf::try_from(&chunk).map_err(|_| Fault::Unavailable)?;
            if let Err(fault) = self.ask(self.collections.chunks.insert_one(chunk).into_future()).await {
                // Before the manifest there is no snapshot, so this is certainly rubbish.
                let _ = self.delete_chunks(group, upload).await;
                return Err(fault);
            }
        }
        let manifest = doc! {
            "_id": id(group, at),
            "u": upload,
            "l": i64::try_from(state.len()).unwrap_or(i64::MAX),
            "d": binary(&digest.finalize()),
        };
        let mut patience = Patience::new(self.operation_timeout);
        let replaced = loop {
            let which = doc! { "_id": id(group, at) };
            let replace =
                self.collections.snapshots.find_one_and_replace(which, manifest.clone()).upsert(true);
            match self.ask(replace.into_future()).await {
                Ok(replaced) => break replaced,
                Err(Fault::Taken) => patience.again().await?,
                // Whether the manifest is there is open, so the chunks have to stay.
                Err(fault) => return Err(fault),
            }
        };
        if let Some(old) = replaced.and_then(|old| old.get_object_id("u").ok()).filter(|old| *old != upload) {
            self.delete_chunks(group, old).await?;
        }
        Ok(())
    }

    pub(crate) async fn newest_snapshot(
        &self,
        group: &GroupId,
        at_most: Option<Seq>,
    ) -> Result<Option<(Seq, Bytes)>, ReadError> {
        let at_most = at_most.and_then(position).unwrap_or(i64::MAX);
        let mut patience = Patience::new(self.operation_timeout);
        let mut seen = None;
        loop {
            let Some(manifest) = self.manifest(group, at_most).await? else { return Ok(None) };
            let seq = u64::try_from(manifest.at).ok().map(Seq::new);
            let damaged = ReadError::Damaged { group: Some(*group), seq };
            match (self.assemble(group, &manifest).await?, seq) {
                (Some(state), Some(seq)) => return Ok(Some((seq, state))),
                // Chunks that are missing twice from the same upload were not replaced in between.
                _ if seen == Some(manifest.upload) => {
                    tracing::error!(%group, at = manifest.at, "a stored snapshot is not what was stored");
                    return Err(damaged);
                }
                _ => seen = Some(manifest.upload),
            }
            patience.again().await?;
        }
    }

    async fn manifest(&self, group: &GroupId, at_most: i64) -> Result<Option<Manifest>, ReadError> {
        let find = self.collections.snapshots.find_one(range(group, 0, at_most)).sort(doc! { "_id": -1 });
        let Some(found) = self.ask(find.hint(by_id()).into_future()).await? else { return Ok(None) };
        let damaged = ReadError::Damaged { group: Some(*group), seq: None };
        Manifest::read(&found).map(Some).ok_or(damaged)
    }

    /// The bytes of a snapshot, `None` if they are not what the manifest says.
    async fn assemble(&self, group: &GroupId, manifest: &Manifest) -> Result<Option<Bytes>, Fault> {
        let mut state = Vec::with_capacity(manifest.len);
        let mut digest = Sha256::new();
        for k in 0_i32.. {
            if state.len() >= manifest.len {
                break;
            }
            let which = doc! { "g": binary(group.as_bytes()), "_id": { "u": manifest.upload, "k": k } };
            let chunk = self.ask(self.collections.chunks.find_one(which).into_future()).await?;
            let Some(bytes) = chunk.as_ref().and_then(|c| c.get_binary("b").ok()).and_then(bytes_of) else {
                return Ok(None);
            };
            if bytes.is_empty() || bytes.len() > manifest.len - state.len() {
                return Ok(None);
            }
            digest.update(bytes);
            state.extend_from_slice(bytes);
        }
        Ok((digest.finalize()[..] == manifest.digest[..]).then(|| state.into()))
    }

    pub(crate) async fn forget_snapshots(&self, group: &GroupId, before: Seq) -> Result<u64, WriteError> {
        let end = position(before).unwrap_or(i64::MAX);
        let Some(newest) = self.manifest(group, i64::MAX).await.map_err(written)? else { return Ok(0) };
        let mut dropped = 0;
        let end = end.min(newest.at);
        if end > 0 {
            let find = self.collections.snapshots.find(range(group, 0, end - 1)).hint(by_id());
            let old: Vec<Document> =
                self.ask(async { find.projection(doc! { "u": 1 }).await?.try_collect().await }).await?;
            for manifest in old {
                let upload = manifest.get_object_id("u").map_err(|_| WriteError::Damaged)?;
                // By upload as well: what replaced it in the meantime is not what was asked about.
                let delete = self.collections.snapshots.delete_one(manifest);
                dropped += self.ask(delete.into_future()).await?.deleted_count;
                self.delete_chunks(group, upload).await?;
            }
        }
        self.sweep_orphans(group).await?;
        Ok(dropped)
    }

    async fn delete_chunks(&self, group: &GroupId, upload: ObjectId) -> Result<(), Fault> {
        self.ask(self.collections.chunks.delete_many(chunks_of(group, upload, 0)).into_future())
            .await
            .map(drop)
    }

    /// Deletes what uploads left behind that never came to write their manifest.
    async fn sweep_orphans(&self, group: &GroupId) -> Result<(), Fault> {
        let g = binary(group.as_bytes());
        let hint = Hint::Name(CHUNKS_BY_GROUP.into());
        let find = self.collections.chunks.find(doc! { "g": g.clone() }).hint(hint).limit(MAX_LISTED);
        let listed: Vec<RawDocumentBuf> =
            self.ask(async { find.projection(doc! { "_id": 1 }).await?.try_collect().await }).await?;
        let upload = |d: &RawDocumentBuf| d.get_document("_id").ok()?.get_object_id("u").ok();
        let mut uploads: BTreeSet<ObjectId> = listed.iter().filter_map(upload).collect();
        if uploads.is_empty() {
            return Ok(());
        }
        let find = self.collections.snapshots.find(range(group, 0, i64::MAX)).hint(by_id());
        let complete: Vec<Document> =
            self.ask(async { find.projection(doc! { "u": 1 }).await?.try_collect().await }).await?;
        for manifest in complete {
            if let Ok(upload) = manifest.get_object_id("u") {
                uploads.remove(&upload);
            }
        }
        for upload in uploads {
            let mut old = chunks_of(group, upload, 0);
            old.insert("n", doc! { "$type": "timestamp" });
            let then = doc! { "$subtract": ["$$NOW", ORPHAN_AGE] };
            old.insert("$expr", doc! { "$lt": [{ "$toDate": "$n" }, then] });
            let find = self.collections.chunks.find_one(old).projection(doc! { "_id": 1 });
            if self.ask(find.into_future()).await?.is_some() {
                self.delete_chunks(group, upload).await?;
            }
        }
        Ok(())
    }
}
