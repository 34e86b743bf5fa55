//! Our words and the kernel's words for a route.

pub(crate) mod next_hop;
pub(crate) mod rule;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rtnetlink::packet_core::{
    NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHop, RouteNextHopFlags,
    RouteProtocol, RouteScope, RouteType, RouteVia,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::plan::{Action, RouteOp};
use crate::resolve::{Gateway, Resolution, Unreachable};
use crate::route::{FibSettings, NextHop, NextHopSet, Target};
use crate::table::KernelRoute;

/// Writes the request that carries out `op`.
pub(crate) fn request(
    op: &RouteOp,
    settings: &FibSettings,
    sequence: u32,
) -> NetlinkMessage<RouteNetlinkMessage> {
    let own_metric = op.metric.unwrap_or_else(|| settings.metric_of(op.prefix));
    let route = |target| match op.group {
        Some(group) => route_on_group(op.prefix, group, settings, own_metric),
        None => route(op.prefix, target, settings, own_metric),
    };
    let (payload, flags) = match &op.action {
        Action::Add(target) => (RouteNetlinkMessage::NewRoute(route(target)), NLM_F_CREATE | NLM_F_EXCL),
        Action::Replace(target) => (RouteNetlinkMessage::NewRoute(route(target)), NLM_F_REPLACE),
        Action::Delete => (RouteNetlinkMessage::DelRoute(key(op.prefix, settings, own_metric)), 0),
        Action::DeleteStray { metric } => {
            (RouteNetlinkMessage::DelRoute(key(op.prefix, settings, *metric)), 0)
        }
    };
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags;
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(payload));
    message.finalize();
    message
}

/// Asks for all routes of one family in our table, or only for ours.
///
/// Means what it says only on a socket with strict checking; without, the kernel ignores the filter.
pub(crate) fn dump_request(family: AddressFamily, table: u32, protocol: Option<u8>) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family;
    message.header.protocol = RouteProtocol::from(protocol.unwrap_or_default());
    set_table(&mut message, table);
    message
}

/// Asks how the kernel would reach `address`.
pub(crate) fn lookup_request(address: IpAddr) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(address);
    message.header.destination_prefix_length = IpNet::from(address).prefix_len();
    message.header.flags = match address {
        // Without this flag IPv4 reports table main, whatever matched; IPv6 refuses it, and needs none.
        IpAddr::V4(_) => RouteFlags::FibMatch | RouteFlags::LookupTable,
        IpAddr::V6(_) => RouteFlags::FibMatch,
    };
    message.attributes.push(RouteAttribute::Destination(address.into()));
    message
}

/// Reads a route; `None` if it is one whose key is never like ours.
pub(crate) fn kernel_route(message: &RouteMessage) -> Option<KernelRoute> {
    let header = &message.header;
    if header.tos != 0 || header.source_prefix_length != 0 || header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let (mut metric, mut group) = (0, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Priority(priority) => metric = *priority,
            RouteAttribute::NhId(id) => group = Some(*id),
            _ => {}
        }
    }
    Some(KernelRoute {
        prefix: prefix(message)?,
        table: table(message),
        protocol: header.protocol.into(),
        metric,
        target: target(message),
        group,
    })
}

/// Reads the answer to [`lookup_request`].
pub(crate) fn resolution(
    message: &RouteMessage,
    settings: &FibSettings,
    trusted: &BTreeSet<IpNet>,
) -> Resolution {
    let unreachable = |why| Resolution::Unreachable { why };
    match message.header.kind {
        RouteType::Local => return Resolution::Local,
        RouteType::Unicast => {}
        _ => return unreachable(Unreachable::Rejected),
    }
    let Some(prefix) = prefix(message) else { return unreachable(Unreachable::NoRoute) };
    let own = u8::from(message.header.protocol) == settings.protocol && table(message) == settings.table;
    if own && !trusted.contains(&prefix) {
        return unreachable(Unreachable::OwnRoute(prefix));
    }
    let living: Vec<NextHop> = legs(message).into_iter().filter(|leg| !leg.down).map(|leg| leg.hop).collect();
    if let Some(interface) = living.iter().find(|hop| hop.address.is_none()).and_then(|hop| hop.interface) {
        return Resolution::OnLink { interface };
    }
    let gateway = |hop: NextHop| Some(Gateway { address: hop.address?, interface: hop.interface? });
    let mut gateways: Vec<Gateway> = living.into_iter().filter_map(gateway).collect();
    gateways.sort_unstable();
    gateways.dedup();
    if gateways.is_empty() { unreachable(Unreachable::LinkDown) } else { Resolution::Via { gateways } }
}

