//! Route reflection (RFC 4456), and which next hop goes with a route.

use super::*;

const CLIENT_A: PeerId = PeerId(11);
const CLIENT_B: PeerId = PeerId(12);
const NON_CLIENT: PeerId = PeerId(13);

fn inside(id: PeerId) -> PeerInfo {
    let client = id == CLIENT_A || id == CLIENT_B;
    PeerInfo { asn: OURS, client, ..peer(id) }
}

/// Two clients, two that are none, and a peer outside; all of them up.
fn reflector() -> Rib {
    let mut rib = rib();
    [CLIENT_A, CLIENT_B, NON_CLIENT, INSIDE].into_iter().for_each(|id| rib.peer_up(id, inside(id)));
    rib.peer_up(TOR_A, peer(TOR_A));
    rib
}

/// Returns who is told of a route this peer announces.
fn told_of_a_route_from(from: PeerId) -> Vec<PeerId> {
    let mut rib = reflector();
    let path: &[u32] = if from == TOR_A { &[65001] } else { &[] };
    rib.update(from, announce(attributes(path, "192.0.2.1"), &["10.1.0.0/16"]), 1);
    rib.settle();
    let everybody = [CLIENT_A, CLIENT_B, NON_CLIENT, INSIDE, TOR_A];
    let told = everybody.into_iter().filter(|&id| !rib.pull(id, 10).announced.is_empty()).collect();
    for id in everybody {
        let withheld = rib.explain_export(id, &prefix("10.1.0.0/16")).err();
        let only_these = [None, Some(Withheld::OwnPath), Some(Withheld::Internal)];
        assert!(only_these.contains(&withheld), "{id:?}: {withheld:?}");
    }
    rib.audit().unwrap();
    told
}

#[test]
fn a_route_goes_to_whom_rfc_4456_section_6_says() {
    assert_eq!(told_of_a_route_from(TOR_A), [CLIENT_A, CLIENT_B, NON_CLIENT, INSIDE]);
    assert_eq!(told_of_a_route_from(CLIENT_A), [CLIENT_B, NON_CLIENT, INSIDE, TOR_A]);
    assert_eq!(told_of_a_route_from(NON_CLIENT), [CLIENT_A, CLIENT_B, TOR_A]);
}

/// Returns what `to` is told of a route `from` announces to a reflector with this cluster.
fn reflected(from: PeerId, to: PeerId, said: PathAttributes) -> PathAttributes {
    let mut rib = reflector();
    let cluster_id = Ipv4Addr::new(10, 9, 9, 9);
    rib.set_settings(RibSettings { cluster_id, ..rib.settings().clone() });
    rib.update(from, announce(said, &["10.1.0.0/16"]), 1);
    rib.settle();
    rib.export_afresh(to, &prefix("10.1.0.0/16")).unwrap()
}

#[test]
fn reflection_names_the_originator_and_the_cluster_and_touches_nothing_else() {
    let mut said = attributes(&[65009], "192.0.2.77");
    (said.local_pref, said.med) = (Some(300), Some(7));
    let told = reflected(CLIENT_A, NON_CLIENT, said.clone());
    assert_eq!(told.rare.originator_id, Some(id(CLIENT_A.0)));
    assert_eq!(told.rare.cluster_list, [Ipv4Addr::new(10, 9, 9, 9)]);
    assert_eq!(PathAttributes { rare: said.rare.clone(), ..told }, said);
}

#[test]
fn a_route_reflected_twice_keeps_its_originator_and_gains_a_cluster() {
    let mut said = attributes(&[], "192.0.2.77");
    said.local_pref = Some(100);
    said.rare.edit(|rare| {
        rare.originator_id = Some(id(99));
        rare.cluster_list = vec![Ipv4Addr::new(10, 8, 8, 8)];
    });
    let told = reflected(NON_CLIENT, CLIENT_B, said.clone());
    assert_eq!(told.rare.originator_id, Some(id(99)));
    assert_eq!(told.rare.cluster_list, [Ipv4Addr::new(10, 9, 9, 9), Ipv4Addr::new(10, 8, 8, 8)]);
    let outside = reflected(NON_CLIENT, TOR_A, said);
    assert_eq!((outside.rare.originator_id, outside.rare.cluster_list.len()), (None, 0));
}

#[test]
fn a_route_that_is_not_reflected_names_no_originator() {
    let mut said = attributes(&[65001], "192.0.2.1");
    said.local_pref = Some(100);
    let told = reflected(TOR_A, CLIENT_A, said.clone());
    assert_eq!((told.rare.originator_id, told.rare.cluster_list.len()), (None, 0));
}

#[test]
fn a_route_that_has_been_through_our_cluster_is_refused_whoever_reflected_it() {
    let mut rib = reflector();
    let cluster_id = Ipv4Addr::new(10, 9, 9, 9);
    let mut said = attributes(&[], "192.0.2.77");
    said.rare.edit(|rare| rare.cluster_list = vec![Ipv4Addr::new(10, 8, 8, 8), cluster_id]);
    rib.update(NON_CLIENT, announce(said, &["10.1.0.0/16"]), 1);
    rib.settle();
    let standing = |rib: &Rib| standing(rib, "10.1.0.0/16", Source::Peer(NON_CLIENT));
    assert_eq!(standing(&rib), Some(Standing::Best));
    rib.set_settings(RibSettings { cluster_id, ..rib.settings().clone() });
    rib.settle();
    assert_eq!(standing(&rib), Some(Standing::Rejected(RejectReason::OwnClusterId)));
    rib.audit().unwrap();
}

