//! A table like the Internet's: the same lengths, the same sharing of attributes, the same every time.

use std::net::Ipv4Addr;

use bgp::wire::{CodecContext, pack};
use bgp::{AsPath, Asn, Community, Family, NextHop, Nlri, PathAttributes};
use bytes::BytesMut;
use ipnet::{IpNet, Ipv4Net};

/// How many of a thousand prefixes have which length: a full table of 2024, rounded.
const LENGTHS: [(u8, u32); 10] =
    [(24, 618), (23, 100), (22, 115), (21, 55), (20, 50), (19, 30), (18, 15), (17, 8), (16, 8), (15, 1)];
/// Prefixes that share one attribute set, on average.
const SHARING: u64 = 6;

/// Prefixes that are announced with the same attributes.
#[derive(Clone, Debug)]
pub struct Group {
    /// What they share.
    pub attributes: PathAttributes,
    /// The prefixes.
    pub prefixes: Vec<IpNet>,
}

/// Makes a table of distinct prefixes, announced by `asn` with this next hop.
#[must_use]
pub fn table(count: usize, asn: u32, next_hop: Ipv4Addr) -> Vec<Group> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut free = u32::from(Ipv4Addr::new(11, 0, 0, 0));
    let mut groups = Vec::new();
    let mut left = count;
    while left > 0 {
        // 1 … 2 × SHARING - 1, evenly: the mean is SHARING.
        let size = left.min(1 + random.below(2 * SHARING - 1) as usize);
        left -= size;
        let prefixes = (0..size).map(|_| prefix(&mut random, &mut free)).collect();
        groups.push(Group { attributes: attributes(&mut random, asn, next_hop), prefixes });
    }
    for last in (1..groups.len()).rev() {
        groups.swap(last, random.below(last as u64 + 1) as usize);
    }
    groups
}

/// Writes the table as UPDATEs.
///
/// # Panics
/// Never: each attribute set fits a message.
#[must_use]
pub fn encode(groups: &[Group], context: &CodecContext) -> BytesMut {
    let mut octets = BytesMut::new();
    for group in groups {
        let nlri: Vec<_> = group.prefixes.iter().copied().map(Nlri::from).collect();
        pack::announce(&group.attributes, Family::Ipv4, &nlri, context, &mut octets)
            .expect("a few hundred octets of attributes fit");
    }
    octets
}

/// Takes the next free block of a random length, aligned as it must be.
fn prefix(random: &mut Random, free: &mut u32) -> IpNet {
    let mut choice = random.below(1000) as u32;
    let length = LENGTHS.iter().find(|(_, share)| {
        let found = choice < *share;
        choice = choice.saturating_sub(*share);
        found
    });
    let length = length.map_or(24, |(length, _)| *length);
    let size = 1_u32 << (32 - length);
    let mut start = free.div_ceil(size) * size;
    if start >> 24 == 127 {
        start = 128 << 24;
    }
    *free = start + size;
    Ipv4Net::new(start.into(), length).expect("lengths are at most 32").into()
}

fn attributes(random: &mut Random, asn: u32, next_hop: Ipv4Addr) -> PathAttributes {
    let hops = 1 + random.below(5);
    let path: Vec<_> = (0..hops).map(|_| Asn::from(1000 + random.below(399_000) as u32)).collect();
    let marks = random.below(6);
    let mut communities: Vec<_> =
        (0..marks).map(|_| Community(65_001 << 16 | random.below(1000) as u32)).collect();
    communities.sort_unstable();
    communities.dedup();
    PathAttributes {
        as_path: AsPath::sequence(std::iter::once(Asn::from(asn)).chain(path)),
        communities,
        ..PathAttributes::originated(NextHop::V4(next_hop))
    }
}

/// SplitMix64: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_table_has_as_many_distinct_prefixes_as_asked_for() {
        let groups = table(50_000, 65_001, Ipv4Addr::new(10, 9, 0, 2));
        let prefixes: Vec<_> = groups.iter().flat_map(|group| &group.prefixes).collect();
        assert_eq!(prefixes.len(), 50_000);
        assert_eq!(prefixes.iter().collect::<BTreeSet<_>>().len(), 50_000);
        let sharing = prefixes.len() / groups.len();
        assert!((5..=7).contains(&sharing), "{sharing} prefixes share an attribute set");
    }

    #[test]
    fn a_table_is_the_same_every_time() {
        let context = CodecContext { four_octet_asn: true, ..CodecContext::before_open() };
        let make = || encode(&table(1000, 65_001, Ipv4Addr::new(10, 9, 0, 2)), &context);
        assert_eq!(make(), make());
    }
}
