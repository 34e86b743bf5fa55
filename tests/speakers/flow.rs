use std::collections::BTreeSet;
use std::time::Duration;

use control::PeerState;
use ipnet::IpNet;
use podbgpd::speaker::{Input, Output};

use crate::world::World;
use crate::{SOON, name, net, node_with_peers, pair};

/// The window of a connection, and one write more than it.
const WINDOW: usize = 512 * 1024;

fn many(second: u8) -> BTreeSet<IpNet> {
    let of = |third: u8| (0..=255_u8).map(move |fourth| net(&format!("10.{second}.{third}.{fourth}/32")));
    (0..=255).flat_map(of).collect()
}

#[test]
fn a_peer_that_reads_nothing_is_sent_a_window_and_no_more() {
    let mut world = pair();
    world.stop_reading(2);
    for round in 0..4 {
        world.reload(1, |intent| intent.node.blocks = many(100 + round)).unwrap();
        world.run(Duration::from_secs(1));
    }
    let most = world.node(1).most_unwritten;
    assert!(most > WINDOW / 4, "{most} octets are no test");
    assert!(most < WINDOW, "{most} octets");
}

#[test]
fn changes_coalesce_while_a_peer_reads_nothing() {
    let mut world = pair();
    world.stop_reading(2);
    world.reload(1, |intent| intent.node.blocks = many(100)).unwrap();
    let before = world.node(1).transmitted;
    for _ in 0..10 {
        world.reload(1, |intent| intent.node.blocks = many(101)).unwrap();
        world.reload(1, |intent| intent.node.blocks = many(100)).unwrap();
    }
    assert_eq!(world.node(1).transmitted, before, "the window is full");
    world.read_again(2);
    world.run(SOON);
    assert!(world.prefixes(2, 1) == Vec::from_iter(many(100)));
    let sent = world.node(1).transmitted - before;
    let table = many(100).len() * 5;
    assert!(sent < 2 * table, "{sent} octets for a table of {table}");
}

#[test]
fn a_peer_that_reads_nothing_meets_the_send_hold_timer() {
    let mut one = node_with_peers(1, &[2]);
    one.peers.get_mut(&name(2)).unwrap().send_hold = Some(Duration::from_secs(30));
    let mut world = World::new([one, node_with_peers(2, &[1])]);
    world.run(SOON);
    world.stop_reading(2);
    world.reload(1, |intent| intent.node.blocks.extend([net("10.99.0.0/24")])).unwrap();
    world.run(Duration::from_secs(29));
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
    world.run(Duration::from_secs(2));
    assert_ne!(world.peer(1, 2).state, PeerState::Established);
    assert_eq!(world.node(1).ends(), ["send_hold_timer_expired"]);
}

#[test]
fn a_large_table_arrives_whole() {
    let mut one = node_with_peers(1, &[2]);
    one.node.blocks = many(7);
    let mut world = World::new([one, node_with_peers(2, &[1])]);
    world.run(SOON);
    assert!(world.prefixes(2, 1) == Vec::from_iter(many(7)));
    assert_eq!(world.peer(1, 2).families[0].advertised, 65_536);
}

#[test]
fn asking_for_routes_often_is_answered_once() {
    let mut world = pair();
    let sent = world.peer(2, 1).messages.sent.update;
    let mut out = Vec::new();
    for _ in 0..50 {
        let now = world.now;
        world.node(1).speaker.peer_refresh(&name(2), now, &mut out);
    }
    // They come in one bite, as they do from a socket.
    let requests: Vec<_> = out
        .into_iter()
        .filter_map(|output| match output {
            Output::Transmit(key, octets) => Some((world.other_end(1, key), octets)),
            _ => None,
        })
        .collect();
    world.act(2, |speaker, now, out| {
        for (key, octets) in requests {
            speaker.handle(Input::Received(key, octets), now, out);
        }
    });
    assert_eq!(world.peer(2, 1).messages.received.route_refresh, 100, "one a family");
    assert_eq!(world.peer(2, 1).messages.sent.update - sent, 2, "one route a family");
}
