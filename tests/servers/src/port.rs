//! Ports that no other test takes while a server is down.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::{Result, bail};

/// Below the range from which systems choose ports by themselves, so that no outgoing connection takes one of these
/// between a server's end and its return.
const FIRST: u16 = 12_000;
const COUNT: u16 = 18_000;

/// A loopback port that belongs to its holder, whether a server listens on it or not, until this is dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    #[cfg(target_os = "linux")]
    _claim: std::os::unix::net::UnixListener,
}

impl Port {
    /// Claims a port on which nothing listens, against all tests of this machine that ask in this way.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub fn free() -> Result<Self> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Processes begin at different places, so that they rarely ask for the same port.
        let start = u16::try_from(std::process::id() % u32::from(COUNT))?.wrapping_mul(7);
        for _ in 0..COUNT {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let number = FIRST + start.wrapping_add(step) % COUNT;
            if let Some(port) = Self::claim(number) {
                return Ok(port);
            }
        }
        bail!("no loopback port is free");
    }

    fn claim(number: u16) -> Option<Self> {
        #[cfg(target_os = "linux")]
        let claim = {
            use std::os::{linux::net::SocketAddrExt as _, unix::net};
            // A name without a file: it ends with the process that holds it, however that ends.
            let name = net::SocketAddr::from_abstract_name(format!("kith-test-port-{number}")).ok()?;
            net::UnixListener::bind_addr(&name).ok()?
        };
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self {
            number,
            #[cfg(target_os = "linux")]
            _claim: claim,
        })
    }

    /// The port's number.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// The loopback address with this port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_belongs_to_one_holder_until_it_is_given_back() {
        let port = Port::free().unwrap();
        assert!(Port::claim(port.number()).is_none(), "claimed twice");
        let number = port.number();
        drop(port);
        assert!(Port::claim(number).is_some(), "not given back");
    }

    #[test]
    fn a_port_somebody_listens_on_is_not_free() {
        let port = Port::free().unwrap();
        let number = port.number();
        let listener = TcpListener::bind(port.address()).unwrap();
        drop(port);
        assert!(Port::claim(number).is_none());
        drop(listener);
    }
}
