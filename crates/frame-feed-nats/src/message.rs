//! A record as a message: headers and payload.
//!
//! | header | value |
//! |---|---|
//! | `Kith-Version` | `1` |
//! | `Kith-Life` | the log's life, decimal |
//! | `Kith-Seq` | position in the group, decimal |
//! | `Kith-Frame-Id` | 16 bytes, lowercase hexadecimal |
//! | `Kith-Th` | hash of the frame, 32 bytes, lowercase hexadecimal |
//! | `Kith-Received-At` | milliseconds since 1970-01-01 UTC, decimal |
//! | `Kith-Epoch` | the group's epoch the frame was accepted in, decimal |
//! | `Kith-Kind` | `operation` or `message` |
//! | `Kith-Place` | where the source goes on after this record, lowercase hexadecimal; may be missing |
//! | `Kith-Code` | HMAC-SHA-256 of all this, group and payload, under the [`FeedKey`], lowercase hexadecimal |
//! | `Nats-Msg-Id` | `<life>:<group>:<seq>`, and behind another colon whatever its sender tells attempts apart by |
//!
//! The payload is the frame's wire bytes; it is empty once the frame has been pruned.

use async_nats::HeaderMap;
use bytes::Bytes;
use frame_log::{LogLife, MAX_PLACE, MAX_RECORD, Place, StoredRecord, UnixMillis};
use protocol::{Epoch, FrameHash, FrameId, GroupId, Seq, digest::Hasher};
use thiserror::Error;

use crate::{FeedKey, Names};

/// Most bytes the headers of one message take, those that NATS itself adds included.
pub const MAX_HEADERS: usize = 4 * 1024;
/// Most bytes of one message, headers included. A stream must take as much.
pub const MAX_MESSAGE: usize = MAX_RECORD + MAX_HEADERS;

const VERSION: &str = "1";

const H_VERSION: &str = "Kith-Version";
const H_LIFE: &str = "Kith-Life";
const H_SEQ: &str = "Kith-Seq";
const H_FRAME_ID: &str = "Kith-Frame-Id";
const H_TH: &str = "Kith-Th";
const H_RECEIVED_AT: &str = "Kith-Received-At";
const H_EPOCH: &str = "Kith-Epoch";
const H_KIND: &str = "Kith-Kind";
const H_PLACE: &str = "Kith-Place";
const H_CODE: &str = "Kith-Code";
const H_MESSAGE_ID: &str = "Nats-Msg-Id";

const OPERATION: &str = "operation";
const MESSAGE: &str = "message";

/// A record of one group on its way through NATS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FrameMessage {
    /// Which life of the log it belongs to.
    pub life: LogLife,
    /// Whose record it is.
    pub group: GroupId,
    /// The record.
    pub record: StoredRecord,
    /// Where the source goes on after this record, if the record came from one.
    pub place: Option<Place>,
}

/// A message that is no frame of this deployment, or not one made by somebody who shares the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadMessage {
    /// Published under another subject than a group's own.
    #[error("the subject is not that of a group")]
    Subject,
    /// A header is missing.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// A header has a value it cannot have, or two.
    #[error("the header {0} has no valid value")]
    Invalid(&'static str),
    /// Made by a program that is newer than this one, or much older.
    #[error("the version of the message is not supported")]
    Version,
    /// The frame is too long.
    #[error("the frame has {0} bytes")]
    TooLarge(usize),
    /// The code is not that of the content under this key.
    #[error("the code of the message is wrong")]
    Code,
}

impl FrameMessage {
    /// What NATS knows repetitions by, for as long as it remembers: `<life>:<group>:<seq>`. A sender that has other means
    /// against them may put more behind another colon.
    #[must_use]
    pub fn message_id(&self) -> String {
        format!("{}:{}:{}", self.life.get(), self.group, self.record.seq)
    }

    /// The headers to send it with, in code under `key`.
    #[must_use]
    pub fn headers(&self, key: &FeedKey) -> HeaderMap {
        let record = &self.record;
        let mut headers = HeaderMap::new();
        // None of these values holds a line break, which is all that a header refuses.
        headers.insert(H_VERSION, VERSION);
        headers.insert(H_LIFE, self.life.get().to_string());
        headers.insert(H_SEQ, record.seq.to_string());
        headers.insert(H_FRAME_ID, record.frame_id.to_string());
        headers.insert(H_TH, record.th.to_string());
        headers.insert(H_RECEIVED_AT, record.received_at.get().to_string());
        headers.insert(H_EPOCH, record.epoch.to_string());
        headers.insert(H_KIND, if record.is_operation { OPERATION } else { MESSAGE });
        if let Some(place) = &self.place {
            headers.insert(H_PLACE, hex::encode(place.as_bytes()));
        }
        headers.insert(H_CODE, hex::encode(key.code(&self.digest())));
        headers.insert(H_MESSAGE_ID, self.message_id());
        headers
    }

