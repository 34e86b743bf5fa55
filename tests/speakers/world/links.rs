//! Links with nothing but link-local addresses: each node has one to each other, whose interface has the other's
//! number. At the end of node 1 the address is always the same, and so it is at all the others.

use std::net::Ipv6Addr;

use fib::{Link, Sight};
use podbgpd::addresses::LocalEnd;
use podbgpd::transport::Place;

use super::{Input, World};

/// The link-local address a node has on every link.
pub(crate) fn address(number: u8) -> Ipv6Addr {
    match number {
        1 => Ipv6Addr::new(0xFE80, 0, 0, 0, 0, 0, 0, 0xFF),
        _ => Ipv6Addr::new(0xFE80, 0, 0, 0, 0, 0, 0, 1),
    }
}

/// Where the others see a node.
pub(crate) fn place(seen: u8) -> Place {
    Place::on_link(address(seen).into(), seen.into())
}

/// What a node is reached by on such a link.
pub(crate) fn end(number: u8) -> LocalEnd {
    LocalEnd { link_local: Some(address(number)), ..LocalEnd::default() }
}

/// The state of the link to a node.
pub(crate) fn link(to: u8, up: bool) -> Sight {
    let index = to.into();
    Sight::Link(Link { index, name: format!("eth{to}"), enabled: up, up })
}

impl World {
    /// Has a node hear the advertisement of another one.
    pub(crate) fn hear(&mut self, number: u8, other: u8) {
        self.input(number, Input::Heard(place(other)));
    }
}
