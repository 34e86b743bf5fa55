//! What a rule changes in a route.

use bgp::as_path::Segment;
use bgp::attributes::{Aigp, Origin};
use bgp::{AsPath, Asn, Community, ExtendedCommunity, LargeCommunity, NextHop, PathAttributes};

use super::pattern::Tag;
use super::sets::Tags;
use crate::decision::DEFAULT_LOCAL_PREF;

/// A change to a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Sets ORIGIN.
    Origin(Origin),
    /// Sets LOCAL_PREF.
    LocalPref(u32),
    /// Adds to LOCAL_PREF, which is the default where there is none, as far as it goes.
    AddLocalPref(i64),
    /// Sets or removes MULTI_EXIT_DISC.
    Med(Option<u32>),
    /// Adds to MULTI_EXIT_DISC, which is 0 where there is none, as far as it goes.
    AddMed(i64),
    /// Sets the next hop. On the way out to an external peer, next hop self has the last word.
    NextHop(NextHop),
    /// Changes the communities.
    Communities(Change<Community>),
    /// Changes the extended communities.
    ExtendedCommunities(Change<ExtendedCommunity>),
    /// Changes the large communities.
    LargeCommunities(Change<LargeCommunity>),
    /// Takes private ASes out of the path (RFC 6996).
    RemovePrivateAs,
    /// Puts this AS in the place of every private one in the path (RFC 6996).
    ReplacePrivateAs(Asn),
    /// Puts an AS in front of the path, so many times.
    Prepend(Asn, u8),
    /// Says what the way costs from here, or no longer; heard only where AIGP is (RFC 7311 §3.4.1).
    Aigp(Option<u64>),
}

/// A change to the communities of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// These come in addition.
    Add(Vec<T>),
    /// These go, where they are there.
    Remove(Tags<T>),
    /// These take the place of all others.
    Replace(Vec<T>),
}

impl Edit {
    pub(super) fn apply(&self, attributes: &mut PathAttributes) {
        match self {
            Self::Origin(origin) => attributes.origin = *origin,
            Self::LocalPref(value) => attributes.local_pref = Some(*value),
            Self::AddLocalPref(difference) => {
                let before = attributes.local_pref.unwrap_or(DEFAULT_LOCAL_PREF);
                attributes.local_pref = Some(moved(before, *difference));
            }
            Self::Med(value) => attributes.med = *value,
            Self::AddMed(difference) => {
                attributes.med = Some(moved(attributes.med.unwrap_or(0), *difference));
            }
            Self::NextHop(next_hop) => attributes.next_hop = *next_hop,
            Self::Aigp(metric) => attributes.rare.edit(|rare| {
                rare.aigp = metric.map(Aigp::of);
            }),
            Self::Communities(change) => change.apply(&mut attributes.communities),
            Self::ExtendedCommunities(change) => {
                attributes.rare.edit(|rare| change.apply(&mut rare.extended_communities));
            }
            Self::LargeCommunities(change) => {
                attributes.rare.edit(|rare| change.apply(&mut rare.large_communities));
            }
            Self::RemovePrivateAs => attributes.as_path = with_private(&attributes.as_path, None),
            Self::ReplacePrivateAs(asn) => {
                attributes.as_path = with_private(&attributes.as_path, Some(*asn));
            }
            Self::Prepend(asn, times) => attributes.as_path.prepend(*asn, usize::from(*times)),
        }
    }
}

impl<T: Tag> Change<T> {
    /// Changes a list that is in ascending order without repetition, and stays so.
    fn apply(&self, list: &mut Vec<T>) {
        let added = match self {
            Self::Remove(removed) => return list.retain(|&tag| !removed.contains(tag)),
            Self::Add(added) => added,
            Self::Replace(all) => {
                list.clear();
                all
            }
        };
        list.extend_from_slice(added);
        list.sort_unstable();
        list.dedup();
    }
}

/// Moves a number, no further than to either end.
fn moved(number: u32, difference: i64) -> u32 {
    let end = if difference < 0 { 0 } else { u32::MAX };
    u32::try_from(i64::from(number).saturating_add(difference)).unwrap_or(end)
}

/// Returns a path with something else, or nothing, in the place of its private ASes.
fn with_private(path: &AsPath, instead: Option<Asn>) -> AsPath {
    let keep = |&asn: &Asn| if is_private(asn) { instead } else { Some(asn) };
    let segments = path.segments().iter();
    segments
        .map(|Segment { kind, asns }| Segment { kind: *kind, asns: asns.iter().filter_map(keep).collect() })
        .collect()
}

/// Tells whether a number is for private use (RFC 6996 §5).
fn is_private(Asn(number): Asn) -> bool {
    matches!(number, 64_512..=65_534 | 4_200_000_000..=4_294_967_294)
}
