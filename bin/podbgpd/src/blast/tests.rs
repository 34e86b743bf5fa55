//! The rule as a table, and the guard over time.

use std::path::Path;

use super::*;
use crate::config::{self, Facts};
use crate::intent::Kubernetes;

const MINUTE: Duration = Duration::from_secs(60);

fn file() -> Intent {
    let facts = Facts { host_name: Some("node-a".to_owned()), ..Facts::default() };
    let text = "[node]\nasn = 64512\nrouter-id = \"10.0.0.40\"\n\
                [[peer]]\nname = \"tor-a\"\naddress = \"10.0.0.1\"\nasn = 65001\n";
    config::parse(text, Path::new("podbgpd.toml"), &facts).unwrap().intent
}

/// The file with what a cluster adds to it: prefixes, and peers of these names.
fn intent(prefixes: &[&str], peers: &[&str]) -> Intent {
    let mut intent = file();
    intent.kubernetes = Some(Kubernetes::new("node-a".to_owned()));
    intent.originated = prefixes.iter().map(|text| originated(text)).collect();
    for (host, name) in (2..).zip(peers) {
        let peer = PeerIntent::new((*name).to_owned(), [10, 0, 0, host].into(), bgp::Asn(65_002));
        intent.peers.insert((*name).to_owned(), peer);
    }
    intent
}

/// `10.1.0.0/26` is a block, `s:` marks what is of Services, `k:` what is in the kernel.
fn originated(text: &str) -> (IpNet, Originated) {
    let (leftover, prefix) = match text.split_once(':').filter(|(mark, _)| mark.len() == 1) {
        Some(("s", prefix)) => (Leftover::DroppedInTransit, prefix),
        Some(("k", prefix)) => (Leftover::Followed, prefix),
        _ => (Leftover::Dropped, text),
    };
    (prefix.parse().unwrap(), Originated::new(format!("Thing {prefix}"), leftover))
}

fn at_most(percent: u8, mut intent: Intent) -> Intent {
    intent.kubernetes.as_mut().unwrap().max_withdraw = percent;
    intent
}

fn after(hold: Duration, mut intent: Intent) -> Intent {
    intent.kubernetes.as_mut().unwrap().hold = Some(hold);
    intent
}

fn pass(blast: &mut Blast, in_force: &Intent, wanted: Intent, now: Instant) -> Intent {
    let file = file();
    blast.pass(Laid { over: &file, result: in_force }, Laid { over: &file, result: wanted }, NOTHING, now)
}

