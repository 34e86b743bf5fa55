//! Path attributes, typed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use bytes::Bytes;

use crate::{AsPath, Asn, BgpId, Community, ExtendedCommunity, LargeCommunity};

/// Where a route began (RFC 4271 §5.1.1). The order is the decision's: the lower is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Inside the originating AS.
    Igp,
    /// Learned by EGP.
    Egp,
    /// Some other way.
    Incomplete,
}

impl Origin {
    /// Every origin, the preferred first.
    pub const ALL: [Self; 3] = [Self::Igp, Self::Egp, Self::Incomplete];

    /// Returns the origin in one word: `igp`, `egp` or `incomplete`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Igp => "igp",
            Self::Egp => "egp",
            Self::Incomplete => "incomplete",
        }
    }
}

/// The address a route's packets go to next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NextHop {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, of an IPv6 route (RFC 2545) or of an IPv4 route (RFC 8950).
    V6 {
        /// The global address; a link-local one where the peer has no other.
        global: Ipv6Addr,
        /// The link-local address that came with it, when the next hop was 32 octets.
        link_local: Option<Ipv6Addr>,
    },
}

impl NextHop {
    /// Returns the address without its link-local companion.
    #[must_use]
    pub fn address(self) -> IpAddr {
        match self {
            Self::V4(address) => address.into(),
            Self::V6 { global, .. } => global.into(),
        }
    }
}

impl From<IpAddr> for NextHop {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(global) => Self::V6 { global, link_local: None },
        }
    }
}

/// Who formed an aggregate (RFC 4271 §5.1.7, RFC 6793).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aggregator {
    /// The aggregating speaker's AS.
    pub asn: Asn,
    /// The aggregating speaker's address.
    pub address: Ipv4Addr,
}

/// The accumulated IGP metric (RFC 7311).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aigp {
    /// What the way costs, from where it was said to the destination.
    pub metric: u64,
    /// TLVs of other types, and further metrics, as they came: they go on unchanged (§3).
    pub others: Bytes,
}

impl Aigp {
    /// Says a cost, and nothing else.
    #[must_use]
    pub fn of(metric: u64) -> Self {
        Self { metric, others: Bytes::new() }
    }
}

/// An attribute we do not understand but pass on: optional transitive (RFC 4271 §5, §9).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnknownAttribute {
    /// Its type code.
    pub code: u8,
    /// Whether a speaker on the way did not understand it. Always set by the time we pass it on.
    pub partial: bool,
    /// Its value, as it came.
    pub value: Bytes,
}

/// Everything a route says about itself but its prefix.
///
/// Two routes with equal attributes share one value in the RIB, so this type is compared and hashed whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathAttributes {
    /// ORIGIN, code 1.
    pub origin: Origin,
    /// AS_PATH, code 2, with AS4_PATH (17) merged in.
    pub as_path: AsPath,
    /// NEXT_HOP, code 3, or the next hop of MP_REACH_NLRI (14).
    pub next_hop: NextHop,
    /// MULTI_EXIT_DISC, code 4.
    pub med: Option<u32>,
    /// LOCAL_PREF, code 5.
    pub local_pref: Option<u32>,
    /// ATOMIC_AGGREGATE, code 6.
    pub atomic_aggregate: bool,
    /// COMMUNITIES, code 8, in ascending order without repetition.
    pub communities: Vec<Community>,
    /// What few routes have.
    pub rare: Rare,
}

/// The attributes few routes have.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RareAttributes {
    /// AGGREGATOR, code 7, with AS4_AGGREGATOR (18) merged in.
    pub aggregator: Option<Aggregator>,
    /// ORIGINATOR_ID, code 9.
    pub originator_id: Option<BgpId>,
    /// CLUSTER_LIST, code 10, the nearest cluster first.
    pub cluster_list: Vec<Ipv4Addr>,
    /// EXTENDED COMMUNITIES, code 16, in ascending order without repetition.
    pub extended_communities: Vec<ExtendedCommunity>,
    /// AIGP, code 26: what the way to the next hop costs, over several ASes (RFC 7311).
    pub aigp: Option<Aigp>,
    /// LARGE_COMMUNITY, code 32, in ascending order without repetition.
    pub large_communities: Vec<LargeCommunity>,
    /// ONLY_TO_CUSTOMER, code 35: the AS from which on the route may only go down to customers (RFC 9234).
    pub only_to_customer: Option<Asn>,
    /// Optional transitive attributes nobody here understands, in ascending order of their codes.
    pub unknown: Vec<UnknownAttribute>,
    /// The codes of attributes that we understand but some speaker on the way did not, in ascending order: their
    /// Partial bit stays (RFC 4271 §5).
    pub partial: Vec<u8>,
}

/// [`RareAttributes`], which take no room while there are none of them.
///
/// There may be a hundred thousand sets of attributes, and almost none has one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rare(Option<Box<RareAttributes>>);

impl Rare {
    /// Changes some of the attributes.
    pub fn edit(&mut self, change: impl FnOnce(&mut RareAttributes)) {
        let mut attributes = self.0.take().map(|boxed| *boxed).unwrap_or_default();
        change(&mut attributes);
        *self = attributes.into();
    }
}

impl Deref for Rare {
    type Target = RareAttributes;

    fn deref(&self) -> &RareAttributes {
        static NONE: RareAttributes = RareAttributes {
            aggregator: None,
            originator_id: None,
            cluster_list: Vec::new(),
            extended_communities: Vec::new(),
            aigp: None,
            large_communities: Vec::new(),
            only_to_customer: None,
            unknown: Vec::new(),
            partial: Vec::new(),
        };
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl From<RareAttributes> for Rare {
    /// Keeps the attributes, if there are any: no two values say the same in different ways.
    fn from(attributes: RareAttributes) -> Self {
        Self((attributes != RareAttributes::default()).then(|| Box::new(attributes)))
    }
}

impl PathAttributes {
    /// Tells whether a community is attached.
    #[must_use]
    pub fn carries(&self, community: Community) -> bool {
        self.communities.binary_search(&community).is_ok()
    }

    /// Makes the attributes of a route that has been nowhere: origin IGP, an empty path.
    #[must_use]
    pub fn originated(next_hop: NextHop) -> Self {
        Self {
            origin: Origin::Igp,
            as_path: AsPath::empty(),
            next_hop,
            med: None,
            local_pref: None,
            atomic_aggregate: false,
            communities: Vec::new(),
            rare: Rare::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rare_takes_room_only_while_it_is_there() {
        assert_eq!(size_of::<Rare>(), size_of::<usize>());
        let mut rare = Rare::default();
        rare.edit(|rare| rare.cluster_list.push(Ipv4Addr::LOCALHOST));
        assert_eq!(rare.cluster_list, [Ipv4Addr::LOCALHOST]);
        rare.edit(|rare| rare.cluster_list.clear());
        assert_eq!(rare, Rare::default());
        assert!(rare.0.is_none());
    }
}
