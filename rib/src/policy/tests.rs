use std::net::{IpAddr, Ipv4Addr};

use bgp::attributes::Origin;
use bgp::{AsPath, Community, ExtendedCommunity, Family, LargeCommunity, NextHop};

use super::*;

fn attributes() -> PathAttributes {
    let next_hop = IpAddr::from(Ipv4Addr::new(192, 0, 2, 1));
    let mut attributes = PathAttributes::originated(next_hop.into());
    attributes.as_path = AsPath::sequence([65001, 65002, 65003].map(Asn));
    attributes.communities = vec![Community(1), Community(5)];
    attributes.rare.edit(|rare| {
        rare.extended_communities = vec![ExtendedCommunity([0, 2, 0, 0, 0, 0, 0, 1])];
        rare.large_communities = vec![large(1)];
    });
    attributes
}

const TOR: Announcer =
    Announcer { asn: Asn(65001), address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), external: true };

fn large(global: u32) -> LargeCommunity {
    LargeCommunity { global, local1: 0, local2: 0 }
}

fn prefix(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn rule(matches: Vec<Match>, edits: Vec<Edit>, decision: Option<Decision>) -> Rule {
    Rule { name: String::new(), matches, edits, decision }
}

fn policy(rules: Vec<Rule>) -> Policy {
    Policy { name: "test".to_owned(), rules, otherwise: Decision::Reject }
}

fn holds(condition: Match) -> bool {
    let attributes = attributes();
    condition.holds(&Route {
        prefix: prefix("10.1.2.0/24"),
        announcer: Some(TOR),
        interface: Some("eth0"),
        attributes: &attributes,
    })
}

fn edited(edits: Vec<Edit>) -> PathAttributes {
    let attributes = attributes();
    let route = Route {
        prefix: prefix("10.1.2.0/24"),
        announcer: Some(TOR),
        interface: Some("eth0"),
        attributes: &attributes,
    };
    policy(vec![rule(vec![], edits, Some(Decision::Accept))]).evaluate(route).attributes.into_owned()
}

#[test]
fn the_first_rule_that_decides_has_decided() {
    let attributes = attributes();
    let route = Route {
        prefix: prefix("10.1.2.0/24"),
        announcer: Some(TOR),
        interface: Some("eth0"),
        attributes: &attributes,
    };
    let policy = policy(vec![
        rule(
            vec![Match::Provenance(Provenance::Originated)],
            vec![Edit::Med(Some(1))],
            Some(Decision::Reject),
        ),
        rule(vec![], vec![Edit::Med(Some(2))], None),
        rule(vec![], vec![Edit::LocalPref(200)], Some(Decision::Accept)),
        rule(vec![], vec![Edit::Med(Some(4))], Some(Decision::Reject)),
    ]);
    let verdict = policy.evaluate(route);
    assert_eq!((verdict.decision, verdict.rule), (Decision::Accept, Some(2)));
    assert_eq!((verdict.attributes.med, verdict.attributes.local_pref), (Some(2), Some(200)));
}

#[test]
fn a_route_no_rule_decides_on_falls_to_the_default() {
    let attributes = attributes();
    let route = Route {
        prefix: prefix("10.1.2.0/24"),
        announcer: Some(TOR),
        interface: Some("eth0"),
        attributes: &attributes,
    };
    let verdict = policy(vec![]).evaluate(route);
    assert_eq!((verdict.decision, verdict.rule), (Decision::Reject, None));
    assert!(matches!(verdict.attributes, Cow::Borrowed(_)));
}

#[test]
fn whoever_watches_sees_every_rule_that_applied() {
    let attributes = attributes();
    let route = Route {
        prefix: prefix("10.1.2.0/24"),
        announcer: Some(TOR),
        interface: Some("eth0"),
        attributes: &attributes,
    };
    let policy = policy(vec![
        rule(vec![Match::Family(Family::Ipv6)], vec![Edit::Med(Some(1))], None),
        rule(vec![], vec![Edit::Med(Some(2))], None),
        rule(vec![], vec![], Some(Decision::Accept)),
    ]);
    let mut seen = Vec::new();
    let verdict = policy.evaluate_watched(route, |rule, attributes| seen.push((rule, attributes.med)));
    assert_eq!(seen, [(1, Some(2)), (2, Some(2))]);
    assert_eq!(verdict, policy.evaluate(route));
}

#[test]
fn a_later_rule_sees_what_an_earlier_one_changed() {
    let attributes = attributes();
    let route = Route {
        prefix: prefix("10.1.2.0/24"),
        announcer: Some(TOR),
        interface: Some("eth0"),
        attributes: &attributes,
    };
    let policy = policy(vec![
        rule(vec![], vec![Edit::Communities(Change::Add(vec![Community(9)]))], None),
        rule(vec![Match::Community([Community(9)].into())], vec![], Some(Decision::Accept)),
    ]);
    assert_eq!(policy.evaluate(route).rule, Some(1));
}

fn asns(ranges: &[(u32, u32)]) -> AsnSet {
    ranges.iter().map(|&(start, end)| Asn(start)..=Asn(end)).collect()
}

#[test]
fn every_condition_holds_and_fails() {
    let block = |text| vec![prefix(text)];
    let range = |text| PrefixSet::from_iter([PrefixRange::within(prefix(text))]);
    let extended = |value| [ExtendedCommunity([0, 2, 0, 0, 0, 0, 0, value])].into();
    for (yes, no) in [
        (Match::Prefix(range("10.0.0.0/8")), Match::Prefix(range("11.0.0.0/8"))),
        (Match::Family(Family::Ipv4), Match::Family(Family::Ipv6)),
        (Match::Community([4, 5].map(Community).into()), Match::Community([Community(4)].into())),
        (Match::ExtendedCommunity(extended(1)), Match::ExtendedCommunity(extended(2))),
        (Match::LargeCommunity([large(1)].into()), Match::LargeCommunity([large(2)].into())),
        (Match::AsPathContains(Asn(65002).into()), Match::AsPathContains(Asn(65009).into())),
        (Match::AsPathContains(asns(&[(1, 65001)])), Match::AsPathContains(asns(&[(1, 65000)]))),
        (Match::AsPathOrigin(Asn(65003).into()), Match::AsPathOrigin(Asn(65001).into())),
        (Match::AsPathNeighbor(Asn(65001).into()), Match::AsPathNeighbor(Asn(65003).into())),
        (Match::AsPathLength(3..=3), Match::AsPathLength(0..=0)),
        (Match::Origin(Origin::Igp), Match::Origin(Origin::Incomplete)),
        (Match::LocalPref(100..=100), Match::LocalPref(0..=99)),
        (Match::Med(None), Match::Med(Some(0..=u32::MAX))),
        (Match::NextHop(block("192.0.2.0/24")), Match::NextHop(block("198.51.100.0/24"))),
        (Match::Provenance(Provenance::Learned), Match::Provenance(Provenance::Originated)),
        (Match::Provenance(Provenance::External), Match::Provenance(Provenance::Internal)),
        (Match::PeerAddress(block("10.0.0.0/24")), Match::PeerAddress(block("10.0.1.0/24"))),
        (Match::PeerAsn(Asn(65001).into()), Match::PeerAsn(Asn(65002).into())),
    ] {
        assert!(holds(yes.clone()), "{yes:?}");
        assert!(!holds(no.clone()), "{no:?}");
        assert!(!holds(Match::Not(Box::new(yes))));
        assert!(holds(Match::Not(Box::new(no))));
    }
}

#[test]
fn numbers_that_are_there_are_compared_as_they_are() {
    let mut attributes = attributes();
    (attributes.local_pref, attributes.med) = (Some(50), Some(7));
    let route = Route {
        prefix: prefix("10.1.2.0/24"),
        announcer: Some(TOR),
        interface: Some("eth0"),
        attributes: &attributes,
    };
    assert!(Match::LocalPref(0..=50).holds(&route));
    assert!(!Match::LocalPref(100..=100).holds(&route));
    assert!(Match::Med(Some(7..=9)).holds(&route));
    assert!(!Match::Med(Some(8..=9)).holds(&route));
    assert!(!Match::Med(None).holds(&route));
}

#[test]
fn what_is_ours_was_announced_by_nobody() {
    let attributes = attributes();
    let ours =
        Route { prefix: prefix("10.1.2.0/24"), announcer: None, interface: None, attributes: &attributes };
    assert!(Match::Provenance(Provenance::Originated).holds(&ours));
    for learned in [
        Match::Provenance(Provenance::Learned),
        Match::Provenance(Provenance::External),
        Match::Provenance(Provenance::Internal),
        Match::PeerAddress(vec![prefix("0.0.0.0/0")]),
        Match::PeerAsn(asns(&[(0, u32::MAX)])),
    ] {
        assert!(!learned.holds(&ours), "{learned:?}");
    }
}

#[test]
fn communities_stay_in_order_and_single() {
    let communities = |change| edited(vec![Edit::Communities(change)]).communities;
    assert_eq!(communities(Change::Add(vec![Community(3), Community(5)])), [1, 3, 5].map(Community));
    assert_eq!(communities(Change::Remove([Community(1), Community(7)].into())), [Community(5)]);
    assert_eq!(communities(Change::Replace(vec![Community(9), Community(8)])), [8, 9].map(Community));
    let any: Pattern<Community> = "0:*".parse().unwrap();
    assert_eq!(communities(Change::Remove(Tags::from_iter([any]))), []);

    let large_communities =
        |change| edited(vec![Edit::LargeCommunities(change)]).rare.large_communities.clone();
    assert_eq!(large_communities(Change::Add(vec![large(0)])), [large(0), large(1)]);
    assert_eq!(large_communities(Change::Remove([large(1)].into())), []);
    assert_eq!(large_communities(Change::Replace(vec![large(4)])), [large(4)]);

    let target = |value| ExtendedCommunity([0, 2, 0, 0, 0, 0, 0, value]);
    let extended = |change| edited(vec![Edit::ExtendedCommunities(change)]).rare.extended_communities.clone();
    assert_eq!(extended(Change::Add(vec![target(0)])), [target(0), target(1)]);
    assert_eq!(extended(Change::Remove([target(1)].into())), []);
    assert_eq!(extended(Change::Replace(vec![target(4)])), [target(4)]);
}

#[test]
fn the_rest_of_the_edits_say_what_they_do() {
    let next_hop = NextHop::V4(Ipv4Addr::new(192, 0, 2, 7));
    let changed = edited(vec![
        Edit::Origin(Origin::Incomplete),
        Edit::LocalPref(300),
        Edit::Med(Some(4)),
        Edit::NextHop(next_hop),
        Edit::Prepend(Asn(65000), 2),
    ]);
    assert_eq!((changed.local_pref, changed.med, changed.next_hop), (Some(300), Some(4), next_hop));
    assert_eq!(changed.origin, Origin::Incomplete);
    assert_eq!(changed.as_path.to_string(), "65000 65000 65001 65002 65003");
    assert_eq!(edited(vec![Edit::Med(Some(4)), Edit::Med(None)]).med, None);
}

#[test]
fn numbers_move_no_further_than_they_go() {
    let local_pref = |difference| edited(vec![Edit::AddLocalPref(difference)]).local_pref;
    assert_eq!(local_pref(20), Some(120));
    assert_eq!(local_pref(-20), Some(80));
    assert_eq!(local_pref(-200), Some(0));
    assert_eq!(local_pref(i64::MAX), Some(u32::MAX));
    assert_eq!(edited(vec![Edit::AddMed(-1)]).med, Some(0));
    assert_eq!(edited(vec![Edit::Med(Some(u32::MAX - 1)), Edit::AddMed(5)]).med, Some(u32::MAX));
    assert_eq!(edited(vec![Edit::AddMed(5)]).med, Some(5));
}

#[test]
fn private_ases_go_or_are_replaced() {
    let private = |edit: Edit, path: &str| {
        let mut attributes = attributes();
        attributes.as_path = path.parse().unwrap();
        edit.apply(&mut attributes);
        attributes.as_path.to_string()
    };
    let path = "3320 64512 65534 65535 {65000,1} 4200000000 4294967294 4294967295";
    assert_eq!(private(Edit::RemovePrivateAs, path), "3320 65535 {1} 4294967295");
    assert_eq!(private(Edit::RemovePrivateAs, "64512 {64513}"), "");
    assert_eq!(private(Edit::ReplacePrivateAs(Asn(7)), path), "3320 7 7 65535 {7,1} 7 7 4294967295");
}

#[test]
fn a_policy_knows_what_it_looks_at() {
    let of = |condition| policy(vec![rule(vec![condition], vec![], None)]);
    let looks_at_prefixes = |condition| of(condition).looks_at_prefixes();
    assert!(looks_at_prefixes(Match::Not(Box::new(Match::Prefix(PrefixSet::default())))));
    assert!(looks_at_prefixes(Match::Family(Family::Ipv4)));
    assert!(!looks_at_prefixes(Match::AsPathContains(Asn(1).into())));
    let looks_at_announcers = |condition| of(condition).looks_at_announcers();
    assert!(looks_at_announcers(Match::Not(Box::new(Match::PeerAsn(Asn(1).into())))));
    assert!(looks_at_announcers(Match::PeerAddress(vec![])));
    assert!(!looks_at_announcers(Match::Provenance(Provenance::External)));
}

#[test]
fn a_path_begins_with_what_is_in_front_in_order() {
    let first = |asns: &[u32]| Match::AsPathPrefix(asns.iter().copied().map(Asn).collect());
    let path: Vec<u32> = attributes().as_path.iter().map(|asn| asn.0).collect();
    assert!(path.len() >= 2);
    assert!(holds(first(&path)) && holds(first(&path[..1])) && holds(first(&[])));
    assert!(!holds(first(&path[1..])));
    assert!(!holds(first(&[&path[..], &[1]].concat())));
    let mut odd = attributes();
    odd.as_path = "65001 {65002} 65003".parse().unwrap();
    let route =
        |attributes| Route { prefix: prefix("10.0.0.0/8"), announcer: None, interface: None, attributes };
    assert!(first(&[65001]).holds(&route(&odd)) && !first(&[65001, 65002]).holds(&route(&odd)));
    assert!(!first(&[65001, 65003]).holds(&route(&odd)));
}

#[test]
fn a_route_without_interface_has_none_of_any_shape() {
    assert!(holds(Match::Interface("eth*".parse().unwrap())));
    assert!(!holds(Match::Interface("cali*".parse().unwrap())));
    let attributes = attributes();
    let route =
        Route { prefix: prefix("10.0.0.0/8"), announcer: None, interface: None, attributes: &attributes };
    assert!(!Match::Interface("*".parse().unwrap()).holds(&route));
}