const NOTHING: Evidence<'static> = Evidence { node_is_gone: false, elsewhere: &BTreeSet::new() };

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn what_is_too_much_is_a_table() {
    // percent, before, after, what stays although it is no longer wanted
    let table = [
        // One alone is no mass.
        (50, "10.1.0.0/26", "", ""),
        (1, "10.1.0.0/26 10.2.0.0/26", "10.1.0.0/26", ""),
        (50, "10.1.0.0/26 fd00::/122", "10.1.0.0/26", ""),
        // Nothing left is too much, whatever the share.
        (99, "10.1.0.0/26 10.2.0.0/26", "", "10.1.0.0/26 10.2.0.0/26"),
        (50, "10.1.0.0/26 fd00::/122", "", "10.1.0.0/26 fd00::/122"),
        // Half of it is as much as may go by default.
        (50, "10.1.0.0/26 10.2.0.0/26 10.3.0.0/26 10.4.0.0/26", "10.1.0.0/26 10.2.0.0/26", ""),
        (
            50,
            "10.1.0.0/26 10.2.0.0/26 10.3.0.0/26 10.4.0.0/26",
            "10.1.0.0/26",
            "10.2.0.0/26 10.3.0.0/26 10.4.0.0/26",
        ),
        (
            49,
            "10.1.0.0/26 10.2.0.0/26 10.3.0.0/26 10.4.0.0/26",
            "10.1.0.0/26 10.2.0.0/26",
            "10.3.0.0/26 10.4.0.0/26",
        ),
        (75, "10.1.0.0/26 10.2.0.0/26 10.3.0.0/26 10.4.0.0/26", "10.1.0.0/26", ""),
        // What comes at the same time is something left.
        (50, "10.1.0.0/26", "10.9.0.0/26", ""),
        (50, "10.1.0.0/26 10.2.0.0/26", "10.9.0.0/26", "10.1.0.0/26 10.2.0.0/26"),
        (50, "10.1.0.0/26 10.2.0.0/26", "10.8.0.0/26 10.9.0.0/26", ""),
        // Families and classes do not make up for each other.
        (50, "10.1.0.0/26 fd00::/122 fd01::/122", "10.1.0.0/26", "fd00::/122 fd01::/122"),
        (50, "10.1.0.0/26 10.2.0.0/26 s:10.96.0.0/16", "s:10.96.0.0/16", "10.1.0.0/26 10.2.0.0/26"),
        (50, "10.1.0.0/26 s:10.96.0.0/16 s:10.97.0.0/16", "10.1.0.0/26", "10.96.0.0/16 10.97.0.0/16"),
        // Addresses of Services and routes of pods go at once, all of them.
        (1, "s:192.0.2.1/32 s:192.0.2.2/32 s:2001:db8::1/128 k:10.1.0.5/32 k:10.1.0.6/32", "", ""),
        (50, "s:192.0.2.0/24 s:192.0.2.1/32 s:192.0.2.2/32", "s:192.0.2.0/24", ""),
        // A hundred percent is everything.
        (100, "10.1.0.0/26 fd00::/122", "", ""),
        // Another word about a prefix is no withdrawal.
        (50, "10.1.0.0/26 10.2.0.0/26", "k:10.1.0.0/26 k:10.2.0.0/26", ""),
    ];
    for (percent, before, wanted, stays) in table {
        let in_force = at_most(percent, intent(&words(before), &["rr"]));
        let wanted_intent = at_most(percent, intent(&words(wanted), &["rr"]));
        let mut blast = Blast::default();
        let result = pass(&mut blast, &in_force, wanted_intent.clone(), Instant::now());
        let kept: Vec<String> = (result.originated.keys())
            .filter(|prefix| !wanted_intent.originated.contains_key(prefix))
            .map(ToString::to_string)
            .collect();
        let row = format!("{percent}%: {before} -> {wanted}");
        assert_eq!(kept.join(" "), stays, "{row}");
        assert_eq!(blast.held().is_some(), !stays.is_empty(), "{row}");
        assert!(
            wanted_intent.originated.iter().all(|(prefix, one)| result.originated[prefix] == *one),
            "{row}"
        );
    }
}

#[test]
fn the_last_peers_of_the_cluster_stay_with_what_their_sessions_are_made_of() {
    let in_force = intent(&["10.1.0.0/26"], &["rr-a", "rr-b"]);
    let mut wanted = intent(&["10.1.0.0/26", "10.2.0.0/26"], &[]);
    wanted.node.asn = bgp::Asn(64_999);
    let mut blast = Blast::default();
    let result = pass(&mut blast, &in_force, wanted, Instant::now());
    assert_eq!(result.peers.keys().collect::<Vec<_>>(), ["rr-a", "rr-b", "tor-a"]);
    assert_eq!(result.node.asn, in_force.node.asn);
    assert_eq!(result.originated.len(), 2, "what is added is added");
    assert_eq!(blast.held().unwrap().losses.to_string(), "remove every peer of the cluster: rr-a, rr-b");

    // All but one, or all for others, is no such thing.
    for peers in [&["rr-b"], &["rr-c"]] {
        let result = pass(&mut Blast::default(), &in_force, intent(&["10.1.0.0/26"], peers), Instant::now());
        assert_eq!(result.peers.len(), 2, "{peers:?}");
    }
}

#[test]
fn peers_of_the_file_are_no_concern_of_the_guards() {
    let mut in_force = intent(&[], &[]);
    in_force.peers.insert(
        "member".to_owned(),
        PeerIntent {
            range: Some("rack".to_owned()),
            ..PeerIntent::new("member".to_owned(), [10, 9, 9, 9].into(), bgp::Asn(65_009))
        },
    );
    let mut blast = Blast::default();
    let result = pass(&mut blast, &in_force, intent(&[], &[]), Instant::now());
    assert_eq!((result.peers.len(), blast.held()), (1, None));
}

#[test]
fn what_goes_one_by_one_goes_all_the_same() {
    let all = ["10.1.0.0/26", "10.2.0.0/26", "10.3.0.0/26", "10.4.0.0/26"];
    let (mut blast, start) = (Blast::default(), Instant::now());
    let mut in_force = intent(&all, &[]);
    for left in [3, 2] {
        in_force = pass(&mut blast, &in_force, intent(&all[..left], &[]), start);
        assert_eq!((in_force.originated.len(), blast.held()), (left, None));
    }
    let third = intent(&all[..1], &[]);
    let result = pass(&mut blast, &in_force, third.clone(), start + MINUTE);
    assert_eq!(result.originated.len(), 2);
    let text = "withdraw 1 of 2 IPv4 pod blocks, after 2 shortly before: 10.2.0.0/26 (Thing 10.2.0.0/26)";
    assert_eq!(blast.held().unwrap().losses.to_string(), text);
    // Waiting does not make it lighter.
    let result = pass(&mut blast, &in_force, third.clone(), start + MEMORY * 2);
    assert_eq!(result.originated.len(), 2);

    // Had the first two been long ago, it would be one of two.
    let mut blast = Blast::default();
    let two = pass(&mut blast, &intent(&all, &[]), intent(&all[..2], &[]), start);
    let one = pass(&mut blast, &two, third, start + MEMORY);
    assert_eq!((one.originated.len(), blast.held()), (1, None));
}

