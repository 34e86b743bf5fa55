//! Arbitrary octets, and frames with arbitrary bodies, into a peer in each of its states.
//!
//! The first octet chooses the state, the second how the rest is cut; what follows is what the peer sends.

#![no_main]

use std::net::Ipv4Addr;
use std::time::Instant;

use bgp::fsm::{Action, ConnId, Event, Peer, PeerSettings, State};
use bgp::wire::{CodecContext, encode};
use bgp::{Asn, BgpId, Capability, Family, HoldTime, Message, Open, Role};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let &[start, cut, ref octets @ ..] = data else { return };
    let now = Instant::now();
    let mut out = Vec::new();
    let mut peer = peer_in(start % 7, start & 0x80 != 0, now, &mut out);
    let sent = if cut & 0x80 == 0 { Bytes::copy_from_slice(octets) } else { framed(octets) };
    let piece = usize::from(cut & 0x7F) + 1;
    for connection in 1..=2 {
        for at in (0..sent.len()).step_by(piece) {
            let piece = sent.slice(at..sent.len().min(at + piece));
            peer.handle(Event::Received(ConnId(connection), piece), now, &mut out);
        }
    }
    for _ in 0..4 {
        let Some(deadline) = peer.next_deadline() else { break };
        peer.handle(Event::Tick, deadline, &mut out);
        assert!(peer.next_deadline().is_none_or(|next| next > deadline), "the clock must move");
    }
    check(&peer, &out);
});

/// What holds whatever was sent: every session that came up and is gone was reported as such.
fn check(peer: &Peer, out: &[Action]) {
    let ups = out.iter().filter(|action| matches!(action, Action::Established(_))).count();
    let downs = out.iter().filter(|action| matches!(action, Action::Down(_))).count();
    assert_eq!(ups - downs, usize::from(peer.state() == State::Established));
    assert_eq!(peer.session().is_some(), peer.state() == State::Established);
}

/// Reads a kind, a length and a body over and over, and gives each a header that is right.
fn framed(mut octets: &[u8]) -> Bytes {
    let mut sent = BytesMut::new();
    while let [kind, length, rest @ ..] = octets {
        let (body, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        sent.extend_from_slice(&[0xFF; 16]);
        sent.extend_from_slice(&u16::try_from(19 + body.len()).unwrap().to_be_bytes());
        sent.extend_from_slice(&[kind % 6]);
        sent.extend_from_slice(body);
        octets = rest;
    }
    sent.freeze()
}

/// 0 Idle, 1 Connect, 2 Active, 3 OpenSent, 4 OpenSent twice, 5 OpenConfirm, 6 Established.
fn peer_in(state: u8, internal: bool, now: Instant, out: &mut Vec<Action>) -> Peer {
    let peer_asn = if internal { Asn(65_001) } else { Asn(65_002) };
    let capabilities = vec![
        Capability::Multiprotocol(Family::Ipv4.code()),
        Capability::Multiprotocol(Family::Ipv6.code()),
        Capability::RouteRefresh,
        Capability::ExtendedMessage,
        Capability::EnhancedRouteRefresh,
        Capability::Role(Role::Peer.code()),
    ];
    let mut peer = Peer::new(PeerSettings {
        local_asn: Asn(65_001),
        peer_asn: peer_asn.into(),
        bgp_id: BgpId::new(Ipv4Addr::new(10, 0, 0, 1)).unwrap(),
        hold_time: HoldTime::default(),
        keepalive: None,
        connect_retry: std::time::Duration::from_secs(60),
        passive: state == 2,
        send_hold: None,
        capabilities: capabilities.clone(),
        role_strict: false,
        jitter_seed: 1,
    });
    let mut say = |peer: &mut Peer, message| {
        let mut octets = BytesMut::new();
        encode(&message, &CodecContext::before_open(), &mut octets).unwrap();
        peer.handle(Event::Received(ConnId(1), octets.freeze()), now, out);
    };
    let mut ignored = Vec::new();
    if state > 0 {
        peer.handle(Event::Start, now, &mut ignored);
    }
    if state > 2 {
        peer.handle(Event::Connected(ConnId(1)), now, &mut ignored);
    }
    if state == 4 {
        peer.handle(Event::Incoming, now, &mut ignored);
    }
    if state > 4 {
        let mut capabilities = capabilities;
        capabilities.push(Capability::FourOctetAsn(peer_asn));
        let bgp_id = BgpId::new(Ipv4Addr::new(10, 0, 0, 2)).unwrap();
        say(&mut peer, Message::Open(Open { asn: peer_asn, hold_time: HoldTime::default(), bgp_id, capabilities }));
    }
    if state > 5 {
        say(&mut peer, Message::Keepalive);
        assert_eq!(peer.state(), State::Established);
    }
    peer
}
