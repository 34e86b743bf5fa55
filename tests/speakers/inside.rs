//! One AS: reflectors, their clients, and several paths of a prefix (RFC 4456, RFC 7911).

use bgp::{Asn, FamilySet};
use ipnet::IpNet;
use podbgpd::intent::add_path::{AddPath, Most};
use podbgpd::intent::{Export, Import, Intent, PeerIntent};

use crate::world::World;
use crate::{SOON, address, blocks, name, net, node_with_peers};

const ANYCAST: &str = "10.99.0.0/24";

/// A node of the one AS, with these peers in it.
fn inside(number: u8, peers: &[u8]) -> Intent {
    let mut intent = node_with_peers(number, peers);
    intent.node.asn = Asn(64_500);
    for peer in intent.peers.values_mut() {
        peer.asn = Asn(64_500).into();
        (peer.import, peer.export) = (Import::All, Export::All);
    }
    intent
}

fn reflector(number: u8, peers: &[u8], clients: &[u8]) -> Intent {
    let mut intent = inside(number, peers);
    clients.iter().for_each(|&client| peer(&mut intent, client).client = true);
    intent
}

fn peer(intent: &mut Intent, number: u8) -> &mut PeerIntent {
    intent.peers.get_mut(&name(number)).unwrap()
}

fn both_ways() -> AddPath {
    AddPath { receive: Some(AddPath::RECEIVE), send: Some(Most::All), families: FamilySet::ALL }
}

/// Node 1 reflects to 2, 3 and 4, of whom 2 and 3 announce the same; 4 takes several paths.
fn anycast() -> World {
    let mut middle = reflector(1, &[2, 3, 4], &[2, 3, 4]);
    peer(&mut middle, 4).add_path = both_ways();
    middle.node.blocks.clear();
    let mut taker = inside(4, &[1]);
    taker.node.blocks.clear();
    peer(&mut taker, 1).add_path = both_ways();
    let mut givers = [inside(2, &[1]), inside(3, &[1])];
    givers.iter_mut().for_each(|giver| giver.node.blocks = [net(ANYCAST)].into());
    let [left, right] = givers;
    let mut world = World::new([middle, left, right, taker]);
    world.run(SOON);
    world
}

