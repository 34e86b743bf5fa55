use std::time::Duration;

use super::*;
use crate::bfd::session::tests::{millis, name, settings, start_of_time};
use crate::bfd::{Key, State};

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

fn single_hop() -> (Sessions, Instant) {
    let now = start_of_time();
    let mut sessions = Sessions::new(7);
    sessions.want(PEER, Hops::Single, settings(300, 3), None, now);
    (sessions, now)
}

fn next_door(from: IpAddr) -> Arrival {
    Arrival { from, port: PORT_SINGLE_HOP, hop_limit: 255 }
}

/// What a peer says that has heard nothing.
fn says_down() -> ControlPacket {
    Session::new(settings(300, 3), name(99), 1, start_of_time()).packet()
}

fn state(sessions: &Sessions, remote: IpAddr) -> State {
    sessions.iter().find(|(address, _)| *address == remote).unwrap().1.state()
}

fn hear(
    sessions: &mut Sessions,
    arrival: Arrival,
    packet: &ControlPacket,
    now: Instant,
) -> Vec<(IpAddr, Output)> {
    let mut out = Vec::new();
    sessions.receive(arrival, &packet.encode(), now, &mut out);
    out
}

#[test]
fn a_peer_that_has_heard_nothing_is_known_by_its_address() {
    let (mut sessions, now) = single_hop();
    hear(&mut sessions, next_door(OTHER), &says_down(), now);
    assert_eq!(sessions.discards().of(Discard::UnknownSession), 1);
    hear(&mut sessions, next_door(PEER), &says_down(), now);
    assert_eq!(state(&sessions, PEER), State::Init);
}

#[test]
fn a_peer_that_names_the_session_is_known_by_that() {
    let (mut sessions, now) = single_hop();
    let named = sessions.iter().next().unwrap().1.discriminator();
    let packet = ControlPacket { your_discriminator: Some(named), ..says_down() };
    hear(&mut sessions, next_door(OTHER), &packet, now);
    assert_eq!(state(&sessions, PEER), State::Init);
    let stale = ControlPacket { your_discriminator: Some(name(named.0.get() ^ 1)), ..says_down() };
    hear(&mut sessions, next_door(PEER), &stale, now);
    assert_eq!(sessions.discards().of(Discard::UnknownSession), 1);
}

#[test]
fn a_packet_over_more_than_one_hop_is_dropped() {
    let (mut sessions, now) = single_hop();
    let farther = Arrival { hop_limit: 254, ..next_door(PEER) };
    assert!(hear(&mut sessions, farther, &says_down(), now).is_empty());
    assert_eq!(sessions.discards().of(Discard::HopLimit), 1);
    assert_eq!(state(&sessions, PEER), State::Down);
}

#[test]
fn a_session_over_several_hops_has_its_own_port_and_limit() {
    let (mut sessions, now) = single_hop();
    sessions.want(OTHER, Hops::Multi(250), settings(300, 3), None, now);
    let arrival = |port, hop_limit| Arrival { from: OTHER, port, hop_limit };
    hear(&mut sessions, arrival(PORT_SINGLE_HOP, 255), &says_down(), now);
    assert_eq!(sessions.discards().of(Discard::UnknownSession), 1);
    hear(&mut sessions, arrival(PORT_MULTIHOP, 249), &says_down(), now);
    assert_eq!(sessions.discards().of(Discard::HopLimit), 1);
    hear(&mut sessions, arrival(PORT_MULTIHOP, 250), &says_down(), now);
    assert_eq!(state(&sessions, OTHER), State::Init);
}

#[test]
fn a_packet_cut_anywhere_is_dropped_and_counted() {
    let (mut sessions, now) = single_hop();
    let octets = says_down().encode();
    let mut out = Vec::new();
    for length in 0..octets.len() {
        sessions.receive(next_door(PEER), &octets[..length], now, &mut out);
    }
    assert!(out.is_empty());
    assert_eq!(sessions.discards().of(Discard::Truncated), 24);
    assert_eq!(sessions.discards().total(), 24);
}

