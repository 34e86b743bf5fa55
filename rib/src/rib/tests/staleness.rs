//! A peer that restarts: what stays, what goes, and what nobody gets to hear.

use super::*;
use crate::path::Staleness;

const TEN: &str = "10.1.0.0/16";
const ELEVEN: &str = "10.2.0.0/16";
const SIX: &str = "2001:db8:1::/48";

fn route_of(id: PeerId) -> PathAttributes {
    attributes(&[OURS.0 + id.0], "192.0.2.1")
}

fn six_of(id: PeerId) -> PathAttributes {
    attributes(&[OURS.0 + id.0], "2001:db8::1")
}

fn able(id: PeerId) -> PeerInfo {
    PeerInfo { long_lived: FamilySet::ALL, ..peer(id) }
}

/// TOR A announces to us, TOR B and INSIDE listen, B able to do long-lived restart; all have heard everything.
fn settled(prefixes: &[&str]) -> Rib {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.peer_up(TOR_B, able(TOR_B));
    rib.peer_up(INSIDE, peer(INSIDE));
    rib.update(TOR_A, announce(route_of(TOR_A), prefixes), 1);
    hear_all(&mut rib);
    rib
}

/// Settles, lets everybody hear everything, and returns how much that was: adverts and forwarding changes.
fn hear_all(rib: &mut Rib) -> (usize, usize) {
    rib.settle();
    let peers: Vec<_> = rib.peers().map(|(id, _)| id).collect();
    let adverts = peers.into_iter().map(|id| {
        let adverts = rib.pull(id, 100);
        let announced: usize = adverts.announced.iter().map(|advert| advert.nlri.len()).sum();
        announced + adverts.withdrawn.iter().map(|(_, nlri)| nlri.len()).sum::<usize>()
    });
    let adverts = adverts.sum();
    let changes = rib.pull_forwarding(100).len();
    rib.audit().unwrap();
    (adverts, changes)
}

fn staleness(rib: &Rib, text: &str) -> Option<Staleness> {
    rib.destination(&prefix(text))?.paths().find(|path| path.source() == Source::Peer(TOR_A))?.stale()
}

fn told(rib: &Rib, id: PeerId, text: &str) -> Option<Vec<Community>> {
    rib.advertised_of(id, &prefix(text)).map(|attributes| attributes.communities.clone())
}

#[test]
fn a_lost_peer_changes_nothing_for_anybody() {
    let mut rib = settled(&[TEN, ELEVEN]);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    assert_eq!(hear_all(&mut rib), (0, 0));
    assert_eq!(rib.stale(TOR_A), [2, 0]);
    assert_eq!(staleness(&rib, TEN), Some(Staleness::Stale));
    assert_eq!(standing(&rib, TEN, Source::Peer(TOR_A)), Some(Standing::Best));
    assert!(told(&rib, TOR_B, TEN).is_some());
}

#[test]
fn back_with_the_same_routes_disturbs_nobody() {
    let mut rib = settled(&[TEN, ELEVEN]);
    let before = rib.stats();
    rib.peer_lost(TOR_A, FamilySet::ALL);
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, announce(route_of(TOR_A), &[TEN, ELEVEN]), 9);
    assert_eq!(rib.stale(TOR_A), [0, 0]);
    assert_eq!(rib.sweep_stale(TOR_A, Family::Ipv4), 0);
    assert_eq!(hear_all(&mut rib), (0, 0));
    assert_eq!(rib.stats().best_changes, before.best_changes);
    // In this shape it has been known all the time.
    assert_eq!(rib.destination(&prefix(TEN)).unwrap().best().unwrap().since(), 1);
}

#[test]
fn back_with_fewer_routes_withdraws_exactly_those_missing() {
    let mut rib = settled(&[TEN, ELEVEN]);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, announce(route_of(TOR_A), &[TEN]), 9);
    assert_eq!(hear_all(&mut rib), (0, 0), "nothing goes before End-of-RIB");
    assert_eq!(rib.sweep_stale(TOR_A, Family::Ipv4), 1);
    assert_eq!(hear_all(&mut rib), (2, 1), "B and INSIDE and the kernel hear of one prefix");
    assert!(rib.destination(&prefix(ELEVEN)).is_none());
    assert!(told(&rib, TOR_B, TEN).is_some());
}

#[test]
fn a_route_that_comes_back_different_is_told_anew() {
    let mut rib = settled(&[TEN]);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    rib.peer_up(TOR_A, peer(TOR_A));
    let longer = attributes(&[OURS.0 + 1, 64999], "192.0.2.1");
    rib.update(TOR_A, announce(longer, &[TEN]), 9);
    assert_eq!(hear_all(&mut rib), (2, 0), "another AS path, the same gateway");
    assert_eq!(rib.sweep_stale(TOR_A, Family::Ipv4), 0);
}

