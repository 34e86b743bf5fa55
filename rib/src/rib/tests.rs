//! Tests of the tables as a whole.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use bgp::wire::CodecContext;
use bgp::{
    Announcement, AsPath, Asn, BgpId, Community, Family, FamilySet, NextHop, Nlri, PathAttributes, Update,
};
use ipnet::IpNet;

use super::{Rib, RibSettings};
use crate::adj_rib_out::Adverts;
use crate::export::{Export, Withheld};
use crate::forwarding::{Forwarding, Gateway};
use crate::import::{Import, RejectReason, Safe};
use crate::next_hop::Resolution;
use crate::origination::Origination;
use crate::own_as::{Behind, OwnAs, Shown};
use crate::path::{PeerId, Source, Standing};
use crate::peer::{AddPath, NextHopMode, NextHopSelf, PeerInfo};

mod add_path;
mod aigp;
mod blackhole;
mod borders;
mod drain;
mod history;
mod model;
mod monitors;
mod order;
mod own_as;
mod owners;
mod reflection;
mod refresh;
mod roles;
mod staleness;
mod trials;
mod weights;

const OURS: Asn = Asn(65000);
const TOR_A: PeerId = PeerId(1);
const TOR_B: PeerId = PeerId(2);
const INSIDE: PeerId = PeerId(3);

fn prefix(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn id(number: u32) -> BgpId {
    BgpId::new(Ipv4Addr::from_bits(number)).unwrap()
}

fn rib() -> Rib {
    Rib::new(RibSettings { resolve: false, ..RibSettings::new(id(0x0A00_0001)) })
}

/// Makes a peer of the AS 65000 + its number, but [`INSIDE`] one of our own.
fn peer(PeerId(number): PeerId) -> PeerInfo {
    let address = Ipv4Addr::new(192, 0, 2, number as u8);
    PeerInfo {
        asn: if PeerId(number) == INSIDE { OURS } else { Asn(OURS.0 + number) },
        local_asn: OURS,
        own_as: OwnAs::default(),
        bgp_id: id(number),
        address: address.into(),
        role: None,
        interface: None,
        link: None,
        families: FamilySet::ALL,
        next_hop_self: NextHopSelf {
            ipv4: Some(address_of("192.0.2.100")),
            ipv6: Some(address_of("2001:db8::100")),
        },
        extended_next_hop: FamilySet::NONE,
        import: Arc::new(Import::All),
        export: Arc::new(Export::All),
        max_prefixes: None,
        long_lived: FamilySet::NONE,
        enforce_first_as: true,
        client: false,
        next_hop: NextHopMode::Auto,
        add_path: AddPath::default(),
        graceful_shutdown: true,
        drain: None,
        blackhole: false,
        link_bandwidth: None,
        aigp: PeerId(number) == INSIDE,
        codec: CodecContext::before_open(),
    }
}

fn address_of(text: &str) -> NextHop {
    NextHop::from(address(text))
}

fn attributes(path: &[u32], next_hop: &str) -> PathAttributes {
    let mut attributes = PathAttributes::originated(address_of(next_hop));
    attributes.as_path = AsPath::sequence(path.iter().copied().map(Asn));
    attributes
}

fn announce(attributes: PathAttributes, prefixes: &[&str]) -> Update {
    let nlri = prefixes.iter().map(|text| Nlri::from(prefix(text))).collect();
    Update { announced: vec![Announcement { attributes, nlri }], ..Update::default() }
}

fn withdraw(prefixes: &[&str]) -> Update {
    let withdrawn = prefixes.iter().map(|text| Nlri::from(prefix(text))).collect();
    Update { withdrawn, ..Update::default() }
}

/// What a peer believes after hearing adverts.
type Told = BTreeMap<Nlri, PathAttributes>;

fn hear(told: &mut Told, adverts: &Adverts) {
    for (_, withdrawn) in &adverts.withdrawn {
        for nlri in withdrawn {
            assert!(told.remove(nlri).is_some(), "{nlri:?} was withdrawn but never told");
        }
    }
    for advert in &adverts.announced {
        for nlri in &advert.nlri {
            assert_eq!(Family::of(&nlri.prefix), advert.family);
            told.insert(*nlri, (*advert.attributes).clone());
        }
    }
}

fn standing(rib: &Rib, text: &str, of: Source) -> Option<Standing> {
    let destination = rib.destination(&prefix(text))?;
    destination.paths().find(|path| path.source() == of).map(|path| path.standing())
}

#[test]
fn two_switches_with_an_as_each_share_the_load() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.peer_up(TOR_B, peer(TOR_B));
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &["0.0.0.0/0"]), 1);
    rib.update(TOR_B, announce(attributes(&[65002], "192.0.2.2"), &["0.0.0.0/0"]), 2);
    rib.settle();
    let changes = rib.pull_forwarding(10);
    let gateway = |text| Gateway::new(address(text), None);
    let both = Forwarding::Via(vec![gateway("192.0.2.1"), gateway("192.0.2.2")]);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].forwarding, Some(both));

    rib.peer_down(TOR_A);
    rib.settle();
    let changes = rib.pull_forwarding(10);
    assert_eq!(changes[0].forwarding, Some(Forwarding::Via(vec![gateway("192.0.2.2")])));
    rib.audit().unwrap();
}

