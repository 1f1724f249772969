//! What operations are asked with and what they answer.

use core::{fmt, ops::Range, str::FromStr, time::Duration};

use bytes::Bytes;
use drop_state::{DropId, Millis, Reader, TokenHash, View};
use futures_util::stream::BoxStream;
use thiserror::Error;

use super::Token;

/// Bytes of a sender, as they arrive.
pub type Incoming = BoxStream<'static, Result<Bytes, Cut>>;

/// Bytes for a reader. After an error nothing follows.
pub type Outgoing = BoxStream<'static, Result<Bytes, Ended>>;

/// Why the bytes of a sender end before they are all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Cut {
    /// The connection broke.
    #[error("the connection broke")]
    Broken,
    /// The sender has used up what it may send.
    #[error("the sender may send no more for now")]
    Quota,
}

/// Why a reader is sent no more. It is not told: its connection ends too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Ended {
    /// The claim is over, or the drop is.
    #[error("the claim or the drop is over")]
    Gone,
    /// The bytes could not be read.
    #[error("the body cannot be read")]
    Failed,
}

/// A drop to be made.
#[derive(Debug, Clone, Default)]
pub struct NewDrop {
    /// Its name; without one, it is given one.
    pub id: Option<DropId>,
    /// Hash of the creator's deletion token; without one, the creator is given a token.
    pub deleter: Option<TokenHash>,
    /// Hash of the token a reader has to show.
    pub access: Option<TokenHash>,
    /// Hash of the token a reader has to show besides, which takes a password to make.
    pub unlock: Option<TokenHash>,
    /// Sealed info for readers, at most [`drop_state::MAX_INFO`] bytes.
    pub info: Vec<u8>,
    /// When it ends, counted from now; without it, the default of the settings.
    pub expires_in: Option<Duration>,
}

/// A drop that is there.
#[derive(Debug, Clone)]
pub struct Made {
    /// Its name.
    pub id: DropId,
    /// The deletion token, if the creator did not bring one.
    pub deletion_token: Option<Token>,
    /// What it is.
    pub view: View,
    /// Whether it had been made before by the same creator, and nothing was changed.
    pub existed: bool,
}

/// An upload that may begin.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Name of the drop it will be.
    pub id: DropId,
    /// What the upload goes on by.
    pub upload: Token,
    /// The deletion token, if the creator did not bring one.
    pub deletion_token: Option<Token>,
    /// How far it is.
    pub progress: Progress,
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Name of the drop it is or will be.
    pub id: DropId,
    /// Bytes that are there, durably.
    pub offset: u64,
    /// Bytes there will be.
    pub whole: Option<u64>,
    /// Whether all are there: then it is a drop, and nothing can be added.
    pub complete: bool,
    /// When the upload ends if nothing comes or, if it is complete, the drop.
    pub ends: Millis,
}

/// What a reader shows.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// The access token.
    pub access: Option<Token>,
    /// The unlock token.
    pub unlock: Option<Token>,
}

impl Shown {
    pub(super) fn hashed(&self) -> Reader {
        Reader {
            access: self.access.as_ref().map(Token::hash),
            unlock: self.unlock.as_ref().map(Token::hash),
        }
    }
}

/// A drop that is a reader's.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// What it is.
    pub view: View,
    /// How long the claim lasts without a sign of the reader.
    pub lease: Duration,
    /// Until when, if the reader gives no sign.
    pub until: Millis,
}

/// Which bytes of a body a reader wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeSpec {
    /// From here to the end.
    From(u64),
    /// From the first to the second, which is included; if the body is shorter, to its end.
    Between(u64, u64),
    /// So many at the end; all of a shorter body.
    Last(u64),
}

impl RangeSpec {
    /// The bytes of a body of `size` bytes; `None` if there are none.
    #[must_use]
    pub fn within(self, size: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(start) => start..size,
            Self::Between(first, last) => first..last.saturating_add(1).min(size),
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        (range.start < range.end).then_some(range)
    }
}

/// Tells bodies apart that were under the same id one after the other, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BodyTag(pub(super) [u8; 16]);

impl fmt::Display for BodyTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for BodyTag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let mut tag = [0; 16];
        hex::decode_to_slice(text, &mut tag).map_err(|_| TagError)?;
        Ok(Self(tag))
    }
}

/// A text that is no tag of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not 32 hexadecimal digits")]
pub struct TagError;

/// Bytes that a reader is being sent.
pub struct Reading {
    /// Bytes of the whole body.
    pub size: u64,
    /// Those that come.
    pub range: Range<u64>,
    /// Whether they are part of the body because the reader asked for a part, not all of it.
    pub partial: bool,
    /// Whether they are a text.
    pub text: bool,
    /// Which body they are of.
    pub tag: BodyTag,
    /// The bytes.
    pub stream: Outgoing,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("size", &self.size)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

/// What a sender says the bytes of one request hash to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// By SHA-256.
    Sha256([u8; 32]),
    /// By SHA-1, for clients that know no other. It notices accidents only.
    Sha1([u8; 20]),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_body() {
        for (spec, size, expected) in [
            (RangeSpec::From(0), 10, Some(0..10)),
            (RangeSpec::From(9), 10, Some(9..10)),
            (RangeSpec::From(10), 10, None),
            (RangeSpec::Between(2, 2), 10, Some(2..3)),
            (RangeSpec::Between(2, u64::MAX), 10, Some(2..10)),
            (RangeSpec::Between(3, 2), 10, None),
            (RangeSpec::Between(10, 12), 10, None),
            (RangeSpec::Last(3), 10, Some(7..10)),
            (RangeSpec::Last(30), 10, Some(0..10)),
            (RangeSpec::Last(0), 10, None),
            (RangeSpec::From(0), 0, None),
            (RangeSpec::Last(1), 0, None),
        ] {
            assert_eq!(spec.within(size), expected, "{spec:?} of {size}");
        }
    }
}
