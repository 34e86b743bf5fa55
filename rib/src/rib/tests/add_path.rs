//! Several paths of a prefix, in and out (RFC 7911).

use super::*;

const TEN: &str = "10.1.0.0/16";

/// Takes as many paths of a prefix as there are, up to a limit.
fn taker(most_sent: usize) -> PeerInfo {
    let add_path = AddPath { send: FamilySet::ALL, most_sent, ..AddPath::default() };
    PeerInfo { add_path, ..peer(INSIDE) }
}

/// Tables with a peer that takes paths, and the first `count` of four that give them: the first is the best.
fn with_paths(most_sent: usize, count: u32) -> Rib {
    let mut rib = rib();
    rib.peer_up(INSIDE, taker(most_sent));
    for number in 11..11 + count {
        rib.peer_up(PeerId(number), peer(PeerId(number)));
        rib.update(PeerId(number), announce(path_of(number), &[TEN]), 1);
    }
    rib.settle();
    rib
}

/// A path the longer, the higher the number of the peer.
fn path_of(number: u32) -> PathAttributes {
    let path: Vec<u32> = std::iter::repeat_n(OURS.0 + number, number as usize - 10).collect();
    attributes(&path, "192.0.2.77")
}

/// Lets the peer hear everything and returns what it now knows: the identifiers, and how long each path is.
fn listen(rib: &mut Rib, told: &mut Told) -> Vec<(u32, usize)> {
    rib.settle();
    while rib.has_pending(INSIDE) {
        hear(told, &rib.pull(INSIDE, 1));
    }
    rib.audit().unwrap();
    told.iter().map(|(nlri, attributes)| (nlri.path_id, attributes.as_path.length())).collect()
}

#[test]
fn every_usable_path_goes_out_with_an_identifier_of_its_own() {
    let mut rib = with_paths(usize::MAX, 3);
    assert_eq!(listen(&mut rib, &mut Told::new()), [(1, 1), (2, 2), (3, 3)]);
    assert_eq!(rib.counts(INSIDE, Family::Ipv4).unwrap().advertised, 3);
    assert_eq!(rib.advertised(INSIDE, Family::Ipv4).count(), 3);
}

#[test]
fn of_more_paths_than_the_limit_the_best_go_out() {
    let mut rib = with_paths(2, 4);
    let mut told = Told::new();
    assert_eq!(listen(&mut rib, &mut told), [(1, 1), (2, 2)]);
    rib.update(PeerId(11), withdraw(&[TEN]), 2);
    // The next one takes the place of the best without a withdrawal.
    rib.settle();
    let adverts = rib.pull(INSIDE, 10);
    assert_eq!((adverts.announced.len(), adverts.withdrawn.len()), (1, 0));
    hear(&mut told, &adverts);
    assert_eq!(listen(&mut rib, &mut told), [(1, 3), (2, 2)]);
}

#[test]
fn a_withdrawn_path_is_withdrawn_by_its_identifier_and_the_others_stay() {
    let mut rib = with_paths(usize::MAX, 3);
    let mut told = Told::new();
    listen(&mut rib, &mut told);
    rib.update(PeerId(12), withdraw(&[TEN]), 2);
    rib.settle();
    let adverts = rib.pull(INSIDE, 10);
    let second = Nlri { prefix: prefix(TEN), path_id: 2 };
    assert_eq!((adverts.announced.len(), adverts.withdrawn.clone()), (0, vec![(Family::Ipv4, vec![second])]));
    hear(&mut told, &adverts);
    rib.update(PeerId(12), announce(path_of(12), &[TEN]), 3);
    assert_eq!(listen(&mut rib, &mut told), [(1, 1), (2, 2), (3, 3)]);
}

