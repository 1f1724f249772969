//! Records that cannot be passed on: set aside for people, so that later ones are.

use async_nats::jetstream::{
    self,
    stream::{Config, DiscardPolicy, StorageType},
};
use frame_feed_nats::Prefix;
use protocol::{GroupId, Seq};
use serde::Serialize;
use service_kit::metrics::Counter;
use tokio::sync::OnceCell;

/// Notes that are kept; older ones go.
const MAX_NOTES: i64 = 10_000;
/// Longest text in a note, in bytes.
const MAX_TEXT: usize = 200;

/// A note of something that was passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Parked {
    /// The output it was meant for.
    output: &'static str,
    /// What is known of where it is.
    id: String,
    /// What is wrong.
    reason: String,
}

impl Parked {
    /// A record of the log.
    #[must_use]
    pub(crate) fn record(output: &'static str, group: &GroupId, seq: Seq, reason: &str) -> Self {
        Self::stored(output, &format!("{group}:{seq}"), reason)
    }

    /// Something stored that is no record.
    #[must_use]
    pub(crate) fn stored(output: &'static str, id: &str, reason: &str) -> Self {
        let bounded = |text: &str| text.chars().filter(|c| !c.is_control()).take(MAX_TEXT / 4).collect();
        let id = id.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect();
        Self { output, id, reason: bounded(reason) }
    }
}

/// Where notes are kept: the stream `<prefix>-parked`.
#[derive(Debug)]
pub(crate) struct Parking {
    jetstream: jetstream::Context,
    stream: String,
    subject: String,
    replicas: usize,
    made: OnceCell<()>,
    parked: Counter,
}

impl Parking {
    /// The notes of a deployment, counted in `parked`.
    #[must_use]
    pub(crate) fn new(jetstream: jetstream::Context, prefix: &Prefix, replicas: u8, parked: Counter) -> Self {
        Self {
            jetstream,
            stream: format!("{prefix}-parked"),
            subject: format!("{prefix}.parked"),
            replicas: usize::from(replicas),
            made: OnceCell::new(),
            parked,
        }
    }

    /// Takes note. Counts and logs even if the note cannot be kept.
    pub(crate) async fn park(&self, note: Parked) {
        self.parked.inc();
        // A group's id stays out of logs; the stream of notes is for those who run the log.
        tracing::error!(output = note.output, reason = note.reason, "a record was passed over");
        if self.keep(&note).await.is_none() {
            tracing::warn!("the note of a record that was passed over could not be kept");
        }
    }

    async fn keep(&self, note: &Parked) -> Option<()> {
        self.made
            .get_or_try_init(|| async {
                let config = Config {
                    name: self.stream.clone(),
                    description: Some("notes of records that could not be passed on".to_owned()),
                    subjects: vec![self.subject.clone()],
                    storage: StorageType::File,
                    discard: DiscardPolicy::Old,
                    max_messages: MAX_NOTES,
                    num_replicas: self.replicas,
                    ..Config::default()
                };
                self.jetstream.get_or_create_stream(config).await.map(drop)
            })
            .await
            .ok()?;
        let note = serde_json::to_vec(note).ok()?;
        self.jetstream.publish(self.subject.clone(), note.into()).await.ok()?.await.ok().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_short() {
        let note = Parked::stored("frames", &"x\n".repeat(10_000), &"y".repeat(10_000));
        assert!(serde_json::to_vec(&note).unwrap().len() < 500);
        let note = Parked::record("frames", &GroupId::new([0xab; 32]), Seq::new(7), "too large");
        let text = format!(r#"{{"output":"frames","id":"{}:7","reason":"too large"}}"#, "ab".repeat(32));
        assert_eq!(serde_json::to_string(&note).unwrap(), text);
    }
}