#[test]
fn a_stale_route_can_be_withdrawn() {
    let mut rib = settled(&[TEN]);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, withdraw(&[TEN]), 9);
    assert_eq!(hear_all(&mut rib), (2, 1));
    assert_eq!(rib.stale(TOR_A), [0, 0]);
}

#[test]
fn only_the_kept_families_stay() {
    let mut rib = settled(&[TEN]);
    rib.update(TOR_A, announce(six_of(TOR_A), &[SIX]), 1);
    hear_all(&mut rib);
    rib.peer_lost(TOR_A, FamilySet::from_iter([Family::Ipv6]));
    assert_eq!(rib.stale(TOR_A), [0, 1]);
    assert_eq!(hear_all(&mut rib), (2, 1));
    assert!(rib.destination(&prefix(TEN)).is_none());
    assert_eq!(standing(&rib, SIX, Source::Peer(TOR_A)), Some(Standing::Best));
}

#[test]
fn what_is_still_stale_at_the_next_loss_goes() {
    let mut rib = settled(&[TEN, ELEVEN]);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, announce(route_of(TOR_A), &[TEN]), 9);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    assert_eq!(rib.stale(TOR_A), [1, 0]);
    assert_eq!(hear_all(&mut rib), (2, 1));
    assert!(rib.destination(&prefix(ELEVEN)).is_none());
}

#[test]
fn a_loss_reported_twice_is_one_loss() {
    let mut rib = settled(&[TEN]);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    assert_eq!(rib.stale(TOR_A), [1, 0]);
    rib.peer_lost(TOR_A, FamilySet::NONE);
    assert_eq!(rib.stale(TOR_A), [0, 0]);
    assert_eq!(hear_all(&mut rib), (2, 1));
}

#[test]
fn a_lost_peer_hears_nothing_and_everything_once_it_is_back() {
    let mut rib = settled(&[TEN]);
    rib.originate([Origination::of(prefix("10.0.0.0/24"))], 1);
    rib.update(TOR_B, announce(route_of(TOR_B), &[ELEVEN]), 1);
    hear_all(&mut rib);
    assert_eq!(rib.advertised(TOR_A, Family::Ipv4).count(), 2);

    rib.peer_lost(TOR_A, FamilySet::ALL);
    assert_eq!(rib.advertised(TOR_A, Family::Ipv4).count(), 0);
    rib.originate([Origination::of(prefix("10.0.1.0/24"))], 2);
    rib.refresh(TOR_A, Family::Ipv4);
    rib.set_policy(TOR_A, Arc::new(Import::All), Arc::new(Export::Originated));
    rib.settle();
    assert!(!rib.has_pending(TOR_A));
    assert!(rib.pull(TOR_A, 100).is_empty());
    assert_eq!(rib.explain_export(TOR_A, &prefix("10.0.1.0/24")), Err(Withheld::Family));
    rib.audit().unwrap();

    rib.peer_up(TOR_A, peer(TOR_A));
    let adverts = rib.pull(TOR_A, 100);
    let announced: usize = adverts.announced.iter().map(|advert| advert.nlri.len()).sum();
    assert_eq!((announced, adverts.end_of_rib), (2, Family::ALL.to_vec()));
    rib.audit().unwrap();
}

#[test]
fn what_a_lost_peer_still_says_is_not_heard() {
    let mut rib = settled(&[TEN]);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    rib.update(TOR_A, withdraw(&[TEN]), 2);
    rib.update(TOR_A, announce(route_of(TOR_A), &[ELEVEN]), 2);
    assert_eq!(hear_all(&mut rib), (0, 0));
    assert_eq!(rib.stale(TOR_A), [1, 0]);
}

#[test]
fn stale_paths_follow_a_change_of_policy_and_of_what_is_ours() {
    let mut rib = settled(&[TEN]);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    rib.set_policy(TOR_A, Arc::new(Import::None), Arc::new(Export::All));
    assert_eq!(hear_all(&mut rib), (2, 1));
    rib.set_policy(TOR_A, Arc::new(Import::Safe(Safe::default())), Arc::new(Export::All));
    assert_eq!(hear_all(&mut rib), (2, 1));
    rib.originate([Origination::of(prefix("10.0.0.0/8"))], 2);
    rib.settle();
    let refused = Some(Standing::Rejected(RejectReason::OwnBlock));
    assert_eq!(standing(&rib, TEN, Source::Peer(TOR_A)), refused);
    assert_eq!(rib.stale(TOR_A), [1, 0]);
    // And what the peer says when it is back is judged by the session it is back on.
    rib.originate([], 3);
    rib.peer_up(TOR_A, PeerInfo { import: Arc::new(Import::None), ..peer(TOR_A) });
    rib.settle();
    assert_eq!(standing(&rib, TEN, Source::Peer(TOR_A)), Some(Standing::Rejected(RejectReason::ImportNone)));
    rib.audit().unwrap();
}

