//! Where drops are found.

use core::{fmt, str::FromStr};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::{NodeOrigin, transistor};

/// Text that is no URL of a transistor. The fault of whoever configured or sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "not a URL such as `https://drops.example` or `https://node.example/transistor` (an origin and a plain path)"
)]
pub struct TransistorUrlError;

/// The URL under which a transistor answers: an origin and, where it is not at the root, a path without a slash at its
/// end. What [`transistor`]'s functions give is appended to it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TransistorUrl {
    text: Arc<str>,
    /// Where the path begins.
    origin_len: usize,
}

impl TransistorUrl {
    /// Longest path, in bytes.
    pub const MAX_PATH: usize = 200;

    /// Its path where it runs beside a node.
    pub const PATH: &str = transistor::BASE;

    /// The one that runs beside the node of an origin.
    #[must_use]
    pub fn beside(origin: &NodeOrigin) -> Self {
        Self::new(origin, Self::PATH)
    }

    fn new(origin: &NodeOrigin, path: &str) -> Self {
        let origin = origin.as_str();
        Self { text: format!("{origin}{path}").into(), origin_len: origin.len() }
    }

    /// All of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its origin's text.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.text.get(..self.origin_len).unwrap_or_default()
    }

    /// Its path: empty, or with a slash at its beginning and none at its end.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(self.origin_len..).unwrap_or_default()
    }
}

/// Only what means the same everywhere: nothing escaped, nothing that a client would resolve away.
fn is_path(path: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    let segment = |s: &str| !s.is_empty() && s != "." && s != ".." && s.bytes().all(plain);
    path.is_empty()
        || (path.len() <= TransistorUrl::MAX_PATH
            && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment)))
}

impl FromStr for TransistorUrl {
    type Err = TransistorUrlError;

    fn from_str(text: &str) -> Result<Self, TransistorUrlError> {
        let authority = text.find("://").and_then(|at| at.checked_add(3)).ok_or(TransistorUrlError)?;
        let (scheme, rest) = text.split_at_checked(authority).ok_or(TransistorUrlError)?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let origin = format!("{scheme}{host}").parse().map_err(|_| TransistorUrlError)?;
        if is_path(path) { Ok(Self::new(&origin, path)) } else { Err(TransistorUrlError) }
    }
}

impl fmt::Display for TransistorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for TransistorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransistorUrl({})", self.text)
    }
}

impl Serialize for TransistorUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for TransistorUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_and_a_plain_path() {
        for (origin, path) in [
            ("https://drops.example", ""),
            ("https://node.example", "/transistor"),
            ("http://127.0.0.1:8080", "/a/b-c_d.e~f/0"),
            ("http://[::1]:8080", "/transistor"),
        ] {
            let url: TransistorUrl = format!("{origin}{path}").parse().unwrap();
            assert_eq!((url.origin(), url.path()), (origin, path));
        }
        for bad in [
            "",
            "/transistor",
            "node.example/transistor",
            "ftp://node.example/transistor",
            "https:///transistor",
            "https://node.example/",
            "https://node.example/transistor/",
            "https://node.example//transistor",
            "https://node.example/./transistor",
            "https://node.example/../transistor",
            "https://node.example/a%2fb",
            "https://node.example/a?b",
            "https://node.example/a#b",
            "https://node.example/a b",
            "https://node.example?a",
            "https://user:secret@node.example/a",
            "https://Node.example/a",
            "https://node.example:443/a",
        ] {
            assert_eq!(bad.parse::<TransistorUrl>(), Err(TransistorUrlError), "{bad}");
        }
        let of_length = |n| format!("https://node.example/{}", "a".repeat(n)).parse::<TransistorUrl>();
        assert!(of_length(199).is_ok());
        assert_eq!(of_length(200), Err(TransistorUrlError));
    }

    #[test]
    fn the_one_beside_a_node() {
        let beside = TransistorUrl::beside(&"https://node.example".parse().unwrap());
        assert_eq!("https://node.example/transistor".parse(), Ok(beside));
    }
}
