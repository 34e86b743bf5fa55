//! Refreshes: brackets around what is said again, and what a peer's brackets do to its paths (RFC 7313 §4).

use super::*;
use crate::path::Staleness;

const V4: Family = Family::Ipv4;

fn only(family: Family) -> FamilySet {
    FamilySet::from_iter([family])
}

fn pair_with(prefixes: &[&str]) -> Rib {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.peer_up(TOR_B, peer(TOR_B));
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), prefixes), 1);
    rib.settle();
    rib
}

fn stale(rib: &Rib, text: &str) -> Option<Staleness> {
    rib.destination(&prefix(text)).unwrap().paths().next().unwrap().stale()
}

#[test]
fn an_answer_is_bracketed_and_says_everything_between() {
    let mut rib = pair_with(&["10.1.0.0/16", "10.2.0.0/16", "2001:db8::/32"]);
    let first = rib.pull(TOR_B, 100);
    assert_eq!((first.refresh_begun, first.refresh_ended), (FamilySet::NONE, FamilySet::NONE));
    rib.refresh(TOR_B, V4);
    rib.refresh(TOR_B, V4);
    let answer = rib.pull(TOR_B, 1);
    assert_eq!((answer.refresh_begun, answer.refresh_ended), (only(V4), FamilySet::NONE));
    let rest = rib.pull(TOR_B, 1);
    assert_eq!((rest.refresh_begun, rest.refresh_ended), (FamilySet::NONE, only(V4)));
    let said: Vec<_> = [answer, rest]
        .into_iter()
        .flat_map(|adverts| adverts.announced)
        .flat_map(|advert| advert.nlri)
        .collect();
    assert_eq!(said, ["10.1.0.0/16", "10.2.0.0/16"].map(|text| Nlri::from(prefix(text))));
    assert!(!rib.has_pending(TOR_B));
    rib.audit().unwrap();
}

#[test]
fn a_family_of_which_nothing_was_said_is_answered_with_empty_brackets() {
    let mut rib = pair_with(&[]);
    rib.pull(TOR_B, 100);
    rib.refresh(TOR_B, V4);
    assert!(rib.has_pending(TOR_B));
    let answer = rib.pull(TOR_B, 100);
    assert_eq!((answer.refresh_begun, answer.refresh_ended), (only(V4), only(V4)));
    assert!(!answer.is_empty() && answer.announced.is_empty());
}

#[test]
fn what_is_asked_during_an_answer_is_answered_after_it() {
    let mut rib = pair_with(&["10.1.0.0/16", "10.2.0.0/16"]);
    rib.pull(TOR_B, 100);
    rib.refresh(TOR_B, V4);
    rib.pull(TOR_B, 1);
    rib.refresh(TOR_B, V4);
    let rest = rib.pull(TOR_B, 100);
    assert_eq!((rest.refresh_begun, rest.refresh_ended, rest.more), (FamilySet::NONE, only(V4), true));
    let again = rib.pull(TOR_B, 100);
    assert_eq!((again.refresh_begun, again.refresh_ended, again.more), (only(V4), only(V4), false));
    assert_eq!(again.announced[0].nlri.len(), 2);
}

#[test]
fn no_answer_begins_before_end_of_rib() {
    let mut rib = pair_with(&["10.1.0.0/16", "10.2.0.0/16"]);
    rib.refresh(TOR_B, V4);
    let first = rib.pull(TOR_B, 100);
    assert_eq!((first.end_of_rib.len(), first.refresh_begun, first.more), (2, FamilySet::NONE, true));
    let answer = rib.pull(TOR_B, 100);
    assert_eq!((answer.refresh_begun, answer.refresh_ended), (only(V4), only(V4)));
}

#[test]
fn what_changes_during_an_answer_does_not_keep_it_from_its_end() {
    let mut rib = pair_with(&["10.1.0.0/16", "10.2.0.0/16"]);
    rib.pull(TOR_B, 100);
    rib.refresh(TOR_B, V4);
    rib.pull(TOR_B, 1);
    rib.update(TOR_A, withdraw(&["10.1.0.0/16", "10.2.0.0/16"]), 2);
    rib.settle();
    let mut ended = FamilySet::NONE;
    while rib.has_pending(TOR_B) {
        rib.pull(TOR_B, 1).refresh_ended.iter().for_each(|family| ended.insert(family));
    }
    assert_eq!(ended, only(V4));
    rib.audit().unwrap();
}