#[test]
fn a_peer_that_is_back_as_another_brings_nothing_along() {
    let others = [
        PeerInfo { asn: Asn(65099), ..peer(TOR_A) },
        PeerInfo { local_asn: Asn(65098), ..peer(TOR_A) },
        PeerInfo { interface: Some(3), ..peer(TOR_A) },
        PeerInfo { families: FamilySet::from_iter([Family::Ipv6]), ..peer(TOR_A) },
    ];
    for info in others {
        let mut rib = settled(&[TEN]);
        rib.peer_lost(TOR_A, FamilySet::ALL);
        rib.peer_up(TOR_A, info);
        assert_eq!(rib.stale(TOR_A), [0, 0]);
        assert_eq!(hear_all(&mut rib), (2, 1));
    }
}

#[test]
fn a_peer_that_is_back_by_another_identifier_is_decided_upon_anew() {
    let mut rib = Rib::new(RibSettings { max_paths: 1, ..rib().settings().clone() });
    for id in [TOR_A, TOR_B] {
        rib.peer_up(id, peer(id));
        rib.update(id, announce(route_of(id), &[TEN]), 1);
    }
    rib.settle();
    assert_eq!(standing(&rib, TEN, Source::Peer(TOR_A)), Some(Standing::Best));
    rib.peer_lost(TOR_A, FamilySet::ALL);
    rib.peer_up(TOR_A, PeerInfo { bgp_id: id(77), ..peer(TOR_A) });
    rib.settle();
    assert_eq!(standing(&rib, TEN, Source::Peer(TOR_B)), Some(Standing::Best));
    rib.audit().unwrap();
}

#[test]
fn a_peer_that_goes_down_while_lost_is_forgotten() {
    let mut rib = settled(&[TEN]);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    rib.peer_down(TOR_A);
    assert_eq!(rib.stale(TOR_A), [0, 0]);
    assert_eq!(hear_all(&mut rib), (2, 1));
    assert!(rib.is_empty());
    assert_eq!(rib.attribute_sets(), 0);
}

#[test]
fn what_is_stale_does_not_count_towards_the_limit() {
    let mut rib = settled(&[TEN]);
    let limited = PeerInfo { max_prefixes: Some(1), ..peer(TOR_A) };
    rib.peer_lost(TOR_A, FamilySet::ALL);
    rib.peer_up(TOR_A, limited);
    let route = |text| announce(route_of(TOR_A), &[text]);
    assert!(!rib.update(TOR_A, route(ELEVEN), 2).limit_exceeded);
    assert!(rib.update(TOR_A, route(TEN), 2).limit_exceeded);
}

#[test]
fn long_lived_routes_lose_and_go_only_to_those_who_understand() {
    let mut rib = settled(&[TEN]);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    rib.begin_long_lived(TOR_A, Family::Ipv4);
    assert_eq!(hear_all(&mut rib), (2, 0), "B is told again, INSIDE no more, the kernel nothing");
    assert_eq!(staleness(&rib, TEN), Some(Staleness::LongLived));
    assert_eq!(told(&rib, TOR_B, TEN), Some(vec![Community::LLGR_STALE]));
    assert_eq!(rib.explain_export(INSIDE, &prefix(TEN)), Err(Withheld::LongLivedStale));

    let worse = attributes(&[OURS.0 + 2, 64999, 64998], "192.0.2.2");
    rib.update(TOR_B, announce(worse, &[TEN]), 5);
    assert_eq!(hear_all(&mut rib).1, 1);
    assert_eq!(standing(&rib, TEN, Source::Peer(TOR_A)), Some(Standing::Lost(crate::Reason::Stale)));
    assert!(told(&rib, INSIDE, TEN).is_some_and(|communities| communities.is_empty()));

    // Heard again it is as good as it was.
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, announce(route_of(TOR_A), &[TEN]), 6);
    assert_eq!(hear_all(&mut rib).1, 1);
    assert_eq!(standing(&rib, TEN, Source::Peer(TOR_A)), Some(Standing::Best));
    assert_eq!(told(&rib, TOR_B, TEN), Some(vec![]));
}

