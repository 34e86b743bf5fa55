//! Policy: ordered rules that let a route pass, change it, or stop it.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use bgp::{Asn, Community, ExtendedCommunity, Family, LargeCommunity, NextHop, PathAttributes};
use ipnet::IpNet;

/// An ordered list of rules; the first that decides has decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What operators call it.
    pub name: String,
    /// The rules, in the order they are tried.
    pub rules: Vec<Rule>,
    /// What becomes of a route no rule decided on. On external sessions the default is to reject (RFC 8212).
    pub otherwise: Decision,
}

/// Whether a route passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It does.
    Accept,
    /// It does not.
    Reject,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What operators call it; may be empty.
    pub name: String,
    /// What must be true of a route, all of it, for the rule to apply.
    pub matches: Vec<Match>,
    /// What the rule changes, in this order.
    pub edits: Vec<Edit>,
    /// What the rule decides; `None` goes on to the next rule with the changes made.
    pub decision: Option<Decision>,
}

/// Something that is true of a route or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// The prefix is in one of these ranges.
    Prefix(Vec<PrefixRange>),
    /// The prefix is of this family.
    Family(Family),
    /// One of these communities is there.
    Community(Vec<Community>),
    /// One of these extended communities is there.
    ExtendedCommunity(Vec<ExtendedCommunity>),
    /// One of these large communities is there.
    LargeCommunity(Vec<LargeCommunity>),
    /// The AS is somewhere in the path.
    AsPathContains(Asn),
    /// The AS is the last of the path.
    AsPathOrigin(Asn),
    /// The AS is the first of the path.
    AsPathNeighbor(Asn),
    /// The path is of such a length; `0..=0` is the empty one.
    AsPathLength(RangeInclusive<usize>),
    /// The next hop is in one of these blocks.
    NextHop(Vec<IpNet>),
    /// We originate the route (true), or have learned it (false).
    Originated(bool),
    /// The other is not true.
    Not(Box<Self>),
}

/// A block, and how long the prefixes inside it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixRange {
    /// The block.
    pub within: IpNet,
    /// The lengths that match.
    pub lengths: RangeInclusive<u8>,
}

impl PrefixRange {
    /// Makes a range of one prefix only.
    #[must_use]
    pub fn exactly(prefix: IpNet) -> Self {
        Self { within: prefix, lengths: prefix.prefix_len()..=prefix.prefix_len() }
    }

    /// Makes a range of a block and everything inside it.
    #[must_use]
    pub fn within(block: IpNet) -> Self {
        Self { within: block, lengths: block.prefix_len()..=block.max_prefix_len() }
    }

    /// Tells whether a prefix is in the range.
    #[must_use]
    pub fn contains(&self, prefix: &IpNet) -> bool {
        self.within.contains(prefix) && self.lengths.contains(&prefix.prefix_len())
    }
}

/// A change to a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Sets LOCAL_PREF.
    LocalPref(u32),
    /// Sets or removes MULTI_EXIT_DISC.
    Med(Option<u32>),
    /// Sets the next hop. On the way out to an external peer, next hop self has the last word.
    NextHop(NextHop),
    /// Adds communities.
    AddCommunities(Vec<Community>),
    /// Removes communities.
    RemoveCommunities(Vec<Community>),
    /// Puts these communities in the place of all others.
    ReplaceCommunities(Vec<Community>),
    /// Adds large communities.
    AddLargeCommunities(Vec<LargeCommunity>),
    /// Removes large communities.
    RemoveLargeCommunities(Vec<LargeCommunity>),
    /// Puts these large communities in the place of all others.
    ReplaceLargeCommunities(Vec<LargeCommunity>),
    /// Puts an AS in front of the path, so many times.
    Prepend(Asn, u8),
}

/// A route, as a policy sees it.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// The prefix.
    pub prefix: IpNet,
    /// Whether we originate it.
    pub originated: bool,
    /// Its attributes.
    pub attributes: &'a PathAttributes,
}

/// What a policy says about a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// Whether it passes.
    pub decision: Decision,
    /// The position of the rule that decided; `None` when none did.
    pub rule: Option<usize>,
    /// The attributes with every change made, borrowed when there was none.
    pub attributes: Cow<'a, PathAttributes>,
}

