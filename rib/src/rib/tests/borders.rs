//! What comes in and what goes out, by the rules of the protocol and of the policies.

use super::*;
use crate::policy::{Decision, Match, Policy, Rule};

/// Returns how a path stands that says this over a session to [`TOR_A`] with this import.
fn imported(import: Import, said: PathAttributes, text: &str) -> Standing {
    let mut rib = rib();
    rib.originate([Origination::of(prefix("172.16.0.0/24"))], 0);
    rib.peer_up(TOR_A, PeerInfo { import: Arc::new(import), ..peer(TOR_A) });
    rib.update(TOR_A, announce(said, &[text]), 1);
    rib.settle();
    rib.audit().unwrap();
    standing(&rib, text, Source::Peer(TOR_A)).unwrap()
}

#[test]
fn what_the_protocol_forbids_is_kept_with_its_reason() {
    let reason = |said| imported(Import::All, said, "10.1.0.0/16");
    assert_eq!(reason(attributes(&[65001, OURS.0], "192.0.2.1")), Standing::Rejected(RejectReason::OwnAs));
    assert_eq!(reason(attributes(&[65009], "192.0.2.1")), Standing::Rejected(RejectReason::FirstAs));
    assert_eq!(reason(attributes(&[], "192.0.2.1")), Standing::Rejected(RejectReason::FirstAs));
    for bad in [
        "0.1.2.3",
        "127.0.0.1",
        "224.0.0.5",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.100",
        "::",
        "::1",
        "ff02::1",
    ] {
        assert_eq!(reason(attributes(&[65001], bad)), Standing::Rejected(RejectReason::NextHop), "{bad}");
    }
    assert_eq!(reason(attributes(&[65001], "192.0.2.1")), Standing::Best);
}

#[test]
fn internal_routes_that_were_ours_are_refused() {
    let mut rib = rib();
    rib.peer_up(INSIDE, peer(INSIDE));
    let mut said = attributes(&[], "192.0.2.3");
    let router_id = rib.settings().router_id;
    said.rare.edit(|rare| rare.originator_id = Some(router_id));
    rib.update(INSIDE, announce(said.clone(), &["10.1.0.0/16"]), 1);
    said.rare.edit(|rare| {
        rare.originator_id = None;
        rare.cluster_list = vec![router_id.to_ipv4()];
    });
    rib.update(INSIDE, announce(said, &["10.2.0.0/16"]), 1);
    rib.settle();
    let standing = |text| standing(&rib, text, Source::Peer(INSIDE)).unwrap();
    assert_eq!(standing("10.1.0.0/16"), Standing::Rejected(RejectReason::OwnOriginatorId));
    assert_eq!(standing("10.2.0.0/16"), Standing::Rejected(RejectReason::OwnClusterId));
}

#[test]
fn the_safe_import_refuses_what_no_neighbour_should_tell() {
    let said = |text: &str| {
        let next_hop = if text.contains(':') { "2001:db8::1" } else { "192.0.2.1" };
        let safe = Safe { longest_ipv4: 24, longest_ipv6: 64 };
        imported(Import::Safe(safe), attributes(&[65001], next_hop), text)
    };
    for martian in [
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.1.0/24",
        "224.0.0.0/3",
        "::/96",
        "::1/128",
        "fe80::/64",
        "ff00::/8",
        "::ffff:10.0.0.0/104",
    ] {
        assert_eq!(said(martian), Standing::Rejected(RejectReason::Martian), "{martian}");
    }
    assert_eq!(said("172.16.0.0/25"), Standing::Rejected(RejectReason::OwnBlock));
    assert_eq!(said("10.1.0.0/25"), Standing::Rejected(RejectReason::TooLong));
    assert_eq!(said("2001:db8::/65"), Standing::Rejected(RejectReason::TooLong));
    for fine in ["0.0.0.0/0", "::/0", "172.16.0.0/16", "10.1.0.0/24"] {
        assert_eq!(said(fine), Standing::Best, "{fine}");
    }
}

