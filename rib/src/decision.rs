//! The decision process (RFC 4271 §9.1.2) by elimination.
//!
//! Every step looks at all candidates still in and puts out those that are worse than another one still in;
//! the step that put a path out is the [`Reason`] it lost. Because no step compares candidates in the order
//! they came, MED (which is no total order) decides the same whatever that order was.
//!
//! Steps d and e leave the paths that are equally good for forwarding. Up to `max_paths` of them, in the
//! order of the remaining steps, are the multipath set. With `multipath_relax` they need not have the same
//! AS path, only one of the same length: two top-of-rack switches with an AS each share the load. RFC 5004
//! (prefer the external path known for longer) is not done: the answer would depend on the order of arrival.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use bgp::{Asn, PathAttributes};
use smallvec::SmallVec;

use crate::path::Standing;

/// The step that put a path out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Long-lived stale, where there is one that is not (RFC 9494 §4.4).
    Stale,
    /// We originate the prefix ourselves.
    Local,
    /// A lower LOCAL_PREF (RFC 4271 §9.1.1).
    LocalPref,
    /// A higher accumulated cost of the way, or none said where another says one (RFC 7311 §4.1).
    Aigp,
    /// A longer AS path (§9.1.2.2 a).
    AsPathLength,
    /// A higher ORIGIN (§9.1.2.2 b).
    Origin,
    /// A higher MED from the same neighbouring AS (§9.1.2.2 c).
    Med,
    /// Internal, where there is an external one (§9.1.2.2 d).
    External,
    /// A next hop further away (§9.1.2.2 e).
    IgpCost,
    /// A higher BGP identifier, or ORIGINATOR_ID (§9.1.2.2 f, RFC 4456 §9).
    BgpId,
    /// A longer CLUSTER_LIST (RFC 4456 §9).
    ClusterList,
    /// A higher peer address (§9.1.2.2 g).
    PeerAddress,
    /// A higher path identifier from the same peer (RFC 7911).
    PathId,
}

impl Reason {
    /// Every reason, in the order of the steps.
    pub const ALL: [Self; 13] = [
        Self::Stale,
        Self::Local,
        Self::LocalPref,
        Self::Aigp,
        Self::AsPathLength,
        Self::Origin,
        Self::Med,
        Self::External,
        Self::IgpCost,
        Self::BgpId,
        Self::ClusterList,
        Self::PeerAddress,
        Self::PathId,
    ];

    /// Returns the reason in one word, for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.words().0
    }

    /// Returns a word for programs and words for people.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Stale => ("stale", "long-lived stale"),
            Self::Local => ("local", "we originate the prefix"),
            Self::LocalPref => ("local_pref", "lower LOCAL_PREF"),
            Self::Aigp => ("aigp", "higher accumulated cost (AIGP)"),
            Self::AsPathLength => ("as_path_length", "longer AS path"),
            Self::Origin => ("origin", "less preferred ORIGIN"),
            Self::Med => ("med", "higher MED"),
            Self::External => ("external", "internal, and there is an external one"),
            Self::IgpCost => ("igp_cost", "its next hop is further away"),
            Self::BgpId => ("bgp_id", "higher BGP identifier"),
            Self::ClusterList => ("cluster_list", "longer CLUSTER_LIST"),
            Self::PeerAddress => ("peer_address", "higher peer address"),
            Self::PathId => ("path_id", "higher path identifier"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words().1)
    }
}

/// The LOCAL_PREF of a route that brings none.
pub const DEFAULT_LOCAL_PREF: u32 = 100;

/// What the decision process may vary in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// The most paths to use at once; zero counts as one.
    pub(crate) max_paths: usize,
    /// Whether paths used together may have different AS paths of one length.
    pub(crate) multipath_relax: bool,
    /// Whether MEDs of different neighbouring ASes are compared.
    pub(crate) always_compare_med: bool,
}

/// Where a candidate is from, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Neighbor {
    /// Whether the session crosses an AS border.
    pub(crate) external: bool,
    /// The BGP identifier, as a number.
    pub(crate) bgp_id: u32,
    /// The peer's address.
    pub(crate) address: IpAddr,
}

/// A path the decision process may choose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    /// Its attributes, after import.
    pub(crate) attributes: &'a PathAttributes,
    /// Who it is from; `None` when we originate it.
    pub(crate) neighbor: Option<Neighbor>,
    /// Whether it is kept for want of better only: long-lived stale here or where it comes from.
    pub(crate) long_lived: bool,
    /// Its path identifier.
    pub(crate) path_id: u32,
    /// The interior cost of its next hop; `None` when there is no way to it.
    pub(crate) metric: Option<u32>,
}

/// How each candidate stands, in their order.
pub(crate) type Standings = SmallVec<[Standing; 4]>;

