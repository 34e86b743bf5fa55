//! What this node originates in a cluster with Calico: its blocks, and routes of others in its kernel.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use bgp::{Family, PathAttributes};
use intent::{Hand, KernelRoute, Leftover, Originated};
use ipnet::IpNet;
use rib::policy::{Decision, Route};

use super::configuration::TOP;
use super::policies::Policies;
use super::scene::Scene;
use super::sessions::Session;
use crate::cluster::AlienRoute;

/// Returns the blocks. What no pod has of them is dropped, by us or, where routes of the pool are Felix's, by Felix.
pub(super) fn blocks(scene: &Scene<'_>) -> BTreeMap<IpNet, Originated> {
    let mut all = BTreeMap::new();
    for (block, cause) in scene.blocks.owned.iter().chain(&scene.blocks.leaving) {
        // A block of one address is the address of a pod, and the kernel has its route while there is such a pod.
        if block.prefix_len() == block.max_prefix_len() {
            continue;
        }
        let leftover = match scene.pools.hand(scene, block) {
            Hand::Theirs => Leftover::Followed,
            Hand::Ours | Hand::Tunnel { .. } => Leftover::Dropped,
        };
        let mut originated = Originated::new(cause.clone(), leftover);
        originated.local_pref = Some(local_pref(scene, block, 0));
        all.insert(*block, originated);
    }
    all
}

/// Returns the routes of others in the kernel that some session lets out: addresses borrowed from blocks of other nodes,
/// pods that have just moved here, tunnels, and what filters ask for.
///
/// A default route is never among them: a node is nobody's way out. Neither are remote blocks that Felix has routes to,
/// where other nodes tell of them over BGP themselves.
pub(super) fn kernel(
    scene: &Scene<'_>,
    policies: &Policies<'_, '_>,
    has_calico_peers: bool,
    routes: &[AlienRoute],
) -> BTreeMap<IpNet, Originated> {
    let mut all = BTreeMap::new();
    for route in routes.iter().cloned().chain(tunnels(scene)) {
        if route.prefix.prefix_len() == 0 || (has_calico_peers && is_remote(scene, &route)) {
            continue;
        }
        let local_pref = local_pref(scene, &route.prefix, route.metric);
        if !goes_out(policies, &route, local_pref) {
            continue;
        }
        let mut originated =
            Originated::new(format!("route by {}", route.route.interface), Leftover::Followed);
        originated.local_pref = Some(local_pref);
        originated.kernel = Some(route.route);
        // Of several routes to one prefix the kernel takes the one with the lowest metric.
        let better = |other: &Originated| other.local_pref >= Some(local_pref);
        if !all.get(&route.prefix).is_some_and(better) {
            all.insert(route.prefix, originated);
        }
    }
    all
}

/// Tells whether a session with another node is among these.
pub(super) fn has_calico_peers(scene: &Scene<'_>, sessions: &BTreeMap<IpAddr, Session<'_>>) -> bool {
    sessions.keys().any(|address| scene.node_at(*address).is_some())
}

/// Returns the LOCAL_PREF that stands for a metric; none is that of an ordinary route.
fn local_pref(scene: &Scene<'_>, prefix: &IpNet, metric: u32) -> u32 {
    let normal = scene.configuration.normal(Family::of(prefix));
    TOP.saturating_sub(if metric == 0 { normal } else { metric })
}

/// Tells whether a route is somebody's account of where the pods of another node are.
fn is_remote(scene: &Scene<'_>, route: &AlienRoute) -> bool {
    let interface = &*route.route.interface;
    let by_tunnel =
        interface.ends_with(".cali") || interface.ends_with(".calico") || interface == super::pools::IPIP;
    let gateway = route.route.gateway;
    gateway.is_some_and(|gateway| by_tunnel || scene.node_at(gateway).is_some())
}

/// Returns the addresses of our tunnels as routes of the kernel, which has them in another table.
fn tunnels(scene: &Scene<'_>) -> impl Iterator<Item = AlienRoute> {
    let ignored = &scene.configuration.ignored_interfaces;
    scene.me.tunnels().filter(|(_, interface)| !ignored.iter().any(|glob| glob.matches(interface))).map(
        |(address, interface)| AlienRoute {
            prefix: address.into(),
            route: KernelRoute { interface: Arc::from(interface), gateway: None },
            metric: 0,
        },
    )
}

fn goes_out(policies: &Policies<'_, '_>, route: &AlienRoute, local_pref: u32) -> bool {
    let family = Family::of(&route.prefix);
    let nobody: IpAddr = match family {
        Family::Ipv4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::Ipv6 => Ipv6Addr::UNSPECIFIED.into(),
    };
    let mut attributes = PathAttributes::originated(nobody.into());
    attributes.local_pref = Some(local_pref);
    let route = Route {
        prefix: route.prefix,
        announcer: None,
        interface: Some(&route.route.interface),
        attributes: &attributes,
    };
    let lets_out = |(of, policy): (Family, &rib::Policy)| {
        of == family && policy.evaluate(route).decision == Decision::Accept
    };
    policies.exports().any(lets_out)
}
