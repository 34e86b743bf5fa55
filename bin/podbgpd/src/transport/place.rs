//! Where somebody is.

use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use ipnet::IpNet;

/// An address, and the link it counts on.
///
/// A link-local address means nothing without its link: every switch of a rack may be `fe80::1`. Any other address
/// is the same one wherever it is seen, so it has no link here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The address.
    pub address: IpAddr,
    /// The index of the interface, of a link-local address.
    pub interface: Option<u32>,
}

impl Place {
    /// Makes a place of a link-local address on an interface.
    #[must_use]
    pub fn on_link(address: IpAddr, interface: u32) -> Self {
        Self { address, interface: Some(interface) }
    }

    /// Returns what a socket is told.
    #[must_use]
    pub fn with_port(self, port: u16) -> SocketAddr {
        match (self.address, self.interface) {
            (IpAddr::V6(address), Some(interface)) => SocketAddrV6::new(address, port, 0, interface).into(),
            (address, _) => SocketAddr::new(address, port),
        }
    }
}

/// Places that are alike: one, or all of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    /// The addresses.
    pub prefix: IpNet,
    /// The index of the interface, of a link-local address.
    pub interface: Option<u32>,
}

impl Stretch {
    /// Returns the place, if it is but one.
    #[must_use]
    pub fn place(self) -> Option<Place> {
        let is_one = self.prefix.prefix_len() == self.prefix.max_prefix_len();
        is_one.then(|| Place { address: self.prefix.addr(), interface: self.interface })
    }
}

impl From<IpNet> for Stretch {
    fn from(prefix: IpNet) -> Self {
        Self { prefix, interface: None }
    }
}

impl From<Place> for Stretch {
    fn from(place: Place) -> Self {
        Self { prefix: place.address.into(), interface: place.interface }
    }
}

impl From<IpAddr> for Stretch {
    fn from(address: IpAddr) -> Self {
        Place::from(address).into()
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place() {
            Some(place) => place.fmt(f),
            None => self.prefix.fmt(f),
        }
    }
}

impl From<IpAddr> for Place {
    fn from(address: IpAddr) -> Self {
        Self { address, interface: None }
    }
}

impl From<SocketAddr> for Place {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V6(address) if address.ip().is_unicast_link_local() && address.scope_id() != 0 => {
                Self::on_link((*address.ip()).into(), address.scope_id())
            }
            address => address.ip().to_canonical().into(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        self.interface.map_or(Ok(()), |interface| write!(f, "%{interface}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        text.parse::<SocketAddr>().unwrap().into()
    }

    #[test]
    fn only_a_link_local_address_has_a_link() {
        assert_eq!(place("[fe80::1%7]:179"), Place::on_link("fe80::1".parse().unwrap(), 7));
        assert_eq!(place("[2001:db8::1%7]:179"), IpAddr::V6("2001:db8::1".parse().unwrap()).into());
        assert_eq!(place("[::ffff:192.0.2.1]:179"), IpAddr::from([192, 0, 2, 1]).into());
    }

    #[test]
    fn one_address_on_two_links_is_two_places() {
        assert_ne!(place("[fe80::1%7]:179"), place("[fe80::1%8]:179"));
        assert_eq!(place("[fe80::1%7]:50000"), place("[fe80::1%7]:179"));
        assert_eq!(place("[fe80::1%7]:179").with_port(179).to_string(), "[fe80::1%7]:179");
    }
}
