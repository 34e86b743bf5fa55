//! What we want the kernel to hold.
//!
//! The one surprise: two ways of writing a route can mean the same route. A set of next hops is therefore
//! sorted when it is made, and [`Target::is_met_by`] compares wish and kernel without minding what the kernel
//! filled in by itself.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use ipnet::IpNet;

use crate::table::KernelRoute;

/// Where our routes live and how they are told from other people's.
///
/// The kernel knows a route by table, prefix and metric; the protocol number only says whose it is. Two
/// daemons therefore need different metrics, or the later one is in the way (see [`RouteState::Conflict`]).
///
/// [`RouteState::Conflict`]: crate::RouteState::Conflict
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FibSettings {
    /// Whether to write to the kernel at all; next hops are resolved either way.
    pub install: bool,
    /// The `rtm_protocol` that marks a route as ours.
    pub protocol: u8,
    /// The routing table; 254 is `main`.
    pub table: u32,
    /// The metric of every route of ours; 0 means 1024 for IPv6, as in the kernel.
    pub metric: u32,
    /// Whether routes that leave the same way share a nexthop group of the kernel.
    pub next_hop_groups: NextHopGroups,
    /// The routing table of destinations to which nothing is passed on; another than `table`.
    pub transit_table: u32,
}

impl FibSettings {
    /// Returns the metric the kernel stores for `prefix`.
    #[must_use]
    pub fn metric_of(&self, prefix: IpNet) -> u32 {
        /// What the kernel makes of an IPv6 route without a metric (`IP6_RT_PRIO_USER`).
        const IPV6_DEFAULT: u32 = 1024;
        match (prefix, self.metric) {
            (IpNet::V6(_), 0) => IPV6_DEFAULT,
            (_, metric) => metric,
        }
    }
}

impl FibSettings {
    /// Tells whether a route is one of those by which nothing is passed on.
    pub(crate) fn is_transit(&self, route: &KernelRoute) -> bool {
        route.table == self.transit_table
            && route.protocol == self.protocol
            && route.metric == self.metric_of(route.prefix)
            && route.target == Some(Target::Blackhole)
    }
}

impl Default for FibSettings {
    fn default() -> Self {
        let next_hop_groups = NextHopGroups::default();
        Self { install: true, protocol: 179, table: 254, metric: 20, next_hop_groups, transit_table: 179 }
    }
}

/// Whether routes that leave the same way share a nexthop group of the kernel, or each name its next hops.
///
/// A group makes the loss of a next hop one message, however many routes hang on it. A route that names its next
/// hops itself survives a flap of carrier and strangers who flush nexthop objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NextHopGroups {
    /// Every route names its next hops.
    Never,
    /// Groups for sets of next hops that at least [`MANY`](Self::MANY) routes share.
    #[default]
    Auto,
    /// Groups for all sets of two next hops or more.
    Always,
}

impl NextHopGroups {
    /// How many routes sharing a set of next hops make a group of it.
    ///
    /// Measured on Linux 6.18 with two cores, from the word to the kernel's last answer: the loss of a next hop
    /// takes 0.1 ms with a group, for 4 routes as for 1,000; without, it takes 0.09 ms for 16 routes, 0.13 ms
    /// for 32, 0.22 ms for 64 and 2.9 ms for 1,000. Installing 8 routes takes as long either way, and 1,000
    /// take 2.7 ms with a group and 4.5 ms without. So up to here a group gains nothing that could be noticed,
    /// and routes that name their next hops are the sturdier ones.
    pub const MANY: u32 = 32;
    /// Below how many they name their next hops again; far enough below that a table at rest does not waver.
    pub const FEW: u32 = 8;
}

/// One route to be in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FibRoute {
    /// The destination, without host bits.
    pub prefix: IpNet,
    /// Its metric, if not that of the settings; never 0.
    pub metric: Option<u32>,
    /// What happens to packets for it.
    pub target: Target,
}

/// What happens to the packets of a route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// They are dropped silently.
    Blackhole,
    /// They are spread over these next hops.
    Forward(NextHopSet),
}

impl Target {
    /// Tells whether `installed`, as the kernel reports it, does what this target asks for.
    ///
    /// The kernel fills in the interface of a next hop that was given by address only; a wish without an
    /// interface is met by any.
    #[must_use]
    pub fn is_met_by(&self, installed: &Self) -> bool {
        match (self, installed) {
            (Self::Blackhole, Self::Blackhole) => true,
            (Self::Forward(wanted), Self::Forward(installed)) => wanted.is_met_by(installed),
            _ => false,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blackhole => f.write_str("blackhole"),
            Self::Forward(next_hops) => next_hops.fmt(f),
        }
    }
}

/// One way out of this node.
///
/// At least one of address and interface must be known for the kernel to accept it. An IPv4 link-local
/// address with an interface is installed as on-link, since no connected route covers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// The gateway; none if the destination itself is on the link.
    pub address: Option<IpAddr>,
    /// The index of the interface; none lets the kernel find it from the address.
    pub interface: Option<u32>,
    /// The share of traffic relative to the other next hops, 1 to 256.
    pub weight: NonZeroU16,
    /// Whether the address is taken to be on the link although no route says so, as for the far end of a tunnel.
    pub onlink: bool,
}