#[test]
fn what_comes_back_was_not_lost() {
    let all = ["10.1.0.0/26", "10.2.0.0/26", "10.3.0.0/26"];
    let (mut blast, now) = (Blast::default(), Instant::now());
    let mut in_force = intent(&all, &[]);
    for _ in 0..5 {
        in_force = pass(&mut blast, &in_force, intent(&all[..2], &[]), now);
        in_force = pass(&mut blast, &in_force, intent(&all, &[]), now);
        assert_eq!((in_force.originated.len(), blast.held()), (3, None));
    }
}

#[test]
fn an_approved_change_is_made_and_a_greater_one_is_held_anew() {
    let two = intent(&["10.1.0.0/26", "10.2.0.0/26", "fd00::/122"], &["rr"]);
    let none = intent(&[], &["rr"]);
    let (mut blast, now) = (Blast::default(), Instant::now());
    assert!(!blast.approve(), "there is nothing to approve");
    let only_ipv6 = intent(&["fd00::/122"], &["rr"]);
    assert_eq!(pass(&mut blast, &two, only_ipv6.clone(), now), two);
    assert!(blast.approve());
    // Meanwhile the cluster wants even less.
    let result = pass(&mut blast, &two, none.clone(), now + MINUTE);
    assert_eq!(result, two);
    assert_eq!(blast.held().unwrap().since, now + MINUTE);
    assert!(blast.approve());
    let result = pass(&mut blast, &two, none.clone(), now + MINUTE);
    assert_eq!((result, blast.held()), (none.clone(), None));

    // What was approved weighs on nothing that comes after.
    let three = intent(&["10.5.0.0/26", "10.6.0.0/26", "10.7.0.0/26"], &["rr"]);
    let result = pass(&mut blast, &none, three.clone(), now + MINUTE);
    assert_eq!(result, three);
    let fewer = intent(&["10.5.0.0/26", "10.6.0.0/26"], &["rr"]);
    assert_eq!(pass(&mut blast, &three, fewer.clone(), now + MINUTE), fewer);
}

#[test]
fn a_change_wanted_for_long_enough_is_made() {
    let hold = 10 * MINUTE;
    let (one, none) =
        (after(hold, intent(&["10.1.0.0/26", "fd00::/122"], &[])), after(hold, intent(&[], &[])));
    let (mut blast, start) = (Blast::default(), Instant::now());
    assert_eq!(pass(&mut blast, &one, none.clone(), start), one);
    assert_eq!(blast.next_deadline(), Some(start + hold));
    assert_eq!(pass(&mut blast, &one, none.clone(), start + 9 * MINUTE), one);
    assert_eq!(pass(&mut blast, &one, none.clone(), start + hold), none);
    assert_eq!((blast.held(), blast.next_deadline()), (None, None));
}

#[test]
fn the_time_of_a_change_that_grows_begins_anew_and_of_one_that_shrinks_goes_on() {
    let hold = 10 * MINUTE;
    let with = |prefixes: &[&str]| after(hold, intent(prefixes, &[]));
    let both = with(&["10.1.0.0/26", "10.2.0.0/26", "fd00::/122"]);
    let (mut blast, start) = (Blast::default(), Instant::now());
    let since = |blast: &Blast| blast.held().unwrap().since;
    let _ = pass(&mut blast, &both, with(&["fd00::/122"]), start);
    let _ = pass(&mut blast, &both, with(&[]), start + MINUTE);
    assert_eq!(since(&blast), start + MINUTE);
    let _ = pass(&mut blast, &both, with(&["fd00::/122"]), start + 2 * MINUTE);
    assert_eq!(since(&blast), start + MINUTE);
}