#[test]
fn what_we_originate_later_is_refused_from_then_on() {
    let mut rib = rib();
    rib.peer_up(TOR_A, PeerInfo { import: Arc::new(Import::Safe(Safe::default())), ..peer(TOR_A) });
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &["10.1.0.0/26"]), 1);
    rib.originate([Origination::of(prefix("10.1.0.0/24"))], 2);
    rib.settle();
    let refused = Some(Standing::Rejected(RejectReason::OwnBlock));
    assert_eq!(standing(&rib, "10.1.0.0/26", Source::Peer(TOR_A)), refused);
    rib.originate([], 3);
    rib.settle();
    assert_eq!(standing(&rib, "10.1.0.0/26", Source::Peer(TOR_A)), Some(Standing::Best));
    rib.audit().unwrap();
}

#[test]
fn the_safe_import_refuses_what_is_guarded_and_nothing_else_does() {
    let guard = crate::Guard {
        refused: [
            (prefix("10.96.0.0/12"), crate::Guarded::Services),
            (prefix("10.97.0.7/32"), crate::Guarded::NodeAddress),
            (prefix("2001:db8:1::/112"), crate::Guarded::Services),
        ]
        .into(),
        refuse_default: true,
    };
    let mut rib = rib();
    rib.peer_up(TOR_A, PeerInfo { import: Arc::new(Import::Safe(Safe::default())), ..peer(TOR_A) });
    rib.peer_up(TOR_B, PeerInfo { import: Arc::new(Import::All), ..peer(TOR_B) });
    let expected = [
        ("10.96.0.0/12", Some(RejectReason::ServiceRange)),
        ("10.96.0.1/32", Some(RejectReason::ServiceRange)),
        ("10.97.0.7/32", Some(RejectReason::NodeAddress)),
        ("10.0.0.0/8", None),
        ("10.112.0.0/16", None),
        ("0.0.0.0/0", Some(RejectReason::DefaultRoute)),
    ];
    let all: Vec<_> = expected.iter().map(|(text, _)| *text).collect();
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &all), 1);
    rib.update(TOR_B, announce(attributes(&[65002], "192.0.2.2"), &all), 1);
    rib.settle();
    rib.set_guard(&guard);
    rib.settle();
    rib.audit().unwrap();
    for (text, reason) in expected {
        let standing = |peer| standing(&rib, text, Source::Peer(peer)).unwrap();
        assert_eq!(standing(TOR_A), reason.map_or(standing(TOR_A), Standing::Rejected), "{text}");
        assert_eq!(matches!(standing(TOR_A), Standing::Rejected(_)), reason.is_some(), "{text}");
        assert!(!matches!(standing(TOR_B), Standing::Rejected(_)), "{text}");
    }
    rib.set_guard(&crate::Guard::default());
    rib.settle();
    assert!(!matches!(standing(&rib, "10.96.0.1/32", Source::Peer(TOR_A)), Some(Standing::Rejected(_))));
}

#[test]
fn what_somebody_else_has_in_our_kernel_is_no_block_of_ours() {
    let mut rib = rib();
    rib.peer_up(TOR_A, PeerInfo { import: Arc::new(Import::Safe(Safe::default())), ..peer(TOR_A) });
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &["10.1.0.0/26"]), 1);
    let by_kernel = |interface: &str, gateway| Origination {
        blackhole: false,
        kernel: Some(crate::KernelRoute { interface: interface.into(), gateway }),
        ..Origination::of(prefix("10.1.0.0/24"))
    };
    rib.originate([by_kernel("eth0", None)], 2);
    rib.settle();
    assert_eq!(standing(&rib, "10.1.0.0/26", Source::Peer(TOR_A)), Some(Standing::Best));
    let of_block = |rib: &Rib| rib.destination(&prefix("10.1.0.0/24")).unwrap().wanted_forwarding();
    assert_eq!(of_block(&rib), None);
    // It becomes one, and ceases to be one.
    rib.originate([Origination::of(prefix("10.1.0.0/24"))], 3);
    rib.settle();
    let refused = Some(Standing::Rejected(RejectReason::OwnBlock));
    assert_eq!(standing(&rib, "10.1.0.0/26", Source::Peer(TOR_A)), refused);
    assert_eq!(of_block(&rib), Some(Forwarding::Blackhole));
    rib.originate([by_kernel("eth0", Some(address("192.0.2.9")))], 4);
    rib.settle();
    assert_eq!(standing(&rib, "10.1.0.0/26", Source::Peer(TOR_A)), Some(Standing::Best));
    rib.audit().unwrap();
}