    /// The payload to send it with: the frame, or nothing.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        self.record.frame.clone().unwrap_or_default()
    }

    /// Reads a message and checks that it was made by somebody who has `key`.
    ///
    /// Headers that nobody here knows are passed over: NATS adds some of its own. Nothing is said about the frame
    /// inside but its length.
    ///
    /// # Errors
    /// [`BadMessage`] naming the first thing that is wrong.
    pub fn decode(
        names: &Names,
        key: &FeedKey,
        subject: &str,
        headers: Option<&HeaderMap>,
        payload: Bytes,
    ) -> Result<Self, BadMessage> {
        let group = names.group(subject).map_err(|_| BadMessage::Subject)?;
        let headers = Headers(headers.ok_or(BadMessage::Missing(H_VERSION))?);
        if headers.get(H_VERSION)? != VERSION {
            return Err(BadMessage::Version);
        }
        if payload.len() > MAX_RECORD {
            return Err(BadMessage::TooLarge(payload.len()));
        }
        let is_operation = match headers.get(H_KIND)? {
            OPERATION => true,
            MESSAGE => false,
            _ => return Err(BadMessage::Invalid(H_KIND)),
        };
        let place = match headers.find(H_PLACE)? {
            Some(text) => Some(place(text).ok_or(BadMessage::Invalid(H_PLACE))?),
            None => None,
        };
        let record = StoredRecord {
            seq: Seq::new(headers.number(H_SEQ)?),
            frame: (!payload.is_empty()).then_some(payload),
            frame_id: FrameId::new(headers.bytes(H_FRAME_ID)?),
            th: FrameHash::new(headers.bytes(H_TH)?),
            received_at: UnixMillis::new(headers.number(H_RECEIVED_AT)?),
            epoch: Epoch::new(headers.number(H_EPOCH)?),
            is_operation,
        };
        let message = Self { life: LogLife::new(headers.number(H_LIFE)?), group, record, place };
        if !key.agrees(&message.digest(), &headers.bytes(H_CODE)?) {
            return Err(BadMessage::Code);
        }
        let rest = headers.get(H_MESSAGE_ID)?.strip_prefix(&message.message_id());
        if rest.is_none_or(|rest| !rest.is_empty() && !rest.starts_with(':')) {
            return Err(BadMessage::Invalid(H_MESSAGE_ID));
        }
        Ok(message)
    }

    /// Everything a message says.
    fn digest(&self) -> [u8; 32] {
        let record = &self.record;
        Hasher::new("kith/v1/feed/record")
            .u64(self.life.get())
            .fixed(self.group.as_bytes())
            .u64(record.seq.get())
            .fixed(record.frame_id.as_bytes())
            .fixed(record.th.as_bytes())
            .u64(record.received_at.get())
            .u64(record.epoch.get())
            .flag(record.is_operation)
            .prefixed(self.place.as_ref().map_or(&[], Place::as_bytes))
            .prefixed(record.frame.as_deref().unwrap_or_default())
            .finish()
    }
}

fn place(text: &str) -> Option<Place> {
    // Looked at before it is decoded, so that a long text costs nothing.
    if text.len() > 2 * MAX_PLACE || !is_lowercase_hex(text) {
        return None;
    }
    Place::new(hex::decode(text).ok()?).ok()
}

fn is_lowercase_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Headers of which each has at most one value.
struct Headers<'a>(&'a HeaderMap);