#[test]
fn equal_link_local_next_hops_on_two_links_are_two_gateways() {
    let mut rib = Rib::new(RibSettings::new(id(9)));
    let default = "::/0";
    for (peer_id, interface) in [(TOR_A, 11), (TOR_B, 12)] {
        rib.peer_up(peer_id, PeerInfo { interface: Some(interface), ..peer(peer_id) });
        rib.update(peer_id, announce(attributes(&[OURS.0 + peer_id.0], "fe80::1"), &[default]), 1);
    }
    rib.settle();
    let gateway = |interface| Gateway::new(address("fe80::1"), Some(interface));
    let changes = rib.pull_forwarding(10);
    assert_eq!(changes[0].forwarding, Some(Forwarding::Via(vec![gateway(11), gateway(12)])));
    assert!(rib.tracked_next_hops().added.is_empty());
}

#[test]
fn a_next_hop_counts_once_it_is_resolved() {
    let mut rib = Rib::new(RibSettings::new(id(9)));
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &["10.1.0.0/16"]), 1);
    rib.settle();
    assert_eq!(standing(&rib, "10.1.0.0/16", Source::Peer(TOR_A)), Some(Standing::Unreachable));
    assert!(rib.pull_forwarding(10).is_empty());

    assert_eq!(rib.tracked_next_hops().added, [address("192.0.2.1")]);
    rib.next_hop(address("192.0.2.1"), Resolution::OnLink { interface: Some(3) });
    rib.settle();
    assert_eq!(standing(&rib, "10.1.0.0/16", Source::Peer(TOR_A)), Some(Standing::Best));
    let gateway = Gateway::new(address("192.0.2.1"), Some(3));
    assert_eq!(rib.pull_forwarding(10)[0].forwarding, Some(Forwarding::Via(vec![gateway])));

    rib.update(TOR_A, withdraw(&["10.1.0.0/16"]), 2);
    rib.settle();
    assert_eq!(rib.pull_forwarding(10)[0].forwarding, None);
    assert_eq!(rib.tracked_next_hops().removed, [address("192.0.2.1")]);
    rib.pull(TOR_A, 10);
    assert!(rib.is_empty());
    rib.audit().unwrap();
}

#[test]
fn an_originated_prefix_beats_every_learned_one_and_goes_out_as_ours() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    let mut better = attributes(&[65001], "192.0.2.1");
    better.origin = bgp::attributes::Origin::Igp;
    rib.update(TOR_A, announce(better, &["10.1.0.0/24"]), 1);
    let origination =
        Origination { communities: vec![Community::NO_EXPORT], ..Origination::of(prefix("10.1.0.0/24")) };
    rib.originate([origination], 2);
    rib.settle();
    assert_eq!(standing(&rib, "10.1.0.0/24", Source::Local), Some(Standing::Best));

    let adverts = rib.pull(TOR_A, 10);
    let told = &adverts.announced[0].attributes;
    assert_eq!(told.as_path, AsPath::sequence([OURS]));
    assert_eq!(told.next_hop, address_of("192.0.2.100"));
    assert_eq!(told.communities, [Community::NO_EXPORT]);
    assert_eq!(rib.pull_forwarding(10)[0].forwarding, Some(Forwarding::Blackhole));

    rib.originate([], 3);
    rib.settle();
    // The peer's own path is best now, and is not told back to it.
    assert_eq!(rib.pull(TOR_A, 10).withdrawn, [(Family::Ipv4, vec![Nlri::from(prefix("10.1.0.0/24"))])]);
    rib.audit().unwrap();
}