#[test]
fn the_gateway_of_a_kernel_route_is_the_next_hop_inside_our_as() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.peer_up(INSIDE, peer(INSIDE));
    let kernel =
        |gateway| Some(crate::KernelRoute { interface: "eth1".into(), gateway: Some(address(gateway)) });
    let text = "10.1.0.0/24";
    let by = |gateway| Origination { kernel: kernel(gateway), ..Origination::of(prefix(text)) };
    rib.originate([by("192.0.2.9")], 0);
    rib.settle();
    let next_hop = |rib: &Rib, to| rib.export_afresh(to, &prefix(text)).unwrap().next_hop;
    assert_eq!(next_hop(&rib, INSIDE), address_of("192.0.2.9"));
    assert_eq!(next_hop(&rib, TOR_A), address_of("192.0.2.100"));
    // One of the other family cannot be told to everybody.
    rib.originate([by("2001:db8::9")], 1);
    rib.settle();
    assert_eq!(next_hop(&rib, INSIDE), address_of("192.0.2.100"));
    rib.audit().unwrap();
}

#[test]
fn policies_see_the_interface_a_route_leaves_by() {
    use crate::policy::{Decision, Match, Policy, Rule};
    let over = |shape: &str| {
        let matches = vec![Match::Interface(shape.parse().unwrap())];
        let rule = Rule { name: String::new(), matches, edits: vec![], decision: Some(Decision::Reject) };
        Policy { name: "over".to_owned(), rules: vec![rule], otherwise: Decision::Accept }
    };
    let mut rib = Rib::new(RibSettings::new(id(0x0A00_0001)));
    let import = Arc::new(Import::Policy(over("wan*")));
    rib.peer_up(TOR_A, PeerInfo { import: Arc::clone(&import), link: Some("wan0".into()), ..peer(TOR_A) });
    let export = Arc::new(Export::Policy(over("eth?")));
    rib.peer_up(INSIDE, PeerInfo { export, ..peer(INSIDE) });
    rib.peer_up(TOR_B, PeerInfo { import, link: Some("lan0".into()), ..peer(TOR_B) });
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &["10.1.0.0/16"]), 1);
    rib.update(TOR_B, announce(attributes(&[65002], "192.0.2.2"), &["10.2.0.0/16"]), 1);
    rib.next_hop(address("192.0.2.1"), Resolution::OnLink { interface: Some(9) });
    rib.next_hop(address("192.0.2.2"), Resolution::OnLink { interface: Some(1) });
    let kernel = Some(crate::KernelRoute { interface: "eth7".into(), gateway: None });
    rib.originate([Origination { kernel, ..Origination::of(prefix("10.3.0.0/16")) }], 0);
    rib.settle();
    let rejected = Some(Standing::Rejected(RejectReason::Policy));
    assert_eq!(standing(&rib, "10.1.0.0/16", Source::Peer(TOR_A)), rejected);
    assert_eq!(standing(&rib, "10.2.0.0/16", Source::Peer(TOR_B)), Some(Standing::Best));
    let told = |rib: &Rib, text| rib.export_afresh(INSIDE, &prefix(text)).err();
    assert_eq!(told(&rib, "10.3.0.0/16"), Some(Withheld::Policy(0)));
    assert_eq!(told(&rib, "10.2.0.0/16"), None, "of a link without a name nothing is known");
    rib.pull(INSIDE, 10);
    // The link gets a name, and the next hop then moves to another.
    rib.name_link(1, Some("eth0"));
    assert_eq!(rib.pull(INSIDE, 10).withdrawn.len(), 1);
    assert_eq!(told(&rib, "10.2.0.0/16"), Some(Withheld::Policy(0)));
    rib.name_link(2, Some("tun0"));
    rib.next_hop(address("192.0.2.2"), Resolution::OnLink { interface: Some(2) });
    rib.settle();
    assert_eq!(rib.pull(INSIDE, 10).announced.len(), 1);
    rib.audit().unwrap();
}

