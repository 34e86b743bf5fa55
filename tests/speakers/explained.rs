use std::sync::Arc;

use bgp::Community;
use control::{RouteQuery, RouteView};
use podbgpd::intent::{Export, Import};
use podbgpd::speaker::Notice;
use rib::Policy;
use rib::policy::{Change, Decision, Edit, Match, Rule};

use crate::world::World;
use crate::{SOON, blocks, chain, node_with_peers, pair};

fn policy(name: &str, rules: Vec<Rule>, otherwise: Decision) -> Arc<Policy> {
    Arc::new(Policy { name: name.to_owned(), rules, otherwise })
}

fn rule(name: &str, matches: Vec<Match>, edits: Vec<Edit>, decision: Decision) -> Rule {
    Rule { name: name.to_owned(), matches, edits, decision: Some(decision) }
}

fn rejects(name: &str, family: bgp::Family) -> Rule {
    rule(name, vec![Match::Family(family)], Vec::new(), Decision::Reject)
}

/// Says of each peer whether it was told: a plus, or the reason.
fn told(route: &RouteView) -> Vec<(String, String, String)> {
    let told = route.told.iter().flatten().map(|told| {
        assert_eq!(told.advertised, told.reason.is_none());
        let (code, text) = told.reason.clone().map_or_else(|| ("+".into(), "+".into()), |r| (r.code, r.text));
        (told.peer.clone(), code, text)
    });
    told.collect()
}

fn line(peer: &str, code: &str, text: &str) -> (String, String, String) {
    (peer.to_owned(), code.to_owned(), text.to_owned())
}

#[test]
fn a_prefix_says_who_was_told_and_why_the_others_were_not() {
    let mut world = chain();
    let ours = world.route(2, blocks(2)[0]);
    assert_eq!(told(&ours), [line("node1", "+", "+"), line("node3", "+", "+")]);
    let learned = world.route(2, blocks(1)[0]);
    assert_eq!(
        told(&learned),
        [line("node1", "own_path", "the best path is its own"), line("node3", "+", "+")]
    );
    world.reload(2, |intent| intent.peers.get_mut("node3").unwrap().export = Export::Originated).unwrap();
    let learned = world.route(2, blocks(1)[0]);
    assert_eq!(told(&learned)[1], line("node3", "not_originated", "we do not originate it"));

    let page = world.nodes[&2].speaker.loc_rib(&RouteQuery::default(), None, world.now).unwrap();
    assert!(page.items.iter().all(|route| route.told.is_none()), "a list does not ask every peer");

    world.act(3, |speaker, now, out| speaker.peer_down("node2", String::new(), now, out));
    world.run(SOON);
    assert_eq!(told(&world.route(2, blocks(2)[0])), [line("node1", "+", "+")], "no session, nobody to tell");
}

#[test]
fn the_rule_that_rejects_is_named() {
    let mut world = chain();
    let set_export = |world: &mut World, rules, otherwise| {
        let export = Export::Policy(policy("to-node3", rules, otherwise));
        world.reload(2, |intent| intent.peers.get_mut("node3").unwrap().export = export).unwrap();
        told(&world.route(2, blocks(1)[0])).remove(1)
    };
    let ipv4 = bgp::Family::Ipv4;
    assert_eq!(
        set_export(&mut world, vec![rejects("no-v4", ipv4)], Decision::Accept),
        line("node3", "policy", "rule 'no-v4' of policy 'to-node3' rejects it")
    );
    assert_eq!(
        set_export(&mut world, vec![rejects("", bgp::Family::Ipv6), rejects("", ipv4)], Decision::Accept),
        line("node3", "policy", "rule 2 of policy 'to-node3' rejects it")
    );
    assert_eq!(
        set_export(&mut world, Vec::new(), Decision::Reject),
        line("node3", "policy_default", "no rule of policy 'to-node3' accepts it")
    );

    let import = Import::Policy(policy("from-node1", vec![rejects("no-v4", ipv4)], Decision::Reject));
    world.reload(2, |intent| intent.peers.get_mut("node1").unwrap().import = import).unwrap();
    let reasons = world.rejected(2, 1).into_iter().map(|mut route| route.candidates.remove(0).reason);
    let reasons: Vec<_> = reasons.map(|reason| reason.map(|reason| (reason.code, reason.text))).collect();
    let words = |code: &str, text: &str| Some((code.to_owned(), text.to_owned()));
    assert_eq!(
        reasons,
        [
            words("policy", "rule 'no-v4' of policy 'from-node1' rejects it"),
            words("policy_default", "no rule of policy 'from-node1' accepts it"),
        ]
    );
}

#[test]
fn what_fits_no_message_is_withdrawn_withheld_and_told_once() {
    let mut world = pair();
    assert_eq!(world.prefixes(2, 1), blocks(1));
    let communities = (0..17_000).map(|number| Community(0x0001_0000 + number)).collect();
    let edit = |edits| vec![rule("all", Vec::new(), edits, Decision::Accept)];
    let huge = Export::Policy(policy(
        "huge",
        edit(vec![Edit::Communities(Change::Add(communities))]),
        Decision::Reject,
    ));
    world.reload(1, |intent| intent.peers.get_mut("node2").unwrap().export = huge).unwrap();
    world.run(SOON);

    assert_eq!(world.prefixes(2, 1), [], "what cannot be said must not stay said");
    assert_eq!(world.advertised(1, 2), []);
    assert_eq!(world.peer(1, 2).families[0].advertised, 0);
    assert_eq!(
        told(&world.route(1, blocks(1)[0])),
        [line("node2", "oversized", "its attributes do not fit into a message")]
    );
    let oversized = |world: &mut World| -> Vec<(String, usize)> {
        let told = world.node(1).notices.iter().filter_map(|notice| match notice {
            Notice::Oversized { peer, prefixes, .. } => Some((peer.clone(), *prefixes)),
            _ => None,
        });
        told.collect()
    };
    let once = vec![("node2".to_owned(), 1), ("node2".to_owned(), 1)];
    assert_eq!(oversized(&mut world), once, "one of each family");
    world.act(2, |speaker, now, out| speaker.peer_refresh("node1", now, out));
    world.run(SOON);
    assert_eq!(oversized(&mut world), once, "asking again does not make it fit");

    let small = Export::Policy(policy("small", edit(Vec::new()), Decision::Reject));
    world.reload(1, |intent| intent.peers.get_mut("node2").unwrap().export = small).unwrap();
    world.run(SOON);
    assert_eq!(world.prefixes(2, 1), blocks(1));
    assert_eq!(told(&world.route(1, blocks(1)[0])), [line("node2", "+", "+")]);
}

#[test]
fn a_full_message_is_no_reason_to_keep_quiet_about_the_rest() {
    let mut world = World::new([node_with_peers(1, &[2]), node_with_peers(2, &[1])]);
    let communities = (0..17_000).map(Community).collect();
    let only_ipv6 = vec![Match::Family(bgp::Family::Ipv6)];
    let rules = vec![
        rule("huge", only_ipv6, vec![Edit::Communities(Change::Add(communities))], Decision::Accept),
        rule("rest", Vec::new(), Vec::new(), Decision::Accept),
    ];
    let export = Export::Policy(policy("mixed", rules, Decision::Reject));
    world.reload(1, |intent| intent.peers.get_mut("node2").unwrap().export = export).unwrap();
    world.run(SOON);
    assert_eq!(world.prefixes(2, 1), [blocks(1)[0]]);
    assert_eq!(world.peer(2, 1).families.iter().filter(|family| family.end_of_rib_received).count(), 2);
}
