//! The key-value bucket in which relays keep leases, cursors and the progress of scans.

use async_nats::jetstream::{
    self,
    context::KeyValueErrorKind,
    kv::{self, CreateErrorKind, Operation, Store, UpdateErrorKind},
    stream::StorageType,
};
use bytes::Bytes;
use frame_feed_nats::Prefix;
use futures_util::TryStreamExt as _;
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;
use tokio::sync::Mutex;

use crate::lease::Instance;

/// Largest value, in bytes. A place has up to 1,024 and stands there in hexadecimal.
const MAX_VALUE: i32 = 8 * 1024;
/// Instances that are known at most.
const MAX_MEMBERS: usize = 1_024;

/// The bucket does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the relay's bucket does not answer")]
pub(crate) struct BucketError;

/// The bucket `<prefix>-relay`.
#[derive(Debug)]
pub(crate) struct Bucket {
    jetstream: jetstream::Context,
    name: String,
    replicas: usize,
    store: Mutex<Option<Store>>,
}

impl Bucket {
    pub(crate) fn new(jetstream: jetstream::Context, prefix: &Prefix, replicas: u8) -> Self {
        let name = format!("{prefix}-relay");
        Self { jetstream, name, replicas: usize::from(replicas), store: Mutex::default() }
    }

    /// The bucket, opened or made at first use and after [`Self::forget`].
    async fn store(&self) -> Result<Store, BucketError> {
        let mut store = self.store.lock().await;
        if let Some(store) = &*store {
            return Ok(store.clone());
        }
        let opened = match self.jetstream.get_key_value(&self.name).await {
            Ok(opened) => opened,
            Err(error) if matches!(error.kind(), KeyValueErrorKind::GetBucket) => {
                let config = kv::Config {
                    bucket: self.name.clone(),
                    description: "leases and cursors of the relay".to_owned(),
                    max_value_size: MAX_VALUE,
                    history: 1,
                    storage: StorageType::File,
                    num_replicas: self.replicas,
                    ..kv::Config::default()
                };
                self.jetstream.create_key_value(config).await.map_err(|_| BucketError)?
            }
            Err(_) => return Err(BucketError),
        };
        *store = Some(opened.clone());
        Ok(opened)
    }

    /// Opens the bucket anew at its next use: it may have been deleted.
    pub(crate) async fn forget(&self) {
        *self.store.lock().await = None;
    }

    /// A key's value and its revision.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<(u64, Bytes)>, BucketError> {
        let entry = self.store().await?.entry(key).await.map_err(|_| BucketError)?;
        Ok(entry.filter(|entry| entry.operation == Operation::Put).map(|entry| (entry.revision, entry.value)))
    }

    /// Sets a value whatever it was, and returns its revision.
    pub(crate) async fn put(&self, key: &str, value: Bytes) -> Result<u64, BucketError> {
        self.store().await?.put(key, value).await.map_err(|_| BucketError)
    }

    /// Sets a value if the key is still at `revision` (0: there is none). Returns its new revision, `None` if it was
    /// not.
    pub(crate) async fn replace(
        &self,
        key: &str,
        value: Bytes,
        revision: u64,
    ) -> Result<Option<u64>, BucketError> {
        let store = self.store().await?;
        if revision == 0 {
            return match store.create(key, value).await {
                Ok(revision) => Ok(Some(revision)),
                Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Ok(None),
                Err(_) => Err(BucketError),
            };
        }
        match store.update(key, value, revision).await {
            Ok(revision) => Ok(Some(revision)),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(None),
            Err(_) => Err(BucketError),
        }
    }

    /// Takes a key out without leaving a mark.
    pub(crate) async fn remove(&self, key: &str) -> Result<(), BucketError> {
        let stream = self.store().await?.stream;
        let subject = format!("$KV.{}.{key}", self.name);
        stream.purge().filter(subject).await.map(drop).map_err(|_| BucketError)
    }

    /// A value that is kept as JSON; one that cannot be read is none.
    pub(crate) async fn load<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, BucketError> {
        let value = self.get(key).await?;
        Ok(value.and_then(|(_, value)| serde_json::from_slice(&value).ok()))
    }

    /// Keeps a value as JSON.
    pub(crate) async fn save<T: Serialize + Sync>(&self, key: &str, value: &T) -> Result<(), BucketError> {
        let value = serde_json::to_vec(value).map_err(|_| BucketError)?;
        self.put(key, value.into()).await.map(drop)
    }

    /// The instances that have made themselves known.
    pub(crate) async fn members(&self) -> Result<Vec<Instance>, BucketError> {
        let stream = self.store().await?.stream;
        let start = format!("$KV.{}.{}", self.name, MEMBER);
        let mut subjects = stream.info_with_subjects(format!("{start}*")).await.map_err(|_| BucketError)?;
        let mut members = Vec::new();
        while let Some((subject, _)) = subjects.try_next().await.map_err(|_| BucketError)? {
            if let Some(name) = subject.strip_prefix(&start) {
                members.push(Instance::new(name.to_owned()));
            }
            if members.len() >= MAX_MEMBERS {
                break;
            }
        }
        Ok(members)
    }
}

const MEMBER: &str = "member.";

/// Where an instance makes itself known.
pub(crate) fn member_key(instance: &Instance) -> String {
    format!("{MEMBER}{instance}")
}