#[test]
fn an_external_peer_has_no_say_in_our_local_pref() {
    let mut said = attributes(&[65001], "192.0.2.1");
    said.local_pref = Some(4_000_000);
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, announce(said.clone(), &["10.1.0.0/16"]), 1);
    rib.settle();
    let destination = rib.destination(&prefix("10.1.0.0/16")).unwrap();
    let path = destination.best().unwrap();
    assert_eq!(path.received(), &said);
    assert_eq!(path.accepted().unwrap().local_pref, None);
}

/// Returns what `to` is told of a route `from` announces.
fn exported(
    from: PeerId,
    to: PeerInfo,
    said: PathAttributes,
    text: &str,
) -> Result<PathAttributes, Withheld> {
    let mut rib = rib();
    let to_id = PeerId(to.bgp_id.to_ipv4().to_bits());
    rib.peer_up(from, peer(from));
    rib.peer_up(to_id, to);
    rib.update(from, announce(said, &[text]), 1);
    rib.settle();
    rib.export_afresh(to_id, &prefix(text))
}

#[test]
fn what_crosses_the_border_leaves_the_inside_behind() {
    let mut said = attributes(&[65001], "192.0.2.1");
    said.med = Some(7);
    let kinds = [[0x00, 2, 0, 0, 0, 0, 0, 1], [0x40, 2, 0, 0, 0, 0, 0, 1]].map(bgp::ExtendedCommunity);
    said.rare.edit(|rare| rare.extended_communities = kinds.to_vec());
    let told = exported(TOR_A, peer(TOR_B), said.clone(), "10.1.0.0/16").unwrap();
    assert_eq!(told.as_path, AsPath::sequence([OURS, Asn(65001)]));
    assert_eq!(told.next_hop, address_of("192.0.2.100"));
    assert_eq!((told.med, told.local_pref), (None, None));
    assert_eq!(told.rare.extended_communities.len(), 1);

    let told = exported(TOR_A, peer(INSIDE), said.clone(), "10.1.0.0/16").unwrap();
    assert_eq!(told, PathAttributes { local_pref: Some(100), ..said });
}

#[test]
fn what_is_withheld_says_why() {
    let said = |communities: &[Community]| {
        let mut said = attributes(&[65001], "192.0.2.1");
        said.communities = communities.to_vec();
        said
    };
    let told = |to, communities| exported(TOR_A, to, said(communities), "10.1.0.0/16").map(|_| ());
    assert_eq!(told(peer(INSIDE), &[Community::NO_ADVERTISE]), Err(Withheld::NoAdvertise));
    assert_eq!(told(peer(TOR_B), &[Community::NO_EXPORT]), Err(Withheld::NoExport));
    assert_eq!(told(peer(INSIDE), &[Community::NO_EXPORT]), Ok(()));
    assert_eq!(told(peer(TOR_B), &[Community::NO_EXPORT_SUBCONFED]), Err(Withheld::NoExportSubconfed));
    let export = |export| PeerInfo { export: Arc::new(export), ..peer(TOR_B) };
    assert_eq!(told(export(Export::Originated), &[]), Err(Withheld::NotOriginated));
    assert_eq!(told(export(Export::None), &[]), Err(Withheld::ExportNone));
    let nowhere = PeerInfo { next_hop_self: NextHopSelf::default(), ..peer(TOR_B) };
    assert_eq!(told(nowhere, &[]), Err(Withheld::NoNextHopSelf));
    let mixed = NextHopSelf { ipv4: Some(address_of("2001:db8::100")), ipv6: None };
    let mixed = PeerInfo { next_hop_self: mixed, ..peer(TOR_B) };
    assert_eq!(told(mixed.clone(), &[]), Err(Withheld::NextHopFamily));
    let extended = PeerInfo { extended_next_hop: FamilySet::from_iter([Family::Ipv4]), ..mixed };
    assert_eq!(told(extended, &[]), Ok(()));

    let internal = attributes(&[], "192.0.2.3");
    let another = PeerInfo { asn: OURS, ..peer(TOR_B) };
    assert_eq!(exported(INSIDE, another, internal, "10.1.0.0/16"), Err(Withheld::Internal));
}

