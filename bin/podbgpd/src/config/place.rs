//! `address` and `interface`: where a peer is.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use super::node::Known;
use super::reader::{Table, Value};

/// The longest name of an interface (`IFNAMSIZ` without its zero).
const LONGEST_NAME: usize = 15;

/// Where a peer is, as the file says it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    /// Unspecified when it is learned on the interface.
    pub(super) address: IpAddr,
    pub(super) interface: Option<String>,
}

/// Where spots were first used, to find those used twice.
pub(super) type Taken = BTreeMap<Spot, Range<usize>>;

/// Reads where a peer is. `None` only after a mistake was noted.
pub(super) fn read(table: &mut Table<'_>, node: &Known, taken: &mut Taken) -> Option<Spot> {
    let address = table.entry("address");
    let (value, spot) = match (address, table.entry("interface")) {
        (Some(value), None) => {
            let spot = numbered(&value, node);
            (value, spot)
        }
        (None, Some(value)) => {
            let interface = value.text().and_then(|name| interface(&value, name));
            let spot = interface
                .map(|interface| Spot { address: Ipv6Addr::UNSPECIFIED.into(), interface: Some(interface) });
            (value, spot)
        }
        (Some(address), Some(interface)) => {
            return interface.refuse_beside(
                "the peer's address is given, so there is none to be learned",
                "leave one of them out; a link-local address is written \"fe80::1%eth1\"",
                address.span(),
                "the address is here",
            );
        }
        (None, None) => {
            let hint =
                "add address = \"10.203.30.1\", or interface = \"eth1\" for whoever is at its other end";
            table.missing("address", hint);
            return None;
        }
    };
    let spot = spot?;
    match taken.get(&spot) {
        Some(first) => value.refuse_beside(
            match &spot.interface {
                Some(interface) if spot.address.is_unspecified() => {
                    format!("another peer is looked for on {interface}")
                }
                _ => format!("another peer has the address {}", spot.address),
            },
            "connections are told apart by address: one peer for each",
            first.clone(),
            "first defined here",
        ),
        None => {
            taken.insert(spot.clone(), value.span());
            Some(spot)
        }
    }
}

/// Reads an address; a link-local one has its interface with it (RFC 4007 §11).
fn numbered(value: &Value<'_>, node: &Known) -> Option<Spot> {
    if let Some((address, name)) = value.text()?.split_once('%') {
        let address: Option<Ipv6Addr> = address.parse().ok().filter(Ipv6Addr::is_unicast_link_local);
        let Some(address) = address else {
            return value.refuse(
                "only a link-local address has an interface",
                "write one such as \"fe80::1%eth1\", or leave %... out",
            );
        };
        return Some(Spot { address: address.into(), interface: Some(interface(value, name)?) });
    }
    let address: IpAddr = value.parse(
        "an IP address",
        "one such as \"10.203.30.1\" or \"fd00::1\", without port; names are not looked up",
    )?;
    if address.is_unspecified() || address.is_multicast() {
        return value.refuse("is no address of one machine", "write the address of the peer");
    }
    if let IpAddr::V6(v6) = address {
        if let Some(v4) = v6.to_ipv4_mapped() {
            return value.refuse("is an IPv4 address in disguise", format!("write \"{v4}\""));
        }
        if v6.is_unicast_link_local() {
            return value.refuse(
                "a link-local address counts on one link only",
                format!(
                    "write the interface too, \"{v6}%eth1\", or interface = \"eth1\" to learn the address"
                ),
            );
        }
    }
    if node.router_id.is_some_and(|id| IpAddr::V4(id.to_ipv4()) == address) {
        return value.refuse("is this node's own router id", "write the address of the peer");
    }
    Some(Spot { address, interface: None })
}

fn interface(value: &Value<'_>, name: &str) -> Option<String> {
    let is_odd = |octet: char| octet.is_whitespace() || octet.is_control() || "/%:".contains(octet);
    if name.is_empty() || name.len() > LONGEST_NAME || [".", ".."].contains(&name) || name.contains(is_odd) {
        return value
            .refuse("is no name of an interface", "write one as `ip link` shows it, such as \"eth1\"");
    }
    Some(name.to_owned())
}
