//! Peers without an address, on links where every switch has the same one.

use std::net::Ipv6Addr;
use std::time::Duration;

use bgp::fsm::PeerAs;
use control::PeerState;
use fib::{NextHop, Sight, Target};
use podbgpd::intent::{Intent, PeerIntent, Secret};
use podbgpd::speaker::Input;
use podbgpd::transport::Place;

use crate::world::{World, links};
use crate::{SOON, asn, blocks, name, net, node};

/// A node whose peers are at the other ends of its links.
fn on_links(number: u8, peers: &[u8]) -> Intent {
    let peer = |&peer: &u8| {
        let unspecified = Ipv6Addr::UNSPECIFIED.into();
        let interface = Some(format!("eth{peer}"));
        (name(peer), PeerIntent { interface, ..PeerIntent::new(name(peer), unspecified, asn(peer)) })
    };
    Intent { peers: peers.iter().map(peer).collect(), ..node(number) }
}

/// A node and two switches, all of whose links are up.
fn rack() -> World {
    let mut world = World::new([on_links(1, &[2, 3]), on_links(2, &[1]), on_links(3, &[1])]);
    world.input(1, Input::Sighted(vec![links::link(2, true), links::link(3, true)]));
    for switch in [2, 3] {
        world.input(switch, Input::Sighted(vec![links::link(1, true)]));
    }
    world
}

/// The same, once all have found each other and said what they have to say.
fn found() -> World {
    let mut world = rack();
    world.hear(1, 2);
    world.hear(1, 3);
    world.run(SOON);
    for switch in [2, 3] {
        assert_eq!(world.peer(1, switch).state, PeerState::Established);
    }
    world
}

#[test]
fn nobody_is_dialled_before_he_is_heard() {
    let mut world = rack();
    assert_eq!(world.node(1).sought, [2, 3].into());
    world.run(SOON);
    assert_eq!(world.peer(1, 2).state, PeerState::Idle);
    world.hear(1, 2);
    world.run(SOON);
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
    assert_eq!(world.peer(1, 2).interface.as_deref(), Some("eth2"));
    assert_eq!(world.peer(1, 3).state, PeerState::Idle);
}

#[test]
fn who_has_not_heard_us_takes_our_connection_for_a_word() {
    let world = found();
    assert_eq!(world.peer(2, 1).state, PeerState::Established);
    assert_eq!(world.peer(2, 1).address, links::address(1));
}

#[test]
fn two_switches_with_one_address_share_the_traffic() {
    let mut world = found();
    let announced = net("10.99.0.0/24");
    for switch in [2, 3] {
        let edit = |intent: &mut Intent| assert!(intent.node.blocks.insert(announced));
        world.reload(switch, edit).expect("it is applied");
    }
    world.run(SOON);
    let Some(Target::Forward(next_hops)) = world.node(1).kernel.routes.get(&announced).cloned() else {
        panic!("no route to {announced}");
    };
    let over = |interface| NextHop::via_interface(links::address(2).into(), interface);
    assert_eq!(next_hops.as_slice(), [over(2), over(3)], "an IPv4 route over both links");
    // And the node's own, as the switches learned it.
    let [v4, v6] = blocks(1);
    for (switch, prefix) in [(2, v4), (2, v6), (3, v4), (3, v6)] {
        let attributes = world.route(switch, prefix).candidates[0].attributes.clone();
        assert_eq!(attributes.next_hop, Some(links::address(1).into()), "{prefix} at {switch}");
        assert_eq!(attributes.link_local_next_hop, None, "capability 77 was negotiated");
    }
}

#[test]
fn the_loss_of_one_link_leaves_the_other_switch_of_that_address_alone() {
    let mut world = found();
    world.input(1, Input::Sighted(vec![links::link(2, false)]));
    assert_eq!(world.peer(1, 2).state, PeerState::Connect);
    assert_eq!(world.peer(1, 3).state, PeerState::Established);
    assert_eq!(world.node(1).sought, [3].into());
    assert!(world.node(1).lost.iter().all(|(next_hop, _)| next_hop.interface == Some(2)));
    assert!(!world.node(1).lost.is_empty());
}

#[test]
fn a_neighbour_that_fails_on_one_link_is_another_than_its_namesake() {
    let mut world = found();
    let address = links::address(2).into();
    world.input(1, Input::Sighted(vec![Sight::NeighbourFailed { interface: 3, address }]));
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
    assert_ne!(world.peer(1, 3).state, PeerState::Established);
}

#[test]
fn an_interface_that_is_made_anew_is_looked_at_anew() {
    let mut world = found();
    let Sight::Link(link) = links::link(2, true) else { unreachable!("it is a link") };
    world.input(1, Input::Sighted(vec![Sight::LinkGone(link.clone())]));
    assert_eq!(world.peer(1, 2).state, PeerState::Idle);
    assert_eq!(world.node(1).sought, [3].into());
    world.input(1, Input::Sighted(vec![Sight::Link(fib::Link { index: 12, ..link })]));
    assert_eq!(world.node(1).sought, [3, 12].into());
    assert_eq!(world.peer(1, 2).state, PeerState::Idle, "who was there is not known to be there now");
}

#[test]
fn a_stranger_on_the_link_does_not_move_a_session() {
    let mut world = found();
    let stranger = Place::on_link("fe80::bad".parse().expect("an address"), 2);
    world.input(1, Input::Heard(stranger));
    world.run(Duration::from_secs(60));
    world.input(1, Input::Heard(stranger));
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
    assert_eq!(world.peer(1, 2).address, links::address(2));
}

#[test]
fn another_switch_at_the_end_of_a_cable_is_found_when_the_first_is_silent() {
    let mut world = found();
    let other = Place::on_link("fe80::2".parse().expect("an address"), 2);
    world.unplug(2);
    // The hold time passes, and all the while nobody but the other one is heard.
    world.run(Duration::from_secs(100));
    world.input(1, Input::Heard(other));
    assert_eq!(world.peer(1, 2).address, other.address);
}

#[test]
fn a_static_address_waits_for_its_link() {
    let mut intent = on_links(1, &[2]);
    intent.peers.values_mut().for_each(|peer| peer.address = links::address(2).into());
    let mut world = World::new([intent, on_links(2, &[1])]);
    world.input(2, Input::Sighted(vec![links::link(1, true)]));
    world.run(SOON);
    assert_eq!(world.peer(1, 2).state, PeerState::Idle);
    world.input(1, Input::Sighted(vec![links::link(2, true)]));
    world.run(SOON);
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
    assert!(world.node(1).sought.is_empty(), "there is nothing to be learned");
}

#[test]
fn a_peer_on_a_link_is_signed_where_it_is_found_and_its_as_is_learned() {
    let mut world = World::new([on_links(1, &[2]), on_links(2, &[1])]);
    world
        .reload(1, |intent| {
            let peer = intent.peers.get_mut("node2").unwrap();
            (peer.asn, peer.password) = (PeerAs::External, Secret::new(b"sesame"));
        })
        .unwrap();
    world.input(1, Input::Sighted(vec![links::link(2, true)]));
    world.input(2, Input::Sighted(vec![links::link(1, true)]));
    assert_eq!(world.node(1).passwords, []);
    world.hear(1, 2);
    assert_eq!(world.node(1).passwords, [(links::address(2).into(), true)]);
    world.run(SOON);
    let peer = world.peer(1, 2);
    assert_eq!((peer.state, peer.asn), (PeerState::Established, Some(asn(2).0)));
}
