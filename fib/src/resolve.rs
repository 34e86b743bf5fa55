//! How this node reaches a BGP next hop, as the kernel's other routes say.
//!
//! The one surprise: a match that is a route of ours counts as unreachable. Otherwise a learnt route could
//! resolve its own next hop, and would keep itself alive after the real way is gone (RFC 4271 §9.1.2.1).

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// How a next hop is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It is a neighbour on this interface.
    OnLink {
        /// The index of the interface.
        interface: u32,
    },
    /// It is behind these gateways; never empty.
    Via {
        /// The gateways of the route that covers it, sorted.
        gateways: Vec<Gateway>,
    },
    /// It is an address of this node.
    Local,
    /// It cannot be reached.
    Unreachable {
        /// Why not.
        why: Unreachable,
    },
}

impl Resolution {
    /// Tells whether packets for the next hop may leave by this interface.
    pub(crate) fn leaves_by(&self, index: u32) -> bool {
        match self {
            Self::OnLink { interface } => *interface == index,
            Self::Via { gateways } => gateways.iter().any(|gateway| gateway.interface == index),
            Self::Local | Self::Unreachable { .. } => false,
        }
    }

    /// Takes away the ways over interfaces that are down.
    pub(crate) fn without(self, is_down: impl Fn(u32) -> bool) -> Self {
        let down = Self::Unreachable { why: Unreachable::LinkDown };
        match self {
            Self::OnLink { interface } if is_down(interface) => down,
            Self::Via { mut gateways } => {
                gateways.retain(|gateway| !is_down(gateway.interface));
                if gateways.is_empty() { down } else { Self::Via { gateways } }
            }
            other => other,
        }
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnLink { interface } => write!(f, "on link dev {interface}"),
            Self::Via { gateways } => {
                for (position, gateway) in gateways.iter().enumerate() {
                    let separator = if position > 0 { ", " } else { "" };
                    write!(f, "{separator}via {} dev {}", gateway.address, gateway.interface)?;
                }
                Ok(())
            }
            Self::Local => f.write_str("local"),
            Self::Unreachable { why } => write!(f, "unreachable: {why}"),
        }
    }
}

/// A neighbour that forwards for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gateway {
    /// Its address.
    pub address: IpAddr,
    /// The index of the interface it is on.
    pub interface: u32,
}

/// Why a next hop cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// A link-local address says nothing without an interface; its interface is known from the session.
    LinkLocal,
    /// Every interface on the way is down or without carrier.
    LinkDown,
    /// The kernel has no route to it.
    NoRoute,
    /// The only route to it is one of ours.
    OwnRoute(IpNet),
    /// The route to it drops packets: blackhole, unreachable or prohibit.
    Rejected,
    /// The lookup failed.
    Lookup {
        /// The positive `errno`.
        errno: i32,
    },
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkLocal => f.write_str("a link-local address needs an interface"),
            Self::LinkDown => f.write_str("the link is down"),
            Self::NoRoute => f.write_str("no route"),
            Self::OwnRoute(prefix) => write!(f, "only our own route {prefix} leads there"),
            Self::Rejected => f.write_str("the route there drops packets"),
            Self::Lookup { errno } => write!(f, "lookup: {}", std::io::Error::from_raw_os_error(*errno)),
        }
    }
}

/// The next hops somebody asked about, and what was last said of each.
#[derive(Debug, Default)]
pub(crate) struct Tracked {
    said: BTreeMap<IpAddr, Option<Resolution>>,
}

impl Tracked {
    pub(crate) fn track(&mut self, address: IpAddr) {
        self.said.entry(address).or_default();
    }

    pub(crate) fn untrack(&mut self, address: IpAddr) {
        self.said.remove(&address);
    }

    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        self.said.keys().copied().collect()
    }

    /// Tells whether a route to `prefix` coming or going may change an answer.
    pub(crate) fn is_touched_by(&self, prefix: IpNet) -> bool {
        self.said.range(prefix.network()..=prefix.broadcast()).next().is_some()
    }

    /// Takes note of an answer; `true` if it differs from the last one.
    pub(crate) fn resolved(&mut self, address: IpAddr, resolution: &Resolution) -> bool {
        match self.said.get_mut(&address) {
            Some(said) if said.as_ref() != Some(resolution) => {
                *said = Some(resolution.clone());
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_once() {
        let address = "10.0.0.1".parse().unwrap();
        let mut tracked = Tracked::default();
        tracked.track(address);
        assert!(tracked.resolved(address, &Resolution::Local));
        assert!(!tracked.resolved(address, &Resolution::Local));
        assert!(tracked.resolved(address, &Resolution::OnLink { interface: 1 }));
    }

    #[test]
    fn a_way_over_a_dark_interface_is_none() {
        let gateway = |interface| Gateway { address: "10.0.0.1".parse().unwrap(), interface };
        let down = Resolution::Unreachable { why: Unreachable::LinkDown };
        let both = Resolution::Via { gateways: vec![gateway(1), gateway(2)] };
        assert!(both.leaves_by(2) && !both.leaves_by(3));
        assert_eq!(both.clone().without(|index| index == 1), Resolution::Via { gateways: vec![gateway(2)] });
        assert_eq!(both.without(|_| true), down);
        assert_eq!(Resolution::OnLink { interface: 1 }.without(|index| index == 1), down);
    }

    #[test]
    fn only_a_covering_prefix_touches_a_next_hop() {
        let mut tracked = Tracked::default();
        tracked.track("10.0.0.1".parse().unwrap());
        assert!(tracked.is_touched_by("10.0.0.0/24".parse().unwrap()));
        assert!(tracked.is_touched_by("0.0.0.0/0".parse().unwrap()));
        assert!(!tracked.is_touched_by("10.0.1.0/24".parse().unwrap()));
        assert!(!tracked.is_touched_by("::/0".parse().unwrap()));
    }
}