impl Headers<'_> {
    fn find(&self, name: &'static str) -> Result<Option<&str>, BadMessage> {
        let mut values = self.0.get_all(name);
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(Some(value.as_str())),
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err(BadMessage::Invalid(name)),
        }
    }

    fn get(&self, name: &'static str) -> Result<&str, BadMessage> {
        self.find(name)?.ok_or(BadMessage::Missing(name))
    }

    /// A number as it is written here: no sign, no leading zero.
    fn number(&self, name: &'static str) -> Result<u64, BadMessage> {
        let text = self.get(name)?;
        let number: u64 = text.parse().map_err(|_| BadMessage::Invalid(name))?;
        if number.to_string() == text { Ok(number) } else { Err(BadMessage::Invalid(name)) }
    }

    fn bytes<const N: usize>(&self, name: &'static str) -> Result<[u8; N], BadMessage> {
        let text = self.get(name)?;
        let mut bytes = [0; N];
        if is_lowercase_hex(text) && hex::decode_to_slice(text, &mut bytes).is_ok() {
            Ok(bytes)
        } else {
            Err(BadMessage::Invalid(name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frame_log::Partitions;
    use proptest::{collection::vec, option, prelude::*};

    fn names() -> Names {
        Names::new("kith".parse().unwrap(), Partitions::new(4).unwrap())
    }

    fn key() -> FeedKey {
        FeedKey::new([7; 32])
    }

    fn message() -> FrameMessage {
        FrameMessage {
            life: LogLife::new(1_700_000_000),
            group: GroupId::new([0x11; 32]),
            record: StoredRecord {
                seq: Seq::new(42),
                frame: Some(Bytes::from_static(b"frame")),
                frame_id: FrameId::new([0x22; 16]),
                th: FrameHash::new([0x33; 32]),
                received_at: UnixMillis::new(1_700_000_000_123),
                epoch: Epoch::new(9),
                is_operation: true,
            },
            place: Some(Place::new(vec![0xde, 0xad]).unwrap()),
        }
    }

    fn decode(message: &FrameMessage, headers: &HeaderMap) -> Result<FrameMessage, BadMessage> {
        let subject = names().subject(&message.group);
        FrameMessage::decode(&names(), &key(), &subject, Some(headers), message.payload())
    }

    #[test]
    fn exact_headers() {
        let message = message();
        let headers = message.headers(&key());
        let mut lines: Vec<String> = headers
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| format!("{name}: {}", value.as_str())))
            .collect();
        lines.sort();
        let expected = [
            // Computed by another program, from the table above.
            "Kith-Code: f5491c6cc159ea7421184b733d4bb9f4b0375737e3b856abd0471b38ce817ae1".to_owned(),
            "Kith-Epoch: 9".to_owned(),
            format!("Kith-Frame-Id: {}", "22".repeat(16)),
            "Kith-Kind: operation".to_owned(),
            "Kith-Life: 1700000000".to_owned(),
            "Kith-Place: dead".to_owned(),
            "Kith-Received-At: 1700000000123".to_owned(),
            "Kith-Seq: 42".to_owned(),
            format!("Kith-Th: {}", "33".repeat(32)),
            "Kith-Version: 1".to_owned(),
            format!("Nats-Msg-Id: 1700000000:{}:42", "11".repeat(32)),
        ];
        assert_eq!(lines, expected);
        assert_eq!(&message.payload()[..], b"frame");
        assert_eq!(decode(&message, &headers), Ok(message));
    }

    #[test]
    fn every_header_is_looked_at() {
        let message = message();
        let good = message.headers(&key());
        for (name, wrong) in [
            (H_VERSION, "2"),
            (H_LIFE, "1700000001"),
            (H_SEQ, "43"),
            (H_SEQ, "042"),
            (H_SEQ, "+42"),
            (H_FRAME_ID, "22"),
            (H_TH, "3333"),
            (H_RECEIVED_AT, "1700000000124"),
            (H_EPOCH, "8"),
            (H_KIND, "message"),
            (H_KIND, "Operation"),
            (H_PLACE, "deae"),
            (H_PLACE, "DEAD"),
            (H_PLACE, ""),
            (H_CODE, "00"),
            (H_MESSAGE_ID, "1700000000:11:42"),
            (H_MESSAGE_ID, &format!("{}2", message.message_id())),
        ] {
            let mut headers = good.clone();
            headers.insert(name, wrong);
            assert!(decode(&message, &headers).is_err(), "{name}: {wrong}");
            if name != H_PLACE {
                let without = good.iter().filter(|(known, _)| known.to_string() != name);
                let headers = without.map(|(name, values)| (name.clone(), values[0].clone())).collect();
                assert_eq!(decode(&message, &headers), Err(BadMessage::Missing(name)));
            }
            let mut headers = good.clone();
            headers.append(name, wrong);
            assert_eq!(decode(&message, &headers), Err(BadMessage::Invalid(name)), "{name} twice");
        }
        let mut more = good;
        more.insert("Nats-Stream", "kith-frames-0");
        assert_eq!(decode(&message, &more), Ok(message.clone()));
        assert_eq!(
            FrameMessage::decode(&names(), &key(), &names().subject(&message.group), None, Bytes::new()),
            Err(BadMessage::Missing(H_VERSION))
        );
    }

    #[test]
    fn content_group_and_key_are_bound() {
        let message = message();
        let headers = message.headers(&key());
        let read = |key: &FeedKey, group: [u8; 32], payload: &'static [u8]| {
            let subject = names().subject(&GroupId::new(group));
            FrameMessage::decode(&names(), key, &subject, Some(&headers), Bytes::from_static(payload))
        };
        assert_eq!(read(&key(), [0x11; 32], b"frame"), Ok(message));
        assert_eq!(read(&key(), [0x11; 32], b"Frame"), Err(BadMessage::Code));
        assert_eq!(read(&key(), [0x11; 32], b""), Err(BadMessage::Code));
        assert_eq!(read(&key(), [0x12; 32], b"frame"), Err(BadMessage::Code));
        assert_eq!(read(&FeedKey::new([8; 32]), [0x11; 32], b"frame"), Err(BadMessage::Code));
        let long = Bytes::from(vec![0; MAX_RECORD + 1]);
        let subject = names().subject(&GroupId::new([0x11; 32]));
        assert_eq!(
            FrameMessage::decode(&names(), &key(), &subject, Some(&headers), long),
            Err(BadMessage::TooLarge(MAX_RECORD + 1))
        );
    }

    #[test]
    fn the_longest_headers_fit() {
        let mut message = message();
        message.life = LogLife::new(u64::MAX);
        message.record.seq = Seq::new(u64::MAX);
        message.record.epoch = Epoch::new(u64::MAX);
        message.record.received_at = UnixMillis::new(u64::MAX);
        message.place = Some(Place::new(vec![0; MAX_PLACE]).unwrap());
        let headers = message.headers(&key());
        let bytes: usize = headers
            .iter()
            .map(|(name, values)| name.to_string().len() + values[0].as_str().len() + ": \r\n".len())
            .sum();
        // What NATS adds: which sequence the stream must be at, and its own name in copies it hands out.
        assert!(bytes + 512 < MAX_HEADERS, "{bytes}");
    }

    fn any_message() -> impl Strategy<Value = FrameMessage> {
        let numbers = any::<[u64; 4]>();
        let bytes = (any::<[u8; 32]>(), any::<[u8; 16]>(), any::<[u8; 32]>());
        let rest =
            (option::of(vec(any::<u8>(), 1..300)), option::of(vec(any::<u8>(), 1..300)), any::<bool>());
        (numbers, bytes, rest).prop_map(|([life, seq, at, epoch], (group, id, th), (frame, place, op))| {
            FrameMessage {
                life: LogLife::new(life),
                group: GroupId::new(group),
                record: StoredRecord {
                    seq: Seq::new(seq),
                    frame: frame.map(Bytes::from),
                    frame_id: FrameId::new(id),
                    th: FrameHash::new(th),
                    received_at: UnixMillis::new(at),
                    epoch: Epoch::new(epoch),
                    is_operation: op,
                },
                place: place.map(|bytes| Place::new(bytes).unwrap()),
            }
        })
    }

    proptest! {
        #[test]
        fn read_as_written(message in any_message()) {
            prop_assert_eq!(decode(&message, &message.headers(&key())), Ok(message));
        }

        #[test]
        fn nothing_panics(values in vec((0..11_usize, ".{0,80}"), 0..14), payload in vec(any::<u8>(), 0..64)) {
            let known = [H_VERSION, H_LIFE, H_SEQ, H_FRAME_ID, H_TH, H_RECEIVED_AT, H_EPOCH, H_KIND, H_PLACE,
                H_CODE, H_MESSAGE_ID];
            let mut headers = message().headers(&key());
            for (at, value) in values {
                if let Ok(value) = value.parse::<async_nats::HeaderValue>() {
                    headers.insert(known[at], value);
                }
            }
            let subject = names().subject(&message().group);
            let _read = FrameMessage::decode(&names(), &key(), &subject, Some(&headers), payload.into());
        }
    }
}