/// Returns the next hops a node's kernel has for a prefix.
fn next_hops(world: &mut World, number: u8, prefix: &str) -> Vec<std::net::IpAddr> {
    match world.node(number).kernel.routes.get(&net(prefix)) {
        Some(fib::Target::Forward(hops)) => hops.as_slice().iter().filter_map(|hop| hop.address).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_client_that_takes_several_paths_forwards_over_both_and_loses_only_one() {
    let mut world = anycast();
    let route = world.received(4, 1).into_iter().find(|route| route.prefix == net(ANYCAST)).unwrap();
    let ids: Vec<_> = route.candidates.iter().filter_map(|path| path.path_id).collect();
    assert_eq!(ids.len(), 2, "{route:?}");
    assert_eq!(next_hops(&mut world, 4, ANYCAST), [address("192.0.2.2"), address("192.0.2.3")]);

    world.act(2, |speaker, now, out| speaker.peer_down("node1", String::new(), now, out));
    world.run(SOON);
    assert_eq!(next_hops(&mut world, 4, ANYCAST), [address("192.0.2.3")]);
    assert_eq!(world.peer(4, 1).flaps, 0);
}

#[test]
fn several_paths_are_recorded_as_the_peer_has_them() {
    let mut world = anycast();
    world.reload(2, |intent| intent.node.blocks.extend(blocks(2))).unwrap();
    world.run(SOON);
    world.reload(3, |intent| intent.node.blocks.clear()).unwrap();
    world.run(SOON);
    let told = world.advertised(1, 4).into_iter().map(|told| (told.prefix, told.path_id, told.attributes));
    let heard = world.received(4, 1).into_iter().flat_map(|route| {
        let prefix = route.prefix;
        route.candidates.into_iter().map(move |path| (prefix, path.path_id, path.attributes))
    });
    let (told, heard): (Vec<_>, Vec<_>) = (told.collect(), heard.collect());
    assert_eq!(told, heard);
    assert_eq!(told.len(), 3);
}

#[test]
fn a_peer_that_agrees_to_one_path_gets_the_best() {
    let mut world = anycast();
    world.reload(4, |intent| peer(intent, 1).add_path = AddPath::OFF).unwrap();
    world.run(SOON);
    assert_eq!(next_hops(&mut world, 4, ANYCAST), [address("192.0.2.2")]);
    let told: Vec<_> = world.advertised(1, 4).into_iter().map(|told| told.path_id).collect();
    assert_eq!(told, [None]);
}

#[test]
fn paths_beyond_the_limit_are_not_taken_in_and_the_operator_hears_of_it() {
    let mut world = anycast();
    let one = AddPath { receive: Some(std::num::NonZeroU16::MIN), ..both_ways() };
    world.reload(4, |intent| peer(intent, 1).add_path = one).unwrap();
    world.run(SOON);
    assert_eq!(world.received(4, 1)[0].candidates.len(), 1);
    assert_eq!(world.peer(4, 1).surplus_paths, 1);
    assert_eq!(next_hops(&mut world, 4, ANYCAST).len(), 1);
}

/// Two reflectors who know each other, and two clients of both.
fn redundant(clusters: [u8; 2]) -> World {
    let mut reflectors = [reflector(1, &[2, 3, 4], &[3, 4]), reflector(2, &[1, 3, 4], &[3, 4])];
    for (reflector, cluster) in reflectors.iter_mut().zip(clusters) {
        reflector.node.cluster_id = [10, 0, 0, cluster].into();
        reflector.node.blocks.clear();
    }
    let [left, right] = reflectors;
    let mut world = World::new([left, right, inside(3, &[1, 2]), inside(4, &[1, 2])]);
    world.run(SOON);
    world
}

fn candidates(world: &World, number: u8, peers: [u8; 2], prefix: IpNet) -> [bool; 2] {
    peers.map(|peer| world.received(number, peer).iter().any(|route| route.prefix == prefix))
}

#[test]
fn clients_of_two_reflectors_lose_nothing_with_one_of_them() {
    for clusters in [[7, 7], [7, 8]] {
        let mut world = redundant(clusters);
        assert_eq!(candidates(&world, 4, [1, 2], blocks(3)[0]), [true, true]);
        world.act(4, |speaker, now, out| speaker.peer_down("node1", String::new(), now, out));
        world.run(SOON);
        assert_eq!(next_hops(&mut world, 4, "10.3.0.0/24"), [address("192.0.2.3")]);
    }
}

#[test]
fn reflectors_of_one_cluster_refuse_what_the_other_reflects() {
    let reason = |world: &World| {
        let rejected = world.rejected(1, 2).into_iter().flat_map(|route| route.candidates);
        rejected.filter_map(|path| path.reason.map(|reason| reason.code)).collect::<Vec<_>>()
    };
    let world = redundant([7, 7]);
    assert_eq!(reason(&world), ["own_cluster_id"; 4]);
    let mut world = redundant([7, 8]);
    assert!(reason(&world).is_empty());
    world.reload(2, |intent| intent.node.cluster_id = [10, 0, 0, 7].into()).unwrap();
    world.run(SOON);
    assert_eq!(reason(&world), ["own_cluster_id"; 4]);
    assert_eq!(world.peer(1, 2).flaps, 0);
}

#[test]
fn another_client_or_next_hop_costs_no_session() {
    let mut world = World::new([inside(1, &[2, 3]), inside(2, &[1]), inside(3, &[1])]);
    world.run(SOON);
    let known = |world: &World| world.prefixes(3, 1).contains(&blocks(2)[0]);
    assert!(!known(&world));
    world.reload(1, |intent| peer(intent, 2).client = true).unwrap();
    world.run(SOON);
    assert!(known(&world));
    assert_eq!(next_hops(&mut world, 3, "10.2.0.0/24"), [address("192.0.2.2")]);
    world.reload(1, |intent| peer(intent, 2).client = false).unwrap();
    world.run(SOON);
    assert!(!known(&world));
    assert_eq!((world.peer(1, 2).flaps, world.peer(1, 3).flaps), (0, 0));
}
