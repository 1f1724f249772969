//! The name under which clients reach a node.

use core::{fmt, str::FromStr};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Text that is not an origin. The fault of whoever configured or typed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an origin such as `https://node.example` (scheme http or https, lower-case host, no path)")]
pub struct OriginError;

/// A node's origin (RFC 6454): scheme, host and, where it is not the scheme's own, port.
///
/// A challenge is signed over it, so that an answer given to one node is worth nothing at another. There is one
/// spelling of each origin; others are refused rather than rewritten, because both sides hash the text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NodeOrigin(Arc<str>);

impl NodeOrigin {
    /// Longest origin, in bytes: a host name has at most 253.
    pub const MAX_LEN: usize = 280;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeOrigin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (scheme, authority) = text.split_once("://").ok_or(OriginError)?;
        let default_port = match scheme {
            "https" => "443",
            "http" => "80",
            _ => return Err(OriginError),
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (inside, after) = rest.split_once(']').ok_or(OriginError)?;
                if !is_canonical_v6(inside) {
                    return Err(OriginError);
                }
                (inside, after)
            }
            None => {
                let end = authority.find(':').unwrap_or(authority.len());
                let (host, after) = authority.split_at(end);
                if !is_host(host) {
                    return Err(OriginError);
                }
                (host, after)
            }
        };
        let port_is_fine = match port.strip_prefix(':') {
            None => port.is_empty(),
            Some(digits) => {
                digits != default_port
                    && digits.parse::<u16>().is_ok_and(|n| n > 0 && n.to_string() == digits)
            }
        };
        if host.is_empty() || !port_is_fine || text.len() > Self::MAX_LEN {
            return Err(OriginError);
        }
        Ok(Self(text.into()))
    }
}

fn is_host(host: &str) -> bool {
    host.split('.').all(|label| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}

fn is_canonical_v6(text: &str) -> bool {
    text.parse::<std::net::Ipv6Addr>().is_ok_and(|address| address.to_string() == text)
}

impl fmt::Display for NodeOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeOrigin({})", self.0)
    }
}

impl Serialize for NodeOrigin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for NodeOrigin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_each() {
        for good in [
            "https://node.example",
            "https://node.example:8443",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "https://xn--bcher-kva.example",
        ] {
            assert_eq!(good.parse::<NodeOrigin>().map(|o| o.to_string()).as_deref(), Ok(good));
        }
        for bad in [
            "node.example",
            "ftp://node.example",
            "https://",
            "https://:8080",
            "https://Node.example",
            "https://node.example/",
            "https://node.example:443",
            "https://node.example:08443",
            "https://node.example:+8443",
            "https://node.example:0",
            "https://node.example:70000",
            "https://user@node.example",
            "https://node..example",
            "https://node.example.",
            "https://-node.example",
            "https://[::1",
            "https://[::1]8080",
            "https://[0:0:0:0:0:0:0:1]",
            "https://node.example?x",
            "https://node example",
        ] {
            assert_eq!(bad.parse::<NodeOrigin>(), Err(OriginError), "{bad}");
        }
    }
}
