//! What the guest may reach: the host is asked, which knows the allow-list and the private addresses.
//!
//! A rule that names a host is for the addresses that looking it up has given this guest. So they are remembered here,
//! where the guest cannot add any; what a name leads to meanwhile for somebody else does not matter.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::bindings::wasmdeploy::host::network as host;
use crate::native::{ErrorCode, IpAddress, IpSocketAddress};

/// As many as a guest may still speak to; the oldest are forgotten first.
const MOST: usize = 256;

type Found = VecDeque<(String, IpAddr)>;

thread_local! {
    static FOUND: RefCell<Found> = const { RefCell::new(VecDeque::new()) };
}

#[derive(Clone, Copy)]
pub enum Protocol {
    Tcp,
    Udp,
}

/// An error unless the name may be looked up.
pub fn require_name(name: &str) -> Result<(), ErrorCode> {
    // What a host says to whom it allows no look-ups.
    if host::names(name) { Ok(()) } else { Err(ErrorCode::PermanentResolverFailure) }
}

/// Remembers what a name has led to.
pub fn remember(name: &str, address: IpAddress) {
    let address = match address {
        IpAddress::Ipv4(address) => ipv4(address),
        IpAddress::Ipv6(address) => ipv6(address),
    };
    FOUND.with_borrow_mut(|found| add(found, name, address));
}

/// An error unless the address may be spoken to.
pub fn require(protocol: Protocol, remote: IpSocketAddress) -> Result<(), ErrorCode> {
    let (address, port) = match remote {
        IpSocketAddress::Ipv4(remote) => (ipv4(remote.address), remote.port),
        // One of a single link, which no rule can name.
        IpSocketAddress::Ipv6(remote) if remote.scope_id != 0 => return Err(ErrorCode::AccessDenied),
        IpSocketAddress::Ipv6(remote) => (ipv6(remote.address), remote.port),
    };
    let protocol = match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    let names = FOUND.with_borrow(|found| names_of(found, address));
    if host::reaches(protocol, &address.to_string(), port, &names) {
        Ok(())
    } else {
        Err(ErrorCode::AccessDenied)
    }
}

fn add(found: &mut Found, name: &str, address: IpAddr) {
    found.retain(|(known, at)| known != name || *at != address);
    if found.len() == MOST {
        found.pop_front();
    }
    found.push_back((name.to_owned(), address));
}

fn names_of(found: &Found, address: IpAddr) -> Vec<String> {
    found.iter().filter(|(_, at)| *at == address).map(|(name, _)| name.clone()).collect()
}

fn ipv4((a, b, c, d): (u8, u8, u8, u8)) -> IpAddr {
    Ipv4Addr::new(a, b, c, d).into()
}

/// An IPv4 address that is written as IPv6 is what it stands for.
fn ipv6((a, b, c, d, e, f, g, h): (u16, u16, u16, u16, u16, u16, u16, u16)) -> IpAddr {
    IpAddr::from(Ipv6Addr::new(a, b, c, d, e, f, g, h)).to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(last: u8) -> IpAddr {
        ipv4((10, 0, 0, last))
    }

    #[test]
    fn an_address_has_all_the_names_that_led_to_it() {
        let mut found = Found::new();
        for (name, address) in [("a", at(1)), ("b", at(1)), ("b", at(2)), ("a", at(1))] {
            add(&mut found, name, address);
        }
        assert_eq!(names_of(&found, at(1)), ["b", "a"]);
        assert_eq!(names_of(&found, at(2)), ["b"]);
        assert!(names_of(&found, at(3)).is_empty());
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut found = Found::new();
        for number in 0..=MOST {
            add(&mut found, &number.to_string(), at(1));
        }
        assert_eq!(found.len(), MOST);
        assert_eq!(names_of(&found, at(1))[0], "1");
    }

    #[test]
    fn a_mapped_address_is_ipv4() {
        assert_eq!(ipv6((0, 0, 0, 0, 0, 0xffff, 0x0a00, 1)), at(1));
        assert_eq!(ipv6((0x64, 0xff9b, 0, 0, 0, 0, 0x7f00, 1)).to_string(), "64:ff9b::7f00:1");
    }
}