#[test]
fn a_link_local_next_hop_goes_no_further_than_its_link() {
    let mut said = attributes(&[65001], "2001:db8::1");
    said.next_hop = NextHop::V6 { global: Ipv6Addr::new(0xFE80, 0, 0, 0, 0, 0, 0, 1), link_local: None };
    let told = exported(TOR_A, peer(INSIDE), said, "2001:db8:1::/48").unwrap();
    assert_eq!(told.next_hop, address_of("2001:db8::100"));
}

#[test]
fn a_path_says_which_rule_let_it_in_or_not() {
    use crate::policy::{Decision, Edit, Match, Policy, Rule};
    let rule = |community: u32, decision| Rule {
        name: String::new(),
        matches: vec![Match::Community([Community(community)].into())],
        edits: vec![Edit::LocalPref(300)],
        decision: Some(decision),
    };
    let rules = vec![rule(1, Decision::Reject), rule(2, Decision::Accept)];
    let policy = Policy { name: "test".to_owned(), rules, otherwise: Decision::Reject };
    let mut rib = rib();
    rib.peer_up(TOR_A, PeerInfo { import: Arc::new(Import::Policy(policy)), ..peer(TOR_A) });
    for (text, community) in [("10.1.0.0/16", 1), ("10.2.0.0/16", 2), ("10.3.0.0/16", 3)] {
        let mut said = attributes(&[65001], "192.0.2.1");
        said.communities = vec![Community(community)];
        rib.update(TOR_A, announce(said, &[text]), 1);
    }
    rib.settle();
    let path = |text| rib.destination(&prefix(text)).unwrap().paths().next().unwrap();
    let rejected = path("10.1.0.0/16");
    assert_eq!(rejected.standing(), Standing::Rejected(RejectReason::Policy));
    assert_eq!((rejected.import_rule(), rejected.accepted()), (Some(0), None));
    let accepted = path("10.2.0.0/16");
    assert_eq!(accepted.import_rule(), Some(1));
    assert_eq!(accepted.accepted().unwrap().local_pref, Some(300));
    let unknown = path("10.3.0.0/16");
    assert_eq!(unknown.standing(), Standing::Rejected(RejectReason::PolicyDefault));
    assert_eq!(unknown.import_rule(), None);
    let counts = rib.counts(TOR_A, Family::Ipv4).unwrap();
    assert_eq!((counts.received(), counts.accepted(), counts.rejected()), (3, 1, 2));
}

#[test]
fn a_policy_behind_the_safe_import_sees_only_what_is_safe() {
    let rule = Rule {
        name: String::new(),
        matches: vec![Match::AsPathContains(Asn(64999).into())],
        edits: Vec::new(),
        decision: Some(Decision::Reject),
    };
    let policy = Policy { name: "p".to_owned(), rules: vec![rule], otherwise: Decision::Accept };
    let mut rib = rib();
    rib.originate([Origination::of(prefix("10.1.0.0/16"))], 0);
    rib.peer_up(
        TOR_A,
        PeerInfo { import: Arc::new(Import::Guarded(Safe::default(), policy)), ..peer(TOR_A) },
    );
    let said = attributes(&[65001], "192.0.2.1");
    rib.update(TOR_A, announce(said, &["10.2.0.0/16", "10.1.2.0/24", "127.1.0.0/16"]), 1);
    rib.update(TOR_A, announce(attributes(&[65001, 64999], "192.0.2.1"), &["10.3.0.0/16"]), 1);
    rib.settle();
    let standing = |text| standing(&rib, text, Source::Peer(TOR_A)).unwrap();
    assert_eq!(standing("10.2.0.0/16"), Standing::Best);
    assert_eq!(standing("10.1.2.0/24"), Standing::Rejected(RejectReason::OwnBlock));
    assert_eq!(standing("127.1.0.0/16"), Standing::Rejected(RejectReason::Martian));
    assert_eq!(standing("10.3.0.0/16"), Standing::Rejected(RejectReason::Policy));
    // What becomes ours is ours alone, policy or not.
    rib.originate([Origination::of(prefix("10.2.0.0/15"))], 2);
    rib.settle();
    let now = super::standing(&rib, "10.2.0.0/16", Source::Peer(TOR_A)).unwrap();
    assert_eq!(now, Standing::Rejected(RejectReason::OwnBlock));
}
