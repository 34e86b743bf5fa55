//! A kernel route as `ip route` would show it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteNextHopFlags, RouteScope, RouteType,
    RouteVia,
};

/// A route of the main table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelRoute {
    /// Where to.
    pub destination: IpNet,
    /// What happens to a packet that matches.
    pub kind: RouteKind,
    /// Through where: none for a blackhole, several when the paths share the traffic.
    pub next_hops: Vec<NextHop>,
    /// Who installed it (`RTPROT_*`): 2 the kernel, 3 boot, 4 static, 186 BGP, 179 podbgp.
    pub protocol: u8,
    /// Lower is preferred; the kernel's default for IPv4 is to have none.
    pub metric: Option<u32>,
    /// The source address for packets made here.
    pub source: Option<IpAddr>,
    /// Whether the destination is on the link itself.
    pub on_link: bool,
}

/// What the kernel does with a packet that matches a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// Sends it to a next hop.
    Unicast,
    /// Drops it without a word.
    Blackhole,
    /// Drops it and answers with ICMP unreachable.
    Unreachable,
    /// Something the lab does not make.
    Other,
}

/// One way a route's packets may leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// The router to send to; none when the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// The link to leave by; none lets the kernel find it.
    pub link: Option<String>,
    /// The share of the traffic among several.
    pub weight: u16,
    /// Whether the kernel can use it now.
    pub state: HopState,
}

/// What the kernel says about a next hop's link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HopState {
    /// In use.
    #[default]
    Alive,
    /// The carrier is lost; without `ignore_routes_with_linkdown` it is used all the same.
    LinkDown,
    /// The kernel sends nothing there.
    Dead,
}

impl NextHop {
    /// Through a router.
    #[must_use]
    pub fn via(gateway: impl Into<IpAddr>) -> Self {
        Self { gateway: Some(gateway.into()), link: None, weight: 1, state: HopState::Alive }
    }

    /// Straight onto a link.
    #[must_use]
    pub fn on(link: &str) -> Self {
        Self { gateway: None, link: Some(link.to_owned()), weight: 1, state: HopState::Alive }
    }

    /// Names the link to leave by.
    #[must_use]
    pub fn through(self, link: &str) -> Self {
        Self { link: Some(link.to_owned()), ..self }
    }
}

impl KernelRoute {
    /// The gateways, in the kernel's order.
    pub fn gateways(&self) -> impl Iterator<Item = IpAddr> {
        self.next_hops.iter().filter_map(|hop| hop.gateway)
    }

    /// Reads a dump's message; none when it is of another table or of a kind that `ip route` hides.
    pub(super) fn from_message(message: &RouteMessage, links: &BTreeMap<u32, String>) -> Option<Self> {
        if message.header.table != RouteHeader::RT_TABLE_MAIN {
            return None;
        }
        let unspecified = match message.header.address_family {
            AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            AddressFamily::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            _ => return None,
        };
        let link_name = |index: u32| links.get(&index).cloned().unwrap_or_else(|| format!("if{index}"));
        let mut destination = unspecified;
        let (mut gateway, mut link, mut metric, mut source) = (None, None, None, None);
        let mut next_hops = Vec::new();
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(to) => destination = address(to)?,
                RouteAttribute::Gateway(via) => gateway = address(via),
                RouteAttribute::Via(RouteVia::Inet6(via)) => gateway = Some(IpAddr::V6(*via)),
                RouteAttribute::Oif(index) => link = Some(link_name(*index)),
                RouteAttribute::Priority(priority) => metric = Some(*priority),
                RouteAttribute::PrefSource(from) => source = address(from),
                RouteAttribute::MultiPath(hops) => {
                    next_hops.extend(hops.iter().map(|hop| NextHop {
                        gateway: hop.attributes.iter().find_map(gateway_of),
                        link: Some(link_name(hop.interface_index)),
                        weight: u16::from(hop.hops) + 1,
                        state: HopState::of(hop.flags),
                    }));
                }
                _ => {}
            }
        }
        let kind = match message.header.kind {
            RouteType::Unicast => RouteKind::Unicast,
            RouteType::BlackHole => RouteKind::Blackhole,
            RouteType::Unreachable => RouteKind::Unreachable,
            _ => RouteKind::Other,
        };
        if next_hops.is_empty() && kind == RouteKind::Unicast {
            let flags = RouteNextHopFlags::from_bits_truncate(message.header.flags.bits() as u8);
            next_hops.push(NextHop { gateway, link, weight: 1, state: HopState::of(flags) });
        }
        Some(Self {
            destination: IpNet::new(destination, message.header.destination_prefix_length).ok()?,
            kind,
            next_hops,
            protocol: message.header.protocol.into(),
            metric,
            source,
            on_link: message.header.scope == RouteScope::Link && destination.is_ipv4(),
        })
    }
}

impl HopState {
    fn of(flags: RouteNextHopFlags) -> Self {
        if flags.contains(RouteNextHopFlags::Dead) {
            Self::Dead
        } else if flags.contains(RouteNextHopFlags::Linkdown) {
            Self::LinkDown
        } else {
            Self::Alive
        }
    }
}

fn address(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some(IpAddr::V4(*address)),
        RouteAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}

fn gateway_of(attribute: &RouteAttribute) -> Option<IpAddr> {
    match attribute {
        RouteAttribute::Gateway(via) => address(via),
        RouteAttribute::Via(RouteVia::Inet6(via)) => Some(IpAddr::V6(*via)),
        _ => None,
    }
}

impl fmt::Display for KernelRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            RouteKind::Blackhole => f.write_str("blackhole ")?,
            RouteKind::Unreachable => f.write_str("unreachable ")?,
            RouteKind::Unicast | RouteKind::Other => {}
        }
        match self.destination.prefix_len() {
            0 => f.write_str("default")?,
            length if length == self.destination.max_prefix_len() => {
                write!(f, "{}", self.destination.addr())?
            }
            _ => write!(f, "{}", self.destination)?,
        }
        if let [hop] = &self.next_hops[..] {
            write!(f, "{hop}")?;
        }
        match self.protocol {
            2 => f.write_str(" proto kernel")?,
            3 => {}
            4 => f.write_str(" proto static")?,
            12 => f.write_str(" proto bird")?,
            186 => f.write_str(" proto bgp")?,
            other => write!(f, " proto {other}")?,
        }
        if self.on_link {
            f.write_str(" scope link")?;
        }
        if let Some(source) = self.source {
            write!(f, " src {source}")?;
        }
        if let Some(metric) = self.metric {
            write!(f, " metric {metric}")?;
        }
        if let [_, _, ..] = &self.next_hops[..] {
            for hop in &self.next_hops {
                write!(f, "\n\tnexthop{hop} weight {}{}", hop.weight, hop.state)?;
            }
        } else if let [hop] = &self.next_hops[..] {
            write!(f, "{}", hop.state)?;
        }
        Ok(())
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(link) = &self.link {
            write!(f, " dev {link}")?;
        }
        Ok(())
    }
}

impl fmt::Display for HopState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alive => "",
            Self::LinkDown => " linkdown",
            Self::Dead => " dead linkdown",
        })
    }
}