impl NextHop {
    /// The most the kernel can express: it stores the weight less one in an octet.
    pub const MAX_WEIGHT: u16 = 256;

    /// Makes a next hop of weight 1 out of a gateway the kernel finds by itself.
    #[must_use]
    pub fn via(address: IpAddr) -> Self {
        Self { address: Some(address), interface: None, weight: NonZeroU16::MIN, onlink: false }
    }

    /// Makes a next hop of weight 1 out of a gateway on a given interface.
    #[must_use]
    pub fn via_interface(address: IpAddr, interface: u32) -> Self {
        Self { interface: Some(interface), ..Self::via(address) }
    }

    /// Makes a next hop of weight 1 out of a gateway that is on the link of an interface, whatever the routes say.
    #[must_use]
    pub fn onlink(address: IpAddr, interface: u32) -> Self {
        Self { onlink: true, ..Self::via_interface(address, interface) }
    }

    /// Makes a next hop of weight 1 for destinations on the link itself.
    #[must_use]
    pub fn on_interface(interface: u32) -> Self {
        Self { address: None, interface: Some(interface), weight: NonZeroU16::MIN, onlink: false }
    }

    fn is_met_by(&self, installed: &Self) -> bool {
        self.address == installed.address
            && self.weight == installed.weight
            && (self.interface.is_none() || self.interface == installed.interface)
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.interface) {
            (Some(address), Some(interface)) => write!(f, "via {address} dev {interface}"),
            (Some(address), None) => write!(f, "via {address}"),
            (None, Some(interface)) => write!(f, "dev {interface}"),
            (None, None) => f.write_str("nowhere"),
        }?;
        if self.weight.get() > 1 { write!(f, " weight {}", self.weight) } else { Ok(()) }
    }
}

/// The next hops of a route: never empty, sorted, each once.
///
/// Cheap to clone; routes that leave the same way should share one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHopSet(Arc<[NextHop]>);

impl NextHopSet {
    /// Makes a set; `None` if there is nothing to put in it.
    ///
    /// A weight on a single next hop means nothing and becomes 1; weights over 256 become 256.
    #[must_use]
    pub fn new(next_hops: impl IntoIterator<Item = NextHop>) -> Option<Self> {
        let mut next_hops: Vec<NextHop> = next_hops.into_iter().collect();
        for next_hop in &mut next_hops {
            let weight = next_hop.weight.get().min(NextHop::MAX_WEIGHT);
            next_hop.weight = NonZeroU16::new(weight).unwrap_or(NonZeroU16::MIN);
        }
        next_hops.sort_unstable();
        next_hops.dedup_by_key(|next_hop| (next_hop.address, next_hop.interface));
        if let [only] = next_hops.as_mut_slice() {
            only.weight = NonZeroU16::MIN;
        }
        (!next_hops.is_empty()).then(|| Self(next_hops.into()))
    }

    /// Returns what is left of the set if only those stay that `stays` likes.
    #[must_use]
    pub fn retain(&self, stays: impl Fn(&NextHop) -> bool) -> Option<Self> {
        Self::new(self.0.iter().copied().filter(|next_hop| stays(next_hop)))
    }

    /// Returns the next hops in their order.
    #[must_use]
    pub fn as_slice(&self) -> &[NextHop] {
        &self.0
    }

    fn is_met_by(&self, installed: &Self) -> bool {
        Arc::ptr_eq(&self.0, &installed.0)
            || self.0.len() == installed.0.len()
                && self
                    .0
                    .iter()
                    .zip(installed.0.iter())
                    .all(|(wanted, installed)| wanted.is_met_by(installed))
    }
}

impl fmt::Display for NextHopSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, next_hop) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            next_hop.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(address: &str) -> NextHop {
        NextHop::via(address.parse().unwrap())
    }

    #[test]
    fn the_order_of_next_hops_means_nothing() {
        let one = NextHopSet::new([via("10.0.0.1"), via("10.0.0.2")]);
        let other = NextHopSet::new([via("10.0.0.2"), via("10.0.0.1"), via("10.0.0.2")]);
        assert_eq!(one, other);
    }

    #[test]
    fn a_set_without_next_hops_cannot_be_made() {
        assert_eq!(NextHopSet::new([]), None);
    }

    #[test]
    fn a_wish_without_interface_is_met_by_any_interface() {
        let gateway = "10.0.0.1".parse().unwrap();
        let wanted = Target::Forward(NextHopSet::new([NextHop::via(gateway)]).unwrap());
        let installed = Target::Forward(NextHopSet::new([NextHop::via_interface(gateway, 7)]).unwrap());
        assert!(wanted.is_met_by(&installed));
        assert!(!installed.is_met_by(&wanted));
    }

    #[test]
    fn the_weight_of_a_single_next_hop_means_nothing() {
        let heavy = NextHop { weight: NonZeroU16::new(9).unwrap(), ..via("10.0.0.1") };
        assert_eq!(NextHopSet::new([heavy]), NextHopSet::new([via("10.0.0.1")]));
    }
}
