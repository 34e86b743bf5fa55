//! What conditions look things up in: sets of prefixes, of AS numbers, and of communities.
//!
//! A set is shared, not copied, by every rule and peer that uses it. Whether it has ten members or ten thousand
//! makes little difference to a look-up; only wildcards are tried one after the other.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bgp::Asn;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;
use smallvec::SmallVec;

use super::pattern::{Pattern, Tag};

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
}

/// Prefixes, given by ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixSet(Arc<Tries>);

type Lengths = SmallVec<[RangeInclusive<u8>; 1]>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tries {
    ipv4: PrefixMap<Ipv4Net, Lengths>,
    ipv6: PrefixMap<Ipv6Net, Lengths>,
}

impl PrefixSet {
    /// Tells whether a prefix is in one of the ranges.
    #[must_use]
    pub fn contains(&self, prefix: &IpNet) -> bool {
        let length = prefix.prefix_len();
        let within = |lengths: &Lengths| lengths.iter().any(|range| range.contains(&length));
        match prefix {
            IpNet::V4(prefix) => self.0.ipv4.cover_values(prefix).any(within),
            IpNet::V6(prefix) => self.0.ipv6.cover_values(prefix).any(within),
        }
    }
}

impl FromIterator<PrefixRange> for PrefixSet {
    fn from_iter<I: IntoIterator<Item = PrefixRange>>(ranges: I) -> Self {
        let mut tries = Tries::default();
        for PrefixRange { within, lengths } in ranges {
            match within {
                IpNet::V4(block) => tries.ipv4.entry(block).or_default().push(lengths),
                IpNet::V6(block) => tries.ipv6.entry(block).or_default().push(lengths),
            }
        }
        Self(Arc::new(tries))
    }
}

/// AS numbers, given by ranges: ascending, none touching another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsnSet(Arc<[RangeInclusive<u32>]>);

impl AsnSet {
    /// Tells whether an AS is in one of the ranges.
    #[must_use]
    pub fn contains(&self, asn: Asn) -> bool {
        let after = self.0.partition_point(|range| *range.start() <= asn.0);
        after.checked_sub(1).and_then(|last| self.0.get(last)).is_some_and(|range| range.contains(&asn.0))
    }
}

impl From<Asn> for AsnSet {
    fn from(asn: Asn) -> Self {
        [asn..=asn].into_iter().collect()
    }
}

impl FromIterator<RangeInclusive<Asn>> for AsnSet {
    fn from_iter<I: IntoIterator<Item = RangeInclusive<Asn>>>(ranges: I) -> Self {
        let mut all: Vec<_> = ranges.into_iter().map(|range| (range.start().0, range.end().0)).collect();
        all.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::new();
        for (start, end) in all {
            match merged.last_mut() {
                Some((_, last)) if start <= last.saturating_add(1) => *last = end.max(*last),
                _ => merged.push((start, end)),
            }
        }
        Self(merged.into_iter().map(|(start, end)| start..=end).collect())
    }
}

/// Communities of one kind, some of them given by wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags<T>(Arc<Members<T>>);

#[derive(Debug, PartialEq, Eq)]
struct Members<T> {
    /// In ascending order.
    exact: Vec<T>,
    wild: Vec<Pattern<T>>,
}

impl<T: Tag> Tags<T> {
    /// Tells whether a community is in the set.
    #[must_use]
    pub fn contains(&self, tag: T) -> bool {
        self.0.exact.binary_search(&tag).is_ok() || self.0.wild.iter().any(|pattern| pattern.matches(tag))
    }

    /// Tells whether one of these communities is in the set.
    pub(super) fn contains_any(&self, tags: &[T]) -> bool {
        tags.iter().any(|&tag| self.contains(tag))
    }
}

impl<T: Tag> FromIterator<Pattern<T>> for Tags<T> {
    fn from_iter<I: IntoIterator<Item = Pattern<T>>>(patterns: I) -> Self {
        let (mut exact, mut wild) = (Vec::new(), Vec::new());
        for pattern in patterns {
            match pattern.exact() {
                Some(tag) => exact.push(tag),
                None => wild.push(pattern),
            }
        }
        exact.sort_unstable();
        exact.dedup();
        Self(Arc::new(Members { exact, wild }))
    }
}

impl<T: Tag, const N: usize> From<[T; N]> for Tags<T> {
    fn from(tags: [T; N]) -> Self {
        tags.into_iter().map(Pattern::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_is_a_block_and_lengths() {
        let range = |lengths| PrefixSet::from_iter([PrefixRange { within: prefix("10.0.0.0/8"), lengths }]);
        assert!(range(16..=24).contains(&prefix("10.1.2.0/24")));
        assert!(!range(16..=23).contains(&prefix("10.1.2.0/24")));
        assert!(!range(8..=32).contains(&prefix("11.0.0.0/24")));
        assert!(!range(0..=32).contains(&prefix("0.0.0.0/0")));
        assert!(!range(0..=128).contains(&prefix("::/0")));
        let set = PrefixSet::from_iter([
            PrefixRange::within(prefix("10.0.0.0/16")),
            PrefixRange::exactly(prefix("10.0.0.0/8")),
            PrefixRange { within: prefix("10.0.0.0/8"), lengths: 30..=30 },
            PrefixRange::within(prefix("fd00::/8")),
        ]);
        for inside in ["10.0.0.1/32", "10.0.0.0/8", "10.9.9.0/30", "fd00::1/128"] {
            assert!(set.contains(&prefix(inside)), "{inside}");
        }
        for outside in ["10.0.0.0/9", "10.9.9.0/31", "fc00::/7"] {
            assert!(!set.contains(&prefix(outside)), "{outside}");
        }
    }

    #[test]
    fn ranges_of_as_numbers_may_overlap() {
        let set = AsnSet::from_iter([
            Asn(7)..=Asn(7),
            Asn(64512)..=Asn(65534),
            Asn(65000)..=Asn(65001),
            Asn(8)..=Asn(9),
            Asn(u32::MAX)..=Asn(u32::MAX),
        ]);
        assert_eq!(&*set.0, [7..=9, 64512..=65534, u32::MAX..=u32::MAX]);
        for (asn, inside) in [(0, false), (7, true), (9, true), (10, false), (65534, true), (65535, false)] {
            assert_eq!(set.contains(Asn(asn)), inside, "{asn}");
        }
        assert!(set.contains(Asn(u32::MAX)));
        assert!(!AsnSet::from_iter([]).contains(Asn(1)));
    }
}
