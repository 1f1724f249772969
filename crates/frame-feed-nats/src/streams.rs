//! The streams frames are kept in: made as they have to be, and checked where they are already there.

use std::{collections::HashMap, time::Duration};

use async_nats::{
    Client,
    jetstream::{
        self,
        context::{
            CreateStreamError, CreateStreamErrorKind, GetStreamError, GetStreamErrorKind, UpdateStreamError,
        },
        stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream},
    },
};
use frame_log::Partition;
use serde::{Deserialize, Serialize};
use service_kit::config::{ByteSize, Period, Problems};
use thiserror::Error;

use crate::{MAX_MESSAGE, Names};

/// A stream keeps frames at least this long: what the relay looks back to when it has lost its place.
pub const MIN_AGE: Duration = Duration::from_secs(60);
/// A stream keeps at least this many bytes, in bytes.
pub const MIN_BYTES: u64 = 8 * 1024 * 1024;

/// Under which name a stream says among how many partitions its groups were shared out.
const PARTITIONS: &str = "kith-partitions";
/// What JetStream says when there is no such stream.
const NOT_FOUND: jetstream::ErrorCode = jetstream::ErrorCode::STREAM_NOT_FOUND;
/// What JetStream says when another one has just made it.
const NAME_IN_USE: jetstream::ErrorCode = jetstream::ErrorCode::STREAM_NAME_EXIST;

/// How much the streams keep, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreamSettings {
    /// How long a frame is kept.
    pub max_age: Period,
    /// How many bytes each partition's stream keeps.
    pub max_bytes: ByteSize,
    /// On how many servers each stream is kept: 1, 3 or 5. More than 1 needs a cluster.
    pub replicas: u8,
    /// How long a message's id is remembered, so that a repetition is dropped. Nothing depends on it but traffic.
    pub duplicate_window: Period,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            max_age: Period::from_secs(24 * 3_600),
            max_bytes: ByteSize::from_mib(1_024),
            replicas: 1,
            duplicate_window: Period::from_secs(120),
        }
    }
}

impl StreamSettings {
    /// Reports everything that is wrong with the values; `key` is where they are among the settings.
    pub fn check(&self, key: &str, problems: &mut Problems) {
        let mut require = |condition: bool, name: &str, message: &'static str| {
            problems.require(condition, &format!("{key}.{name}"), message);
        };
        require(self.max_age.get() >= MIN_AGE, "max_age", "must be at least 60s");
        let bytes = self.max_bytes.get();
        require(
            (MIN_BYTES..=i64::MAX as u64).contains(&bytes),
            "max_bytes",
            "must be at least 8MiB, and no more than there can be",
        );
        require(matches!(self.replicas, 1 | 3 | 5), "replicas", "must be 1, 3 or 5");
        require(!self.duplicate_window.is_zero(), "duplicate_window", "must be more than 0");
        require(
            self.duplicate_window <= self.max_age,
            "duplicate_window",
            "must not be longer than frames are kept",
        );
    }

    /// The stream of a partition as it has to be.
    fn config(&self, names: &Names, partition: Partition) -> Config {
        Config {
            name: names.stream(partition),
            description: Some("frames of groups, a copy of what the log holds".to_owned()),
            subjects: vec![names.wildcard(partition)],
            storage: StorageType::File,
            retention: RetentionPolicy::Limits,
            // The stream is a cache: when it is full, the oldest goes.
            discard: DiscardPolicy::Old,
            max_age: self.max_age.get(),
            max_bytes: i64::try_from(self.max_bytes.get()).unwrap_or(i64::MAX),
            max_messages: -1,
            max_messages_per_subject: -1,
            max_message_size: largest_message(),
            max_consumers: -1,
            num_replicas: usize::from(self.replicas),
            duplicate_window: self.duplicate_window.get(),
            allow_direct: true,
            // Deleting and purging stay possible. Whoever may do it may also delete the stream, and what is missing is
            // found in the log; but these two could never be allowed again.
            metadata: HashMap::from([(PARTITIONS.to_owned(), names.partitions().count().to_string())]),
            ..Config::default()
        }
    }
}

fn largest_message() -> i32 {
    i32::try_from(MAX_MESSAGE).unwrap_or(i32::MAX)
}

