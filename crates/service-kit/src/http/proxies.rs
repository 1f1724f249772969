//! Proxies whose word on who is behind them is taken.

use core::{fmt, str::FromStr};
use std::{net::IpAddr, sync::Arc};

use axum::http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The one header that is read. A proxy that writes one such header may pass another on as the client sent it, so
/// reading several would let clients choose who they are.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Most proxies in a row.
const MAX_HOPS: usize = 16;

/// Text that is no network. The fault of whoever configured it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "expected an address or a network such as \"10.1.0.0/16\" or \"fd00::/8\", without bits behind its prefix"
)]
pub struct NetworkError;

/// Addresses that begin with the same bits, written `address/bits`; an address alone is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether an address is in it. An IPv4 address inside an IPv6 one counts as what it is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                let behind = 32_u32.saturating_sub(self.bits.into());
                (net.to_bits() ^ address.to_bits()).checked_shr(behind).unwrap_or(0) == 0
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                let behind = 128_u32.saturating_sub(self.bits.into());
                (net.to_bits() ^ address.to_bits()).checked_shr(behind).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => {
                bits.parse::<u8>().ok().filter(|n| *n <= all && n.to_string() == bits).ok_or(NetworkError)?
            }
            None => all,
        };
        let behind = match address {
            IpAddr::V4(address) => u128::from(address.to_bits().checked_shl(bits.into()).unwrap_or(0)),
            IpAddr::V6(address) => address.to_bits().checked_shl(bits.into()).unwrap_or(0),
        };
        // One of the other version inside would never be met: addresses are taken out of it first.
        if behind != 0 || address.to_canonical() != address {
            return Err(NetworkError);
        }
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

/// The proxies of a listener.
#[derive(Debug, Clone)]
pub(super) struct Proxies(Arc<[Network]>);

impl Proxies {
    pub(super) fn new(networks: &[Network]) -> Self {
        Self(networks.into())
    }

    /// Who a request comes from: the first address from the right that is no proxy's. What stands further left anybody
    /// may have written. An entry that is no address leaves it at the proxy that wrote it.
    pub(super) fn client(&self, connected: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let mut hops =
            lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')).map(address).take(MAX_HOPS);
        let mut client = connected;
        while self.0.iter().any(|network| network.contains(client)) {
            let Some(Some(next)) = hops.next() else { break };
            client = next;
        }
        client
    }
}

/// An address as proxies write it: alone, in brackets, with a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let inside = || text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let with_port = || text.parse().ok().map(|address: std::net::SocketAddr| address.ip());
    text.parse().ok().or_else(with_port).or_else(|| inside()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    fn proxies() -> Proxies {
        Proxies::new(&[network("127.0.0.1"), network("10.1.0.0/16"), network("fd00::/8")])
    }

    fn client(connected: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        proxies().client(connected.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn networks_contain_what_begins_like_them() {
        for (net, inside, outside) in [
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("127.0.0.1/32", "::ffff:127.0.0.1", "::1"),
            ("10.1.0.0/16", "10.1.255.255", "10.2.0.0"),
            ("0.0.0.0/0", "255.255.255.255", "::"),
            ("fd00::/8", "fdff::1", "fe00::"),
            ("::/0", "ffff::", "1.2.3.4"),
            ("2001:db8::7/128", "2001:db8::7", "2001:db8::6"),
        ] {
            assert!(network(net).contains(inside.parse().unwrap()), "{net} {inside}");
            assert!(!network(net).contains(outside.parse().unwrap()), "{net} {outside}");
        }
    }

    #[test]
    fn networks_that_cannot_be_meant_are_refused() {
        for bad in [
            "",
            "/",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.1/8",
            "10.1/16",
            "::/129",
            "fd00::1/8",
            "::ffff:10.0.0.0/104",
            "proxy.example",
            "10.0.0.0/8/8",
            " 10.0.0.0/8",
        ] {
            assert_eq!(bad.parse::<Network>(), Err(NetworkError), "{bad}");
        }
    }

    #[test]
    fn the_first_from_the_right_that_is_no_proxy_counts() {
        assert_eq!(client("127.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(client("127.0.0.1", &["198.51.100.1, 192.0.2.7 ,10.1.2.3"]), "192.0.2.7");
        assert_eq!(client("127.0.0.1", &["198.51.100.1, 192.0.2.7", "10.1.2.3", "fd00::9"]), "192.0.2.7");
        for written in ["192.0.2.7:4711", "::ffff:192.0.2.7"] {
            assert_eq!(client("10.1.2.3", &[written]).trim_start_matches("::ffff:"), "192.0.2.7");
        }
        for written in ["2001:db8::7", "[2001:db8::7]", "[2001:db8::7]:443"] {
            assert_eq!(client("fd00::1", &[written]), "2001:db8::7");
        }
    }

    #[test]
    fn strangers_are_who_they_are() {
        assert_eq!(client("192.0.2.7", &["198.51.100.1"]), "192.0.2.7");
        assert_eq!(client("192.0.2.7", &[]), "192.0.2.7");
        // Behind one, too: what a client sent stands to the left of what its proxy wrote.
        assert_eq!(client("127.0.0.1", &["127.0.0.1, 198.51.100.1, 192.0.2.7"]), "192.0.2.7");
    }

    #[test]
    fn without_an_address_the_last_proxy_counts() {
        assert_eq!(client("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(client("127.0.0.1", &["10.1.2.3"]), "10.1.2.3");
        for written in
            ["unknown", "", "192.0.2.7, ", "192.0.2.7, _hidden", "192.0.2.7, 1.2.3.4.5", "192.0.2.7, [::1"]
        {
            assert_eq!(client("127.0.0.1", &[written]), "127.0.0.1", "{written}");
        }
    }

    #[test]
    fn endless_chains_are_not_followed() {
        let line = format!("192.0.2.7{}", ", 10.1.2.3".repeat(MAX_HOPS));
        assert_eq!(client("127.0.0.1", &[&line]), "10.1.2.3");
        let line = format!("192.0.2.7{}", ", 10.1.2.3".repeat(MAX_HOPS - 1));
        assert_eq!(client("127.0.0.1", &[&line]), "192.0.2.7");
    }

    proptest! {
        #[test]
        fn text_round_trip(bits: u128, prefix in 0_u8..=128, four in 0_u8..=32) {
            let six = bits.checked_shr(128 - u32::from(prefix)).unwrap_or(0);
            let six = std::net::Ipv6Addr::from_bits(six.checked_shl(128 - u32::from(prefix)).unwrap_or(0));
            prop_assume!(IpAddr::V6(six).to_canonical().is_ipv6());
            let six = Network { address: six.into(), bits: prefix };
            prop_assert_eq!(six.to_string().parse(), Ok(six));
            let low = u32::try_from(bits & u128::from(u32::MAX)).unwrap();
            let kept = low.checked_shr(32 - u32::from(four)).unwrap_or(0).checked_shl(32 - u32::from(four)).unwrap_or(0);
            let four = Network { address: std::net::Ipv4Addr::from_bits(kept).into(), bits: four };
            prop_assert_eq!(four.to_string().parse(), Ok(four));
        }

        /// Whatever a client sends, behind one proxy that appends an address it counts as that address.
        #[test]
        fn nobody_chooses_who_they_are(sent in "[ -~]{0,60}") {
            prop_assert_eq!(client("127.0.0.1", &[&format!("{sent},192.0.2.7")]), "192.0.2.7");
            prop_assert_eq!(client("127.0.0.1", &[&sent, "192.0.2.7"]), "192.0.2.7");
        }
    }
}
