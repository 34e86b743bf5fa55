//! What a rule asks of a route.

use std::ops::RangeInclusive;

use bgp::attributes::Origin;
use bgp::{Asn, Community, ExtendedCommunity, Family, LargeCommunity};
use ipnet::IpNet;

use super::sets::{AsnSet, PrefixSet, Tags};
use super::{Glob, Route};
use crate::decision::DEFAULT_LOCAL_PREF;

/// Something that is true of a route or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// The prefix is one of these.
    Prefix(PrefixSet),
    /// The prefix is of this family.
    Family(Family),
    /// One of these communities is there.
    Community(Tags<Community>),
    /// One of these extended communities is there.
    ExtendedCommunity(Tags<ExtendedCommunity>),
    /// One of these large communities is there.
    LargeCommunity(Tags<LargeCommunity>),
    /// One of these ASes is somewhere in the path.
    AsPathContains(AsnSet),
    /// The last of the path is one of these ASes.
    AsPathOrigin(AsnSet),
    /// The first of the path is one of these ASes.
    AsPathNeighbor(AsnSet),
    /// The path begins with these ASes, in this order; a set of ASes in it stands for none of them.
    AsPathPrefix(Vec<Asn>),
    /// The path is of such a length; `0..=0` is the empty one.
    AsPathLength(RangeInclusive<usize>),
    /// ORIGIN is this.
    Origin(Origin),
    /// LOCAL_PREF is within these bounds; without one it is as good as the default.
    LocalPref(RangeInclusive<u32>),
    /// MULTI_EXIT_DISC is there and within these bounds; for `None`, it is not there.
    Med(Option<RangeInclusive<u32>>),
    /// The next hop is in one of these blocks.
    NextHop(Vec<IpNet>),
    /// The interface the route leaves by is known, and its name has this shape.
    Interface(Glob),
    /// The route is from there.
    Provenance(Provenance),
    /// A peer in one of these blocks announced the route.
    PeerAddress(Vec<IpNet>),
    /// A peer in one of these ASes announced the route.
    PeerAsn(AsnSet),
    /// The other is not true.
    Not(Box<Self>),
}

/// Where a route is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// We originate it.
    Originated,
    /// A peer announced it.
    Learned,
    /// An external peer announced it.
    External,
    /// An internal peer announced it.
    Internal,
}

impl Match {
    pub(super) fn holds(&self, route: &Route<'_>) -> bool {
        let attributes = route.attributes;
        let in_one_of = |blocks: &[IpNet], address| blocks.iter().any(|block| block.contains(&address));
        match self {
            Self::Prefix(prefixes) => prefixes.contains(&route.prefix),
            Self::Family(family) => Family::of(&route.prefix) == *family,
            Self::Community(tags) => tags.contains_any(&attributes.communities),
            Self::ExtendedCommunity(tags) => tags.contains_any(&attributes.rare.extended_communities),
            Self::LargeCommunity(tags) => tags.contains_any(&attributes.rare.large_communities),
            Self::AsPathContains(asns) => attributes.as_path.iter().any(|asn| asns.contains(asn)),
            Self::AsPathOrigin(asns) => attributes.as_path.origin().is_some_and(|asn| asns.contains(asn)),
            Self::AsPathNeighbor(asns) => attributes.as_path.neighbor().is_some_and(|asn| asns.contains(asn)),
            Self::AsPathPrefix(first) => attributes.as_path.starts_with(first),
            Self::AsPathLength(range) => range.contains(&attributes.as_path.length()),
            Self::Origin(origin) => attributes.origin == *origin,
            Self::LocalPref(range) => range.contains(&attributes.local_pref.unwrap_or(DEFAULT_LOCAL_PREF)),
            Self::Med(Some(range)) => attributes.med.is_some_and(|med| range.contains(&med)),
            Self::Med(None) => attributes.med.is_none(),
            Self::NextHop(blocks) => in_one_of(blocks, attributes.next_hop.address()),
            Self::Interface(glob) => route.interface.is_some_and(|name| glob.matches(name)),
            Self::Provenance(provenance) => provenance.holds(route),
            Self::PeerAddress(blocks) => {
                route.announcer.is_some_and(|announcer| in_one_of(blocks, announcer.address))
            }
            Self::PeerAsn(asns) => route.announcer.is_some_and(|announcer| asns.contains(announcer.asn)),
            Self::Not(other) => !other.holds(route),
        }
    }

    /// Returns the condition that this is, or is the opposite of.
    pub(super) fn positive(&self) -> &Self {
        if let Self::Not(other) = self { other.positive() } else { self }
    }
}

impl Provenance {
    fn holds(self, route: &Route<'_>) -> bool {
        match self {
            Self::Originated => route.announcer.is_none(),
            Self::Learned => route.announcer.is_some(),
            Self::External => route.announcer.is_some_and(|announcer| announcer.external),
            Self::Internal => route.announcer.is_some_and(|announcer| !announcer.external),
        }
    }
}
