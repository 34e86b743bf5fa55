//! When a node says that it can carry traffic.

use std::time::Duration;

use bgp::{Family, FamilySet};
use control::ClusterView;
use podbgpd::intent::PeerIntent;

use crate::world::{self, World};
use crate::{SOON, asn, blocks, name, net, node, node_with_peers, pair};

fn codes(world: &World) -> Vec<String> {
    world.status(1).not_ready_reasons.into_iter().map(|reason| reason.code).collect()
}

fn cluster(edit: impl FnOnce(&mut ClusterView)) -> Option<ClusterView> {
    let golden = include_str!("../../bin/control/golden/cluster.json");
    let mut view: ClusterView = serde_json::from_str(golden).unwrap();
    (view.held, view.stale_seconds, view.stale_since) = (None, None, None);
    edit(&mut view);
    Some(view)
}

fn only(family: Family) -> FamilySet {
    [family].into_iter().collect()
}

#[test]
fn a_node_is_ready_once_its_peers_and_it_have_said_everything() {
    let mut world = World::new([node_with_peers(1, &[2]), node_with_peers(2, &[1])]);
    assert!(codes(&world).contains(&"no_session".to_owned()), "{:?}", codes(&world));
    world.run(SOON);
    assert_eq!(codes(&world), [""; 0]);
}

#[test]
fn one_of_two_tors_is_enough() {
    let mut world =
        World::new([node_with_peers(1, &[2, 3]), node_with_peers(2, &[1]), node_with_peers(3, &[1])]);
    world.unplug(3);
    world.run(Duration::from_secs(400));
    assert_eq!(codes(&world), [""; 0]);
}

#[test]
fn a_family_with_something_to_say_waits_for_a_session_that_carries_it() {
    let mut one = node(1);
    for (peer, family) in [(2, Family::Ipv4), (3, Family::Ipv6)] {
        let peer = PeerIntent {
            families: only(family),
            ..PeerIntent::new(name(peer), world::address(peer), asn(peer))
        };
        one.peers.insert(peer.name.clone(), peer);
    }
    let ipv4_only = |mut intent: podbgpd::intent::Intent| {
        intent.node.blocks.remove(&blocks(1)[1]);
        intent
    };
    let others = || [node_with_peers(2, &[1]), node_with_peers(3, &[1])];
    let mut world = World::new([one.clone()].into_iter().chain(others()));
    world.unplug(3);
    world.run(Duration::from_secs(400));
    assert_eq!(codes(&world), ["no_session"]);
    let reason = world.status(1).not_ready_reasons.remove(0).text;
    assert_eq!(reason, "no session carries ipv6, and these are down: node3");

    // With nothing to say in IPv6 there is nothing to wait for.
    let mut world = World::new([ipv4_only(one)].into_iter().chain(others()));
    world.unplug(3);
    world.run(Duration::from_secs(400));
    assert_eq!(codes(&world), [""; 0]);
}

#[test]
fn a_peer_that_speaks_but_one_family_is_not_waited_for_in_the_other() {
    let mut two = node_with_peers(2, &[1]);
    two.peers.values_mut().for_each(|peer| peer.families = only(Family::Ipv4));
    let mut world = World::new([node_with_peers(1, &[2]), two]);
    world.run(SOON);
    assert_eq!(codes(&world), [""; 0]);
}

#[test]
fn what_a_peer_does_not_read_has_not_been_sent() {
    let mut world = pair();
    world.stop_reading(2);
    // More than the window of a connection that nobody reads.
    let many = |intent: &mut podbgpd::intent::Intent| {
        for number in 0..60_000_u32 {
            let [_, a, b, c] = (number * 16).to_be_bytes();
            let prefix = net(&format!("{}.{b}.{c}.0/28", 20 + u16::from(a)));
            intent.node.blocks.insert(prefix);
        }
    };
    world.reload(1, many).unwrap();
    world.run(Duration::from_secs(1));
    assert_eq!(codes(&world), ["not_advertised"]);
}

#[test]
fn a_cluster_that_has_said_nothing_is_waited_for() {
    let mut world = pair();
    world.cluster = cluster(|view| {
        view.plan_age_seconds = None;
        view.waiting_for = vec!["Node".to_owned()];
    });
    assert_eq!(codes(&world), ["cluster"]);
    world.cluster = cluster(|_| ());
    assert_eq!(codes(&world), [""; 0]);
}

#[test]
fn a_held_change_and_a_deaf_node_are_ready_but_not_well() {
    let mut world = pair();
    let reasons = |world: &World| -> Vec<String> {
        assert!(world.status(1).ready);
        world.status(1).reasons.into_iter().map(|reason| reason.code).collect()
    };
    world.cluster = cluster(|view| view.stale_seconds = Some(59));
    assert_eq!(reasons(&world), [""; 0], "a server may be restarted");
    world.cluster = cluster(|view| view.stale_seconds = Some(60));
    assert_eq!(reasons(&world), ["cluster_stale"]);
    let golden = include_str!("../../bin/control/golden/cluster.json");
    let held = serde_json::from_str::<ClusterView>(golden).unwrap().held;
    world.cluster = cluster(|view| view.held = held);
    assert_eq!(reasons(&world), ["change_held"]);
}
