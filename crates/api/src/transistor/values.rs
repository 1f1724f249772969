//! Ids, tokens, hashes, info, times, each with its one form as text.

use core::{fmt, str::FromStr, time::Duration};
use std::time::UNIX_EPOCH;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use protocol::UnixSeconds;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A text that is not what it should be. The sender's fault; the text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Not a UUID, or the empty one.
    #[error("not a UUID")]
    Id,
    /// Not 32 bytes in base64url.
    #[error("not 32 bytes in base64url")]
    Bytes,
    /// Not base64url, or too long.
    #[error("not base64url of at most 1024 bytes")]
    Info,
    /// Not a time.
    #[error("not a time of RFC 3339")]
    Time,
}

/// Name of a drop: a UUID of any version except the nil one, 16 bytes. Shown by `Display`, where it is meant to be, and
/// not by `Debug`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransferId([u8; 16]);

impl TransferId {
    /// From the bytes of a UUID.
    ///
    /// # Errors
    /// [`ValueError::Id`] for sixteen zeros.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, ValueError> {
        if bytes == [0; 16] { Err(ValueError::Id) } else { Ok(Self(bytes)) }
    }

    /// The bytes of the UUID.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for TransferId {
    type Err = ValueError;

    /// The form with hyphens, in either case.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let is_hyphen = |at| matches!(at, 8 | 13 | 18 | 23);
        if text.len() != 36 || text.bytes().enumerate().any(|(at, byte)| is_hyphen(at) != (byte == b'-')) {
            return Err(ValueError::Id);
        }
        let mut bytes = [0; 16];
        hex::decode_to_slice(text.replace('-', ""), &mut bytes).map_err(|_| ValueError::Id)?;
        Self::from_bytes(bytes)
    }
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransferId(..)")
    }
}

fn decode_32(text: &str) -> Result<Zeroizing<[u8; 32]>, ValueError> {
    // The decoder asks for room for its estimate, which is one more than there is.
    let mut bytes = Zeroizing::new([0; 33]);
    let len = (text.len() == 43)
        .then(|| URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()).ok())
        .flatten()
        .ok_or(ValueError::Bytes)?;
    let bytes: &[u8; 32] =
        bytes.get(..len).and_then(|bytes| bytes.try_into().ok()).ok_or(ValueError::Bytes)?;
    Ok(Zeroizing::new(*bytes))
}

/// A token of 32 bytes, as text 43 characters of base64url. Wiped on drop, compared in constant time, shown by nothing.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DropToken([u8; 32]);

impl DropToken {
    /// From 32 bytes that nobody can guess.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The text that is sent.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl PartialEq for DropToken {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for DropToken {}

impl FromStr for DropToken {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        decode_32(text).map(|bytes| Self(*bytes))
    }
}

impl fmt::Debug for DropToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DropToken(..)")
    }
}

/// SHA-256 of a token, as text 43 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// From a digest.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for TokenHash {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        decode_32(text).map(|bytes| Self(*bytes))
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// Sealed info of a drop, at most [`Info::MAX_LEN`] bytes, as text base64url.
#[derive(Clone, PartialEq, Eq)]
pub struct Info(Vec<u8>);

impl Info {
    /// Longest info, in bytes; 1,366 characters.
    pub const MAX_LEN: usize = 1024;

    /// From sealed bytes.
    ///
    /// # Errors
    /// [`ValueError::Info`] for more than [`Self::MAX_LEN`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, ValueError> {
        if bytes.len() > Self::MAX_LEN { Err(ValueError::Info) } else { Ok(Self(bytes)) }
    }

    /// The sealed bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The sealed bytes, taken out.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl FromStr for Info {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.len() > Self::MAX_LEN.div_ceil(3).saturating_mul(4) {
            return Err(ValueError::Info);
        }
        URL_SAFE_NO_PAD.decode(text).map_err(|_| ValueError::Info).and_then(Self::from_bytes)
    }
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Info({} bytes)", self.0.len())
    }
}

macro_rules! as_text {
    ($($name:ident: $text:expr;)*) => {
        $(
            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    let text: fn(&Self) -> Zeroizing<String> = $text;
                    serializer.serialize_str(&text(self))
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    Zeroizing::new(String::deserialize(deserializer)?).parse().map_err(de::Error::custom)
                }
            }
        )*
    };
}

as_text! {
    TransferId: |id| Zeroizing::new(id.to_string());
    DropToken: DropToken::to_text;
    TokenHash: |hash| Zeroizing::new(hash.to_string());
    Info: |info| Zeroizing::new(info.to_string());
}

