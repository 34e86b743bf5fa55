//! Which learned routes are ours to write to the kernel, and how, where others write some of them.

use std::collections::BTreeSet;
use std::fmt;
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

/// The metric Calico has for LOCAL_PREF 0.
const HIGHEST_METRIC: u32 = 2_147_483_647;

/// Why a route that is used is not written to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwritten {
    /// Routes inside this pool are somebody else's.
    Pool(IpNet),
    /// Routes by this next hop are somebody else's.
    NextHop(IpAddr),
    /// It goes through a tunnel whose interface is not there.
    NoTunnel(String),
}

impl Unwritten {
    /// Returns the reason in one word, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Pool(_) => "pool",
            Self::NextHop(_) => "foreign_next_hop",
            Self::NoTunnel(_) => "no_tunnel",
        }
    }
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool(pool) => write!(f, "the kernel route is somebody else's: pool {pool}"),
            Self::NextHop(address) => write!(f, "the kernel route is somebody else's: next hop {address}"),
            Self::NoTunnel(name) => write!(f, "it goes through {name}, and there is no such interface"),
        }
    }
}

impl Ownership {
    /// Returns what happens to a learned route, and the pool that says so; `None` when nothing special does.
    pub(crate) fn hand(&self, prefix: &IpNet) -> Option<(&IpNet, &Hand)> {
        self.pools.iter().find(|(pool, _)| pool.contains(prefix)).map(|(pool, hand)| (pool, hand))
    }

    /// Tells whether routes may go through an interface of this name because we say so.
    pub(crate) fn tunnels_through(&self, name: &str) -> bool {
        let is_it = |hand: &Hand| matches!(hand, Hand::Tunnel { interface, .. } if interface == name);
        self.pools.iter().any(|(_, hand)| is_it(hand))
    }
}

impl RouteMetric {
    /// Returns the metric of a route of this LOCAL_PREF; `None` for that of all routes. Never 0, which IPv6 has not.
    pub(crate) fn of(self, local_pref: u32) -> Option<u32> {
        match self {
            Self::Fixed => None,
            Self::FromLocalPref => Some(HIGHEST_METRIC.saturating_sub(local_pref).max(1)),
        }
    }
}
