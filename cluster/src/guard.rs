//! What nobody may announce to this node.

use intent::{Guarded, Intent, Kubernetes};
use ipnet::IpNet;

use crate::plan::Plan;
use crate::prefix;
use crate::services::Wanted;
use crate::store::Objects;

/// Fills the guard: the ranges of Services, and the addresses of nodes.
///
/// An address of a node is refused as a host route and nothing wider, so that a route to the subnet of nodes, or a default
/// route, stays what it is. Where racks route nodes by host routes on purpose, the file has this node originate its own
/// address; then the addresses of the others are not refused either.
pub(crate) fn plan(
    objects: &Objects,
    settings: &Kubernetes,
    wanted: &Wanted,
    file: &Intent,
    plan: &mut Plan,
) {
    plan.guard.refuse_default = !settings.accept_default;
    if !nodes_are_routed(objects, file) {
        let nodes = objects.nodes.iter().flat_map(|(_, node)| addresses(node));
        plan.guard.refused.extend(nodes.map(|address| (address, Guarded::NodeAddress)));
    }
    plan.guard.refused.extend(wanted.refused.iter().map(|range| (*range, Guarded::Services)));
}

/// Tells whether this node's own address is one the file originates.
fn nodes_are_routed(objects: &Objects, file: &Intent) -> bool {
    let own = objects.own_node();
    own.into_iter().flat_map(addresses).any(|address| file.node.blocks.contains(&address))
}

fn addresses(node: &crate::object::node::Node) -> impl Iterator<Item = IpNet> {
    let routed = |kind: &str| matches!(kind, "InternalIP" | "ExternalIP");
    let addresses = node.status.addresses.iter().filter(move |address| routed(&address.kind));
    addresses.filter_map(|address| prefix::address(&address.address))
}