/// A moment as RFC 3339 has it, in UTC and whole seconds; the end of the year 9999 for all later ones.
#[must_use]
pub fn format_rfc3339(time: UnixSeconds) -> String {
    /// 9999-12-31T23:59:59Z.
    const LAST: u64 = 253_402_300_799;
    let seconds = Duration::from_secs(time.get().min(LAST));
    UNIX_EPOCH
        .checked_add(seconds)
        .map(|time| humantime::format_rfc3339_seconds(time).to_string())
        .unwrap_or_default()
}

/// Reads what [`format_rfc3339`] writes; fractions of a second are cut off.
///
/// # Errors
/// [`ValueError::Time`].
pub fn parse_rfc3339(text: &str) -> Result<UnixSeconds, ValueError> {
    let time = humantime::parse_rfc3339(text).map_err(|_| ValueError::Time)?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| ValueError::Time)?;
    Ok(UnixSeconds::new(since.as_secs()))
}

/// A moment in a document.
pub(super) mod rfc3339 {
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use super::{UnixSeconds, format_rfc3339, parse_rfc3339};

    pub(in super::super) fn serialize<S: Serializer>(
        time: &UnixSeconds,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_rfc3339(*time))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<UnixSeconds, D::Error> {
        parse_rfc3339(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }

    /// One that need not be there.
    pub(in super::super) mod optional {
        use super::{Deserializer, Serializer, UnixSeconds, deserialize as read, serialize as write};

        #[expect(clippy::ref_option, reason = "the form serde asks for")]
        pub(in super::super::super) fn serialize<S: Serializer>(
            time: &Option<UnixSeconds>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => write(time, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<UnixSeconds>, D::Error> {
            read(deserializer).map(Some)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_have_one_form() {
        let text = "0b5e1f00-1111-8222-9333-444455556666";
        let id: TransferId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(text.to_uppercase().parse::<TransferId>(), Ok(id));
        for bad in [
            "",
            "0b5e1f0011118222933344445555666677",
            "00000000-0000-0000-0000-000000000000",
            "0b5e1f00-1111-8222-9333-44445555666g",
            "0b5e1f0-01111-8222-9333-444455556666",
            "0b5e1f00-1111-8222-9333-4444555566660",
            "0b5e1f00-1111-8222-9333-44445555666ä",
        ] {
            assert_eq!(bad.parse::<TransferId>(), Err(ValueError::Id), "{bad}");
        }
    }

    #[test]
    fn tokens_have_one_form() {
        let token = DropToken::from_bytes([255; 32]);
        let text = token.to_text();
        assert_eq!(text.len(), 43);
        assert_eq!(text.parse::<DropToken>(), Ok(token));
        // The last character has two bits too many, which must be zero.
        let other = format!("{}9", &text[..42]);
        for bad in [other.as_str(), &text[..42], "", &format!("{}=", *text)] {
            assert_eq!(bad.parse::<DropToken>(), Err(ValueError::Bytes), "{bad}");
        }
        assert_eq!(format!("{:?}", DropToken::from_bytes([7; 32])), "DropToken(..)");
    }

    #[test]
    fn info_has_a_bound() {
        let longest = Info::from_bytes(vec![7; 1024]).unwrap();
        assert_eq!(longest.to_string().len(), 1366);
        assert_eq!(longest.to_string().parse(), Ok(longest));
        assert_eq!("A".repeat(1367).parse::<Info>(), Err(ValueError::Info));
        assert_eq!(Info::from_bytes(vec![0; 1025]), Err(ValueError::Info));
        assert_eq!("".parse::<Info>().unwrap().as_bytes(), b"");
    }

    #[test]
    fn times_are_in_utc() {
        assert_eq!(format_rfc3339(UnixSeconds::new(1_700_000_000)), "2023-11-14T22:13:20Z");
        assert_eq!(parse_rfc3339("2023-11-14T22:13:20.9Z"), Ok(UnixSeconds::new(1_700_000_000)));
        assert_eq!(format_rfc3339(UnixSeconds::new(u64::MAX)), "9999-12-31T23:59:59Z");
        assert_eq!(parse_rfc3339("yesterday"), Err(ValueError::Time));
    }

    proptest! {
        #[test]
        fn text_round_trip(bytes: [u8; 32], id: [u8; 16], info in proptest::collection::vec(any::<u8>(), 0..1025)) {
            prop_assert_eq!(DropToken::from_bytes(bytes).to_text().parse(), Ok(DropToken::from_bytes(bytes)));
            prop_assert_eq!(TokenHash::from_bytes(bytes).to_string().parse(), Ok(TokenHash::from_bytes(bytes)));
            if let Ok(id) = TransferId::from_bytes(id) {
                prop_assert_eq!(id.to_string().parse(), Ok(id));
            }
            let info = Info::from_bytes(info).unwrap();
            prop_assert_eq!(info.to_string().parse(), Ok(info));
        }
    }
}
