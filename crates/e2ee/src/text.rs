//! Bytes that people copy and paste: a prefix that says what it is, base64url, a checksum.
//!
//! `kith-<kind>1.` and the unpadded base64url (RFC 4648, section 5) of `bytes ‖ checksum`, where the checksum is the
//! first four bytes of SHA-256 over label, prefix and bytes. It catches slips; against malice the contents are signed
//! or sealed. Blanks and line breaks that mail programs put in are ignored.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::wire::Preimage;

const CHECKSUM_LEN: usize = 4;
const MAX_TEXT: usize = 128 * 1024;

/// Why a text is not what it should be (the fault of whoever copied it, or of their program).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TextError {
    /// It does not begin with the prefix of its kind.
    #[error("the text does not begin with {expected}")]
    Prefix {
        /// What it has to begin with.
        expected: &'static str,
    },
    /// It is of this kind, but of a version this program does not know.
    #[error("the text is of another version than {expected}")]
    Version {
        /// What this version begins with.
        expected: &'static str,
    },
    /// It is longer than any text of this kind.
    #[error("the text is too long")]
    TooLong,
    /// A character that does not belong there.
    #[error("the text holds a character that does not belong there")]
    Alphabet,
    /// It ends too early.
    #[error("the text is cut off")]
    CutOff,
    /// The checksum does not fit: a character is wrong or missing.
    #[error("the text has a slip in it: its checksum does not fit")]
    Checksum,
    /// The checksum fits but the contents make no sense.
    #[error("the text has no acceptable contents")]
    Contents,
}

/// `prefix` ends in the version digit and a dot.
pub(crate) fn encode(prefix: &'static str, bytes: &[u8]) -> Zeroizing<String> {
    let mut all = Zeroizing::new(Vec::with_capacity(bytes.len() + CHECKSUM_LEN));
    all.extend_from_slice(bytes);
    all.extend_from_slice(&checksum(prefix, bytes));
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + all.len() / 3 * 4 + 4));
    text.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(&*all, &mut text);
    text
}

pub(crate) fn decode(prefix: &'static str, text: &str) -> Result<Zeroizing<Vec<u8>>, TextError> {
    if text.len() > MAX_TEXT {
        return Err(TextError::TooLong);
    }
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    plain.extend(text.chars().filter(|c| !c.is_whitespace()));
    let body = plain.strip_prefix(prefix).ok_or_else(|| wrong_prefix(prefix, &plain))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(body.len()));
    URL_SAFE_NO_PAD.decode_vec(body, &mut bytes).map_err(|error| match error {
        base64::DecodeError::InvalidByte(..) | base64::DecodeError::InvalidPadding => TextError::Alphabet,
        base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidLastSymbol(..) => {
            TextError::CutOff
        }
    })?;
    let len = bytes.len().checked_sub(CHECKSUM_LEN).ok_or(TextError::CutOff)?;
    let (contents, given) = bytes.split_at(len);
    if !bool::from(checksum(prefix, contents).ct_eq(given)) {
        return Err(TextError::Checksum);
    }
    bytes.truncate(len);
    Ok(bytes)
}

/// Tells another version of the same kind from something else altogether.
fn wrong_prefix(prefix: &'static str, text: &str) -> TextError {
    let kind = prefix.trim_end_matches('.').trim_end_matches(|c: char| c.is_ascii_digit());
    let version = text.strip_prefix(kind).and_then(|rest| rest.split_once('.')).map(|(version, _)| version);
    match version {
        Some(v) if !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()) => {
            TextError::Version { expected: prefix }
        }
        _ => TextError::Prefix { expected: prefix },
    }
}

fn checksum(prefix: &str, bytes: &[u8]) -> [u8; CHECKSUM_LEN] {
    let [a, b, c, d, ..] = Preimage::new("kith/v1/text").sized(prefix.as_bytes()).sized(bytes).sha256();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PREFIX: &str = "kith-test1.";

    #[test]
    fn golden() {
        assert_eq!(*encode(PREFIX, b"hello"), "kith-test1.aGVsbG8JTinw");
        assert_eq!(decode(PREFIX, " kith-test1.aGVs\r\nbG8JTinw\n").unwrap().as_slice(), b"hello");
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let cases = [
            ("", TextError::Prefix { expected: PREFIX }),
            ("kith-other1.aGVsbG8JTinw", TextError::Prefix { expected: PREFIX }),
            ("kith-test2.aGVsbG8JTinw", TextError::Version { expected: PREFIX }),
            ("kith-test1.aGVsbG8JT+nw", TextError::Alphabet),
            ("kith-test1.aGV", TextError::CutOff),
            ("kith-test1.", TextError::CutOff),
            ("kith-test1.aGVsbG8JTinx", TextError::Checksum),
            ("kith-test1.aGVsbG4JTinw", TextError::Checksum),
        ];
        for (text, error) in cases {
            assert_eq!(decode(PREFIX, text).unwrap_err(), error, "{text}");
        }
        assert_eq!(decode(PREFIX, &"x".repeat(MAX_TEXT + 1)), Err(TextError::TooLong));
    }

    proptest! {
        #[test]
        fn round_trip(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let text = encode(PREFIX, &bytes);
            let decoded = decode(PREFIX, &text).unwrap();
            prop_assert_eq!(decoded.as_slice(), bytes.as_slice());
        }
    }
}