#[test]
fn a_cluster_that_changes_its_mind_is_forgiven() {
    let one = intent(&["10.1.0.0/26", "fd00::/122"], &["rr"]);
    let (mut blast, now) = (Blast::default(), Instant::now());
    assert_eq!(pass(&mut blast, &one, intent(&[], &[]), now), one);
    assert_eq!(pass(&mut blast, &one, one.clone(), now), one);
    assert_eq!(blast.held(), None);
    assert!(!blast.approve());
}

#[test]
fn the_first_plan_of_a_run_takes_nothing_away() {
    let (mut blast, now) = (Blast::default(), Instant::now());
    let first = intent(&["10.1.0.0/26", "fd00::/122"], &["rr"]);
    assert_eq!(pass(&mut blast, &file(), first.clone(), now), first);
    // Had a snapshot made it, the first list that came is compared with that.
    assert_eq!(pass(&mut blast, &first, intent(&[], &[]), now), first);
}

#[test]
fn what_the_file_takes_away_or_over_is_the_operators_wish() {
    let (before, now) = (file(), Instant::now());
    let mut after = before.clone();
    after.peers.clear();
    let settings = Some(Kubernetes::new("node-a".to_owned()));
    let in_force = Intent { kubernetes: settings.clone(), ..before.clone() };
    let wanted = Intent { kubernetes: settings, ..after.clone() };
    let (mut blast, laid) = (Blast::default(), |over, result| Laid { over, result });
    let result =
        blast.pass(laid(&before, &in_force), Laid { over: &after, result: wanted.clone() }, NOTHING, now);
    assert_eq!((result, blast.held()), (wanted, None), "a peer of the file is gone from the file");

    // The file names the cluster's only peer by a name of its own.
    let in_force = intent(&[], &["rr"]);
    let mut after = before.clone();
    let peer = PeerIntent { name: "mine".to_owned(), ..in_force.peers["rr"].clone() };
    after.peers.insert(peer.name.clone(), peer);
    let wanted = Intent { kubernetes: in_force.kubernetes.clone(), ..after.clone() };
    let result =
        blast.pass(laid(&before, &in_force), Laid { over: &after, result: wanted.clone() }, NOTHING, now);
    assert_eq!((result, blast.held()), (wanted, None));
}

#[test]
fn a_block_that_the_file_names_now_is_not_withdrawn() {
    let in_force = intent(&["10.1.0.0/26"], &["rr"]);
    let mut wanted = intent(&[], &["rr"]);
    wanted.node.blocks.insert("10.1.0.0/26".parse().unwrap());
    let mut blast = Blast::default();
    assert_eq!(pass(&mut blast, &in_force, wanted.clone(), Instant::now()), wanted);
}

#[test]
fn a_node_whose_node_object_is_gone_gives_up_nothing() {
    let (file, in_force) = (file(), intent(&["10.1.0.0/26"], &["rr"]));
    let evidence = Evidence { node_is_gone: true, ..NOTHING };
    let wanted = Laid { over: &file, result: intent(&[], &["rr"]) };
    let result =
        Blast::default().pass(Laid { over: &file, result: &in_force }, wanted, evidence, Instant::now());
    assert_eq!(result, in_force);
}

#[test]
fn a_block_that_another_node_has_now_is_given_up() {
    let (file, in_force) = (file(), intent(&["10.1.0.0/26", "10.2.0.0/26", "10.3.0.0/26"], &["rr"]));
    let (mut blast, now) = (Blast::default(), Instant::now());
    let none = || Laid { over: &file, result: intent(&[], &["rr"]) };
    let in_force = Laid { over: &file, result: &in_force };
    assert_eq!(blast.pass(in_force, none(), NOTHING, now).originated.len(), 3);
    let elsewhere = BTreeSet::from(["10.1.0.0/26".parse().unwrap()]);
    let result = blast.pass(in_force, none(), Evidence { elsewhere: &elsewhere, ..NOTHING }, now + MINUTE);
    let left: Vec<String> = result.originated.keys().map(ToString::to_string).collect();
    assert_eq!(left, ["10.2.0.0/26", "10.3.0.0/26"]);
    assert_eq!(blast.held().unwrap().since, now, "what is held has been wanted since then");
}

#[test]
fn what_came_and_went_was_never_there() {
    let (mut blast, start) = (Blast::default(), Instant::now());
    let mut in_force = intent(&[], &["rr"]);
    for number in 0..20 {
        let one = intent(&[&format!("10.{number}.0.0/26")], &["rr"]);
        in_force = pass(&mut blast, &in_force, one, start);
        in_force = pass(&mut blast, &in_force, intent(&[], &["rr"]), start + MINUTE);
        assert_eq!((in_force.originated.len(), blast.held()), (0, None));
    }
}
