//! Peers nobody lists.

use std::time::Duration;

use bgp::HoldTime;
use bgp::fsm::PeerAs;
use control::{PeerState, PeerView};
use podbgpd::intent::{Intent, ListenRange, PeerIntent, Secret};
use podbgpd::speaker::Notice;

use crate::world::World;
use crate::{SOON, address, asn, blocks, net, node_with_peers};

const LINGER: Duration = Duration::from_secs(30);

/// A node that lists nobody and takes whoever connects, so many at a time.
fn open_node(number: u8, limit: u32) -> Intent {
    let mut peer = PeerIntent::new("rack".to_owned(), address("0.0.0.0"), PeerAs::External);
    peer.passive = true;
    let range =
        ListenRange { name: "rack".to_owned(), prefix: net("192.0.2.0/24"), limit, linger: LINGER, peer };
    let mut intent = node_with_peers(number, &[]);
    intent.ranges.insert("rack".to_owned(), range);
    intent
}

fn peers(world: &mut World, number: u8) -> Vec<PeerView> {
    world.act(number, |speaker, now, _| speaker.peer_views(now))
}

fn names(world: &mut World, number: u8) -> Vec<String> {
    peers(world, number).into_iter().map(|peer| peer.name).collect()
}

#[test]
fn a_peer_of_a_range_comes_with_its_connection_and_its_as_is_learned() {
    let mut world = World::new([open_node(1, 10), node_with_peers(2, &[1])]);
    world.run(SOON);
    let peer = peers(&mut world, 1).remove(0);
    assert_eq!((peer.name.as_str(), peer.state), ("rack/192.0.2.2", PeerState::Established));
    assert_eq!((peer.asn, peer.asn_rule.as_str()), (Some(asn(2).0), "external"));
    assert_eq!(peer.range.as_deref(), Some("rack"));
    assert_eq!(world.prefixes(2, 1), blocks(1));
}

#[test]
fn a_peer_of_a_range_is_forgotten_once_nothing_is_left_of_it() {
    let mut world = World::new([open_node(1, 10), node_with_peers(2, &[1])]);
    world.run(SOON);
    world.act(2, |speaker, now, out| speaker.peer_down("node1", String::new(), now, out));
    world.run(LINGER / 2);
    assert_eq!(names(&mut world, 1), ["rack/192.0.2.2"]);
    world.run(LINGER);
    assert_eq!(names(&mut world, 1), [] as [&str; 0]);
    world.act(2, |speaker, now, out| speaker.peer_up("node1", now, out));
    world.run(SOON);
    assert_eq!(names(&mut world, 1), ["rack/192.0.2.2"]);
}

#[test]
fn the_routes_of_a_peer_that_restarts_stay_and_so_does_the_peer() {
    let mut world = World::new([open_node(1, 10), node_with_peers(2, &[1])]);
    world.run(SOON);
    world.end(2);
    // Its restart time is 60 seconds, twice what a peer of the range is remembered.
    world.run(LINGER + SOON);
    let peer = peers(&mut world, 1).remove(0);
    assert_eq!(peer.families.iter().map(|family| family.stale).sum::<u64>(), 2);
    world.run(LINGER * 4);
    assert_eq!(names(&mut world, 1), [] as [&str; 0]);
}

#[test]
fn a_full_range_refuses_further_peers() {
    let mut world = World::new([open_node(1, 1), node_with_peers(2, &[1]), node_with_peers(3, &[1])]);
    world.run(SOON * 4);
    assert_eq!(names(&mut world, 1).len(), 1);
    let full = |notice: &&Notice| matches!(notice, Notice::RangeFull { limit: 1, .. });
    assert!(world.node(1).notices.iter().any(|notice| full(&notice)));
}

#[test]
fn a_change_of_a_range_reaches_its_peers_and_only_as_far_as_it_has_to() {
    let mut world = World::new([open_node(1, 10), node_with_peers(2, &[1])]);
    world.run(SOON);
    let range =
        |intent: &mut Intent, edit: fn(&mut ListenRange)| edit(intent.ranges.get_mut("rack").unwrap());
    let changes = world.reload(1, |intent| range(intent, |range| range.limit = 5)).unwrap();
    assert_eq!(
        changes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["soft           listen-range rack: listen-range.limit 10 -> 5"]
    );
    world.run(SOON);
    assert_eq!(peers(&mut world, 1).remove(0).flaps, 0);

    world
        .reload(1, |intent| range(intent, |range| range.peer.hold_time = HoldTime::new(30).unwrap()))
        .unwrap();
    world.run(SOON * 2);
    let peer = peers(&mut world, 1).remove(0);
    assert_eq!(
        (peer.state, peer.timers.hold_time_seconds, peer.flaps),
        (PeerState::Established, Some(30), 1)
    );

    world.reload(1, |intent| range(intent, |range| range.prefix = net("192.0.2.64/26"))).unwrap();
    assert_eq!(names(&mut world, 1), [] as [&str; 0]);
}

#[test]
fn who_is_listed_later_is_no_peer_of_the_range_any_more() {
    let mut world = World::new([open_node(1, 10), node_with_peers(2, &[1])]);
    world.run(SOON);
    world.reload(1, |intent| intent.peers = node_with_peers(1, &[2]).peers).unwrap();
    world.run(SOON * 2);
    assert_eq!(names(&mut world, 1), ["node2"]);
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
}

#[test]
fn the_key_of_a_range_is_its_peers_until_it_changes() {
    let mut intent = open_node(1, 10);
    intent.ranges.get_mut("rack").unwrap().peer.password = Secret::new(b"sesame");
    let mut world = World::new([intent, node_with_peers(2, &[1])]);
    world.run(SOON);
    let (range, peer) = (address("192.0.2.0"), address("192.0.2.2"));
    assert_eq!(world.node(1).passwords, [(range, true)]);
    let another = |intent: &mut Intent| {
        intent.ranges.get_mut("rack").unwrap().peer.password = Secret::new(b"open");
    };
    world.reload(1, another).unwrap();
    assert_eq!(world.node(1).passwords[1..], [(range, true), (peer, true)]);
    world.act(2, |speaker, now, out| speaker.peer_down("node1", String::new(), now, out));
    world.run(LINGER * 2);
    assert_eq!(world.node(1).passwords[3..], [(peer, false)]);
}
