//! Update groups: peers that see the same share one computation and the same octets.

use std::collections::BTreeSet;
use std::time::Duration;

use ipnet::IpNet;
use podbgpd::intent::{Export, Intent};

use crate::world::World;
use crate::{SOON, blocks, name, net, node_with_peers};

const SPOKES: std::ops::RangeInclusive<u8> = 2..=9;

/// Node 1 passes on what nodes 2 to 9 announce.
fn star() -> World {
    let mut hub = node_with_peers(1, &Vec::from_iter(SPOKES));
    hub.peers.values_mut().for_each(|peer| peer.export = Export::All);
    let spokes = SPOKES.map(|number| node_with_peers(number, &[1]));
    let mut world = World::new([hub].into_iter().chain(spokes));
    world.run(SOON);
    world
}

fn heard(world: &World, number: u8) -> BTreeSet<IpNet> {
    world.prefixes(number, 1).into_iter().collect()
}

/// All that is announced but by one.
fn all_but(number: u8) -> BTreeSet<IpNet> {
    (1..=*SPOKES.end()).filter(|&other| other != number).flat_map(blocks).collect()
}

fn originate(world: &mut World, prefixes: impl IntoIterator<Item = IpNet>) {
    world.reload(1, |intent: &mut Intent| intent.node.blocks = prefixes.into_iter().collect()).unwrap();
}

#[test]
fn what_peers_are_told_in_common_is_written_once_and_sent_to_each() {
    let mut world = star();
    let before = world.status(1).updates;
    assert_eq!(before.groups, 1);
    originate(&mut world, blocks(1).into_iter().chain([net("10.77.0.0/16")]));
    world.run(SOON);
    let after = world.status(1).updates;
    let peers = SPOKES.count() as u64;
    assert_eq!((after.encoded - before.encoded, after.sent - before.sent), (1, peers));
}

#[test]
fn nobody_is_told_of_its_own_routes() {
    let mut world = star();
    SPOKES.for_each(|number| assert_eq!(heard(&world, number), all_but(number), "node {number}"));
    // What one says goes, to everybody else, and comes back.
    let before = world.status(1).updates;
    world.reload(4, |intent| intent.node.blocks.clear()).unwrap();
    world.run(SOON);
    let gone: BTreeSet<_> = all_but(2).difference(&blocks(4).into()).copied().collect();
    assert_eq!(heard(&world, 2), gone);
    assert_eq!(heard(&world, 4), all_but(4));
    let after = world.status(1).updates;
    assert_eq!(after.encoded - before.encoded, 2, "a withdrawal a family");
    assert_eq!(after.sent - before.sent, 2 * (SPOKES.count() as u64 - 1), "and not to node 4");
}

#[test]
fn a_route_two_peers_have_goes_to_each_from_the_other() {
    let mut world = star();
    let shared = net("10.88.0.0/16");
    for number in [3, 5] {
        world.reload(number, |intent| intent.node.blocks.extend([shared])).unwrap();
    }
    world.run(SOON);
    let has = |world: &World, number| heard(world, number).contains(&shared);
    let told = |world: &World| SPOKES.filter(|&number| has(world, number)).collect::<Vec<_>>();
    // The best is from node 3, whose router identifier is lower.
    assert_eq!(told(&world), [2, 4, 5, 6, 7, 8, 9]);
    world.reload(3, |intent| intent.node.blocks.retain(|block| *block != shared)).unwrap();
    world.run(SOON);
    assert_eq!(told(&world), [2, 3, 4, 6, 7, 8, 9]);
}

#[test]
fn a_peer_that_reads_nothing_holds_nobody_and_misses_nothing() {
    let mut world = star();
    world.stop_reading(6);
    for second in 100..108 {
        let of = |third: u8| (0..=255).map(move |fourth| net(&format!("10.{second}.{third}.{fourth}/32")));
        originate(&mut world, blocks(1).into_iter().chain((0..=255).flat_map(of)));
        world.run(Duration::from_secs(1));
    }
    let wanted: BTreeSet<_> = world.node(1).speaker.intent().node.blocks.iter().copied().collect();
    let told = |world: &World, number| wanted.is_subset(&heard(world, number));
    assert!(SPOKES.filter(|&number| number != 6).all(|number| told(&world, number)), "all others know");
    assert!(!told(&world, 6));
    world.read_again(6);
    world.run(SOON);
    let all: BTreeSet<_> = wanted.union(&all_but(6)).copied().collect();
    assert!(heard(&world, 6) == all, "it has what the others have, and nothing of what has gone");
    // And it is one of them again.
    let before = world.status(1).updates;
    originate(&mut world, wanted.iter().copied().chain([net("10.77.0.0/16")]));
    world.run(SOON);
    assert_eq!(world.status(1).updates.encoded - before.encoded, 1);
}

#[test]
fn a_peer_that_is_to_see_something_else_leaves_the_others_and_returns() {
    let mut world = star();
    let groups = |world: &World| world.status(1).updates.groups;
    let export = |world: &mut World, export: Export| {
        let before = world.status(1).updates.sent;
        world.reload(1, |intent| intent.peers.get_mut(&name(5)).unwrap().export = export).unwrap();
        world.run(SOON);
        world.status(1).updates.sent - before
    };
    assert_eq!(export(&mut world, Export::Originated), 2, "one withdrawal a family, to one peer");
    assert_eq!(groups(&world), 2);
    assert_eq!(heard(&world, 5), blocks(1).into());
    assert_eq!(heard(&world, 6), all_but(6));
    export(&mut world, Export::All);
    assert_eq!(groups(&world), 1);
    assert_eq!(heard(&world, 5), all_but(5));
    SPOKES.for_each(|number| assert_eq!(world.peer(1, number).flaps, 0));
}

#[test]
fn another_policy_for_all_costs_nobody_what_he_is_told_anyway() {
    let mut world = star();
    let before = world.status(1).updates;
    // The same in other words: a group of its own for a moment, and nothing to say.
    let everything = rib::Policy {
        name: "everything".to_owned(),
        rules: Vec::new(),
        otherwise: rib::policy::Decision::Accept,
    };
    world
        .reload(1, |intent| {
            intent
                .peers
                .values_mut()
                .for_each(|peer| peer.export = Export::Policy(everything.clone().into()));
        })
        .unwrap();
    world.run(SOON);
    let after = world.status(1).updates;
    assert_eq!((after.groups, after.sent), (1, before.sent));
    SPOKES.for_each(|number| assert_eq!(heard(&world, number), all_but(number), "node {number}"));
}
