//! The node's own addresses, as the kernel lists them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::ifaddrs::{self, getifaddrs};
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;

/// One address of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The interface's name.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// Whether the interface is set up.
    pub up: bool,
}

/// Where a session ends on our side, and by what addresses the peer can reach us there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalEnd {
    /// Our next hop for IPv4 routes, if the interface or the node has an IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// Whether that IPv4 address is another interface's, so that the peer may have no way to it.
    pub ipv4_elsewhere: bool,
    /// Our next hop for IPv6 routes, if the interface or the node has a global IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// The link-local address of the interface, sent beside the global one (RFC 2545 §3).
    pub link_local: Option<Ipv6Addr>,
}

/// Lists every address of every interface.
///
/// # Errors
/// What the kernel says.
pub fn all() -> std::io::Result<Vec<InterfaceAddress>> {
    let shown = |entry: ifaddrs::InterfaceAddress| {
        let address = ip(&entry.address?)?;
        let up = entry.flags.contains(InterfaceFlags::IFF_UP);
        Some(InterfaceAddress { interface: entry.interface_name, address, up })
    };
    Ok(getifaddrs()?.filter_map(shown).collect())
}

impl LocalEnd {
    /// Finds the next hops for a session whose local address is `local`.
    ///
    /// The session's own address serves its family. The other family takes an address of the same interface,
    /// else the first global one of the node: a peer that reaches us by one mostly reaches us by the other.
    #[must_use]
    pub fn of(local: IpAddr, addresses: &[InterfaceAddress]) -> Self {
        let interface = addresses.iter().find(|entry| entry.address == local).map(|entry| &entry.interface);
        let same = |entry: &&InterfaceAddress| Some(&entry.interface) == interface;
        let (here, elsewhere): (Vec<_>, Vec<_>) = addresses.iter().filter(|entry| entry.up).partition(same);
        let ipv4 = |entry: &&InterfaceAddress| match entry.address {
            IpAddr::V4(address) if is_global_v4(address) => Some(address),
            _ => None,
        };
        let ipv6 = |entry: &&InterfaceAddress| match entry.address {
            IpAddr::V6(address) if is_global_v6(address) => Some(address),
            _ => None,
        };
        let ipv4_here = here.iter().find_map(ipv4);
        let mut end = Self {
            ipv4: ipv4_here.or_else(|| elsewhere.iter().find_map(ipv4)),
            ipv4_elsewhere: ipv4_here.is_none() && !local.is_ipv4(),
            ipv6: here.iter().chain(&elsewhere).find_map(ipv6),
            link_local: here.iter().find_map(|entry| match entry.address {
                IpAddr::V6(address) if address.is_unicast_link_local() => Some(address),
                _ => None,
            }),
        };
        match local {
            IpAddr::V4(address) => end.ipv4 = Some(address),
            IpAddr::V6(address) if address.is_unicast_link_local() => end.link_local = Some(address),
            IpAddr::V6(address) => end.ipv6 = Some(address),
        }
        end
    }

    /// Returns the session's own address, given the peer's.
    #[must_use]
    pub fn towards(&self, peer: IpAddr) -> Option<IpAddr> {
        match peer {
            IpAddr::V4(_) => self.ipv4.map(IpAddr::V4),
            IpAddr::V6(peer) if peer.is_unicast_link_local() => self.link_local.map(IpAddr::V6),
            IpAddr::V6(_) => self.ipv6.map(IpAddr::V6),
        }
    }
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => Some(v4.ip().into()),
        (_, Some(v6)) => Some(v6.ip().into()),
        _ => None,
    }
}

/// Tells whether others can reach the address: not loopback, link-local or unspecified.
pub(crate) fn is_global_v4(address: Ipv4Addr) -> bool {
    !(address.is_loopback() || address.is_link_local() || address.is_unspecified())
}

fn is_global_v6(address: Ipv6Addr) -> bool {
    !(address.is_loopback() || address.is_unicast_link_local() || address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Vec<InterfaceAddress> {
        [
            ("lo", "127.0.0.1"),
            ("lo", "10.0.0.7"),
            ("eth0", "10.203.30.40"),
            ("eth0", "fe80::40"),
            ("eth0", "fd00:203::40"),
            ("eth1", "10.203.31.40"),
            ("eth1", "fe80::41"),
        ]
        .map(|(interface, address)| InterfaceAddress {
            interface: interface.to_owned(),
            address: address.parse().unwrap(),
            up: true,
        })
        .to_vec()
    }

    #[test]
    fn the_other_family_is_looked_for_on_the_same_interface_first() {
        let end = LocalEnd::of("10.203.30.40".parse().unwrap(), &node());
        assert_eq!(end.ipv4, Some("10.203.30.40".parse().unwrap()));
        assert_eq!(end.ipv6, Some("fd00:203::40".parse().unwrap()));
        assert_eq!(end.link_local, Some("fe80::40".parse().unwrap()));
    }

    #[test]
    fn an_interface_without_the_other_family_borrows_the_nodes() {
        let end = LocalEnd::of("10.203.31.40".parse().unwrap(), &node());
        assert_eq!(end.ipv6, Some("fd00:203::40".parse().unwrap()));
        assert_eq!(end.link_local, Some("fe80::41".parse().unwrap()));
    }

    #[test]
    fn an_ipv4_address_of_another_interface_is_marked() {
        let mut addresses = node();
        let end = LocalEnd::of("fd00:203::40".parse().unwrap(), &addresses);
        assert_eq!((end.ipv4, end.ipv4_elsewhere), (Some("10.203.30.40".parse().unwrap()), false));
        addresses.retain(|entry| entry.address != IpAddr::from([10, 203, 30, 40]));
        let end = LocalEnd::of("fd00:203::40".parse().unwrap(), &addresses);
        assert_eq!((end.ipv4, end.ipv4_elsewhere), (Some("10.0.0.7".parse().unwrap()), true));
    }

    #[test]
    fn an_interface_that_is_down_serves_nobody() {
        let mut addresses = node();
        let eth0 = addresses.iter_mut().filter(|entry| entry.interface == "eth0");
        eth0.for_each(|entry| entry.up = false);
        let end = LocalEnd::of("10.203.31.40".parse().unwrap(), &addresses);
        assert_eq!(end.ipv6, None);
    }

    #[test]
    fn a_session_over_link_local_addresses_takes_the_interfaces_others() {
        let end = LocalEnd::of("fe80::41".parse().unwrap(), &node());
        assert_eq!(end.ipv4, Some("10.203.31.40".parse().unwrap()));
        assert_eq!(end.link_local, Some("fe80::41".parse().unwrap()));
    }
}