#[test]
fn what_is_not_said_again_between_the_brackets_goes() {
    let mut rib = pair_with(&["10.1.0.0/16", "10.2.0.0/16", "2001:db8::/32"]);
    rib.begin_refresh(TOR_A, V4);
    assert_eq!(rib.unrefreshed(TOR_A), [2, 0]);
    assert_eq!(stale(&rib, "10.1.0.0/16"), Some(Staleness::Unrefreshed));
    assert_eq!(rib.stale(TOR_A), [0, 0], "nothing restarts");
    rib.settle();
    assert_eq!(standing(&rib, "10.1.0.0/16", Source::Peer(TOR_A)), Some(Standing::Best), "still in use");
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &["10.1.0.0/16"]), 2);
    assert_eq!(stale(&rib, "10.1.0.0/16"), None);
    assert_eq!(rib.end_refresh(TOR_A, V4), 1);
    rib.settle();
    assert!(rib.destination(&prefix("10.1.0.0/16")).is_some());
    assert_eq!(standing(&rib, "10.2.0.0/16", Source::Peer(TOR_A)), None);
    assert!(rib.destination(&prefix("2001:db8::/32")).is_some(), "the other family was not refreshed");
    assert_eq!(rib.unrefreshed(TOR_A), [0, 0]);
    rib.audit().unwrap();
}

#[test]
fn a_second_first_bracket_asks_for_everything_once_more() {
    let mut rib = pair_with(&["10.1.0.0/16", "10.2.0.0/16"]);
    rib.begin_refresh(TOR_A, V4);
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &["10.1.0.0/16"]), 2);
    rib.begin_refresh(TOR_A, V4);
    assert_eq!(rib.unrefreshed(TOR_A), [2, 0]);
    assert_eq!(rib.end_refresh(TOR_A, V4), 2);
    assert_eq!(rib.end_refresh(TOR_A, V4), 0);
    rib.audit().unwrap();
}

#[test]
fn a_session_lost_between_the_brackets_is_a_restart_like_any_other() {
    let mut rib = pair_with(&["10.1.0.0/16", "10.2.0.0/16"]);
    rib.begin_refresh(TOR_A, V4);
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &["10.1.0.0/16"]), 2);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    assert_eq!((rib.stale(TOR_A), rib.unrefreshed(TOR_A)), ([2, 0], [0, 0]));
    rib.audit().unwrap();
    assert_eq!(rib.end_refresh(TOR_A, V4), 0);
    assert_eq!(rib.sweep_stale(TOR_A, V4), 2);
    rib.audit().unwrap();
}

#[test]
fn a_limit_counts_what_waits_to_be_refreshed() {
    let mut rib = pair_with(&["10.1.0.0/16"]);
    rib.set_max_prefixes(TOR_A, Some(1));
    rib.begin_refresh(TOR_A, V4);
    let more = announce(attributes(&[65001], "192.0.2.1"), &["10.2.0.0/16"]);
    assert!(rib.update(TOR_A, more, 2).limit_exceeded);
}

/// Soft reconfiguration: what a peer said is kept as it came, so another policy needs nothing of the peer.
#[test]
fn another_import_policy_brings_back_what_the_last_one_refused() {
    let mut rib = pair_with(&["10.1.0.0/16"]);
    let all = rib.peer(rib.slots[&TOR_A]).unwrap().info.export.clone();
    rib.set_policy(TOR_A, Arc::new(Import::None), Arc::clone(&all));
    rib.settle();
    let rejected = Standing::Rejected(RejectReason::ImportNone);
    assert_eq!(standing(&rib, "10.1.0.0/16", Source::Peer(TOR_A)), Some(rejected));
    rib.set_policy(TOR_A, Arc::new(Import::All), all);
    rib.settle();
    assert_eq!(standing(&rib, "10.1.0.0/16", Source::Peer(TOR_A)), Some(Standing::Best));
    assert_eq!(rib.stats().announced, 1, "the peer said it once");
}
