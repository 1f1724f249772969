//! Where a node is.

use core::fmt;

use thiserror::Error;

use crate::Malformed;

/// A text that is no node's address (the fault of whoever wrote it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "not an address of a node: https:// or http://, a host, perhaps a port and a path, at most 255 bytes"
)]
pub struct NodeUrlError;

/// The base address of a node, in one form: `https://` or `http://`, host, optional port and path, no slash at the
/// end; no user, query, fragment or blank; at most 255 bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeUrl(String);

impl NodeUrl {
    /// Most bytes.
    pub const MAX: usize = 255;

    /// Checks an address and takes away slashes at its end.
    ///
    /// # Errors
    /// [`NodeUrlError`] for anything else than the form above.
    pub fn new(url: &str) -> Result<Self, NodeUrlError> {
        let url = url.trim_end_matches('/');
        let rest =
            url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).ok_or(NodeUrlError)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if url.len() > Self::MAX || !is_authority(authority) || !path.bytes().all(is_path_byte) {
            return Err(NodeUrlError);
        }
        Ok(Self(url.to_owned()))
    }

    /// Takes an address that is in its one form already.
    pub(crate) fn exactly(url: &str) -> Result<Self, Malformed> {
        Self::new(url).ok().filter(|kept| kept.as_str() == url).ok_or(Malformed)
    }

    /// The address, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Host and port: lower-case, so that one node has one text.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => return is_ipv6(host),
        Some((host, port)) => match port.strip_prefix(':') {
            Some(port) => return is_ipv6(host) && is_port(port),
            None => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let named = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
    !host.is_empty() && host.bytes().all(named) && port.is_none_or(is_port)
}

fn is_ipv6(host: &str) -> bool {
    host.contains(':') && host.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b':' | b'.'))
}

fn is_port(port: &str) -> bool {
    !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

fn is_path_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'.' | b'_' | b'~' | b'%' | b'+')
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeUrl({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted() {
        let cases = [
            ("https://node.example", "https://node.example"),
            ("https://node.example/", "https://node.example"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080/kith//", "http://[::1]:8080/kith"),
            ("https://node.example/a/b", "https://node.example/a/b"),
        ];
        for (given, kept) in cases {
            assert_eq!(NodeUrl::new(given).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn refused() {
        let long = format!("https://{}", "a".repeat(250));
        let cases = [
            "",
            "node.example",
            "ftp://node.example",
            "https://",
            "https:///path",
            "https://user@node.example",
            "https://node.example?x=1",
            "https://node.example#x",
            "https://node.example/a b",
            "https://Node.example",
            "https://node.example:",
            "https://node.example:99999",
            "https://node.example:+1",
            "http://[::1",
            "http://[]",
            "http://[::1]8080",
            "javascript:alert(1)",
            &long,
        ];
        for given in cases {
            assert_eq!(NodeUrl::new(given), Err(NodeUrlError), "{given}");
        }
    }
}