/// A stream cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// A stream of this name is there and is otherwise than frames need it. The operator's: remove it, or choose
    /// another prefix.
    #[error("the stream {stream} cannot be used: {reason}")]
    Unusable {
        /// Its name.
        stream: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The server takes only messages that are smaller than frames can be.
    #[error("the server's max_payload is {max} bytes, frames need {}", MAX_MESSAGE)]
    SmallPayload {
        /// What it takes, in bytes.
        max: usize,
    },
    /// The server does not answer, or has no JetStream.
    #[error("the stream cannot be asked for")]
    Get(#[source] GetStreamError),
    /// The server does not make it.
    #[error("the stream cannot be made")]
    Create(#[source] CreateStreamError),
    /// The server does not change it.
    #[error("the stream cannot be changed")]
    Update(#[source] UpdateStreamError),
}

/// What was done to have a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ensured {
    /// It was there as it has to be.
    AsItWas,
    /// It was there with other limits, and has been changed.
    Updated,
    /// It was not there: either the first start, or everything in it is lost.
    Created,
}

/// The stream of a partition, made if it is not there, brought to the settings if it differs in what does no harm.
///
/// # Errors
/// [`StreamError::Unusable`] for one that differs in what order and completeness rest on; else what the server says.
///
/// # Cancel safety
/// The stream may be made or changed after the future was dropped; asked again, it is as it has to be.
pub async fn ensure(
    client: &Client,
    jetstream: &jetstream::Context,
    names: &Names,
    partition: Partition,
    settings: &StreamSettings,
) -> Result<(Stream, Ensured), StreamError> {
    let max = client.max_payload();
    if max < MAX_MESSAGE {
        return Err(StreamError::SmallPayload { max });
    }
    let wanted = settings.config(names, partition);
    if let Some(found) = find(jetstream, &wanted.name).await? {
        return adjust(jetstream, found, &wanted).await;
    }
    match jetstream.create_stream(wanted.clone()).await {
        Ok(stream) => Ok((stream, Ensured::Created)),
        Err(error) if code(&error) == Some(NAME_IN_USE) => {
            // Somebody else has made it in this moment.
            match find(jetstream, &wanted.name).await? {
                Some(found) => adjust(jetstream, found, &wanted).await,
                None => Err(StreamError::Create(error)),
            }
        }
        Err(error) => Err(StreamError::Create(error)),
    }
}

fn code(error: &CreateStreamError) -> Option<jetstream::ErrorCode> {
    if let CreateStreamErrorKind::JetStream(said) = error.kind() { Some(said.error_code()) } else { None }
}

async fn find(jetstream: &jetstream::Context, name: &str) -> Result<Option<Stream>, StreamError> {
    let error = match jetstream.get_stream(name).await {
        Ok(found) => return Ok(Some(found)),
        Err(error) => error,
    };
    if let GetStreamErrorKind::JetStream(said) = error.kind()
        && said.error_code() == NOT_FOUND
    {
        return Ok(None);
    }
    Err(StreamError::Get(error))
}

async fn adjust(
    jetstream: &jetstream::Context,
    found: Stream,
    wanted: &Config,
) -> Result<(Stream, Ensured), StreamError> {
    let there = &found.cached_info().config;
    if let Some(reason) = danger(there, wanted) {
        return Err(StreamError::Unusable { stream: wanted.name.clone(), reason });
    }
    if !differs(there, wanted) {
        return Ok((found, Ensured::AsItWas));
    }
    // Whatever else an operator has set (placement, compression, notes) stays.
    let mut metadata = there.metadata.clone();
    metadata.extend(wanted.metadata.clone());
    let changed = Config {
        max_age: wanted.max_age,
        max_bytes: wanted.max_bytes,
        max_messages: wanted.max_messages,
        max_messages_per_subject: wanted.max_messages_per_subject,
        max_message_size: wanted.max_message_size,
        num_replicas: wanted.num_replicas,
        duplicate_window: wanted.duplicate_window,
        allow_direct: wanted.allow_direct,
        metadata,
        ..there.clone()
    };
    jetstream.update_stream(&changed).await.map_err(StreamError::Update)?;
    match find(jetstream, &wanted.name).await? {
        Some(stream) => Ok((stream, Ensured::Updated)),
        None => Err(StreamError::Unusable {
            stream: wanted.name.clone(),
            reason: "it was deleted while it was changed",
        }),
    }
}

/// Why a stream cannot hold what the relay writes, whatever its limits.
fn danger(there: &Config, wanted: &Config) -> Option<&'static str> {
    let partitions = there.metadata.get(PARTITIONS);
    let rules = [
        (there.storage != StorageType::File, "it is kept in memory"),
        (there.subjects != wanted.subjects, "it captures other subjects"),
        (
            partitions.is_some() && partitions != wanted.metadata.get(PARTITIONS),
            "its groups were shared out in another number of partitions",
        ),
        (there.discard != DiscardPolicy::Old, "it refuses new messages when it is full"),
        (there.discard_new_per_subject, "it refuses new messages of a full subject"),
        (there.retention != RetentionPolicy::Limits, "it forgets what has been read"),
        (there.no_ack, "it acknowledges nothing"),
        (there.sealed, "it is sealed"),
        (there.mirror.is_some() || there.sources.is_some(), "it is filled from other streams"),
        (there.subject_transform.is_some(), "it changes subjects"),
        (there.allow_rollup, "it allows messages to replace others"),
    ];
    rules.into_iter().find_map(|(wrong, reason)| wrong.then_some(reason))
}

fn differs(there: &Config, wanted: &Config) -> bool {
    there.max_age != wanted.max_age
        || there.max_bytes != wanted.max_bytes
        || there.max_messages != wanted.max_messages
        || there.max_messages_per_subject != wanted.max_messages_per_subject
        || there.max_message_size != wanted.max_message_size
        || there.num_replicas != wanted.num_replicas
        || there.duplicate_window != wanted.duplicate_window
        || there.allow_direct != wanted.allow_direct
        || there.metadata.get(PARTITIONS) != wanted.metadata.get(PARTITIONS)
}
