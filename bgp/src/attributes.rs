//! Path attributes, typed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
    /// AGGREGATOR, code 7, with AS4_AGGREGATOR (18) merged in.
    pub aggregator: Option<Aggregator>,
    /// COMMUNITIES, code 8, in ascending order without repetition.
    pub communities: Vec<Community>,
    /// ORIGINATOR_ID, code 9.
    pub originator_id: Option<BgpId>,
    /// CLUSTER_LIST, code 10, the nearest cluster first.
    pub cluster_list: Vec<Ipv4Addr>,
    /// EXTENDED COMMUNITIES, code 16, in ascending order without repetition.
    pub extended_communities: Vec<ExtendedCommunity>,
    /// LARGE_COMMUNITY, code 32, in ascending order without repetition.
    pub large_communities: Vec<LargeCommunity>,
    /// Optional transitive attributes nobody here understands, in ascending order of their codes.
    pub unknown: Vec<UnknownAttribute>,
}

impl PathAttributes {
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
            aggregator: None,
            communities: Vec::new(),
            originator_id: None,
            cluster_list: Vec::new(),
            extended_communities: Vec::new(),
            large_communities: Vec::new(),
            unknown: Vec::new(),
        }
    }
}
