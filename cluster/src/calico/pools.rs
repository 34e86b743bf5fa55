//! Pools: what of them is told to others, and whose their routes in the kernel are.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use bgp::Family;
use intent::{Hand, Ownership, RouteMetric};
use ipnet::IpNet;

use super::report::Report;
use super::scene::Scene;
use crate::event::Kind;
use crate::prefix;
use crate::prefix::shown;
use crate::services::Wanted;
use crate::store::Objects;

/// The interface of Calico's IPIP tunnels.
pub(super) const IPIP: &str = "tunl0";

/// The pools, in the order of their blocks as text: the first that contains a route decides.
#[derive(Debug, Default)]
pub(super) struct Pools(Vec<Pool>);

/// A pool.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) block: IpNet,
    pub(super) exported: bool,
    encapsulation: Encapsulation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encapsulation {
    Plain,
    Vxlan,
    Ipip { within_subnet: bool },
}

impl Pools {
    /// Reads the pools.
    pub(super) fn read(objects: &Objects, report: &mut Report) -> Self {
        let mut pools = BTreeMap::new();
        for (key, object) in objects.ip_pools.iter() {
            let spec = &object.spec;
            let Some(block) = report.take(Kind::IpPool, key, "spec.cidr", prefix::block(&spec.cidr)) else {
                continue;
            };
            let mut is_on = |field: &str, mode: &str| {
                let known = matches!(mode, "" | "Never" | "Always" | "CrossSubnet");
                if !known {
                    let problem =
                        format!("{} is none of Never, Always, CrossSubnet; it counts as Always", shown(mode));
                    report.add(Kind::IpPool, key, field, problem);
                }
                !matches!(mode, "" | "Never")
            };
            let (ipip, vxlan) =
                (is_on("spec.ipipMode", &spec.ipip_mode), is_on("spec.vxlanMode", &spec.vxlan_mode));
            let encapsulation = match (vxlan, ipip) {
                (true, _) => Encapsulation::Vxlan,
                (false, true) => Encapsulation::Ipip { within_subnet: spec.ipip_mode != "CrossSubnet" },
                (false, false) => Encapsulation::Plain,
            };
            let pool = Pool { block, exported: !spec.disable_bgp_export, encapsulation };
            match pools.entry(block.to_string()) {
                Entry::Vacant(place) => {
                    place.insert(pool);
                }
                Entry::Occupied(_) => {
                    let problem = "another pool has the same block; this one counts for nothing";
                    report.add(Kind::IpPool, key, "spec.cidr", problem);
                }
            }
        }
        Self(pools.into_values().collect())
    }

    /// Returns the pools.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Pool> {
        self.0.iter()
    }

    /// Returns what happens to routes in the kernel that are inside a prefix.
    pub(super) fn hand(&self, scene: &Scene<'_>, prefix: &IpNet) -> Hand {
        self.iter().find(|pool| pool.block.contains(prefix)).map_or(Hand::Ours, |pool| pool.hand(scene))
    }
}

impl Pool {
    fn hand(&self, scene: &Scene<'_>) -> Hand {
        match self.encapsulation {
            Encapsulation::Plain if scene.configuration.programs_plain => Hand::Ours,
            Encapsulation::Ipip { .. } if !scene.configuration.programs_ipip => Hand::Theirs,
            // There is no IPIP for IPv6.
            Encapsulation::Ipip { .. } if matches!(self.block, IpNet::V6(_)) => Hand::Ours,
            Encapsulation::Ipip { within_subnet } => {
                let except = if within_subnet { None } else { scene.me.subnet() };
                Hand::Tunnel { interface: IPIP.to_owned(), except: except.into_iter().collect() }
            }
            Encapsulation::Vxlan | Encapsulation::Plain => Hand::Theirs,
        }
    }
}

/// Returns who writes which learned routes: nobody those to Services, which this node answers for itself; the owner of each
/// pool; and Felix those through WireGuard.
pub(super) fn ownership(scene: &Scene<'_>, services: &Wanted) -> Ownership {
    let configuration = &scene.configuration;
    let aggregated = configuration.load_balancer_ips.iter().filter(|_| configuration.aggregation);
    let refused = configuration.cluster_ips.iter().chain(
        configuration
            .external_ips
            .iter()
            .chain(aggregated)
            .filter(|range| range.prefix_len() < range.max_prefix_len()),
    );
    let refused: BTreeSet<IpNet> = refused.chain(services.ranges.keys()).copied().collect();
    let mut pools: Vec<(IpNet, Hand)> = refused.into_iter().map(|range| (range, Hand::Theirs)).collect();
    pools.extend(scene.pools.iter().map(|pool| (pool.block, pool.hand(scene))));
    let mut foreign_next_hops = BTreeSet::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        if scene.me.has_wireguard(family) {
            let with = scene.others().filter(|node| node.has_wireguard(family));
            foreign_next_hops.extend(with.filter_map(|node| node.address(family)));
        }
    }
    Ownership { pools, foreign_next_hops, metric: RouteMetric::FromLocalPref }
}