#[test]
fn end_of_rib_comes_after_the_routes_that_were_there_first() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    let prefixes: Vec<_> = (0..200).map(|index| format!("10.{index}.0.0/16")).collect();
    let prefixes: Vec<_> = prefixes.iter().map(String::as_str).collect();
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &prefixes), 1);
    rib.settle();
    rib.peer_up(TOR_B, peer(TOR_B));
    let first = rib.pull(TOR_B, 100);
    assert!(first.end_of_rib.is_empty() && first.more);
    let second = rib.pull(TOR_B, 100);
    assert_eq!(second.end_of_rib, Family::ALL);
    assert!(rib.pull(TOR_B, 100).is_empty());
    assert!(!rib.has_pending(TOR_B));
}

#[test]
fn a_peer_with_nothing_to_hear_is_told_so() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    assert!(rib.has_pending(TOR_A));
    assert_eq!(rib.pull(TOR_A, 1).end_of_rib, Family::ALL);
}

#[test]
fn a_refresh_says_everything_of_one_family_again() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.originate(["10.0.0.0/24", "2001:db8:1::/48"].map(|text| Origination::of(prefix(text))), 1);
    rib.settle();
    let mut told = Told::new();
    hear(&mut told, &rib.pull(TOR_A, 10));
    assert_eq!(told.len(), 2);

    rib.refresh(TOR_A, Family::Ipv6);
    let adverts = rib.pull(TOR_A, 10);
    assert_eq!(adverts.announced.len(), 1);
    assert_eq!(adverts.announced[0].nlri, [Nlri::from(prefix("2001:db8:1::/48"))]);
    assert!(rib.pull(TOR_A, 10).is_empty());
    rib.audit().unwrap();
}

#[test]
fn a_flood_of_refreshes_is_answered_once() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.originate(["10.0.0.0/24", "10.0.1.0/24"].map(|text| Origination::of(prefix(text))), 1);
    rib.settle();
    rib.pull(TOR_A, 10);
    assert!(!rib.has_pending(TOR_A));
    (0..1000).for_each(|_| rib.refresh(TOR_A, Family::Ipv4));
    assert!(rib.has_pending(TOR_A));
    let first = rib.pull(TOR_A, 1);
    assert_eq!((first.announced[0].nlri.len(), first.more), (1, true));
    // Asked in the middle of the answer, there is one more, once this is over.
    (0..1000).for_each(|_| rib.refresh(TOR_A, Family::Ipv4));
    assert_eq!(rib.pull(TOR_A, 10).announced[0].nlri.len(), 1);
    assert_eq!(rib.pull(TOR_A, 10).announced[0].nlri.len(), 2);
    assert!(!rib.has_pending(TOR_A));
    rib.audit().unwrap();
}

#[test]
fn a_withdrawal_of_what_was_never_announced_is_harmless() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.peer_up(TOR_B, peer(TOR_B));
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &["10.1.0.0/16"]), 1);
    // Of nobody, and of somebody else.
    rib.update(TOR_B, withdraw(&["10.2.0.0/16", "10.1.0.0/16"]), 2);
    rib.settle();
    assert_eq!(standing(&rib, "10.1.0.0/16", Source::Peer(TOR_A)), Some(Standing::Best));
    assert!(rib.destination(&prefix("10.2.0.0/16")).is_none());
    rib.audit().unwrap();
}

#[test]
fn the_same_prefix_again_replaces_what_was_said_before() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    let said = |med| PathAttributes { med: Some(med), ..attributes(&[65001], "192.0.2.1") };
    rib.update(TOR_A, announce(said(1), &["10.1.0.0/16"]), 1);
    rib.update(TOR_A, announce(said(2), &["10.1.0.0/16", "10.1.0.0/16"]), 2);
    rib.settle();
    let meds: Vec<_> =
        rib.destination(&prefix("10.1.0.0/16")).unwrap().paths().map(|path| path.received().med).collect();
    assert_eq!(meds, [Some(2)]);
    assert_eq!(rib.attribute_sets(), 1);
    rib.audit().unwrap();
}

#[test]
fn a_route_is_never_told_back_to_who_told_it() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &["10.1.0.0/16"]), 1);
    rib.settle();
    let adverts = rib.pull(TOR_A, 10);
    assert!(adverts.announced.is_empty() && adverts.withdrawn.is_empty());
    assert_eq!(rib.explain_export(TOR_A, &prefix("10.1.0.0/16")), Err(Withheld::OwnPath));
}

