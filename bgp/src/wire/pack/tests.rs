use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

use super::*;
use crate::attributes::UnknownAttribute;
use crate::wire::testing::{external, read_all, several_paths};
use crate::wire::{MAX_EXTENDED_MESSAGE, MAX_MESSAGE};
use crate::{AsPath, Asn, NextHop};

fn extended() -> CodecContext {
    CodecContext { extended_messages: true, ..external() }
}

fn route(next_hop: &str) -> PathAttributes {
    let next_hop = NextHop::from(next_hop.parse::<std::net::IpAddr>().unwrap());
    PathAttributes { as_path: AsPath::sequence([Asn(65_001)]), ..PathAttributes::originated(next_hop) }
}

fn ipv4(count: u32) -> Vec<Nlri> {
    let net = |index: u32| Ipv4Net::new(Ipv4Addr::from_bits(0x0A00_0000 + (index << 8)), 24).unwrap();
    (0..count).map(|index| IpNet::from(net(index)).into()).collect()
}

fn ipv6(count: u16) -> Vec<Nlri> {
    (0..count).map(|index| format!("2001:db8:{index:x}::/48").parse::<IpNet>().unwrap().into()).collect()
}

/// The lengths of the messages in a stream.
fn lengths(mut octets: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let Some(length) = octets.get(16..18) {
        lengths.push(usize::from(u16::from_be_bytes([length[0], length[1]])));
        octets = &octets[lengths[lengths.len() - 1]..];
    }
    lengths
}

fn filler(octets: usize) -> UnknownAttribute {
    UnknownAttribute { code: 99, partial: true, value: vec![7; octets].into() }
}

/// Attributes padded so that an announcement of one /24 is of a given length.
fn padded(length: usize, context: &CodecContext) -> PathAttributes {
    let mut attributes = route("192.0.2.1");
    let measure = |attributes: &PathAttributes| {
        let mut out = BytesMut::new();
        announce(attributes, Family::Ipv4, &ipv4(1), &extended(), &mut out).unwrap();
        out.len()
    };
    attributes.rare.edit(|rare| rare.unknown.push(filler(300)));
    let missing = length - measure(&attributes);
    attributes.rare.edit(|rare| rare.unknown = vec![filler(300 + missing)]);
    assert_eq!(context.max_length(MessageKind::Update).min(length), length);
    attributes
}

#[test]
fn every_prefix_arrives_in_messages_as_full_as_can_be() {
    for (context, max) in [(external(), MAX_MESSAGE), (extended(), MAX_EXTENDED_MESSAGE)] {
        for (family, next_hop, nlri, size) in [
            (Family::Ipv4, "192.0.2.1", ipv4(30_000), 4),
            (Family::Ipv6, "2001:db8::1", ipv6(30_000), 7),
            (Family::Ipv4, "2001:db8::1", ipv4(30_000), 4),
        ] {
            let attributes = route(next_hop);
            let mut out = BytesMut::new();
            let count = announce(&attributes, family, &nlri, &context, &mut out).unwrap();
            let lengths = lengths(&out);
            assert_eq!(lengths.len(), count);
            let (last, full) = lengths.split_last().unwrap();
            assert!(full.iter().all(|&length| length <= max && length + size > max), "{full:?}");
            assert!(*last <= max);
            let parts: Vec<_> =
                read_all(out, &context).into_iter().flat_map(|update| update.announced).collect();
            assert!(parts.iter().all(|part| part.attributes == attributes));
            assert_eq!(parts.into_iter().flat_map(|part| part.nlri).collect::<Vec<_>>(), nlri);
        }
    }
}

