use bytes::Bytes;

use super::*;
use crate::capability::{ExtendedNextHop, GracefulRestart, LongLived};
use crate::family::AfiSafi;
use crate::wire::{CodecContext, decode, encode, next_frame};
use crate::{Family, Message, Notification};

fn parse(body: &[u8]) -> Result<Open, OpenFault> {
    read(body)
}

/// Version 4, AS 65001, 90 s, 192.0.2.1, then what is given.
fn body(rest: &[u8]) -> Vec<u8> {
    let mut body = vec![4, 0xFD, 0xE9, 0, 90, 192, 0, 2, 1];
    body.extend_from_slice(rest);
    body
}

fn said(fault: OpenFault) -> (u8, u8, Vec<u8>) {
    let notification = Notification::from(&DecodeError::from(fault));
    let (code, subcode) = notification.error.codes();
    (code, subcode, notification.data.to_vec())
}

fn open(capabilities: Vec<Capability>) -> Open {
    Open {
        asn: Asn(65_001),
        hold_time: HoldTime::default(),
        bgp_id: BgpId::new([192, 0, 2, 1].into()).unwrap(),
        capabilities,
    }
}

fn there_and_back(open: &Open) -> Open {
    let context = CodecContext::before_open();
    let mut out = BytesMut::new();
    encode(&Message::Open(open.clone()), &context, &mut out).unwrap();
    let frame = next_frame(&mut out, &context).unwrap().unwrap();
    match decode(frame, &context).unwrap().message {
        Message::Open(open) => open,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_capability_survives() {
    let ipv6 = Family::Ipv6.code();
    let open = open(vec![
        Capability::Multiprotocol(ipv6),
        Capability::Multiprotocol(AfiSafi { afi: 25, safi: 70 }),
        Capability::RouteRefresh,
        Capability::ExtendedNextHop(vec![ExtendedNextHop { family: Family::Ipv4.code(), next_hop_afi: 2 }]),
        Capability::ExtendedMessage,
        Capability::GracefulRestart(GracefulRestart {
            restarted: true,
            notification: true,
            restart_time: 4095,
            families: vec![(ipv6, true), (Family::Ipv4.code(), false)],
        }),
        Capability::LongLivedGracefulRestart(vec![
            LongLived { family: ipv6, forwarding: true, stale_time: 0xFF_FFFF },
            LongLived { family: Family::Ipv4.code(), forwarding: false, stale_time: 0 },
        ]),
        Capability::FourOctetAsn(Asn(65_001)),
        Capability::Unknown { code: 73, value: Bytes::from_static(b"\x04host\x00") },
    ]);
    assert_eq!(there_and_back(&open), open);
}

#[test]
fn long_lived_graceful_restart_takes_seven_octets_a_family() {
    let octets = [11, 2, 9, 71, 7, 0, 1, 1, 0x80, 0x01, 0x51, 0x80];
    let kept = LongLived { family: Family::Ipv4.code(), forwarding: true, stale_time: 86_400 };
    let read = parse(&body(&octets)).unwrap();
    assert_eq!(read.capabilities, [Capability::LongLivedGracefulRestart(vec![kept])]);

    let longest = LongLived { stale_time: u32::MAX, ..kept };
    let capped = there_and_back(&open(vec![Capability::LongLivedGracefulRestart(vec![longest])]));
    let kept = LongLived { stale_time: 0xFF_FFFF, ..kept };
    assert_eq!(capped.capabilities, [Capability::LongLivedGracefulRestart(vec![kept])]);
}

#[test]
fn an_as_beyond_two_octets_is_read_from_the_capability() {
    let asn = Asn(4_200_000_001);
    let open = Open { asn, ..open(vec![Capability::FourOctetAsn(asn)]) };
    let mut out = BytesMut::new();
    super::encode(&open, &mut out).unwrap();
    assert_eq!(out.get(1..3), Some(&23_456_u16.to_be_bytes()[..]));
    assert_eq!(there_and_back(&open), open);
}

#[test]
fn long_parameters_are_written_in_the_extended_form_only_when_needed() {
    let filler = |length| Capability::Unknown { code: 200, value: vec![7; length].into() };
    let fits = open(vec![filler(251)]);
    let mut out = BytesMut::new();
    super::encode(&fits, &mut out).unwrap();
    assert_eq!(out.get(9..13), Some(&[255, 2, 253, 200][..]));
    assert_eq!(there_and_back(&fits), fits);

    let long = open(vec![filler(252), filler(255)]);
    let mut out = BytesMut::new();
    super::encode(&long, &mut out).unwrap();
    assert_eq!(out.get(9..16), Some(&[255, 255, 2, 2, 2, 1, 255][..]));
    assert_eq!(there_and_back(&long), long);
}

#[test]
fn the_extended_form_is_read_whatever_the_short_length_says() {
    let extended = [1, 255, 0, 5, 2, 0, 2, 2, 0];
    assert_eq!(parse(&body(&extended)).unwrap().capabilities, [Capability::RouteRefresh]);
    assert_eq!(parse(&body(&[255, 255, 0, 0])).unwrap().capabilities, []);
}

#[test]
fn an_open_that_does_not_fit_is_not_written() {
    let filler = Capability::Unknown { code: 200, value: vec![7; 255].into() };
    let mut out = BytesMut::from("before");
    let message = Message::Open(open(vec![filler; 16]));
    let error = encode(&message, &CodecContext::before_open(), &mut out).unwrap_err();
    assert!(matches!(error, EncodeError::TooLarge { field: "message", max: 4096, .. }), "{error}");
    assert_eq!(out, "before");
}

#[test]
fn another_version_is_told_ours() {
    let fault = parse(&[3, 0xFF]).unwrap_err();
    assert_eq!(fault, OpenFault::Version(3));
    assert_eq!(said(fault), (2, 1, vec![0, 4]));
}

#[test]
fn as_zero_is_a_bad_peer_as_in_either_place() {
    let fixed = [4, 0, 0, 0, 90, 192, 0, 2, 1, 0];
    assert_eq!(said(parse(&fixed).unwrap_err()), (2, 2, vec![]));
    let capability = body(&[8, 2, 6, 65, 4, 0, 0, 0, 0]);
    assert_eq!(said(parse(&capability).unwrap_err()), (2, 2, vec![]));
}

#[test]
fn as_trans_is_nobodys_as() {
    let alone = [4, 0x5B, 0xA0, 0, 90, 192, 0, 2, 1, 0];
    assert_eq!(said(parse(&alone).unwrap_err()), (2, 2, vec![]));
    let mut twice = body(&[8, 2, 6, 65, 4, 0, 0, 0x5B, 0xA0]);
    twice.splice(1..3, 23_456_u16.to_be_bytes());
    assert_eq!(said(parse(&twice).unwrap_err()), (2, 2, vec![]));
}

#[test]
fn two_places_that_name_two_ases_are_a_bad_peer_as() {
    let other = body(&[8, 2, 6, 65, 4, 0, 0, 0xFD, 0xEA]);
    assert_eq!(said(parse(&other).unwrap_err()), (2, 2, vec![]));
    let mut trans = body(&[8, 2, 6, 65, 4, 0, 0, 0xFD, 0xEA]);
    trans.splice(1..3, 23_456_u16.to_be_bytes());
    assert_eq!(parse(&trans).unwrap().asn, Asn(65_002));
}

#[test]
fn identifier_zero_is_refused() {
    let fault = parse(&[4, 0xFD, 0xE9, 0, 90, 0, 0, 0, 0, 0]).unwrap_err();
    assert_eq!(said(fault), (2, 3, vec![]));
}

#[test]
fn a_hold_time_of_one_or_two_seconds_is_refused_and_zero_is_not() {
    let with = |seconds| parse(&[4, 0xFD, 0xE9, 0, seconds, 192, 0, 2, 1, 0]);
    assert_eq!(said(with(1).unwrap_err()), (2, 6, vec![]));
    assert_eq!(said(with(2).unwrap_err()), (2, 6, vec![]));
    assert_eq!(with(0).unwrap().hold_time, HoldTime::NEVER);
}

#[test]
fn an_unknown_optional_parameter_is_refused_and_an_unknown_capability_kept() {
    assert_eq!(said(parse(&body(&[3, 1, 1, 0])).unwrap_err()), (2, 4, vec![]));
    let unknown = Capability::Unknown { code: 99, value: Bytes::from_static(&[1]) };
    assert_eq!(parse(&body(&[5, 2, 3, 99, 1, 1])).unwrap().capabilities, [unknown]);
}

#[test]
fn lengths_that_contradict_each_other_are_unspecific_errors() {
    let cases: [&[u8]; 12] = [
        &[1],                             // a parameter that is not there
        &[0, 0],                          // octets after the parameters
        &[2, 2, 1],                       // a parameter past the end
        &[4, 2, 2, 65, 4],                // a capability past its parameter
        &[3, 2, 1, 65],                   // half a capability header
        &[7, 2, 5, 1, 3, 0, 1, 0],        // multiprotocol of three octets
        &[5, 2, 3, 2, 1, 0],              // route refresh with a value
        &[5, 2, 3, 64, 1, 0],             // graceful restart of one octet
        &[7, 2, 5, 5, 3, 0, 1, 0],        // half an extended next hop
        &[6, 2, 4, 71, 2, 0, 1],          // long-lived graceful restart of two octets
        &[255, 255, 0, 9, 2, 0, 2, 2, 0], // an extended length past the end
        &[255, 255, 0, 4, 2, 0, 2, 2, 0], // an extended length too short
    ];
    for rest in cases {
        let fault = parse(&body(rest)).unwrap_err();
        assert_eq!(said(fault), (2, 0, vec![]), "{rest:?}: {fault}");
    }
}

#[test]
fn duplicate_capabilities_are_tolerated() {
    let twice = body(&[8, 2, 2, 2, 0, 2, 2, 2, 0]);
    assert_eq!(parse(&twice).unwrap().capabilities, [Capability::RouteRefresh, Capability::RouteRefresh]);
}
