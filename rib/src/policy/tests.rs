use std::net::{IpAddr, Ipv4Addr};

use bgp::AsPath;

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
    condition.holds(&Route { prefix: prefix("10.1.2.0/24"), originated: false, attributes: &attributes })
}

fn edited(edits: Vec<Edit>) -> PathAttributes {
    let attributes = attributes();
    let route = Route { prefix: prefix("10.1.2.0/24"), originated: false, attributes: &attributes };
    policy(vec![rule(vec![], edits, Some(Decision::Accept))]).evaluate(route).attributes.into_owned()
}

#[test]
fn the_first_rule_that_decides_has_decided() {
    let attributes = attributes();
    let route = Route { prefix: prefix("10.1.2.0/24"), originated: false, attributes: &attributes };
    let policy = policy(vec![
        rule(vec![Match::Originated(true)], vec![Edit::Med(Some(1))], Some(Decision::Reject)),
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
    let route = Route { prefix: prefix("10.1.2.0/24"), originated: false, attributes: &attributes };
    let verdict = policy(vec![]).evaluate(route);
    assert_eq!((verdict.decision, verdict.rule), (Decision::Reject, None));
    assert!(matches!(verdict.attributes, Cow::Borrowed(_)));
}

#[test]
fn a_later_rule_sees_what_an_earlier_one_changed() {
    let attributes = attributes();
    let route = Route { prefix: prefix("10.1.2.0/24"), originated: false, attributes: &attributes };
    let policy = policy(vec![
        rule(vec![], vec![Edit::AddCommunities(vec![Community(9)])], None),
        rule(vec![Match::Community(vec![Community(9)])], vec![], Some(Decision::Accept)),
    ]);
    assert_eq!(policy.evaluate(route).rule, Some(1));
}

#[test]
fn a_range_is_a_block_and_lengths() {
    let range = |lengths| PrefixRange { within: prefix("10.0.0.0/8"), lengths };
    assert!(range(16..=24).contains(&prefix("10.1.2.0/24")));
    assert!(!range(16..=23).contains(&prefix("10.1.2.0/24")));
    assert!(!range(8..=32).contains(&prefix("11.0.0.0/24")));
    assert!(!range(0..=32).contains(&prefix("0.0.0.0/0")));
    assert!(!range(0..=128).contains(&prefix("::/0")));
    assert!(PrefixRange::within(prefix("10.0.0.0/8")).contains(&prefix("10.0.0.1/32")));
    assert!(!PrefixRange::exactly(prefix("10.0.0.0/8")).contains(&prefix("10.0.0.0/9")));
}

#[test]
fn every_condition_holds_and_fails() {
    let block = |text| vec![prefix(text)];
    let range = |text| vec![PrefixRange::within(prefix(text))];
    for (yes, no) in [
        (Match::Prefix(range("10.0.0.0/8")), Match::Prefix(range("11.0.0.0/8"))),
        (Match::Family(Family::Ipv4), Match::Family(Family::Ipv6)),
        (Match::Community(vec![Community(4), Community(5)]), Match::Community(vec![Community(4)])),
        (
            Match::ExtendedCommunity(vec![ExtendedCommunity([0, 2, 0, 0, 0, 0, 0, 1])]),
            Match::ExtendedCommunity(vec![ExtendedCommunity([0, 2, 0, 0, 0, 0, 0, 2])]),
        ),
        (Match::LargeCommunity(vec![large(1)]), Match::LargeCommunity(vec![large(2)])),
        (Match::AsPathContains(Asn(65002)), Match::AsPathContains(Asn(65009))),
        (Match::AsPathOrigin(Asn(65003)), Match::AsPathOrigin(Asn(65001))),
        (Match::AsPathNeighbor(Asn(65001)), Match::AsPathNeighbor(Asn(65003))),
        (Match::AsPathLength(3..=3), Match::AsPathLength(0..=0)),
        (Match::NextHop(block("192.0.2.0/24")), Match::NextHop(block("198.51.100.0/24"))),
        (Match::Originated(false), Match::Originated(true)),
    ] {
        assert!(holds(yes.clone()), "{yes:?}");
        assert!(!holds(no.clone()), "{no:?}");
        assert!(!holds(Match::Not(Box::new(yes))));
        assert!(holds(Match::Not(Box::new(no))));
    }
}

#[test]
fn communities_stay_in_order_and_single() {
    let added = edited(vec![Edit::AddCommunities(vec![Community(3), Community(5)])]);
    assert_eq!(added.communities, [1, 3, 5].map(Community));
    let removed = edited(vec![Edit::RemoveCommunities(vec![Community(1), Community(7)])]);
    assert_eq!(removed.communities, [Community(5)]);
    let replaced = edited(vec![Edit::ReplaceCommunities(vec![Community(9), Community(8)])]);
    assert_eq!(replaced.communities, [8, 9].map(Community));
    let added = edited(vec![Edit::AddLargeCommunities(vec![large(0)])]);
    assert_eq!(added.rare.large_communities, [large(0), large(1)]);
    assert!(edited(vec![Edit::RemoveLargeCommunities(vec![large(1)])]).rare.large_communities.is_empty());
    let replaced = edited(vec![Edit::ReplaceLargeCommunities(vec![large(4)])]);
    assert_eq!(replaced.rare.large_communities, [large(4)]);
}

#[test]
fn the_rest_of_the_edits_say_what_they_do() {
    let next_hop = NextHop::V4(Ipv4Addr::new(192, 0, 2, 7));
    let changed = edited(vec![
        Edit::LocalPref(300),
        Edit::Med(Some(4)),
        Edit::NextHop(next_hop),
        Edit::Prepend(Asn(65000), 2),
    ]);
    assert_eq!((changed.local_pref, changed.med, changed.next_hop), (Some(300), Some(4), next_hop));
    assert_eq!(changed.as_path.to_string(), "65000 65000 65001 65002 65003");
    assert_eq!(edited(vec![Edit::Med(Some(4)), Edit::Med(None)]).med, None);
}

#[test]
fn a_policy_knows_whether_it_looks_at_prefixes() {
    let looks = |condition| policy(vec![rule(vec![condition], vec![], None)]).looks_at_prefixes();
    assert!(looks(Match::Not(Box::new(Match::Prefix(vec![])))));
    assert!(!looks(Match::AsPathContains(Asn(1))));
}