/// Returns the interface a route leaves by, and the gateway on it; of several ways the first.
pub(crate) fn way_out(message: &RouteMessage) -> Option<(u32, Option<IpAddr>)> {
    let unicast = message.header.kind == RouteType::Unicast;
    let leg = legs(message).into_iter().find(|leg| leg.hop.interface.is_some()).filter(|_| unicast)?;
    Some((leg.hop.interface?, leg.hop.address))
}

/// Tells whether routes of a protocol are the kernel's own doing: connected ones, and those learned from a redirect.
pub(crate) fn is_of_kernel(protocol: u8) -> bool {
    matches!(RouteProtocol::from(protocol), RouteProtocol::Kernel | RouteProtocol::IcmpRedirect)
}

pub(crate) fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

fn set_table(message: &mut RouteMessage, table: u32) {
    match u8::try_from(table) {
        Ok(table) => message.header.table = table,
        Err(_) => message.header.table = RouteHeader::RT_TABLE_UNSPEC,
    }
    message.attributes.push(RouteAttribute::Table(table));
}

/// The parts by which the kernel finds a route, and our protocol number, so that it finds only ours.
fn key(prefix: IpNet, settings: &FibSettings, metric: u32) -> RouteMessage {
    let mut message = RouteMessage::default();
    // The longest has destination, metric, table, gateway and interface.
    message.attributes.reserve_exact(5);
    message.header.address_family = family(prefix.addr());
    message.header.destination_prefix_length = prefix.prefix_len();
    message.header.protocol = RouteProtocol::from(settings.protocol);
    message.header.scope = RouteScope::NoWhere;
    message.attributes.push(RouteAttribute::Destination(prefix.network().into()));
    message.attributes.push(RouteAttribute::Priority(metric));
    set_table(&mut message, settings.table);
    message
}

fn route(prefix: IpNet, target: &Target, settings: &FibSettings, metric: u32) -> RouteMessage {
    let mut message = key(prefix, settings, metric);
    message.header.scope = RouteScope::Universe;
    match target {
        Target::Blackhole => message.header.kind = RouteType::BlackHole,
        Target::Forward(next_hops) => {
            message.header.kind = RouteType::Unicast;
            match next_hops.as_slice() {
                [only] => single(&mut message, prefix, only),
                several => {
                    let legs = several.iter().map(|next_hop| leg(prefix, next_hop)).collect();
                    message.attributes.push(RouteAttribute::MultiPath(legs));
                }
            }
        }
    }
    message
}

fn route_on_group(prefix: IpNet, group: u32, settings: &FibSettings, metric: u32) -> RouteMessage {
    let mut message = key(prefix, settings, metric);
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    message.attributes.push(RouteAttribute::NhId(group));
    message
}

fn single(message: &mut RouteMessage, prefix: IpNet, next_hop: &NextHop) {
    match next_hop.address {
        Some(address) => message.attributes.push(gateway(prefix, address)),
        None if matches!(prefix, IpNet::V4(_)) => message.header.scope = RouteScope::Link,
        None => {}
    }
    if is_onlink(next_hop) {
        message.header.flags |= RouteFlags::Onlink;
    }
    message.attributes.extend(next_hop.interface.map(RouteAttribute::Oif));
}

fn leg(prefix: IpNet, next_hop: &NextHop) -> RouteNextHop {
    let mut leg = RouteNextHop::default();
    // NextHopSet keeps weights within 1 to 256.
    leg.hops = u8::try_from(next_hop.weight.get() - 1).unwrap_or(u8::MAX);
    leg.interface_index = next_hop.interface.unwrap_or_default();
    leg.attributes.extend(next_hop.address.map(|address| gateway(prefix, address)));
    if is_onlink(next_hop) {
        leg.flags |= RouteNextHopFlags::Onlink;
    }
    leg
}

