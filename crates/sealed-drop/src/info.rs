//! What a reader is shown before it decides.

use core::fmt;

use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{AeadInOut, KeyInit},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::content::{ContentKey, KEY_BYTES, MAX_CONTENT};

const VERSION: u8 = 1;
/// Bytes of every sealed info.
const SEALED_LEN: usize = 512;
const PLAIN_LEN: usize = SEALED_LEN - 16;

/// Why an info is not sealed or does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InfoError {
    /// The name has more than 255 bytes.
    #[error("the name is longer than 255 bytes")]
    Name,
    /// The media type has more than 127 bytes, or others than printable ASCII.
    #[error("the media type is longer than 127 bytes, or not ASCII")]
    MediaType,
    /// The content is longer than any may be.
    #[error("the content is too long")]
    Length,
    /// It was sealed under another key: another drop, or a wrong password.
    #[error("the key does not fit the info")]
    WrongKey,
    /// It is of a version that this program does not know.
    #[error("an info of a newer version than this program knows")]
    OtherVersion,
    /// It opens, and makes no sense.
    #[error("the info is malformed")]
    Malformed,
}

/// Key of one info. Wiped on drop, not shown by `Debug`.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct InfoKey([u8; 32]);

impl InfoKey {
    pub(crate) fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(*bytes)
    }
}

impl fmt::Debug for InfoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InfoKey(..)")
    }
}

/// Name, media type and length of a content. The name and the type are what the sender says: show them as such, and
/// make a name safe before a file gets it. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Info {
    name: String,
    media_type: String,
    len: u64,
    content: Option<ContentKey>,
}

impl Info {
    /// Bytes of a sealed info.
    pub const SEALED_LEN: usize = SEALED_LEN;

    /// An info; name (at most 255 bytes) and media type (at most 127 bytes of printable ASCII and blanks) may be empty.
    ///
    /// # Errors
    /// [`InfoError::Name`], [`InfoError::MediaType`], [`InfoError::Length`].
    pub fn new(name: &str, media_type: &str, len: u64) -> Result<Self, InfoError> {
        if name.len() > 255 {
            return Err(InfoError::Name);
        }
        let printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if media_type.len() > 127 || !media_type.bytes().all(printable) {
            return Err(InfoError::MediaType);
        }
        if len > MAX_CONTENT {
            return Err(InfoError::Length);
        }
        Ok(Self { name: name.to_owned(), media_type: media_type.to_owned(), len, content: None })
    }

    /// The same for a copy: with the key of the content, which the copy's secret does not give.
    #[must_use]
    pub fn for_copy(mut self, content: ContentKey) -> Self {
        self.content = Some(content);
        self
    }

    /// The name the sender gives it; empty for none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The media type the sender gives it; empty for none.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// Exact length of the content in bytes.
    #[must_use]
    pub const fn content_len(&self) -> u64 {
        self.len
    }

    /// The key of the content where this is the info of a copy.
    #[must_use]
    pub const fn content_key(&self) -> Option<&ContentKey> {
        self.content.as_ref()
    }

    /// Seals it. A key is for one info only: another one under the same key would betray both.
    #[must_use]
    pub fn seal(&self, key: &InfoKey) -> SealedInfo {
        let mut bytes = Zeroizing::new(Vec::with_capacity(SEALED_LEN));
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.len.to_be_bytes());
        let content = self.content.as_ref().map_or(&[][..], |key| key.expose().as_slice());
        for part in [self.name.as_bytes(), self.media_type.as_bytes(), content] {
            // The constructors bound all three below 256.
            bytes.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(part);
        }
        bytes.resize(PLAIN_LEN, 0);
        // Fails beyond 2^36 bytes only.
        if Aes256Gcm::new(&key.0.into()).encrypt_in_place(&Nonce::default(), b"", &mut *bytes).is_err() {
            bytes.zeroize();
        }
        SealedInfo(core::mem::take(&mut *bytes))
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`InfoError::WrongKey`] for another key or a wrong password, [`InfoError::OtherVersion`],
    /// [`InfoError::Malformed`].
    pub fn open(sealed: &SealedInfo, key: &InfoKey) -> Result<Self, InfoError> {
        let mut bytes = Zeroizing::new(sealed.0.clone());
        Aes256Gcm::new(&key.0.into())
            .decrypt_in_place(&Nonce::default(), b"", &mut *bytes)
            .map_err(|_| InfoError::WrongKey)?;
        let (version, rest) = bytes.split_first().ok_or(InfoError::Malformed)?;
        if *version != VERSION {
            return Err(InfoError::OtherVersion);
        }
        Self::read(rest).ok_or(InfoError::Malformed)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (len, rest) = bytes.split_first_chunk::<8>()?;
        let (name, rest) = sized(rest)?;
        let (media_type, rest) = sized(rest)?;
        let (content, zeros) = sized(rest)?;
        if zeros.iter().fold(0, |seen, byte| seen | byte) != 0 {
            return None;
        }
        let (name, media_type) = (core::str::from_utf8(name).ok()?, core::str::from_utf8(media_type).ok()?);
        let info = Self::new(name, media_type, u64::from_be_bytes(*len)).ok()?;
        if content.is_empty() {
            return Some(info);
        }
        let content: &[u8; KEY_BYTES] = content.try_into().ok()?;
        Some(info.for_copy(ContentKey::from_bytes(content)))
    }
}

fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*len))
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Info").field("len", &self.len).finish_non_exhaustive()
    }
}

/// A sealed info, 512 bytes: what a server keeps and answers.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedInfo(Vec<u8>);

impl SealedInfo {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text that stands in a header: base64url without padding.
    #[must_use]
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0)
    }

    /// Reads that text.
    ///
    /// # Errors
    /// [`InfoError::Malformed`] for anything but 512 bytes in base64url.
    pub fn parse(text: &str) -> Result<Self, InfoError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InfoError::Malformed)?;
        if bytes.len() == SEALED_LEN { Ok(Self(bytes)) } else { Err(InfoError::Malformed) }
    }
}

impl fmt::Debug for SealedInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedInfo(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> InfoKey {
        InfoKey::new(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn round_trip_at_the_bounds() {
        for (name, media_type, len) in [
            ("", "", 0),
            ("report.pdf", "application/pdf", 17),
            (&"ü".repeat(127), &"x".repeat(127), MAX_CONTENT),
        ] {
            for content in [None, Some(ContentKey::from_bytes(&[9; 39]))] {
                let mut info = Info::new(name, media_type, len).unwrap();
                if let Some(content) = content {
                    info = info.for_copy(content);
                }
                let sealed = info.seal(&key(1));
                assert_eq!(sealed.as_bytes().len(), SEALED_LEN, "a length says nothing");
                let again = SealedInfo::parse(&sealed.to_text()).unwrap();
                assert_eq!(Info::open(&again, &key(1)).unwrap(), info);
                assert_eq!(Info::open(&again, &key(2)), Err(InfoError::WrongKey));
            }
        }
    }

    #[test]
    fn bounds() {
        assert_eq!(Info::new(&"x".repeat(256), "", 0), Err(InfoError::Name));
        assert_eq!(Info::new("", &"x".repeat(128), 0), Err(InfoError::MediaType));
        assert_eq!(Info::new("", "text/plain\n", 0), Err(InfoError::MediaType));
        assert_eq!(Info::new("", "", MAX_CONTENT + 1), Err(InfoError::Length));
        assert_eq!(SealedInfo::parse("AAAA"), Err(InfoError::Malformed));
        assert_eq!(SealedInfo::parse("!"), Err(InfoError::Malformed));
    }

    fn sealed(change: impl FnOnce(&mut Vec<u8>)) -> SealedInfo {
        let mut plain = vec![1, 0, 0, 0, 0, 0, 0, 0, 5, 1, b'a', 0, 0];
        plain.resize(PLAIN_LEN, 0);
        change(&mut plain);
        Aes256Gcm::new(&[1; 32].into()).encrypt_in_place(&Nonce::default(), b"", &mut plain).unwrap();
        SealedInfo(plain)
    }

    #[test]
    fn what_sealing_never_makes_is_refused() {
        assert_eq!(Info::open(&sealed(|_| {}), &key(1)), Ok(Info::new("a", "", 5).unwrap()));
        assert_eq!(Info::open(&sealed(|plain| plain[0] = 2), &key(1)), Err(InfoError::OtherVersion));
        let changes: [fn(&mut Vec<u8>); 5] = [
            |plain| plain[495] = 1,
            |plain| plain[10] = 0xff,
            |plain| plain[12] = 38,
            |plain| plain[1] = 1,
            |plain| plain[9..].fill(0xff),
        ];
        for change in changes {
            assert_eq!(Info::open(&sealed(change), &key(1)), Err(InfoError::Malformed));
        }
    }
}