#[test]
fn long_lived_routes_of_the_same_word_are_fresh_again() {
    let mut rib = settled(&[TEN]);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    rib.begin_long_lived(TOR_A, Family::Ipv4);
    hear_all(&mut rib);
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, announce(route_of(TOR_A), &[TEN]), 6);
    assert_eq!(hear_all(&mut rib), (2, 0));
    assert_eq!(rib.stale(TOR_A), [0, 0]);
    assert_eq!(told(&rib, INSIDE, TEN), Some(vec![]));
}

#[test]
fn equal_attributes_go_out_marked_for_the_stale_and_bare_for_the_fresh() {
    let mut rib = settled(&[TEN, ELEVEN]);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    rib.begin_long_lived(TOR_A, Family::Ipv4);
    hear_all(&mut rib);
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, announce(route_of(TOR_A), &[TEN]), 5);
    rib.settle();
    // Both in one pull.
    rib.refresh(TOR_B, Family::Ipv4);
    hear_all(&mut rib);
    assert_eq!(told(&rib, TOR_B, TEN), Some(vec![]));
    assert_eq!(told(&rib, TOR_B, ELEVEN), Some(vec![Community::LLGR_STALE]));
}

#[test]
fn a_route_that_declines_is_not_kept_for_long() {
    let mut rib = settled(&[TEN]);
    let declines = PathAttributes { communities: vec![Community::NO_LLGR], ..route_of(TOR_A) };
    rib.update(TOR_A, announce(declines, &[ELEVEN]), 1);
    hear_all(&mut rib);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    assert_eq!(rib.stale(TOR_A), [2, 0], "for the restart time it stays");
    rib.begin_long_lived(TOR_A, Family::Ipv6);
    assert_eq!(rib.stale(TOR_A), [2, 0], "the other family is not concerned");
    rib.begin_long_lived(TOR_A, Family::Ipv4);
    assert_eq!(rib.stale(TOR_A), [1, 0]);
    assert!(rib.destination(&prefix(ELEVEN)).is_none());
    hear_all(&mut rib);
}

#[test]
fn a_second_loss_ends_stale_routes_but_not_long_lived_ones() {
    let mut rib = settled(&[TEN]);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    rib.begin_long_lived(TOR_A, Family::Ipv4);
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, announce(route_of(TOR_A), &[ELEVEN]), 5);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    assert_eq!(rib.stale(TOR_A), [2, 0]);
    assert_eq!(staleness(&rib, TEN), Some(Staleness::LongLived));
    assert_eq!(staleness(&rib, ELEVEN), Some(Staleness::Stale));
    assert_eq!(rib.sweep_stale(TOR_A, Family::Ipv4), 2);
    hear_all(&mut rib);
    assert!(rib.destinations(Family::Ipv4).next().is_none());
}

#[test]
fn a_route_that_came_as_stale_is_passed_on_as_stale() {
    let mut rib = settled(&[]);
    let stale = PathAttributes { communities: vec![Community::LLGR_STALE], ..route_of(TOR_A) };
    rib.update(TOR_A, announce(stale, &[TEN]), 1);
    // An export policy may not take the mark away (RFC 9494 §4.3).
    let strip = crate::policy::Rule {
        name: "strip".to_owned(),
        matches: vec![],
        edits: vec![crate::policy::Edit::RemoveCommunities(vec![Community::LLGR_STALE])],
        decision: Some(crate::policy::Decision::Accept),
    };
    let policy = crate::Policy {
        name: "strip".to_owned(),
        rules: vec![strip],
        otherwise: crate::policy::Decision::Reject,
    };
    rib.set_policy(TOR_B, Arc::new(Import::All), Arc::new(Export::Policy(policy)));
    hear_all(&mut rib);
    assert_eq!(told(&rib, TOR_B, TEN), Some(vec![Community::LLGR_STALE]));
    assert_eq!(rib.explain_export(INSIDE, &prefix(TEN)), Err(Withheld::LongLivedStale));
}

#[test]
fn what_we_originate_may_say_anything() {
    let mut rib = settled(&[TEN]);
    let communities = vec![Community::LLGR_STALE];
    rib.originate([Origination { communities, ..Origination::of(prefix(TEN)) }], 1);
    hear_all(&mut rib);
    assert_eq!(standing(&rib, TEN, Source::Local), Some(Standing::Best));
    assert_eq!(told(&rib, INSIDE, TEN), Some(vec![Community::LLGR_STALE]));
}
