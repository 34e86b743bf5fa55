//! Which learned routes are ours to write to the kernel, and how, where others write some of them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

/// Who writes which learned routes to the kernel. By default we write all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ownership {
    /// Blocks with what happens to learned routes inside them; the first that contains a route decides.
    pub pools: Vec<(IpNet, Hand)>,
    /// Next hops whose routes somebody else writes, such as those reached through WireGuard.
    pub foreign_next_hops: BTreeSet<IpAddr>,
    /// What the metric of a learned route goes by.
    pub metric: RouteMetric,
}

/// What happens to a learned route on its way to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hand {
    /// We write it as it is.
    Ours,
    /// Somebody else writes it, or nobody: we do not.
    Theirs,
    /// We write it through a tunnel: the BGP next hop is the gateway, on that interface, whether or not it is on
    /// the link (`onlink`), unless the next hop is inside one of the subnets named.
    Tunnel {
        /// The interface.
        interface: String,
        /// Next hops that need no tunnel.
        except: Vec<IpNet>,
    },
}

/// What the metric of a learned route in the kernel goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteMetric {
    /// `fib.metric`, for all routes.
    #[default]
    Fixed,
    /// 2147483647 less LOCAL_PREF, as Calico codes priorities; a route without LOCAL_PREF has 100.
    FromLocalPref,
}