#[test]
fn new_settings_leave_a_session_as_it_is() {
    let (mut sessions, now) = single_hop();
    let before = sessions.iter().next().unwrap().1.discriminator();
    sessions.want(PEER, Hops::Single, settings(50, 5), None, now);
    let (_, session) = sessions.iter().next().unwrap();
    assert_eq!(session.discriminator(), before);
    assert_eq!(session.settings().min_rx, millis(50));
}

#[test]
fn another_distance_is_another_session() {
    let (mut sessions, now) = single_hop();
    let before = sessions.iter().next().unwrap().1.discriminator();
    sessions.want(PEER, Hops::Multi(0), settings(300, 3), None, now);
    assert_ne!(sessions.iter().next().unwrap().1.discriminator(), before);
    assert_eq!(sessions.names.len(), 1);
}

#[test]
fn a_session_not_wanted_any_more_says_admin_down_for_a_while_and_is_gone() {
    let (mut sessions, now) = single_hop();
    hear(&mut sessions, next_door(PEER), &says_down(), now);
    let mut out = Vec::new();
    sessions.unwant(PEER, now, &mut out);
    out.clear();
    sessions.tick(now, &mut out);
    let [(PEER, Output::Transmit(packet))] = out[..] else { panic!("{out:?}") };
    assert_eq!(packet.state, State::AdminDown);
    assert_eq!(sessions.iter().count(), 0);
    assert!(sessions.has(PEER));
    sessions.tick(now + Duration::from_secs(4), &mut out);
    assert!(!sessions.has(PEER));
    assert_eq!(sessions.next_deadline(), None);
}

#[test]
fn a_session_nobody_has_answered_is_gone_at_once() {
    let (mut sessions, now) = single_hop();
    sessions.unwant(PEER, now, &mut Vec::new());
    assert!(!sessions.has(PEER));
    assert!(sessions.names.is_empty());
}

#[test]
fn a_session_wanted_again_while_it_ends_begins_anew() {
    let (mut sessions, now) = single_hop();
    hear(&mut sessions, next_door(PEER), &says_down(), now);
    sessions.unwant(PEER, now, &mut Vec::new());
    sessions.want(PEER, Hops::Single, settings(300, 3), None, now);
    assert_eq!(state(&sessions, PEER), State::Down);
}

fn keyed(key: &[u8]) -> Option<Authentication> {
    Some(Authentication { key: Key::new(key).unwrap(), key_id: 1, meticulous: true })
}

#[test]
fn two_ends_with_one_key_hear_each_other_and_nobody_else() {
    let now = start_of_time();
    let mut ours = Sessions::new(1);
    ours.want(PEER, Hops::Single, settings(300, 3), keyed(b"key"), now);
    hear(&mut ours, next_door(PEER), &says_down(), now);
    assert_eq!(ours.discards().of(Discard::Authentication), 1);
    for (key, next) in [(&b"kez"[..], State::Down), (&b"key"[..], State::Init)] {
        let mut theirs = Sessions::new(2);
        theirs.want(OTHER, Hops::Single, settings(300, 3), keyed(key), now);
        let octets = theirs.encode(OTHER, &says_down());
        ours.receive(next_door(PEER), &octets, now, &mut Vec::new());
        assert_eq!(state(&ours, PEER), next);
    }
    assert_eq!(ours.discards().of(Discard::Authentication), 2);
}

#[test]
fn an_authenticated_packet_is_not_taken_for_a_plain_one() {
    let (mut sessions, now) = single_hop();
    let mut theirs = Sessions::new(2);
    theirs.want(OTHER, Hops::Single, settings(300, 3), keyed(b"key"), now);
    let octets = theirs.encode(OTHER, &says_down());
    sessions.receive(next_door(PEER), &octets, now, &mut Vec::new());
    assert_eq!(sessions.discards().of(Discard::Authentication), 1);
    assert_eq!(state(&sessions, PEER), State::Down);
}

#[test]
fn another_key_leaves_the_session_as_it_is() {
    let (mut sessions, now) = single_hop();
    let before = sessions.iter().next().unwrap().1.discriminator();
    sessions.want(PEER, Hops::Single, settings(300, 3), keyed(b"key"), now);
    assert_eq!(sessions.iter().next().unwrap().1.discriminator(), before);
    assert_eq!(sessions.encode(PEER, &says_down()).len(), 52);
}
