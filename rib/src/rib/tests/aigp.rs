//! The accumulated cost of the way (RFC 7311).

use bgp::attributes::Aigp;

use super::*;

const ONE: &str = "10.1.0.0/16";

fn costing(path: &[u32], cost: u64) -> PathAttributes {
    let mut attributes = attributes(path, "192.0.2.3");
    attributes.rare.edit(|rare| rare.aigp = Some(Aigp::of(cost)));
    attributes
}

fn cost_told(rib: &Rib, id: PeerId) -> Option<u64> {
    rib.export_afresh(id, &prefix(ONE)).unwrap().rare.aigp.as_ref().map(|aigp| aigp.metric)
}

fn via(metric: u32) -> Resolution {
    let gateway = Gateway { address: address("198.51.100.1"), interface: None, onlink: false };
    Resolution::Via { gateways: vec![gateway], metric }
}

/// An internal peer announces a costly route; two external ones are told, only the first of whom hears costs.
fn learned() -> Rib {
    let mut rib = Rib::new(RibSettings::new(id(0x0A00_0001)));
    rib.peer_up(TOR_A, PeerInfo { aigp: true, ..peer(TOR_A) });
    rib.peer_up(TOR_B, PeerInfo { aigp: false, ..peer(TOR_B) });
    rib.peer_up(INSIDE, PeerInfo { aigp: true, ..peer(INSIDE) });
    rib.update(INSIDE, announce(costing(&[], 100), &[ONE]), 1);
    rib.tracked_next_hops();
    rib.next_hop(address("192.0.2.3"), via(20));
    rib.settle();
    rib
}

#[test]
fn the_way_to_the_next_hop_is_added_where_we_are_the_next_hop() {
    let mut rib = learned();
    assert_eq!(cost_told(&rib, TOR_A), Some(120));
    rib.set_next_hop(TOR_A, NextHopMode::Keep);
    assert_eq!(cost_told(&rib, TOR_A), Some(100));
}

#[test]
fn whoever_is_not_to_know_is_told_no_cost() {
    let mut rib = learned();
    assert_eq!(cost_told(&rib, TOR_B), None);
    rib.set_aigp(TOR_B, true);
    assert_eq!(cost_told(&rib, TOR_B), Some(120));
}

#[test]
fn a_cost_nobody_asked_for_is_not_there() {
    let mut rib = learned();
    rib.set_aigp(INSIDE, false);
    rib.settle();
    assert_eq!(cost_told(&rib, TOR_A), None);
    let destination = rib.destination(&prefix(ONE)).unwrap();
    assert!(destination.best().unwrap().received().rare.aigp.is_some(), "what was said is on record");
}

#[test]
fn a_way_that_becomes_longer_is_told_of_though_the_path_stays_best() {
    let mut rib = learned();
    rib.pull(TOR_A, 10);
    rib.next_hop(address("192.0.2.3"), via(50));
    rib.settle();
    let adverts = rib.pull(TOR_A, 10);
    assert_eq!(adverts.announced[0].attributes.rare.aigp, Some(Aigp::of(150)));
    assert!(rib.pull(TOR_B, 10).announced.len() == 1, "told for the first time");
    rib.next_hop(address("192.0.2.3"), via(60));
    rib.settle();
    assert!(rib.pull(TOR_B, 10).is_empty(), "for others nothing is another");
    rib.audit().unwrap();
}

#[test]
fn no_sum_is_too_large() {
    let mut rib = learned();
    rib.update(INSIDE, announce(costing(&[], u64::MAX - 1), &[ONE]), 2);
    rib.settle();
    assert_eq!(cost_told(&rib, TOR_A), Some(u64::MAX));
}
