use bgp::capability::{GracefulRestart as Announced, LongLived};
use bgp::fsm::StopReason;
use bgp::{Asn, BgpId, Capability, HoldTime, Open};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn open(asn: u32, more: impl IntoIterator<Item = Capability>) -> Open {
    let families = Family::ALL.map(|family| Capability::Multiprotocol(family.code()));
    Open {
        asn: Asn(asn),
        hold_time: HoldTime::default(),
        bgp_id: BgpId::new(std::net::Ipv4Addr::from_bits(asn)).expect("not zero"),
        capabilities: families.into_iter().chain(more).collect(),
    }
}

fn restart(time: u16, families: &[(Family, bool)]) -> Capability {
    Capability::GracefulRestart(Announced {
        restarted: false,
        notification: true,
        restart_time: time,
        families: families.iter().map(|&(family, forwarding)| (family.code(), forwarding)).collect(),
    })
}

fn long_lived(family: Family, stale_time: u32) -> Capability {
    let entry = LongLived { family: family.code(), forwarding: true, stale_time };
    Capability::LongLivedGracefulRestart(vec![entry])
}

fn terms(theirs: impl IntoIterator<Item = Capability>, node: &GracefulRestart) -> Terms {
    let ours = open(1, [restart(60, &[])]);
    Terms::agreed(&Negotiated::between(&ours, &open(2, theirs)), RestartRole::Both, node)
}

fn node() -> GracefulRestart {
    GracefulRestart { long_lived_stale_time: 100, ..GracefulRestart::default() }
}

fn begin(terms: &Terms, now: Instant) -> Grace {
    Grace::begin(terms, None, String::new(), 1, now)
}

const BOTH: [(Family, bool); 2] = [(Family::Ipv4, true), (Family::Ipv6, true)];

#[test]
fn only_families_the_peer_names_are_kept_for_as_long_as_both_want() {
    let agreed = terms([restart(4000, &BOTH[..1])], &node());
    assert_eq!(agreed.kept, FamilySet::from_iter([Family::Ipv4]));
    assert_eq!(agreed.restart_time, node().max_peer_restart_time);
    assert_eq!(terms([restart(7, &BOTH)], &node()).restart_time, SECOND * 7);
    assert_eq!(terms([], &node()), Terms::default());
}

#[test]
fn a_peer_without_restart_time_is_kept_only_where_it_is_long_lived() {
    let capabilities = [restart(0, &BOTH), long_lived(Family::Ipv6, 30)];
    let agreed = terms(capabilities.clone(), &node());
    assert_eq!(agreed.kept, FamilySet::from_iter([Family::Ipv6]));
    let now = Instant::now();
    let mut grace = begin(&agreed, now);
    assert_eq!(grace.expire(now), [Due::BeginLongLived(Family::Ipv6)]);
    assert_eq!(terms(capabilities, &GracefulRestart::default()).kept, FamilySet::NONE);
}

#[test]
fn what_must_not_be_graceful_keeps_nothing() {
    let agreed = terms([restart(60, &BOTH)], &node());
    assert!(agreed.survive(&DownReason::ConnectionLost(String::new())));
    assert!(agreed.survive(&DownReason::HoldTimerExpired));
    assert!(!agreed.survive(&DownReason::Stopped(StopReason::BfdDown)));
    assert!(!Terms::default().survive(&DownReason::ConnectionLost(String::new())));
}

#[test]
fn time_is_up_once_and_with_long_lived_twice() {
    let agreed = terms([restart(60, &BOTH), long_lived(Family::Ipv4, 30)], &node());
    let now = Instant::now();
    let mut grace = begin(&agreed, now);
    assert_eq!(grace.expire(now + SECOND * 59), []);
    assert_eq!(grace.next_deadline(), Some(now + SECOND * 60));
    let due = grace.expire(now + SECOND * 60);
    assert_eq!(due, [Due::BeginLongLived(Family::Ipv4), Due::Sweep(Family::Ipv6)]);
    assert_eq!(grace.next_deadline(), Some(now + SECOND * 90));
    assert_eq!(grace.expire(now + SECOND * 90), [Due::Sweep(Family::Ipv4)]);
    assert_eq!(grace.next_deadline(), None);
}

#[test]
fn a_second_loss_does_not_renew_the_last_resort() {
    let agreed = terms([restart(60, &BOTH[..1]), long_lived(Family::Ipv4, 100)], &node());
    let now = Instant::now();
    let mut first = begin(&agreed, now);
    first.expire(now + SECOND * 60);
    let lost_again = now + SECOND * 120;
    let mut second = Grace::begin(&agreed, Some(&first), String::new(), 1, lost_again);
    assert_eq!(second.expire(lost_again + SECOND * 60), [Due::Sweep(Family::Ipv4)], "100 s were over before");
}

#[test]
fn a_peer_that_is_back_has_to_say_that_it_forwarded_and_to_finish_in_time() {
    let agreed = terms([restart(60, &BOTH)], &node());
    let now = Instant::now();
    let mut grace = begin(&agreed, now);
    let half = terms([restart(60, &[(Family::Ipv4, true), (Family::Ipv6, false)])], &node());
    let back = now + SECOND * 10;
    assert_eq!(grace.peer_returned(&half, back), FamilySet::from_iter([Family::Ipv6]));
    assert_eq!(grace.expire(now + SECOND * 61), [], "its restart time is over with its return");
    assert_eq!(grace.expire(back + END_OF_RIB), [Due::Sweep(Family::Ipv4)]);

    let mut grace = begin(&agreed, now);
    assert_eq!(grace.peer_returned(&Terms::default(), back), FamilySet::ALL, "it says nothing any more");
}