/// An IPv4 route may have an IPv6 gateway, in an attribute of its own (RFC 8950).
fn gateway(prefix: IpNet, address: IpAddr) -> RouteAttribute {
    match (prefix, address) {
        (IpNet::V4(_), IpAddr::V6(address)) => RouteAttribute::Via(RouteVia::Inet6(address)),
        (_, address) => RouteAttribute::Gateway(address.into()),
    }
}

pub(crate) fn is_onlink(next_hop: &NextHop) -> bool {
    next_hop.interface.is_some() && (next_hop.onlink || is_link_local(next_hop.address))
}

/// Tells whether a gateway is on the link by its nature.
pub(crate) fn is_link_local(address: Option<IpAddr>) -> bool {
    matches!(address, Some(IpAddr::V4(address)) if address.is_link_local())
}

fn prefix(message: &RouteMessage) -> Option<IpNet> {
    let length = message.header.destination_prefix_length;
    let destination = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(address)) => Some(IpAddr::V4(*address)),
        RouteAttribute::Destination(RouteAddress::Inet6(address)) => Some(IpAddr::V6(*address)),
        _ => None,
    });
    match (message.header.address_family, destination) {
        (AddressFamily::Inet, Some(IpAddr::V4(address))) => Ipv4Net::new(address, length).ok().map(IpNet::V4),
        (AddressFamily::Inet6, Some(IpAddr::V6(address))) => {
            Ipv6Net::new(address, length).ok().map(IpNet::V6)
        }
        (AddressFamily::Inet, None) if length == 0 => {
            Ipv4Net::new(Ipv4Addr::UNSPECIFIED, 0).ok().map(IpNet::V4)
        }
        (AddressFamily::Inet6, None) if length == 0 => {
            Ipv6Net::new(Ipv6Addr::UNSPECIFIED, 0).ok().map(IpNet::V6)
        }
        _ => None,
    }
}

fn table(message: &RouteMessage) -> u32 {
    let long = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    long.unwrap_or_else(|| message.header.table.into())
}

fn target(message: &RouteMessage) -> Option<Target> {
    let foreign = |attribute: &RouteAttribute| {
        matches!(
            attribute,
            RouteAttribute::NhId(_) | RouteAttribute::Encap(_) | RouteAttribute::PrefSource(_)
        )
    };
    match message.header.kind {
        RouteType::BlackHole => Some(Target::Blackhole),
        RouteType::Unicast if !message.attributes.iter().any(foreign) => {
            NextHopSet::new(legs(message).into_iter().map(|leg| leg.hop)).map(Target::Forward)
        }
        _ => None,
    }
}

/// One way of a route, and whether the kernel considers it unusable.
struct Leg {
    hop: NextHop,
    down: bool,
}

fn legs(message: &RouteMessage) -> Vec<Leg> {
    let multipath = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::MultiPath(legs) => Some(legs),
        _ => None,
    });
    if let Some(legs) = multipath {
        let leg = |leg: &RouteNextHop| {
            let address = leg.attributes.iter().find_map(gateway_address);
            Leg {
                hop: NextHop {
                    address,
                    interface: (leg.interface_index != 0).then_some(leg.interface_index),
                    weight: NonZeroU16::MIN.saturating_add(leg.hops.into()),
                    onlink: leg.flags.contains(RouteNextHopFlags::Onlink) && !is_link_local(address),
                },
                down: leg.flags.intersects(RouteNextHopFlags::Dead | RouteNextHopFlags::Linkdown),
            }
        };
        return legs.iter().map(leg).collect();
    }
    let interface = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(interface) => Some(*interface),
        _ => None,
    });
    let address = message.attributes.iter().find_map(gateway_address);
    if address.is_none() && interface.is_none() {
        return Vec::new();
    }
    let down = message.header.flags.intersects(RouteFlags::Dead | RouteFlags::Linkdown);
    let onlink = message.header.flags.contains(RouteFlags::Onlink) && !is_link_local(address);
    vec![Leg { hop: NextHop { address, interface, weight: NonZeroU16::MIN, onlink }, down }]
}

fn gateway_address(attribute: &RouteAttribute) -> Option<IpAddr> {
    match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(address))
        | RouteAttribute::Via(RouteVia::Inet(address)) => Some(IpAddr::V4(*address)),
        RouteAttribute::Gateway(RouteAddress::Inet6(address))
        | RouteAttribute::Via(RouteVia::Inet6(address)) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}