impl Policy {
    /// Applies the rules to a route.
    #[must_use]
    pub fn evaluate<'a>(&self, route: Route<'a>) -> Verdict<'a> {
        let mut attributes = Cow::Borrowed(route.attributes);
        for (index, rule) in self.rules.iter().enumerate() {
            let now = Route { attributes: &attributes, ..route };
            if !rule.matches.iter().all(|condition| condition.holds(&now)) {
                continue;
            }
            rule.edits.iter().for_each(|edit| edit.apply(attributes.to_mut()));
            if let Some(decision) = rule.decision {
                return Verdict { decision, rule: Some(index), attributes };
            }
        }
        Verdict { decision: self.otherwise, rule: None, attributes }
    }

    /// Tells whether two routes with equal attributes may fare differently: whether any rule looks at prefixes.
    #[must_use]
    pub fn looks_at_prefixes(&self) -> bool {
        self.rules.iter().flat_map(|rule| &rule.matches).any(Match::looks_at_prefixes)
    }
}

impl Match {
    fn holds(&self, route: &Route<'_>) -> bool {
        let attributes = route.attributes;
        match self {
            Self::Prefix(ranges) => ranges.iter().any(|range| range.contains(&route.prefix)),
            Self::Family(family) => Family::of(&route.prefix) == *family,
            Self::Community(any) => any.iter().any(|one| attributes.communities.contains(one)),
            Self::ExtendedCommunity(any) => {
                any.iter().any(|one| attributes.rare.extended_communities.contains(one))
            }
            Self::LargeCommunity(any) => {
                any.iter().any(|one| attributes.rare.large_communities.contains(one))
            }
            Self::AsPathContains(asn) => attributes.as_path.contains(*asn),
            Self::AsPathOrigin(asn) => attributes.as_path.origin() == Some(*asn),
            Self::AsPathNeighbor(asn) => attributes.as_path.neighbor() == Some(*asn),
            Self::AsPathLength(range) => range.contains(&attributes.as_path.length()),
            Self::NextHop(blocks) => {
                blocks.iter().any(|block| block.contains(&attributes.next_hop.address()))
            }
            Self::Originated(originated) => route.originated == *originated,
            Self::Not(other) => !other.holds(route),
        }
    }

    fn looks_at_prefixes(&self) -> bool {
        match self {
            Self::Prefix(_) | Self::Family(_) => true,
            Self::Not(other) => other.looks_at_prefixes(),
            Self::Community(_)
            | Self::ExtendedCommunity(_)
            | Self::LargeCommunity(_)
            | Self::AsPathContains(_)
            | Self::AsPathOrigin(_)
            | Self::AsPathNeighbor(_)
            | Self::AsPathLength(_)
            | Self::NextHop(_)
            | Self::Originated(_) => false,
        }
    }
}

impl Edit {
    fn apply(&self, attributes: &mut PathAttributes) {
        match self {
            Self::LocalPref(value) => attributes.local_pref = Some(*value),
            Self::Med(value) => attributes.med = *value,
            Self::NextHop(next_hop) => attributes.next_hop = *next_hop,
            Self::AddCommunities(added) => add(&mut attributes.communities, added),
            Self::RemoveCommunities(removed) => attributes.communities.retain(|one| !removed.contains(one)),
            Self::ReplaceCommunities(all) => replace(&mut attributes.communities, all),
            Self::AddLargeCommunities(added) => {
                attributes.rare.edit(|rare| add(&mut rare.large_communities, added));
            }
            Self::RemoveLargeCommunities(removed) => {
                attributes.rare.edit(|rare| rare.large_communities.retain(|one| !removed.contains(one)));
            }
            Self::ReplaceLargeCommunities(all) => {
                attributes.rare.edit(|rare| replace(&mut rare.large_communities, all));
            }
            Self::Prepend(asn, times) => attributes.as_path.prepend(*asn, usize::from(*times)),
        }
    }
}

fn replace<T: Ord + Copy>(list: &mut Vec<T>, all: &[T]) {
    list.clear();
    add(list, all);
}

/// Adds to a list that is in ascending order without repetition, and stays so.
fn add<T: Ord + Copy>(list: &mut Vec<T>, added: &[T]) {
    list.extend_from_slice(added);
    list.sort_unstable();
    list.dedup();
}

#[cfg(test)]
mod tests;
