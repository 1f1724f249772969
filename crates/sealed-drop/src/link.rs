//! The link of a drop.
//!
//! `<url of the service>/d#kith-drop1.<base64url of: u8 flags ‖ 32 bytes secret ‖ 4 bytes check>`. Browsers do not send
//! the part behind `#`, so the server that serves the page learns nothing from a visit.

use core::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::secret::DropSecret;

/// Path of the page behind links, below the service's URL.
pub const PAGE_PATH: &str = "/d";

const KIND: &str = "kith-drop";
const VERSION: &str = "1";
const FLAG_PASSWORD: u8 = 1;
const CHECK_LEN: usize = 4;
/// Flags, secret and check.
const BYTES: usize = 1 + DropSecret::LEN + CHECK_LEN;
/// Characters of these bytes in base64url.
const CHARACTERS: usize = BYTES.div_ceil(3) * 4 - 2;
/// Most bytes of a service's URL.
const MAX_URL: usize = 500;
/// Longest text that is looked at.
const MAX_TEXT: usize = 1024;

/// Why a text is not the link of a drop (the fault of whoever copied it, or of their program).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// It looks like something else.
    #[error("not a link of a drop: it has to look like https://server/transistor/d#kith-drop1.…")]
    NotALink,
    /// It is a link of a drop, of a version this program does not know.
    #[error("a link of a newer version than this program knows")]
    OtherVersion,
    /// Its end is missing.
    #[error("the link is cut off: characters are missing at its end")]
    CutOff,
    /// A character is wrong or too many.
    #[error("the link has a slip in it: a character is wrong, or there is one too many")]
    Slip,
}

impl LinkError {
    /// Stable code: lower case and underscores.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotALink => "link_bad",
            Self::OtherVersion => "link_version",
            Self::CutOff | Self::Slip => "link_cut",
        }
    }
}

/// A link: where the drop is, its secret, and whether a password is needed. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct DropLink {
    url: String,
    secret: DropSecret,
    locked: bool,
}

impl DropLink {
    /// A link to a drop of the service at a URL such as `https://kith.example/transistor`; `locked` says that a password
    /// is needed.
    ///
    /// # Errors
    /// [`LinkError::NotALink`] for a URL that is not of this form.
    pub fn new(url: &str, secret: DropSecret, locked: bool) -> Result<Self, LinkError> {
        Ok(Self { url: checked_url(url)?.to_owned(), secret, locked })
    }

    /// The service's URL, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The secret.
    #[must_use]
    pub const fn secret(&self) -> &DropSecret {
        &self.secret
    }

    /// Whether a password is needed.
    #[must_use]
    pub const fn is_locked(&self) -> bool {
        self.locked
    }

    /// The link as text. All of it behind `#` is secret.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES));
        bytes.push(if self.locked { FLAG_PASSWORD } else { 0 });
        bytes.extend_from_slice(self.secret.expose());
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        let front = self.url.len() + PAGE_PATH.len() + 1 + KIND.len() + VERSION.len() + 1;
        let mut text = Zeroizing::new(String::with_capacity(front + CHARACTERS));
        for part in [&self.url, PAGE_PATH, "#", KIND, VERSION, "."] {
            text.push_str(part);
        }
        URL_SAFE_NO_PAD.encode_string(&*bytes, &mut text);
        text
    }

    /// Reads a link. Blanks and line breaks that mail programs put in are ignored.
    ///
    /// # Errors
    /// [`LinkError`] by what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        if text.len() > MAX_TEXT {
            return Err(LinkError::NotALink);
        }
        let mut plain = Zeroizing::new(String::with_capacity(text.len()));
        plain.extend(text.chars().filter(|c| !c.is_whitespace()));
        let (page, fragment) = match plain.split_once('#') {
            Some(parts) => parts,
            // Messengers cut at the `#`, too.
            None if url_of(&plain).is_ok() => return Err(LinkError::CutOff),
            None => return Err(LinkError::NotALink),
        };
        let url = url_of(page)?.to_owned();
        let (secret, locked) = parse_fragment(fragment)?;
        Ok(Self { url, secret, locked })
    }
}

fn parse_fragment(fragment: &str) -> Result<(DropSecret, bool), LinkError> {
    let Some(rest) = fragment.strip_prefix(KIND) else {
        return Err(if KIND.starts_with(fragment) { LinkError::CutOff } else { LinkError::NotALink });
    };
    let Some((version, body)) = rest.split_once('.') else {
        let digits = rest.bytes().all(|byte| byte.is_ascii_digit());
        return Err(if digits { LinkError::CutOff } else { LinkError::NotALink });
    };
    if version != VERSION {
        let number = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
        return Err(if number { LinkError::OtherVersion } else { LinkError::NotALink });
    }
    let plain = body.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if body.len() < CHARACTERS && plain {
        return Err(LinkError::CutOff);
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES));
    URL_SAFE_NO_PAD.decode_vec(body, &mut bytes).map_err(|_| LinkError::Slip)?;
    let (front, given) = bytes.split_last_chunk::<CHECK_LEN>().ok_or(LinkError::Slip)?;
    if !bool::from(check(front).ct_eq(given)) {
        return Err(LinkError::Slip);
    }
    let (flags, secret) = front.split_first().ok_or(LinkError::Slip)?;
    let secret: &[u8; DropSecret::LEN] = secret.try_into().map_err(|_| LinkError::Slip)?;
    // A flag that is not known may change what the secret means.
    if flags & !FLAG_PASSWORD != 0 {
        return Err(LinkError::OtherVersion);
    }
    Ok((DropSecret::from_bytes(secret), flags & FLAG_PASSWORD != 0))
}

