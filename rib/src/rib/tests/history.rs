//! What is told of best paths that changed.

use super::*;
use crate::decision::Reason;
use crate::history::{BestChange, Cause};
use crate::path::Standing;

const TEN: &str = "10.0.0.0/24";
const A: Source = Source::Peer(TOR_A);
const B: Source = Source::Peer(TOR_B);

fn route_of(PeerId(number): PeerId) -> PathAttributes {
    attributes(&[OURS.0 + number], &format!("192.0.2.{number}"))
}

/// Two switches are up, and the second has announced a longer path.
fn settled() -> Rib {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.peer_up(TOR_B, peer(TOR_B));
    let longer = attributes(&[OURS.0 + 2, 64999], "192.0.2.2");
    rib.update(TOR_B, announce(longer, &[TEN]), 1);
    rib.settle();
    rib
}

fn told(rib: &mut Rib) -> Vec<BestChange> {
    let mut told = Vec::new();
    rib.settle_and_tell(|change| told.push(change));
    told
}

fn change(
    cause: Cause,
    before: Option<Source>,
    after: Option<Source>,
    former: Option<Standing>,
) -> Vec<BestChange> {
    vec![BestChange { prefix: prefix(TEN), cause, before, after, former }]
}

#[test]
fn a_better_path_is_told_with_the_reason_the_former_lost() {
    let mut rib = settled();
    rib.update(TOR_A, announce(route_of(TOR_A), &[TEN]), 2);
    let lost = Some(Standing::Lost(Reason::AsPathLength));
    assert_eq!(told(&mut rib), change(Cause::Announced(TOR_A), Some(B), Some(A), lost));
}

#[test]
fn each_input_is_told_as_itself() {
    let mut rib = settled();
    let announced = announce(route_of(TOR_A), &[TEN]);
    rib.update(TOR_A, announced.clone(), 2);
    rib.settle();
    rib.update(TOR_A, withdraw(&[TEN]), 3);
    assert_eq!(told(&mut rib), change(Cause::Withdrawn(TOR_A), Some(A), Some(B), None));
    rib.update(TOR_A, announced.clone(), 4);
    rib.settle();
    rib.peer_lost(TOR_A, FamilySet::ALL);
    assert_eq!(told(&mut rib), [], "a stale path is as good as before");
    rib.sweep_stale(TOR_A, Family::Ipv4);
    assert_eq!(told(&mut rib), change(Cause::StaleSwept(TOR_A), Some(A), Some(B), None));
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, announced, 5);
    rib.settle();
    let export = Arc::new(Export::All);
    rib.set_policy(TOR_A, Arc::new(Import::None), Arc::clone(&export));
    let refused = Some(Standing::Rejected(RejectReason::ImportNone));
    assert_eq!(told(&mut rib), change(Cause::Import(TOR_A), Some(A), Some(B), refused));
    rib.originate([Origination::of(prefix(TEN))], 6);
    let lost = Some(Standing::Lost(Reason::Local));
    assert_eq!(told(&mut rib), change(Cause::Originated, Some(B), Some(Source::Local), lost));
    rib.originate([], 7);
    rib.settle();
    rib.peer_down(TOR_B);
    assert_eq!(told(&mut rib), change(Cause::SessionLost(TOR_B), Some(B), None, None));
}

#[test]
fn what_a_refresh_leaves_unsaid_is_told_as_swept() {
    let mut rib = settled();
    rib.begin_refresh(TOR_B, Family::Ipv4);
    assert_eq!(told(&mut rib), [], "an unrefreshed path is as good as before");
    rib.end_refresh(TOR_B, Family::Ipv4);
    assert_eq!(told(&mut rib), change(Cause::StaleSwept(TOR_B), Some(B), None, None));
}

#[test]
fn a_blackhole_allowed_to_a_peer_is_told_as_its_import() {
    let mut rib = settled();
    let mut dropped = route_of(TOR_B);
    dropped.communities.push(bgp::Community::BLACKHOLE);
    rib.update(TOR_B, announce(dropped, &["10.0.0.1/32"]), 2);
    rib.settle();
    rib.set_blackhole(TOR_B, true);
    let [told] = told(&mut rib)[..] else { panic!("one best path changes") };
    assert_eq!((told.prefix, told.cause), (prefix("10.0.0.1/32"), Cause::Import(TOR_B)));
}

#[test]
fn a_next_hop_that_goes_is_the_cause() {
    let mut rib = Rib::new(RibSettings::new(id(0x0A00_0001)));
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, announce(route_of(TOR_A), &[TEN]), 1);
    assert_eq!(told(&mut rib), [], "nobody has said yet where its next hop leads");
    rib.next_hop(address("192.0.2.1"), Resolution::OnLink { interface: None });
    assert_eq!(told(&mut rib), change(Cause::NextHop, None, Some(A), None));
    rib.next_hop(address("192.0.2.1"), Resolution::Unreachable);
    let unreachable = Some(Standing::Unreachable);
    assert_eq!(told(&mut rib), change(Cause::NextHop, Some(A), None, unreachable));
}

#[test]
fn a_path_that_changes_in_itself_is_told_and_one_said_again_is_not() {
    let mut rib = settled();
    rib.update(TOR_B, announce(route_of(TOR_B), &[TEN]), 2);
    assert_eq!(told(&mut rib), change(Cause::Announced(TOR_B), Some(B), Some(B), None));
    rib.update(TOR_B, announce(route_of(TOR_B), &[TEN]), 3);
    assert_eq!(told(&mut rib), []);
}

#[test]
fn what_came_and_went_before_the_decision_is_not_told() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, announce(route_of(TOR_A), &[TEN]), 1);
    rib.update(TOR_A, withdraw(&[TEN]), 1);
    assert_eq!(told(&mut rib), []);
}
