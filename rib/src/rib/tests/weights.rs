//! Shares after link bandwidth, and saying it.

use super::*;
use crate::forwarding::Weighted;

const DEFAULT: &str = "0.0.0.0/0";

fn weighing() -> Rib {
    let mut rib = Rib::new(RibSettings { weigh: true, ..rib().settings().clone() });
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.peer_up(TOR_B, peer(TOR_B));
    rib
}

fn route(PeerId(number): PeerId, bandwidth: Option<f32>) -> Update {
    let mut route = attributes(&[OURS.0 + number], &format!("192.0.2.{number}"));
    let community = bandwidth.map(|of| bgp::ExtendedCommunity::of_link_bandwidth(Asn(64999), of));
    route.rare.edit(|rare| rare.extended_communities = community.into_iter().collect());
    announce(route, &[DEFAULT])
}

/// Takes a route in and returns the weights of what is handed out then; `None` if nothing is.
fn weights(rib: &mut Rib, peer: PeerId, bandwidth: Option<f32>) -> Option<Vec<u16>> {
    rib.update(peer, route(peer, bandwidth), 1);
    rib.settle();
    rib.audit().unwrap();
    let weight = |share: &Weighted| share.weight.get();
    rib.pull_forwarding(10).pop().map(|change| match change.forwarding {
        Some(Forwarding::Weighted(shares)) => shares.iter().map(weight).collect(),
        Some(Forwarding::Via(gateways)) => vec![1; gateways.len()],
        Some(Forwarding::Blackhole) | None => Vec::new(),
    })
}

#[test]
fn traffic_is_shared_after_link_bandwidth_where_all_say_one() {
    let mut rib = weighing();
    assert_eq!(weights(&mut rib, TOR_A, Some(1.25e9)), Some(vec![1]));
    assert_eq!(weights(&mut rib, TOR_B, Some(5e9)), Some(vec![1, 4]));
    assert_eq!(weights(&mut rib, TOR_B, Some(5.000_001e9)), None, "a hair makes no difference");
    assert_eq!(weights(&mut rib, TOR_A, None), Some(vec![1, 1]));
    assert_eq!(weights(&mut rib, TOR_A, Some(5e9)), None, "equal is equal, said or not");
}

#[test]
fn nothing_is_weighed_unless_asked_for() {
    let mut rib = weighing();
    weights(&mut rib, TOR_A, Some(1.25e9));
    weights(&mut rib, TOR_B, Some(5e9));
    let settings = RibSettings { weigh: false, ..rib.settings().clone() };
    rib.set_settings(settings);
    rib.settle();
    assert!(matches!(rib.pull_forwarding(10)[0].forwarding, Some(Forwarding::Via(_))));
}

#[test]
fn what_we_originate_says_how_much_fits_through_our_link() {
    let mut rib = rib();
    rib.peer_up(TOR_A, PeerInfo { link_bandwidth: Some(3_125_000_000), ..peer(TOR_A) });
    rib.peer_up(TOR_B, peer(TOR_B));
    rib.originate([Origination::of(prefix("10.1.0.0/24"))], 0);
    rib.update(TOR_B, route(TOR_B, Some(1e9)), 0);
    rib.settle();
    let bandwidths = |adverts: Adverts| -> BTreeMap<IpNet, Option<f32>> {
        let said = |attributes: &PathAttributes| {
            attributes.rare.extended_communities.iter().find_map(|community| community.link_bandwidth())
        };
        let each = adverts.announced.into_iter().flat_map(|advert| {
            let said = said(&advert.attributes);
            advert.nlri.into_iter().map(move |nlri| (nlri.prefix, said))
        });
        each.collect()
    };
    let told = bandwidths(rib.pull(TOR_A, 100));
    assert_eq!(told[&prefix("10.1.0.0/24")], Some(3.125e9));
    assert_eq!(told[&prefix(DEFAULT)], None, "another link's does not cross the border");
    rib.set_link_bandwidth(TOR_A, None);
    assert_eq!(bandwidths(rib.pull(TOR_A, 100)), BTreeMap::from([(prefix("10.1.0.0/24"), None)]));
}
