//! A block of ours that a peer announces, too.

use std::time::Duration;

use podbgpd::intent::{Export, Import, Leftover, Originated};
use podbgpd::speaker::Notice;

use crate::world::World;
use crate::{SOON, asn, blocks, chain, name, net, node_with_peers, pair};

const MOMENT: Duration = Duration::from_secs(2);

fn alarms(world: &mut World, number: u8) -> Vec<String> {
    let notices = std::mem::take(&mut world.nodes.get_mut(&number).unwrap().notices);
    let words = |notice| match notice {
        Notice::Duplicate { prefix, peer, as_path, .. } => {
            Some(format!("{prefix} from {peer} by [{as_path}]"))
        }
        Notice::DuplicateGone { prefix, peer } => Some(format!("{prefix} from {peer} no more")),
        _ => None,
    };
    notices.into_iter().filter_map(words).collect()
}

#[test]
fn a_block_two_nodes_have_raises_an_alarm_on_both_and_clears_when_one_gives_it_up() {
    let mut world = pair();
    let theirs = blocks(2)[0];
    world.reload(1, |intent| intent.node.blocks.extend([theirs])).unwrap();
    world.run(MOMENT);
    for (number, other) in [(1, 2), (2, 1)] {
        let text = format!("{theirs} from {} by [{}]", name(other), asn(other));
        assert_eq!(alarms(&mut world, number), [text]);
        let status = world.status(number);
        assert_eq!(status.duplicates.len(), 1);
        assert!(status.reasons.iter().any(|reason| reason.code == "duplicate_block"), "{:?}", status.reasons);
    }
    world.run(SOON);
    assert!(alarms(&mut world, 2).is_empty(), "it is told once");
    assert!(world.status(2).duplicates[0].seen_seconds >= SOON.as_secs());

    world.reload(1, |intent| intent.node.blocks.retain(|block| *block != theirs)).unwrap();
    world.run(MOMENT);
    assert_eq!(alarms(&mut world, 2), [format!("{theirs} from node1 no more")]);
    assert!(world.status(1).duplicates.is_empty() && world.status(2).duplicates.is_empty());
}

#[test]
fn a_block_of_the_cluster_counts_a_service_range_and_a_pods_route_do_not() {
    let mut world = pair();
    let wanted = [
        ("10.99.0.0/26", Leftover::Dropped),
        ("10.96.0.0/16", Leftover::DroppedInTransit),
        ("10.99.1.5/32", Leftover::Followed),
    ];
    let originate = |intent: &mut podbgpd::intent::Intent| {
        for (prefix, leftover) in wanted {
            intent.originated.insert(net(prefix), Originated::new("a test".to_owned(), leftover));
        }
    };
    world.reload(1, originate).unwrap();
    world.reload(2, |intent| intent.node.blocks.extend(wanted.map(|(prefix, _)| net(prefix)))).unwrap();
    world.run(MOMENT);
    assert_eq!(alarms(&mut world, 1), [format!("10.99.0.0/26 from node2 by [{}]", asn(2))]);
}

#[test]
fn our_own_path_on_a_way_around_is_no_alarm() {
    // Node 2 hears of our block only from node 3, and tells us: with our AS in the path.
    let mut one = node_with_peers(1, &[2, 3]);
    one.peers.values_mut().for_each(|peer| peer.import = Import::All);
    one.peers.get_mut("node2").unwrap().export = Export::None;
    let mut ring: Vec<_> = [(2, [1, 3]), (3, [1, 2])]
        .into_iter()
        .map(|(number, peers)| {
            let mut node = node_with_peers(number, &peers);
            node.peers.values_mut().for_each(|peer| (peer.export, peer.allow_own_as) = (Export::All, 3));
            node
        })
        .collect();
    ring.insert(0, one);
    let mut world = World::new(ring);
    world.run(SOON);
    let rejected = world.rejected(1, 2);
    assert!(
        rejected.iter().any(|route| route.prefix == blocks(1)[0]),
        "node 2 does send it back: {rejected:?}"
    );
    assert!(alarms(&mut world, 1).is_empty());
    // Even where we let it in.
    world.reload(1, |intent| intent.peers.values_mut().for_each(|peer| peer.allow_own_as = 3)).unwrap();
    world.run(SOON);
    assert!(alarms(&mut world, 1).is_empty());
}

#[test]
fn a_claim_is_heard_across_a_router_and_gone_with_its_session() {
    let mut world = chain();
    let ours = blocks(1)[0];
    world.reload(3, |intent| intent.node.blocks.extend([ours])).unwrap();
    world.reload(2, |intent| intent.peers.get_mut("node1").unwrap().import = Import::None).unwrap();
    world.run(SOON);
    assert_eq!(alarms(&mut world, 1), [format!("{ours} from node2 by [{} {}]", asn(2), asn(3))]);
    world.reload(1, |intent| drop(intent.peers.remove("node2"))).unwrap();
    world.run(MOMENT);
    assert_eq!(alarms(&mut world, 1), [format!("{ours} from node2 no more")]);
}