#[test]
fn a_peer_that_becomes_a_client_is_told_and_its_routes_are() {
    let mut rib = reflector();
    rib.update(INSIDE, announce(attributes(&[], "192.0.2.3"), &["10.1.0.0/16"]), 1);
    rib.update(NON_CLIENT, announce(attributes(&[], "192.0.2.13"), &["10.2.0.0/16"]), 1);
    let mut told = BTreeMap::from([(INSIDE, Told::new()), (NON_CLIENT, Told::new())]);
    let mut hear_all = |rib: &mut Rib| {
        rib.settle();
        told.iter_mut().for_each(|(&id, told)| hear(told, &rib.pull(id, 10)));
        rib.audit().unwrap();
        told.values().map(BTreeMap::len).collect::<Vec<_>>()
    };
    assert_eq!(hear_all(&mut rib), [0, 0]);
    rib.set_client(INSIDE, true);
    assert_eq!(hear_all(&mut rib), [1, 1]);
    rib.set_client(INSIDE, false);
    assert_eq!(hear_all(&mut rib), [0, 0]);
}

#[test]
fn another_cluster_is_told_to_everybody_at_once() {
    let mut rib = reflector();
    rib.update(CLIENT_A, announce(attributes(&[], "192.0.2.11"), &["10.1.0.0/16"]), 1);
    rib.settle();
    rib.pull(CLIENT_B, 10);
    let cluster_id = Ipv4Addr::new(10, 9, 9, 9);
    rib.set_settings(RibSettings { cluster_id, ..rib.settings().clone() });
    rib.settle();
    let adverts = rib.pull(CLIENT_B, 10);
    assert_eq!(adverts.announced[0].attributes.rare.cluster_list, [cluster_id]);
}

/// Returns the next hop a peer is told with a route of 192.0.2.77 from another.
fn next_hop_told(from: PeerId, to: PeerInfo) -> IpAddr {
    let mut rib = reflector();
    let id = PeerId(to.bgp_id.to_ipv4().to_bits());
    rib.peer_up(id, to);
    let path: &[u32] = if from == TOR_A { &[65001] } else { &[] };
    rib.update(from, announce(attributes(path, "192.0.2.77"), &["10.1.0.0/16"]), 1);
    rib.settle();
    rib.export_afresh(id, &prefix("10.1.0.0/16")).unwrap().next_hop.address()
}

#[test]
fn the_next_hop_is_ourselves_or_as_it_came() {
    let (ours, theirs) = (address("192.0.2.100"), address("192.0.2.77"));
    let inside = |next_hop| PeerInfo { next_hop, ..inside(CLIENT_B) };
    let outside = |next_hop| PeerInfo { next_hop, ..peer(TOR_B) };
    for (mode, to_outside, learned, reflected) in [
        (NextHopMode::Auto, ours, theirs, theirs),
        (NextHopMode::Own, ours, ours, theirs),
        (NextHopMode::OwnAlways, ours, ours, ours),
        (NextHopMode::Keep, theirs, theirs, theirs),
    ] {
        assert_eq!(next_hop_told(TOR_A, outside(mode)), to_outside, "{mode:?} from outside to outside");
        assert_eq!(next_hop_told(CLIENT_A, outside(mode)), to_outside, "{mode:?} from inside to outside");
        assert_eq!(next_hop_told(TOR_A, inside(mode)), learned, "{mode:?} from outside to inside");
        assert_eq!(next_hop_told(CLIENT_A, inside(mode)), reflected, "{mode:?} from inside to inside");
    }
}

#[test]
fn no_peer_outside_is_told_of_itself_as_next_hop() {
    let mut rib = reflector();
    let keep = |id| PeerInfo { next_hop: NextHopMode::Keep, ..peer(id) };
    rib.peer_up(TOR_B, PeerInfo { address: address("192.0.2.77"), ..keep(TOR_B) });
    rib.peer_up(PeerId(7), keep(PeerId(7)));
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.77"), &["10.1.0.0/16"]), 1);
    rib.settle();
    let ten = prefix("10.1.0.0/16");
    assert!(rib.pull(TOR_B, 10).announced.is_empty());
    assert_eq!(rib.explain_export(TOR_B, &ten), Err(Withheld::OwnNextHop));
    assert_eq!(rib.pull(PeerId(7), 10).announced[0].attributes.next_hop, address_of("192.0.2.77"));
    // Through another it may go.
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.78"), &["10.1.0.0/16"]), 1);
    rib.settle();
    assert_eq!(rib.pull(TOR_B, 10).announced[0].attributes.next_hop, address_of("192.0.2.78"));
    rib.audit().unwrap();
}

#[test]
fn what_we_originate_has_us_as_next_hop_whatever_is_kept() {
    let mut rib = rib();
    rib.peer_up(TOR_A, PeerInfo { next_hop: NextHopMode::Keep, ..peer(TOR_A) });
    rib.originate([Origination::of(prefix("10.1.0.0/24"))], 0);
    rib.settle();
    let told = rib.export_afresh(TOR_A, &prefix("10.1.0.0/24")).unwrap();
    assert_eq!(told.next_hop, address_of("192.0.2.100"));
}
