//! What becomes of sessions when what they stand on is lost.

use std::time::Duration;

use control::PeerState;
use fib::{Address, Link, NextHop, Sight};
use podbgpd::intent::{Intent, PeerIntent};
use podbgpd::speaker::Input;

use crate::world::{INTERFACE, World, address};
use crate::{SOON, asn, blocks, net, node_with_peers};

/// An interface no session is over.
const ELSEWHERE: u32 = 3;

fn link(index: u32, up: bool) -> Sight {
    Sight::Link(Link { index, name: format!("eth{index}"), enabled: up, up })
}

fn own_address() -> Address {
    Address { interface: INTERFACE, address: address(1), on_link: net("192.0.2.0/24") }
}

/// Two nodes that are each other's peers, the first of which knows its links.
fn pair(edit: impl FnOnce(&mut PeerIntent)) -> World {
    let mut first = node_with_peers(1, &[2]);
    first.peers.values_mut().for_each(|peer| peer.connect_retry = Duration::from_secs(60));
    edit(first.peers.get_mut("node2").expect("it is there"));
    let mut second = node_with_peers(2, &[1]);
    // Who dials is the one under test.
    second.peers.values_mut().for_each(|peer| peer.passive = true);
    second.peers.values_mut().for_each(|peer| peer.asn = first.peers["node2"].local_asn.unwrap_or(asn(1)));
    let mut world = World::new([first, second]);
    let sights = vec![link(INTERFACE, true), link(ELSEWHERE, true), Sight::Address(own_address())];
    world.input(1, Input::Sighted(sights));
    world.run(SOON);
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
    world
}

fn sight(world: &mut World, sights: impl Into<Vec<Sight>>) {
    world.input(1, Input::Sighted(sights.into()));
}

#[test]
fn a_session_ends_with_its_link_and_leaves_no_route() {
    let mut world = pair(|_| ());
    assert_eq!(world.prefixes(1, 2), blocks(2));
    sight(&mut world, [link(INTERFACE, false)]);
    assert_eq!(world.node(1).ends(), ["interface_down"]);
    assert_eq!(world.prefixes(1, 2), []);
    assert_eq!(world.node(1).kernel.forwarded(), []);
    let error = world.peer(1, 2).last_error.expect("a reason");
    assert_eq!(
        (error.code.as_str(), error.text.as_str()),
        ("interface_down", "stopped: interface eth2 went down")
    );
}

#[test]
fn a_link_that_returns_is_dialled_without_waiting() {
    let mut world = pair(|_| ());
    world.unplug(1);
    sight(&mut world, [link(INTERFACE, false)]);
    // What was dialled into the dark is given up only after so long.
    world.run(Duration::from_secs(30));
    assert_eq!(world.peer(1, 2).state, PeerState::Connect);
    world.plug_in(1);
    sight(&mut world, [link(INTERFACE, true)]);
    world.run(Duration::from_millis(100));
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
}

#[test]
fn a_link_that_returns_brings_no_route_of_the_old_session() {
    let mut world = pair(|_| ());
    // The peer is started anew meanwhile and does not speak BGP yet; the hold time is far away.
    world.unplug(2);
    sight(&mut world, [link(INTERFACE, false)]);
    world.run(Duration::from_secs(1));
    sight(&mut world, [link(INTERFACE, true)]);
    world.run(Duration::from_secs(1));
    assert_eq!(world.node(1).kernel.forwarded(), []);
}

#[test]
fn another_link_is_no_concern() {
    let mut world = pair(|_| ());
    sight(&mut world, [link(ELSEWHERE, false), link(ELSEWHERE, true)]);
    let elsewhere = Address { interface: ELSEWHERE, address: address(1), on_link: net("198.51.100.0/24") };
    sight(&mut world, [Sight::Address(elsewhere), Sight::AddressGone(elsewhere)]);
    assert_eq!(world.node(1).ends(), [""; 0]);
}

#[test]
fn a_session_ends_with_its_address() {
    let mut world = pair(|_| ());
    sight(&mut world, [Sight::AddressGone(own_address())]);
    assert_eq!(world.node(1).ends(), ["address_gone"]);
    let error = world.peer(1, 2).last_error.expect("a reason");
    assert_eq!(error.text, "stopped: our address 192.0.2.1 is gone");
    world.run(SOON);
    sight(&mut world, [Sight::Address(own_address())]);
    world.run(Duration::from_millis(100));
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
}

