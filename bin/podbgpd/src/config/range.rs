//! `[listen-range.NAME]`: peers nobody lists.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use bgp::fsm::PeerAs;
use ipnet::IpNet;

use super::node::{is_name, prefix};
use super::peer::{self, Around};
use super::reader::{Table, Value};
use crate::intent::{ListenRange, PeerIntent};

/// The most peers of a range, unless the file says otherwise.
const LIMIT: u32 = 100;
/// The most peers of a range there may be.
const MOST: u32 = 10_000;
/// How long a peer without connection is remembered.
const LINGER: u16 = 60;

/// Reads all ranges. `None` only after a mistake was noted.
pub(super) fn read<'a>(
    root: &mut Table<'a>,
    around: &Around<'_, 'a>,
) -> Option<BTreeMap<String, ListenRange>> {
    let Some(value) = root.entry("listen-range") else { return Some(BTreeMap::new()) };
    let table = value.table()?;
    let mut taken = BTreeMap::new();
    let ranges: Vec<Option<ListenRange>> =
        table.entries().map(|(name, value)| range(name, &value, around, &mut taken)).collect();
    ranges.into_iter().map(|range| range.map(|range| (range.name.clone(), range))).collect()
}

fn range<'a>(
    name: &str,
    place: &Value<'a>,
    around: &Around<'_, 'a>,
    taken: &mut BTreeMap<IpNet, Range<usize>>,
) -> Option<ListenRange> {
    let mut table = place.table()?;
    if !is_name(name) {
        place.refuse::<()>("is not a name", "write letters, digits, or any of - _ . :");
    }
    around.templates.apply(&mut table);
    let prefix = table.required("prefix", "\"10.203.30.0/24\"", |value| own_prefix(value, around, taken));
    let limit = table.optional("limit", |value| value.number(1..=MOST)).unwrap_or(LIMIT);
    let linger = table.optional("linger", |value| value.number(1..=3600)).unwrap_or(LINGER);
    let asn = table.required("asn", "\"external\"", peer::peer_as);
    // Stands for the addresses of the range where a rule asks for the family.
    let address = prefix.map(|prefix| prefix.network());
    let nobody = IpAddr::from([0; 4]);
    let mut peer =
        PeerIntent::new(name.to_owned(), address.unwrap_or(nobody), asn.unwrap_or(PeerAs::External));
    peer.passive = true;
    peer::session(&mut table, &mut peer, around);
    peer::routes(&mut table, &mut peer, around, asn);
    table.finish();
    // Which peer it is, its connection tells.
    peer.address = nobody;
    asn?;
    let linger = Duration::from_secs(linger.into());
    Some(ListenRange { name: name.to_owned(), prefix: prefix?, limit, linger, peer })
}

fn own_prefix(
    value: &Value<'_>,
    around: &Around<'_, '_>,
    taken: &mut BTreeMap<IpNet, Range<usize>>,
) -> Option<IpNet> {
    let prefix = prefix(value)?;
    if let IpAddr::V6(address) = prefix.network()
        && address.is_unicast_link_local()
    {
        return value.refuse(
            "link-local addresses are not unique on a node",
            "write a prefix of addresses that are valid on more than one link",
        );
    }
    let same_family = |listen: &std::net::SocketAddr| prefix.addr().is_ipv4() == listen.is_ipv4();
    if !around.node.listen.iter().any(same_family) {
        return value.refuse(
            "this node does not listen for connections from there",
            "add an address of the same family to node.listen",
        );
    }
    match taken.insert(prefix, value.span()) {
        Some(first) => value.refuse_beside(
            format!("another range is {prefix}"),
            "a peer is in the narrowest range that covers it: one range for each prefix",
            first,
            "first defined here",
        ),
        None => Some(prefix),
    }
}
