//! Routes: what was chosen and why, what was told to a peer, and what the kernel holds.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{ReasonView, Staleness};

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// IPv4 unicast.
    Ipv4,
    /// IPv6 unicast.
    Ipv6,
}

impl Family {
    /// Returns the family of a prefix.
    #[must_use]
    pub fn of(prefix: &IpNet) -> Self {
        match prefix {
            IpNet::V4(_) => Self::Ipv4,
            IpNet::V6(_) => Self::Ipv6,
        }
    }

    /// Returns the family as JSON spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A prefix with every path to it, as in `GET /v1/routes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteView {
    /// The prefix.
    pub prefix: IpNet,
    /// Its family.
    pub family: Family,
    /// Where packets go, several for ECMP. Empty when no path is in use, and for our own blocks, which end here.
    pub next_hops: Vec<NextHopView>,
    /// What the kernel holds.
    pub kernel: KernelState,
    /// The object of the cluster that has us originate it, `Service shop/web`; `null` for what nobody has, and for the
    /// blocks of the file.
    pub cause: Option<String>,
    /// Why the kernel is asked for nothing although a path is used; `null` where it is asked, or no path is used.
    pub unwritten: Option<ReasonView>,
    /// How long the best path has been the best; `null` without one.
    pub age_seconds: Option<u64>,
    /// Every path, the best first. With `view=received` those of the peer, with `rejected=true` the rejected.
    pub candidates: Vec<PathView>,
    /// Who was told of it and who was not, a peer with a session each, in the order of the names; `null` unless
    /// the Loc-RIB is asked for one prefix or address.
    pub told: Option<Vec<ToldView>>,
}

/// Whether a peer was told of a prefix, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldView {
    /// The name of the peer.
    pub peer: String,
    /// Whether it was told.
    pub advertised: bool,
    /// Why not; `null` when it was told.
    pub reason: Option<ReasonView>,
}

/// One path to a prefix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathView {
    /// The name of the peer that announced it; `null` when this node originates it.
    pub peer: Option<String>,
    /// The ADD-PATH identifier (RFC 7911), if the session uses them.
    pub path_id: Option<u32>,
    /// The attributes as the decision sees them, after import policy.
    pub attributes: AttributesView,
    /// How long ago it was last announced or changed.
    pub age_seconds: u64,
    /// What became of it.
    pub standing: Standing,
    /// Whether it is kept over a restart of its peer, or waits to be refreshed; `null` for one that is fresh.
    pub stale: Option<Staleness>,
    /// Why it is not used: the step that decided against it, the rule that refused it, what is unreachable. `null`
    /// for a path that is used: the reasons of the others say what it won by.
    pub reason: Option<ReasonView>,
}

/// The path attributes people look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributesView {
    /// `igp`, `egp` or `incomplete`.
    pub origin: String,
    /// The AS numbers with spaces between, a set in braces; empty for a path of our own AS.
    pub as_path: String,
    /// The length the decision counts: a set is one.
    pub as_path_length: u32,
    /// The next hop; `null` for a path of this node.
    pub next_hop: Option<IpAddr>,
    /// The link-local half of an IPv6 next hop.
    pub link_local_next_hop: Option<IpAddr>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// Whether ATOMIC_AGGREGATE is there.
    pub atomic_aggregate: bool,
    /// AGGREGATOR, `AS address`.
    pub aggregator: Option<String>,
    /// Communities (RFC 1997), `65001:100` or the well-known name.
    pub communities: Vec<String>,
    /// Extended communities (RFC 4360).
    pub extended_communities: Vec<String>,
    /// Large communities (RFC 8092).
    pub large_communities: Vec<String>,
    /// ORIGINATOR_ID (RFC 4456).
    pub originator_id: Option<Ipv4Addr>,
    /// CLUSTER_LIST (RFC 4456).
    pub cluster_list: Vec<Ipv4Addr>,
    /// ONLY_TO_CUSTOMER, the AS it stands for (RFC 9234).
    pub only_to_customer: Option<u32>,
    /// AIGP, what the way costs over several ASes (RFC 7311).
    #[serde(default)]
    pub aigp: Option<u64>,
    /// Attributes carried on without being understood, `code 42, 8 octets`.
    pub unknown: Vec<String>,
}

/// What became of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Chosen.
    Best,
    /// Used beside the best.
    Multipath,
    /// Usable, but another was better.
    Lost,
    /// Its next hop cannot be reached.
    Unreachable,
    /// Refused by import policy or loop check.
    Rejected,
}

/// Where a packet goes next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextHopView {
    /// The gateway.
    pub address: IpAddr,
    /// The interface it is reached through, where it is known.
    pub interface: Option<String>,
    /// Its share of the flows, against those of the others.
    pub weight: u32,
}

/// What the kernel holds for a prefix: the word is in `state`, its facts beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum KernelState {
    /// The kernel holds what is wanted.
    Installed,
    /// It is about to be written or removed.
    Pending,
    /// The kernel refused; it will be tried again.
    Failed {
        /// What the kernel said.
        error: String,
    },
    /// Another owner's route stands in its place. We do not touch it.
    Conflict {
        /// Whose it is: the protocol's name or number.
        owner: String,
    },
    /// Left by an earlier run, and not claimed yet.
    Leftover,
    /// Nothing is wanted of the kernel.
    NotWanted,
}

impl KernelState {
    /// Returns the state as JSON spells it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Pending => "pending",
            Self::Failed { .. } => "failed",
            Self::Conflict { .. } => "conflict",
            Self::Leftover => "leftover",
            Self::NotWanted => "not_wanted",
        }
    }
}

/// A path as a peer was told it, as in `GET /v1/routes?view=advertised`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvertisedView {
    /// The prefix.
    pub prefix: IpNet,
    /// Its family.
    pub family: Family,
    /// The name of the peer that was told.
    pub peer: String,
    /// The ADD-PATH identifier (RFC 7911), if the session uses them.
    pub path_id: Option<u32>,
    /// The attributes as sent, after export policy.
    pub attributes: AttributesView,
}

/// A route of the forwarding table, as in `GET /v1/routes?kernel=true`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelRouteView {
    /// The prefix.
    pub prefix: IpNet,
    /// Its family.
    pub family: Family,
    /// What it does with a packet.
    pub kind: RouteKind,
    /// Where packets go, several for ECMP; empty for a blackhole.
    pub next_hops: Vec<NextHopView>,
    /// The kernel's routing table.
    pub table: u32,
    /// The protocol number that marks the route.
    pub protocol: u8,
    /// The metric.
    pub metric: u32,
    /// How it stands with the kernel.
    pub kernel: KernelState,
}

/// What a kernel route does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteKind {
    /// Sends it on.
    Unicast,
    /// Drops it: an unused address of one of our blocks.
    Blackhole,
}
