//! Our own AS in the paths of a session.

use super::*;

const NODE: Asn = Asn(64_999);
const ONE: &str = "10.1.0.0/16";

/// A peer that sees us as [`OURS`] while the node is [`NODE`].
fn masked(shown: Shown) -> PeerInfo {
    let own_as = OwnAs { allowed: 0, behind: Some(Behind { asn: NODE, shown }) };
    PeerInfo { own_as, ..peer(TOR_A) }
}

/// Returns how a path stands that came through these.
fn received(info: PeerInfo, path: &[u32]) -> Standing {
    let mut rib = rib();
    rib.peer_up(TOR_A, info);
    rib.update(TOR_A, announce(attributes(path, "192.0.2.1"), &[ONE]), 1);
    rib.settle();
    rib.audit().unwrap();
    standing(&rib, ONE, Source::Peer(TOR_A)).unwrap()
}

/// Returns the path a peer is told of a block of ours.
fn sent(info: PeerInfo) -> AsPath {
    let mut rib = rib();
    rib.originate([Origination::of(prefix(ONE))], 0);
    rib.peer_up(TOR_A, info);
    rib.settle();
    rib.pull(TOR_A, usize::MAX);
    rib.explain_export(TOR_A, &prefix(ONE)).unwrap().as_path.clone()
}

#[test]
fn both_of_our_numbers_close_a_loop() {
    let rejected = Standing::Rejected(RejectReason::OwnAs);
    assert_eq!(received(masked(Shown::Nothing), &[65001, NODE.0]), rejected);
    assert_eq!(received(masked(Shown::Nothing), &[65001, OURS.0]), rejected);
    assert_eq!(received(peer(TOR_A), &[65001, NODE.0]), Standing::Best);
}

#[test]
fn our_own_as_is_borne_as_often_as_allowed() {
    let allowed = |allowed| PeerInfo { own_as: OwnAs { allowed, behind: None }, ..peer(TOR_A) };
    assert_eq!(received(allowed(1), &[65001, OURS.0]), Standing::Best);
    assert_eq!(received(allowed(1), &[65001, OURS.0, OURS.0]), Standing::Rejected(RejectReason::OwnAs));
    assert_eq!(received(allowed(2), &[65001, OURS.0, OURS.0]), Standing::Best);
}

#[test]
fn what_is_borne_changes_in_the_middle_of_a_session() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, announce(attributes(&[65001, OURS.0], "192.0.2.1"), &[ONE]), 1);
    rib.settle();
    rib.allow_own_as(TOR_A, 1);
    rib.settle();
    assert_eq!(standing(&rib, ONE, Source::Peer(TOR_A)), Some(Standing::Best));
    rib.allow_own_as(TOR_A, 0);
    rib.settle();
    let rejected = Some(Standing::Rejected(RejectReason::OwnAs));
    assert_eq!(standing(&rib, ONE, Source::Peer(TOR_A)), rejected);
    rib.audit().unwrap();
}

#[test]
fn what_goes_out_shows_both_numbers_or_one() {
    assert_eq!(sent(masked(Shown::Nothing)), AsPath::sequence([OURS]));
    assert_eq!(sent(masked(Shown::Sent)), AsPath::sequence([OURS, NODE]));
    assert_eq!(sent(masked(Shown::Both)), AsPath::sequence([OURS, NODE]));
}

#[test]
fn what_comes_in_has_come_through_the_second_number_where_both_are_shown() {
    let path = |shown| {
        let mut rib = rib();
        rib.peer_up(TOR_A, masked(shown));
        rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &[ONE]), 1);
        rib.peer_up(TOR_B, peer(TOR_B));
        rib.settle();
        rib.pull(TOR_B, usize::MAX);
        rib.explain_export(TOR_B, &prefix(ONE)).unwrap().as_path.clone()
    };
    assert_eq!(path(Shown::Nothing), AsPath::sequence([OURS, Asn(65001)]));
    assert_eq!(path(Shown::Sent), AsPath::sequence([OURS, Asn(65001)]));
    assert_eq!(path(Shown::Both), AsPath::sequence([OURS, OURS, Asn(65001)]));
}