#[test]
fn a_better_path_that_was_not_best_before_is_news_for_those_who_take_several_only() {
    let mut rib = with_paths(usize::MAX, 3);
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.settle();
    rib.pull(TOR_A, 10);
    listen(&mut rib, &mut Told::new());
    rib.update(PeerId(13), announce(path_of(12), &[TEN]), 2);
    rib.settle();
    assert!(rib.has_pending(INSIDE) && !rib.has_pending(TOR_A));
}

#[test]
fn a_peer_is_not_told_of_its_own_path_but_of_the_others() {
    let mut rib = with_paths(usize::MAX, 2);
    rib.update(INSIDE, announce(attributes(&[], "192.0.2.3"), &[TEN]), 2);
    rib.settle();
    assert_eq!(standing(&rib, TEN, Source::Peer(INSIDE)), Some(Standing::Best));
    assert_eq!(listen(&mut rib, &mut Told::new()), [(1, 1), (2, 2)]);
    assert!(rib.explain_export(INSIDE, &prefix(TEN)).is_ok());
}

#[test]
fn what_export_holds_back_takes_nobodys_room() {
    let mut rib = rib();
    rib.peer_up(INSIDE, taker(1));
    for number in [11, 12] {
        rib.peer_up(PeerId(number), peer(PeerId(number)));
    }
    let mut best = path_of(11);
    best.communities = vec![Community::NO_ADVERTISE];
    rib.update(PeerId(11), announce(best, &[TEN]), 1);
    rib.update(PeerId(12), announce(path_of(12), &[TEN]), 1);
    assert_eq!(listen(&mut rib, &mut Told::new()), [(1, 2)]);
    rib.update(PeerId(12), withdraw(&[TEN]), 2);
    assert_eq!(
        listen(&mut rib, &mut Told::from([(Nlri { prefix: prefix(TEN), path_id: 1 }, path_of(12))])),
        []
    );
    assert_eq!(rib.explain_export(INSIDE, &prefix(TEN)), Err(Withheld::NoAdvertise));
}

#[test]
fn a_path_whose_next_hop_is_lost_is_withdrawn() {
    let mut rib = Rib::new(RibSettings::new(id(0x0A00_0001)));
    rib.peer_up(INSIDE, taker(usize::MAX));
    for (number, hop) in [(11, "192.0.2.11"), (12, "192.0.2.12")] {
        rib.peer_up(PeerId(number), peer(PeerId(number)));
        let said = PathAttributes { next_hop: address_of(hop), ..path_of(number) };
        rib.update(PeerId(number), announce(said, &[TEN]), 1);
        rib.next_hop(address(hop), Resolution::OnLink { interface: Some(1) });
    }
    let mut told = Told::new();
    assert_eq!(listen(&mut rib, &mut told), [(1, 1), (2, 2)]);
    rib.next_hop(address("192.0.2.12"), Resolution::Unreachable);
    assert_eq!(listen(&mut rib, &mut told), [(1, 1)]);
}

#[test]
fn a_refresh_says_every_path_again_and_end_of_rib_comes_once() {
    let mut rib = with_paths(usize::MAX, 3);
    let adverts = rib.pull(INSIDE, 10);
    assert_eq!(adverts.end_of_rib, Family::ALL);
    let count = |adverts: &Adverts| adverts.announced.iter().map(|advert| advert.nlri.len()).sum::<usize>();
    assert_eq!(count(&adverts), 3);
    rib.refresh(INSIDE, Family::Ipv4);
    let adverts = rib.pull(INSIDE, 10);
    assert_eq!((count(&adverts), adverts.end_of_rib.len()), (3, 0));
}