#[test]
fn what_no_message_can_hold_is_withheld_until_it_changes() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.peer_up(TOR_B, peer(TOR_B));
    let ten = prefix("10.1.0.0/16");
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &["10.1.0.0/16"]), 1);
    rib.settle();
    assert_eq!(rib.explain_export(TOR_B, &ten), Err(Withheld::Pending));
    rib.pull(TOR_B, 10);
    assert!(rib.explain_export(TOR_B, &ten).is_ok());

    rib.withhold(TOR_B, &[Nlri::from(ten), Nlri::from(prefix("10.2.0.0/16"))]);
    rib.withhold(TOR_B, &[Nlri::from(ten)]);
    assert_eq!(rib.explain_export(TOR_B, &ten), Err(Withheld::Oversized));
    assert_eq!(rib.advertised(TOR_B, Family::Ipv4).count(), 0);
    assert_eq!((rib.stats().advertised, rib.stats().unadvertised), (0, 1));
    rib.audit().unwrap();
    rib.refresh(TOR_B, Family::Ipv4);
    assert!(rib.pull(TOR_B, 10).announced.is_empty(), "the same would overfill the same message");

    rib.update(TOR_A, announce(attributes(&[65001, 65009], "192.0.2.1"), &["10.1.0.0/16"]), 2);
    rib.settle();
    assert_eq!(rib.pull(TOR_B, 10).announced.len(), 1);
    assert!(rib.explain_export(TOR_B, &ten).is_ok());
    rib.update(TOR_A, withdraw(&["10.1.0.0/16"]), 3);
    rib.settle();
    assert_eq!(rib.explain_export(TOR_B, &ten).err(), None, "told until it is taken back");
    rib.pull(TOR_B, 10);
    assert_eq!(rib.explain_export(TOR_B, &ten), Err(Withheld::NoBestPath));
    rib.audit().unwrap();
}

#[test]
fn a_change_and_back_before_the_pull_is_nothing() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.peer_up(TOR_B, peer(TOR_B));
    let route = || announce(attributes(&[65001], "192.0.2.1"), &["10.1.0.0/16"]);
    rib.update(TOR_A, route(), 1);
    rib.settle();
    assert_eq!(rib.pull(TOR_B, 10).announced.len(), 1);
    rib.pull_forwarding(10);
    rib.update(TOR_A, withdraw(&["10.1.0.0/16"]), 2);
    rib.settle();
    rib.update(TOR_A, route(), 3);
    rib.settle();
    assert!(rib.pull(TOR_B, 10).is_empty());
    assert!(rib.pull_forwarding(10).is_empty());
    rib.audit().unwrap();
}

#[test]
fn a_limit_is_reported_once_exceeded() {
    let mut rib = rib();
    rib.peer_up(TOR_A, PeerInfo { max_prefixes: Some(1), ..peer(TOR_A) });
    let route = |text| announce(attributes(&[65001], "192.0.2.1"), &[text]);
    assert!(!rib.update(TOR_A, route("10.1.0.0/16"), 1).limit_exceeded);
    assert!(!rib.update(TOR_A, route("10.1.0.0/16"), 1).limit_exceeded);
    assert!(rib.update(TOR_A, route("10.2.0.0/16"), 1).limit_exceeded);
}

#[test]
fn the_longest_match_needs_a_best_path() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &["10.0.0.0/8"]), 1);
    rib.update(TOR_A, announce(attributes(&[65001, OURS.0], "192.0.2.1"), &["10.1.0.0/16"]), 1);
    rib.settle();
    let found = rib.longest_match(address("10.1.2.3")).unwrap();
    assert_eq!(found.prefix(), prefix("10.0.0.0/8"));
    assert!(rib.longest_match(address("11.1.2.3")).is_none());
}

#[test]
fn a_walk_goes_on_behind_a_prefix_that_is_gone() {
    let mut rib = rib();
    rib.originate(
        ["10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16", "11.0.0.0/8"].map(|p| Origination::of(prefix(p))),
        0,
    );
    let after = |text| {
        let behind = rib.destinations_after(Family::Ipv4, Some(prefix(text)));
        behind.map(|destination| destination.prefix().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(after("10.1.0.0/16"), ["10.2.0.0/16", "11.0.0.0/8"]);
    assert_eq!(after("10.1.128.0/17"), ["10.2.0.0/16", "11.0.0.0/8"]);
    assert_eq!(after("0.0.0.0/0").len(), 4);
    assert!(after("12.0.0.0/8").is_empty());
}