/// Chooses among the paths of one destination.
pub(crate) fn decide(candidates: &[Candidate<'_>], rules: Rules) -> Standings {
    let mut contest = Contest {
        candidates,
        standings: SmallVec::from_elem(Standing::Best, candidates.len()),
        left: (0..candidates.len()).collect(),
    };
    contest.eliminate(Standing::Unreachable, |c| c.neighbor.is_some() && c.metric.is_none());
    contest.keep_least(Reason::Stale, |c| c.long_lived);
    contest.keep_least(Reason::Local, |c| c.neighbor.is_some());
    contest.keep_least(Reason::LocalPref, |c| {
        std::cmp::Reverse(c.attributes.local_pref.unwrap_or(DEFAULT_LOCAL_PREF))
    });
    contest.keep_least(Reason::Aigp, |c| {
        let total = c.attributes.rare.aigp.as_ref().map(|aigp| accumulated(aigp.metric, c.metric));
        (total.is_none(), total)
    });
    contest.keep_least(Reason::AsPathLength, |c| c.attributes.as_path.length());
    contest.keep_least(Reason::Origin, |c| c.attributes.origin);
    contest.compare_med(rules.always_compare_med);
    contest.keep_least(Reason::External, |c| c.neighbor.is_some_and(|neighbor| !neighbor.external));
    contest.keep_least(Reason::IgpCost, |c| c.metric);
    contest.share(rules);
    contest.standings
}

struct Contest<'a> {
    candidates: &'a [Candidate<'a>],
    standings: Standings,
    left: SmallVec<[usize; 4]>,
}

impl Contest<'_> {
    fn eliminate(&mut self, verdict: Standing, out: impl Fn(&Candidate<'_>) -> bool) {
        let (candidates, standings) = (self.candidates, &mut self.standings);
        self.left.retain(|&mut index| {
            let out = out(&candidates[index]);
            if out {
                standings[index] = verdict;
            }
            !out
        });
    }

    /// Puts out all but those with the least key.
    fn keep_least<K: Ord>(&mut self, reason: Reason, key: impl Fn(&Candidate<'_>) -> K) {
        if self.left.len() < 2 {
            return;
        }
        let Some(least) = self.left.iter().map(|&index| key(&self.candidates[index])).min() else { return };
        self.eliminate(Standing::Lost(reason), |candidate| key(candidate) != least);
    }

    /// Puts out those with a higher MED than another one of the same neighbouring AS; a missing MED is 0.
    fn compare_med(&mut self, always: bool) {
        if self.left.len() < 2 {
            return;
        }
        let (candidates, left) = (self.candidates, self.left.clone());
        let worse = |candidate: &Candidate<'_>| {
            let others = left.iter().map(|&index| &candidates[index]);
            let mut rivals = others.filter(|other| always || neighbor(other) == neighbor(candidate));
            rivals.any(|rival| med(rival) < med(candidate))
        };
        self.eliminate(Standing::Lost(Reason::Med), worse);
    }

    /// Finds the best of those still in, and those used together with it.
    fn share(&mut self, rules: Rules) {
        if self.left.len() < 2 {
            return;
        }
        let candidates = self.candidates;
        self.left.sort_by_key(|&index| tie_break(&candidates[index]));
        let Some((&best, others)) = self.left.split_first() else { return };
        let best = &candidates[best];
        let mut room = rules.max_paths.max(1) - 1;
        for &index in others {
            let candidate = &candidates[index];
            let alike = candidate.neighbor.is_some()
                && (rules.multipath_relax || candidate.attributes.as_path == best.attributes.as_path);
            self.standings[index] = if alike && room > 0 {
                room -= 1;
                Standing::Multipath
            } else {
                Standing::Lost(last_difference(best, candidate))
            };
        }
    }
}

/// Adds the cost of the way to a next hop to what the way from there costs (RFC 7311 §3.4).
pub(crate) fn accumulated(aigp: u64, to_next_hop: Option<u32>) -> u64 {
    aigp.saturating_add(to_next_hop.unwrap_or(0).into())
}

fn med(candidate: &Candidate<'_>) -> u32 {
    candidate.attributes.med.unwrap_or(0)
}

/// Returns the neighbouring AS; `None` stands for our own (RFC 4271 §9.1.2.2 c).
fn neighbor(candidate: &Candidate<'_>) -> Option<Asn> {
    candidate.attributes.as_path.neighbor()
}

type TieBreak = (u32, usize, IpAddr, u32);

/// Returns what steps f, the one of RFC 4456, g and the path identifier compare, in this order.
fn tie_break(candidate: &Candidate<'_>) -> TieBreak {
    let attributes = candidate.attributes;
    let neighbor = candidate.neighbor;
    let of_peer = neighbor.map_or(0, |neighbor| neighbor.bgp_id);
    (
        attributes.rare.originator_id.map_or(of_peer, |id| id.to_ipv4().to_bits()),
        attributes.rare.cluster_list.len(),
        neighbor.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |neighbor| neighbor.address),
        candidate.path_id,
    )
}

fn last_difference(best: &Candidate<'_>, other: &Candidate<'_>) -> Reason {
    let (best, other) = (tie_break(best), tie_break(other));
    if best.0 != other.0 {
        Reason::BgpId
    } else if best.1 != other.1 {
        Reason::ClusterList
    } else if best.2 != other.2 {
        Reason::PeerAddress
    } else {
        Reason::PathId
    }
}