#[test]
fn an_address_that_moves_to_another_link_is_not_lost() {
    let mut world = pair(|_| ());
    let moved = Address { interface: ELSEWHERE, ..own_address() };
    sight(&mut world, [Sight::Address(moved), Sight::AddressGone(own_address())]);
    assert_eq!(world.node(1).ends(), [""; 0]);
}

#[test]
fn the_link_is_blamed_for_the_address_it_takes_along() {
    let mut world = pair(|_| ());
    sight(&mut world, [Sight::AddressGone(own_address()), link(INTERFACE, false)]);
    assert_eq!(world.node(1).ends(), ["interface_down"]);
}

#[test]
fn a_session_ends_with_its_neighbour() {
    let mut world = pair(|_| ());
    assert_eq!(world.node(1).heeded, [address(2)].into());
    let failed = |interface| Sight::NeighbourFailed { interface, address: address(2) };
    sight(&mut world, [failed(ELSEWHERE)]);
    assert_eq!(world.node(1).ends(), [""; 0]);
    sight(&mut world, [failed(INTERFACE)]);
    assert_eq!(world.node(1).ends(), ["neighbour_failed"]);
    let error = world.peer(1, 2).last_error.expect("a reason");
    assert_eq!(error.text, "stopped: the peer does not answer on eth2");
}

#[test]
fn a_peer_that_may_be_reached_another_way_keeps_its_session() {
    let edits: [fn(&mut PeerIntent); 3] = [
        |peer| peer.multihop = 2,
        |peer| peer.local_asn = Some(asn(2)),
        |peer| peer.fast_failover = Some(false),
    ];
    for edit in edits {
        let mut world = pair(edit);
        sight(&mut world, [link(INTERFACE, false), Sight::AddressGone(own_address())]);
        assert_eq!(world.node(1).ends(), [""; 0]);
        assert_eq!(world.node(1).heeded, [].into());
    }
}

#[test]
fn the_operator_may_know_that_an_internal_peer_is_on_the_link() {
    let mut world = pair(|peer| (peer.local_asn, peer.fast_failover) = (Some(asn(2)), Some(true)));
    sight(&mut world, [link(INTERFACE, false)]);
    assert_eq!(world.node(1).ends(), ["interface_down"]);
}

#[test]
fn a_lost_session_takes_its_next_hop_along_before_its_routes() {
    let mut world = pair(|_| ());
    let (before, told) = (world.node(1).kernel.changes, world.node(1).kernel.commands.len());
    sight(&mut world, [link(INTERFACE, false)]);
    assert_eq!(world.node(1).kernel.commands[told..], ["lose", "untrack", "apply", "settled"]);
    let lost = world.node(1).lost.clone();
    assert!(!lost.is_empty());
    assert!(lost.contains(&(NextHop::via_interface(address(2), INTERFACE), before)), "{lost:?}");
}

#[test]
fn only_the_next_hops_of_the_lost_peer_are_left() {
    let mut world = crate::chain();
    world.act(2, |speaker, now, out| speaker.peer_reset("node1", String::new(), now, out));
    let lost: Vec<_> = world.node(2).lost.iter().map(|(next_hop, _)| *next_hop).collect();
    let of = |number| NextHop::via_interface(address(number), INTERFACE);
    assert!(lost.contains(&of(1)) && !lost.contains(&of(3)), "{lost:?}");
}

#[test]
fn whose_session_may_cross_a_router_is_read_from_the_file() {
    let fast = |edit: fn(&mut PeerIntent)| {
        let mut intent: Intent = node_with_peers(1, &[2]);
        let peer = intent.peers.get_mut("node2").expect("it is there");
        edit(peer);
        intent.fails_over_fast(&intent.peers["node2"])
    };
    assert!(fast(|_| ()));
    assert!(fast(|peer| peer.ttl_security = Some(1)));
    assert!(!fast(|peer| peer.ttl_security = Some(2)));
    assert!(!fast(|peer| peer.multihop = 2));
    assert!(fast(|peer| (peer.multihop, peer.fast_failover) = (2, Some(true))));
}
