//! A table like a large cluster's: blocks of pods, one behind another, an AS for each node.

use std::net::Ipv4Addr;

use bgp::{AsPath, Asn, NextHop, PathAttributes};
use ipnet::Ipv4Net;

use crate::internet::Group;

/// The length of a block of pods.
const BLOCK: u8 = 26;
/// How many blocks a node has.
const BLOCKS_PER_NODE: usize = 20;
/// The AS of the first node.
const FIRST_NODE: u32 = 4_200_000_000;

/// Makes the table of so many blocks, as the switch `asn` with this next hop passes it on: the AS of the switch,
/// then the node's own.
#[must_use]
pub fn table(blocks: usize, asn: u32, next_hop: Ipv4Addr) -> Vec<Group> {
    let all: Vec<usize> = (0..blocks).collect();
    let nodes = (FIRST_NODE..).zip(all.chunks(BLOCKS_PER_NODE));
    let group = |(node, blocks): (u32, &[usize])| Group {
        attributes: PathAttributes {
            as_path: AsPath::sequence([Asn::from(asn), Asn::from(node)]),
            ..PathAttributes::originated(NextHop::V4(next_hop))
        },
        prefixes: blocks.iter().map(|&block| prefix(block).into()).collect(),
    };
    nodes.map(group).collect()
}

fn prefix(block: usize) -> Ipv4Net {
    let start = u32::from(Ipv4Addr::new(11, 0, 0, 0)) + ((block as u32) << (32 - BLOCK));
    Ipv4Net::new(start.into(), BLOCK).expect("the length is at most 32")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn twenty_blocks_share_a_node() {
        let groups = table(1_010, 65_001, Ipv4Addr::new(10, 9, 0, 2));
        let sizes: Vec<_> = groups.iter().map(|group| group.prefixes.len()).collect();
        assert_eq!((sizes.len(), sizes[0], sizes[50]), (51, 20, 10));
        let prefixes: BTreeSet<_> = groups.iter().flat_map(|group| &group.prefixes).collect();
        assert_eq!(prefixes.len(), 1_010);
        let paths: BTreeSet<_> = groups.iter().map(|group| group.attributes.as_path.to_string()).collect();
        assert_eq!(paths.len(), 51);
    }
}
