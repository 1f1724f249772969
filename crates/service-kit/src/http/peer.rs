//! Who is at the other end.

use core::{convert::Infallible, fmt, time::Duration};
use std::net::IpAddr;

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::limiter::Limiter;

/// Who sent a request: an address, or the part of one that is given to one household. Kept for the length of a request,
/// to find the right bucket, and never shown.
///
/// [`serve`](super::serve) puts it into every request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Peer([u8; 8]);

impl Peer {
    /// The first 64 bits of an IPv6 address, all of an IPv4 one.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                // Behind zeros, with which no address of the other kind begins that is given to anybody.
                Self([0, 0, 0, 0, a, b, c, d])
            }
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self([a, b, c, d, e, f, g, h])
            }
        }
    }

    /// Takes one out of the peer's bucket.
    ///
    /// # Errors
    /// The time to wait.
    pub fn charge(self, limiter: &Limiter) -> Result<(), Duration> {
        limiter.take(&self, 1)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peer")
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    /// Requests that came by no connection, as in tests, share one bucket.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Self([0; 8])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        Peer::of(text.parse().unwrap())
    }

    #[test]
    fn one_household_is_one_peer() {
        assert_eq!(peer("2001:db8:1:2::1"), peer("2001:db8:1:2:ffff::9"));
        assert_ne!(peer("2001:db8:1:2::1"), peer("2001:db8:1:3::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
        // The same bits in the other version are somebody else.
        assert_ne!(peer("32.1.13.184"), peer("2001:db8::"));
    }

    #[test]
    fn nothing_of_it_is_shown() {
        assert_eq!(format!("{:?}", peer("192.0.2.1")), "Peer");
    }
}
