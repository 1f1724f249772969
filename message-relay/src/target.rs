//! The stream a leader fills: asked, written to, looked into.

use std::sync::Arc;

use async_nats::{
    HeaderMap,
    header::{NATS_EXPECTED_LAST_MESSAGE_ID, NATS_EXPECTED_LAST_SEQUENCE, NATS_MESSAGE_ID},
    jetstream::{
        self, ErrorCode,
        context::{PublishAckFuture, PublishError, PublishErrorKind},
        message::{PublishMessage, StreamMessage},
        stream::{Info, RawMessageError, RawMessageErrorKind, Stream},
    },
};
use frame_feed_nats::{Connection, streams::StreamError};
use frame_log::Partition;
use protocol::GroupId;
use thiserror::Error;

use crate::{
    output::{Outgoing, Output, Published},
    window::Answer,
};

/// The stream could not be asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TargetError {
    /// It cannot be made, or is not as it has to be.
    #[error("the stream cannot be used")]
    Ensure(#[source] StreamError),
    /// It is no longer there.
    #[error("the stream is gone")]
    Gone,
    /// No answer, or none that says anything about the stream.
    #[error("the stream does not answer")]
    Unavailable,
}

/// The stream of one output and partition.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) output: Arc<dyn Output>,
    connection: Connection,
    jetstream: jetstream::Context,
    stream: Stream,
}

/// A message that was found, and the record it carries if it was made by a relay of this log.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: Option<String>,
    pub(crate) published: Option<Published>,
}

impl Target {
    /// Opens the stream, and makes it if it is not there.
    pub(crate) async fn open(
        connection: &Connection,
        output: &Arc<dyn Output>,
        partition: Partition,
    ) -> Result<Self, TargetError> {
        let stream = output.ensure(connection, partition).await.map_err(TargetError::Ensure)?;
        let jetstream = connection.jetstream();
        Ok(Self { output: Arc::clone(output), connection: connection.clone(), jetstream, stream })
    }

    /// What the server says about it now.
    pub(crate) async fn info(&self) -> Result<Info, TargetError> {
        self.stream.get_info().await.map_err(|error| match said(&error) {
            Some(ErrorCode::STREAM_NOT_FOUND) => TargetError::Gone,
            _ => TargetError::Unavailable,
        })
    }

    pub(crate) const fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The longest message the server takes, in bytes.
    pub(crate) fn max_payload(&self) -> usize {
        self.connection.client().max_payload()
    }

    /// The message at a sequence. Asked of the stream's leader: a copy elsewhere may be behind.
    pub(crate) async fn message(&self, sequence: u64) -> Result<Option<Found>, TargetError> {
        self.found(self.stream.get_raw_message(sequence).await)
    }

    /// A group's last message.
    pub(crate) async fn last_of(&self, group: &GroupId) -> Result<Option<Found>, TargetError> {
        let subject = self.output.subject(group);
        self.found(self.stream.get_last_raw_message_by_subject(&subject).await)
    }

    fn found(&self, answer: Result<StreamMessage, RawMessageError>) -> Result<Option<Found>, TargetError> {
        match answer {
            Ok(message) => {
                let id = message.headers.get(NATS_MESSAGE_ID).map(|id| id.as_str().to_owned());
                let published = self.output.read(&message.subject, &message.headers, message.payload);
                Ok(Some(Found { id, published }))
            }
            Err(error) => match error.kind() {
                RawMessageErrorKind::NoMessageFound => Ok(None),
                RawMessageErrorKind::JetStream(said) if said.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    Err(TargetError::Gone)
                }
                RawMessageErrorKind::JetStream(_)
                | RawMessageErrorKind::InvalidSubject
                | RawMessageErrorKind::Other => Err(TargetError::Unavailable),
            },
        }
    }

    /// Sends a message for the place behind sequence `expected` and, with `behind`, behind the message of that id.
    pub(crate) async fn send(
        &self,
        outgoing: &Outgoing,
        id: &str,
        expected: u64,
        behind: Option<&str>,
    ) -> Result<PublishAckFuture, PublishError> {
        let mut headers: HeaderMap = outgoing.headers.clone();
        headers.insert(NATS_MESSAGE_ID, id);
        headers.insert(NATS_EXPECTED_LAST_SEQUENCE, expected.to_string());
        if let Some(behind) = behind {
            headers.insert(NATS_EXPECTED_LAST_MESSAGE_ID, behind);
        }
        let message = PublishMessage::build().payload(outgoing.payload.clone()).headers(headers);
        self.jetstream.send_publish(outgoing.subject.clone(), message).await
    }
}

/// What the server's answer means.
pub(crate) fn answer(result: Result<jetstream::publish::PublishAck, PublishError>, stream: &str) -> Answer {
    match result {
        Ok(ack) if ack.stream != stream => Answer::Unknown,
        Ok(ack) if ack.duplicate => Answer::Duplicate,
        Ok(ack) => Answer::Stored(ack.sequence),
        Err(error) => refusal(&error),
    }
}

/// What it means that a message was not stored.
pub(crate) fn refusal(error: &PublishError) -> Answer {
    match error.kind() {
        PublishErrorKind::WrongLastSequence | PublishErrorKind::WrongLastMessageId => Answer::WrongSequence,
        PublishErrorKind::MaxPayloadExceeded => Answer::Unacceptable,
        PublishErrorKind::StreamNotFound
        | PublishErrorKind::TimedOut
        | PublishErrorKind::BrokenPipe
        | PublishErrorKind::MaxAckPending => Answer::Unknown,
        PublishErrorKind::Other => match said(error) {
            Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM | ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM) => {
                Answer::Unacceptable
            }
            _ => Answer::Unknown,
        },
    }
}

fn said(error: &(dyn std::error::Error + 'static)) -> Option<ErrorCode> {
    error.source()?.downcast_ref::<jetstream::Error>().map(jetstream::Error::error_code)
}