#[test]
fn several_paths_of_a_prefix_keep_their_identifiers() {
    let context = several_paths();
    for (family, next_hop, nlri, size) in
        [(Family::Ipv4, "192.0.2.1", ipv4(2_000), 8), (Family::Ipv6, "2001:db8::1", ipv6(2_000), 11)]
    {
        let paths = |nlri: &Nlri| [1, 0xFFFF_FFFF].map(|path_id| Nlri { path_id, ..*nlri });
        let nlri: Vec<_> = nlri.iter().flat_map(paths).collect();
        let mut out = BytesMut::new();
        announce(&route(next_hop), family, &nlri, &context, &mut out).unwrap();
        let messages = lengths(&out);
        let (_, full) = messages.split_last().unwrap();
        assert!(full.iter().all(|&length| length <= MAX_MESSAGE && length + size > MAX_MESSAGE), "{full:?}");
        let announced = read_all(out, &context).into_iter().flat_map(|update| update.announced);
        assert_eq!(announced.flat_map(|part| part.nlri).collect::<Vec<_>>(), nlri);

        let mut out = BytesMut::new();
        withdraw(family, &nlri, &context, &mut out);
        let withdrawn = read_all(out, &context).into_iter().flat_map(|update| update.withdrawn);
        assert_eq!(withdrawn.collect::<Vec<_>>(), nlri);
    }
}

#[test]
fn every_withdrawal_arrives_in_messages_as_full_as_can_be() {
    for (context, max) in [(external(), MAX_MESSAGE), (extended(), MAX_EXTENDED_MESSAGE)] {
        for (family, nlri, size) in [(Family::Ipv4, ipv4(30_000), 4), (Family::Ipv6, ipv6(30_000), 7)] {
            let mut out = BytesMut::new();
            let count = withdraw(family, &nlri, &context, &mut out);
            let lengths = lengths(&out);
            assert_eq!(lengths.len(), count);
            let (_, full) = lengths.split_last().unwrap();
            assert!(full.iter().all(|&length| length <= max && length + size > max), "{full:?}");
            let withdrawn = read_all(out, &context).into_iter().flat_map(|update| update.withdrawn);
            assert_eq!(withdrawn.collect::<Vec<_>>(), nlri);
        }
    }
}

#[test]
fn a_message_of_exactly_the_greatest_length_is_written_and_read() {
    for (context, max) in [(external(), MAX_MESSAGE), (extended(), MAX_EXTENDED_MESSAGE)] {
        // One octet is kept for the longest prefix, /32.
        let attributes = padded(max - 1, &context);
        let host: IpNet = "10.0.0.1/32".parse().unwrap();
        let mut out = BytesMut::new();
        assert_eq!(announce(&attributes, Family::Ipv4, &[host.into()], &context, &mut out), Ok(1));
        assert_eq!(out.len(), max);
        assert_eq!(read_all(out, &context)[0].announced[0].attributes, attributes);
    }
}

#[test]
fn attributes_that_leave_no_room_for_a_prefix_are_refused() {
    let attributes = padded(MAX_MESSAGE, &external());
    let mut out = BytesMut::new();
    let refused = announce(&attributes, Family::Ipv4, &ipv4(1), &external(), &mut out);
    assert!(matches!(refused, Err(EncodeError::TooLarge { actual: 4097, max: 4096, .. })), "{refused:?}");
    assert!(out.is_empty());
    assert_eq!(announce(&attributes, Family::Ipv4, &ipv4(1), &extended(), &mut out), Ok(1));
}

#[test]
fn nothing_makes_no_message_and_other_families_are_left_out() {
    let mut out = BytesMut::new();
    assert_eq!(announce(&route("192.0.2.1"), Family::Ipv4, &[], &external(), &mut out), Ok(0));
    assert_eq!(announce(&route("192.0.2.1"), Family::Ipv4, &ipv6(3), &external(), &mut out), Ok(0));
    assert_eq!(withdraw(Family::Ipv6, &ipv4(3), &external(), &mut out), 0);
    assert!(out.is_empty());
}

#[test]
fn end_of_rib_is_read_as_such() {
    for family in Family::ALL {
        let mut out = BytesMut::new();
        end_of_rib(family, &external(), &mut out);
        let updates = read_all(out, &external());
        assert_eq!(updates.len(), 1);
        assert_eq!(updates[0].end_of_rib, Some(family));
    }
}