#[test]
fn a_path_no_message_can_hold_is_withheld_and_the_others_stay() {
    let mut rib = with_paths(usize::MAX, 2);
    let mut told = Told::new();
    listen(&mut rib, &mut told);
    let first = Nlri { prefix: prefix(TEN), path_id: 1 };
    rib.withhold(INSIDE, &[first]);
    rib.withhold(INSIDE, &[first]);
    rib.audit().unwrap();
    let known: Vec<_> = rib.advertised_of(INSIDE, &prefix(TEN)).map(|(path_id, _)| path_id).collect();
    assert_eq!(known, [2]);
    rib.withhold(INSIDE, &[Nlri { path_id: 2, ..first }]);
    assert_eq!(rib.explain_export(INSIDE, &prefix(TEN)), Err(Withheld::Oversized));
    rib.audit().unwrap();
}

#[test]
fn only_families_with_identifiers_have_several_paths() {
    let mut rib = rib();
    let send = FamilySet::from_iter([Family::Ipv6]);
    rib.peer_up(INSIDE, PeerInfo { add_path: AddPath { send, ..AddPath::default() }, ..peer(INSIDE) });
    for number in [11, 12] {
        rib.peer_up(PeerId(number), peer(PeerId(number)));
        rib.update(PeerId(number), announce(path_of(number), &[TEN]), 1);
        let said = PathAttributes { next_hop: address_of("2001:db8::77"), ..path_of(number) };
        rib.update(PeerId(number), announce(said, &["2001:db8:1::/48"]), 1);
    }
    assert_eq!(listen(&mut rib, &mut Told::new()), [(0, 1), (1, 1), (2, 2)]);
}

#[test]
fn long_lived_stale_paths_go_to_those_who_know_what_that_means() {
    let mut rib = with_paths(usize::MAX, 2);
    let mut told = Told::new();
    listen(&mut rib, &mut told);
    rib.peer_lost(PeerId(12), FamilySet::ALL);
    assert_eq!(listen(&mut rib, &mut told), [(1, 1), (2, 2)]);
    rib.begin_long_lived(PeerId(12), Family::Ipv4);
    assert_eq!(listen(&mut rib, &mut told), [(1, 1)]);

    let mut told = Told::new();
    rib.peer_up(INSIDE, PeerInfo { long_lived: FamilySet::ALL, ..taker(usize::MAX) });
    assert_eq!(listen(&mut rib, &mut told), [(1, 1), (2, 2)]);
    let stale = &told[&Nlri { prefix: prefix(TEN), path_id: 2 }];
    assert!(stale.carries(Community::LLGR_STALE));
}

#[test]
fn a_peer_may_have_so_many_paths_of_a_prefix_and_no_more() {
    let mut rib = rib();
    let add_path = AddPath { most_received: 2, ..AddPath::default() };
    rib.peer_up(TOR_A, PeerInfo { add_path, ..peer(TOR_A) });
    let say = |rib: &mut Rib, path_id, path: &[u32]| {
        let mut update = announce(attributes(path, "192.0.2.1"), &[TEN]);
        update.announced[0].nlri[0].path_id = path_id;
        rib.update(TOR_A, update, 1).surplus
    };
    assert_eq!([1, 2, 3].map(|path_id| say(&mut rib, path_id, &[65001])), [0, 0, 1]);
    assert_eq!(say(&mut rib, 2, &[65001, 65009]), 0);
    rib.settle();
    let paths: Vec<_> = rib.destination(&prefix(TEN)).unwrap().paths().map(|path| path.path_id()).collect();
    assert_eq!(paths, [1, 2]);

    // A lower limit after a restart holds for what is kept, too.
    rib.peer_lost(TOR_A, FamilySet::ALL);
    let lower = AddPath { most_received: 1, ..add_path };
    rib.peer_up(TOR_A, PeerInfo { add_path: lower, ..peer(TOR_A) });
    assert_eq!([1, 2].map(|path_id| say(&mut rib, path_id, &[65001])), [0, 1]);

    let mut gone = withdraw(&[TEN]);
    gone.withdrawn[0].path_id = 1;
    rib.update(TOR_A, gone, 2);
    assert_eq!(say(&mut rib, 3, &[65001]), 0);
    rib.settle();
    rib.audit().unwrap();
}
