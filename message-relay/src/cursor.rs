//! Where to go on: decided from what the stream, the bucket and the log say, before anything is published.

use async_nats::jetstream::stream::Info;
use frame_log::{LogLife, Place};
use serde::{Deserialize, Serialize};

/// Which stream it is: one that is deleted and made again is another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Made(i128);

impl Made {
    /// Of a stream.
    #[must_use]
    pub const fn of(info: &Info) -> Self {
        Self(info.created.unix_timestamp_nanos())
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn new(nanos: i128) -> Self {
        Self(nanos)
    }
}

/// A place kept beside the stream, for what the stream's last message does not know: places that moved on without a
/// record, and the place of a stream whose messages have aged away.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cursor {
    /// The stream it belongs to.
    pub made: Made,
    /// The life of the log it belongs to.
    pub life: u64,
    /// The stream's last sequence when it was kept: everything before the place is at or before it.
    pub sequence: u64,
    /// The place.
    #[serde(with = "as_hex")]
    pub place: Vec<u8>,
}

/// The last message of the stream, as far as it matters here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Last {
    /// The life it belongs to.
    pub life: LogLife,
    /// The place after it; missing while a scan was under way.
    pub place: Option<Place>,
}

/// Why the log is gone through.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing was ever published for this log here.
    FirstStart,
    /// The stream is not the one that was published to, or has lost its end.
    StreamWiped,
    /// The source cannot go on from its place.
    PlaceLost,
    /// The log has begun another life.
    OtherLife,
    /// Messages are missing from the stream.
    Missing,
    /// The source showed nothing although there was something.
    Stuck,
    /// A scan was under way, and nothing tells how far it had got.
    Unfinished,
}

/// How to begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Begin {
    /// Follow the source from here.
    Follow(Place),
    /// Go through the log.
    Scan(Reason),
}

/// Decides how to begin.
///
/// `stream` is the stream's last sequence, `last` its last message if there is one, `kept` the cursor in the bucket.
#[must_use]
pub fn begin(life: LogLife, made: Made, stream: u64, last: Option<&Last>, kept: Option<&Cursor>) -> Begin {
    if last.is_some_and(|last| last.life != life) {
        return Begin::Scan(Reason::OtherLife);
    }
    if last.is_none() && stream > 0 && kept.is_none_or(|kept| kept.made == made) {
        // Aged away, or purged: that cannot be told, and to look costs little where so little has happened.
        return Begin::Scan(Reason::Missing);
    }
    match kept {
        // The cursor was kept after the stream's last message, so it is at least as far.
        Some(kept) if kept.made == made && kept.life == life.get() && kept.sequence == stream => {
            if let Ok(place) = Place::new(kept.place.clone()) {
                return Begin::Follow(place);
            }
        }
        Some(kept) if kept.made != made || kept.sequence > stream => {
            return match last {
                // Somebody has gone on with the new stream already, and finished the scan this calls for.
                Some(Last { place: Some(place), .. }) if kept.made != made => Begin::Follow(place.clone()),
                _ => Begin::Scan(Reason::StreamWiped),
            };
        }
        Some(kept) if kept.life != life.get() && last.is_none() => return Begin::Scan(Reason::OtherLife),
        _ => {}
    }
    match last {
        Some(Last { place: Some(place), .. }) => Begin::Follow(place.clone()),
        Some(Last { place: None, .. }) => Begin::Scan(Reason::Unfinished),
        None => Begin::Scan(Reason::FirstStart),
    }
}

/// How far a scan has got; kept so that another leader need not begin anew.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// The stream it fills.
    pub made: Made,
    /// The life of the log it goes through.
    pub life: u64,
    /// Why.
    pub reason: Reason,
    /// The place from which the source is followed afterwards; taken before the scan began.
    #[serde(with = "as_hex")]
    pub place: Vec<u8>,
    /// The last group that is done, in hexadecimal; none before the first.
    pub after: Option<String>,
}

mod as_hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(deserializer)?).map_err(|_| D::Error::custom("not hexadecimal"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: LogLife = LogLife::new(3);
    const MADE: Made = Made(1_000);

    fn place(n: u8) -> Place {
        Place::new(vec![n]).unwrap()
    }

    fn last(life: u64, at: Option<u8>) -> Last {
        Last { life: LogLife::new(life), place: at.map(place) }
    }

    fn kept(made: i128, life: u64, sequence: u64) -> Cursor {
        Cursor { made: Made(made), life, sequence, place: vec![9] }
    }

    fn decide(stream: u64, last: Option<Last>, kept: Option<Cursor>) -> Begin {
        begin(LIFE, MADE, stream, last.as_ref(), kept.as_ref())
    }

    #[test]
    fn the_last_message_or_a_cursor_that_is_as_new() {
        assert_eq!(decide(5, Some(last(3, Some(1))), None), Begin::Follow(place(1)));
        assert_eq!(decide(5, Some(last(3, Some(1))), Some(kept(1_000, 3, 5))), Begin::Follow(place(9)));
        assert_eq!(decide(6, Some(last(3, Some(1))), Some(kept(1_000, 3, 5))), Begin::Follow(place(1)));
        assert_eq!(decide(0, None, Some(kept(1_000, 3, 0))), Begin::Follow(place(9)), "nothing yet");
    }

    #[test]
    fn otherwise_the_log_is_gone_through() {
        assert_eq!(decide(0, None, None), Begin::Scan(Reason::FirstStart));
        assert_eq!(decide(5, None, None), Begin::Scan(Reason::Missing));
        assert_eq!(decide(5, None, Some(kept(1_000, 3, 5))), Begin::Scan(Reason::Missing));
        assert_eq!(decide(0, None, Some(kept(999, 3, 5))), Begin::Scan(Reason::StreamWiped));
        assert_eq!(
            decide(4, Some(last(3, Some(1))), Some(kept(1_000, 3, 5))),
            Begin::Scan(Reason::StreamWiped)
        );
        assert_eq!(
            decide(5, Some(last(2, Some(1))), Some(kept(1_000, 3, 5))),
            Begin::Scan(Reason::OtherLife)
        );
        assert_eq!(decide(0, None, Some(kept(1_000, 2, 0))), Begin::Scan(Reason::OtherLife));
        assert_eq!(decide(5, Some(last(3, None)), None), Begin::Scan(Reason::Unfinished));
        assert_eq!(decide(2, Some(last(3, None)), Some(kept(999, 3, 5))), Begin::Scan(Reason::StreamWiped));
        assert_eq!(decide(2, Some(last(3, Some(1))), Some(kept(999, 3, 5))), Begin::Follow(place(1)));
    }

    #[test]
    fn kept_as_text() {
        let text = r#"{"made":1000,"life":3,"sequence":5,"place":"09"}"#;
        assert_eq!(serde_json::to_string(&kept(1_000, 3, 5)).unwrap(), text);
        assert_eq!(serde_json::from_str::<Cursor>(text).unwrap(), kept(1_000, 3, 5));
        let progress = Progress {
            made: MADE,
            life: 3,
            reason: Reason::StreamWiped,
            place: vec![0xab],
            after: Some("00".to_owned()),
        };
        let text = r#"{"made":1000,"life":3,"reason":"stream_wiped","place":"ab","after":"00"}"#;
        assert_eq!(serde_json::to_string(&progress).unwrap(), text);
        assert_eq!(serde_json::from_str::<Progress>(text).unwrap(), progress);
    }
}