fn check(bytes: &[u8]) -> [u8; CHECK_LEN] {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let [a, b, c, d, ..] = digest;
    [a, b, c, d]
}

fn url_of(page: &str) -> Result<&str, LinkError> {
    let page = page.trim_end_matches('/');
    checked_url(page.strip_suffix(PAGE_PATH).ok_or(LinkError::NotALink)?)
}

/// `https://` or `http://`, a host, perhaps a port and a path; no user, query or fragment.
fn checked_url(url: &str) -> Result<&str, LinkError> {
    let url = url.trim_end_matches('/');
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let rest = rest.ok_or(LinkError::NotALink)?;
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'-' | b'_' | b'~' | b':' | b'[' | b']' | b'/' | b'%' | b'+')
    };
    let host = rest.split('/').next().unwrap_or(rest);
    if url.len() > MAX_URL || host.is_empty() || host.starts_with(':') || !rest.bytes().all(allowed) {
        return Err(LinkError::NotALink);
    }
    Ok(url)
}

impl fmt::Debug for DropLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DropLink(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str =
        "https://kith.example/transistor/d#kith-drop1.AQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH05B8Ag";

    fn good() -> String {
        DropLink::new("https://kith.example/transistor", DropSecret::from_bytes(&[7; 32]), true)
            .unwrap()
            .to_text()
            .to_string()
    }

    #[test]
    fn golden() {
        assert_eq!(good(), GOOD);
        assert_eq!(GOOD.rsplit('.').next().unwrap().len(), CHARACTERS);
        let link = DropLink::parse(GOOD).unwrap();
        assert_eq!(link.url(), "https://kith.example/transistor");
        assert!(link.is_locked());
        assert!(*link.secret() == DropSecret::from_bytes(&[7; 32]));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let good = good();
        // Wherever a messenger cuts behind the host, it is a cut link.
        for end in "https://kith.example/transistor/d".len()..good.len() {
            assert_eq!(DropLink::parse(&good[..end]), Err(LinkError::CutOff), "{}", &good[..end]);
        }
        let cases = [
            ("", LinkError::NotALink),
            ("hello", LinkError::NotALink),
            ("https://kith.example/join#kith-ticket1.AAAA", LinkError::NotALink),
            (&good.replace("kith-drop1", "kith-ticket1"), LinkError::NotALink),
            (&good.replace("kith-drop1", "kith-drop2"), LinkError::OtherVersion),
            (&good.replace("kith-drop1", "kith-dropx"), LinkError::NotALink),
            (&good.replace("Bwc", "Bwd"), LinkError::Slip),
            (&format!("{good}A"), LinkError::Slip),
            (&format!("{good}."), LinkError::Slip),
            (&good.replace("https://", "ftp://"), LinkError::NotALink),
            (&good.replace("kith.example", "user@kith.example"), LinkError::NotALink),
            (&"x".repeat(MAX_TEXT + 1), LinkError::NotALink),
        ];
        for (text, error) in cases {
            assert_eq!(DropLink::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn unknown_flags_are_a_version_of_the_future() {
        let mut bytes = vec![2];
        bytes.extend_from_slice(&[7; 32]);
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        let text = format!("https://a/transistor/d#kith-drop1.{}", URL_SAFE_NO_PAD.encode(bytes));
        assert_eq!(DropLink::parse(&text), Err(LinkError::OtherVersion));
    }

    #[test]
    fn blanks_of_mail_programs_are_ignored() {
        let good = good();
        let (front, back) = good.split_at(60);
        assert!(DropLink::parse(&format!(" {front}\r\n  {back}\n")).is_ok());
        let slashed = good.replace("/d#", "/d/#").replace("kith.example", "kith.example:8443/base");
        assert_eq!(DropLink::parse(&slashed).unwrap().url(), "https://kith.example:8443/base/transistor");
    }

    proptest! {
        #[test]
        fn round_trip(secret in any::<[u8; 32]>(), locked in any::<bool>()) {
            let link = DropLink::new("http://127.0.0.1:8080/", DropSecret::from_bytes(&secret), locked).unwrap();
            let again = DropLink::parse(&link.to_text()).unwrap();
            prop_assert!(again == link);
        }

        #[test]
        fn one_wrong_character_is_noticed(at in 0usize..50, new in proptest::char::range('a', 'z')) {
            let good = good();
            let start = good.len() - CHARACTERS + at;
            let mut bad = good.clone();
            bad.replace_range(start..=start, &new.to_string());
            prop_assert!(bad == good || DropLink::parse(&bad).is_err());
        }
    }
}
