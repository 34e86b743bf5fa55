use std::net::Ipv4Addr;

use super::*;
use crate::{AsPath, NextHop};

const AT: Duration = Duration::new(0x0102_0304, 7_000);

fn id(last: u8) -> BgpId {
    BgpId::new(Ipv4Addr::new(192, 0, 2, last)).unwrap()
}

fn written(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out);
    out.to_vec()
}

fn attributes(next_hop: NextHop) -> PathAttributes {
    PathAttributes { as_path: AsPath::sequence([Asn(70_000)]), ..PathAttributes::originated(next_hop) }
}

fn ends(peer: &str) -> Ends {
    let local = "10.0.0.7".parse().unwrap();
    Ends { peer: (Asn(70_000), peer.parse().unwrap()), local: (Asn(65_001), local), interface: 3 }
}

#[test]
fn a_table_begins_with_its_peers() {
    let peers = [
        IndexedPeer { bgp_id: id(1), address: "10.0.0.1".parse().unwrap(), asn: Asn(70_000) },
        IndexedPeer { bgp_id: id(2), address: "fd00::2".parse().unwrap(), asn: Asn(2) },
    ];
    let octets = written(|out| peer_index(AT, id(9), "rib", &peers, out));
    assert_eq!(octets[..8], [1, 2, 3, 4, 0, 13, 0, 1]);
    assert_eq!(u32::from_be_bytes(octets[8..12].try_into().unwrap()) as usize, octets.len() - 12);
    assert_eq!(octets[12..23], [192, 0, 2, 9, 0, 3, b'r', b'i', b'b', 0, 2]);
    assert_eq!(octets[23..36], [2, 192, 0, 2, 1, 10, 0, 0, 1, 0, 1, 0x11, 0x70]);
    assert_eq!(octets[36], 3);
}

#[test]
fn an_ipv4_prefix_has_the_next_hop_in_its_own_attribute() {
    let attributes = attributes(NextHop::V4(Ipv4Addr::new(10, 0, 0, 1)));
    let entry = Entry { peer: 1, at: AT, path_id: 0, attributes: &attributes };
    let prefix = Nlri::from("10.1.0.0/16".parse::<ipnet::IpNet>().unwrap());
    let octets = written(|out| rib(AT, 5, &prefix, &[entry], out));
    assert_eq!(octets[6..8], [0, 2]);
    assert_eq!(octets[12..21], [0, 0, 0, 5, 16, 10, 1, 0, 1]);
    assert_eq!(octets[21..27], [0, 1, 1, 2, 3, 4]);
    let next_hop = [0x40, 3, 4, 10, 0, 0, 1];
    assert!(octets.windows(7).any(|window| window == next_hop), "{octets:02x?}");
}

#[test]
fn an_ipv6_next_hop_is_all_that_is_left_of_mp_reach() {
    let global = "fd00::1".parse().unwrap();
    let attributes = attributes(NextHop::V6 { global, link_local: None });
    let entry = Entry { peer: 0, at: AT, path_id: 0, attributes: &attributes };
    let prefix = Nlri::from("fd00:1::/64".parse::<ipnet::IpNet>().unwrap());
    let octets = written(|out| rib(AT, 0, &prefix, &[entry], out));
    assert_eq!(octets[6..8], [0, 4]);
    let mut mp_reach = vec![0x80, 14, 17, 16];
    mp_reach.extend_from_slice(&global.octets());
    assert!(octets.windows(20).any(|window| window == mp_reach), "{octets:02x?}");
}

#[test]
fn path_identifiers_make_it_another_kind_of_record() {
    let attributes = attributes(NextHop::V4(Ipv4Addr::new(10, 0, 0, 1)));
    let entry = |path_id| Entry { peer: 1, at: AT, path_id, attributes: &attributes };
    let prefix = Nlri::from("10.1.0.0/16".parse::<ipnet::IpNet>().unwrap());
    let octets = written(|out| rib(AT, 5, &prefix, &[entry(0), entry(77)], out));
    assert_eq!(octets[6..8], [0, 8]);
    assert_eq!(octets[27..31], [0, 0, 0, 0]);
}

#[test]
fn a_message_says_which_way_it_went_and_how_wide_its_as_numbers_are() {
    let wide = CodecContext { four_octet_asn: true, ..CodecContext::before_open() };
    let octets = written(|out| message(AT, &ends("10.0.0.1"), Direction::Received, &wide, &[9; 19], out));
    assert_eq!(octets[4..8], [0, 17, 0, 4]);
    assert_eq!(octets[12..16], [0, 0, 0, 7]);
    assert_eq!(octets[16..28], [0, 1, 0x11, 0x70, 0, 0, 0xfd, 0xe9, 0, 3, 0, 1]);
    assert_eq!(octets[28..36], [10, 0, 0, 1, 10, 0, 0, 7]);
    assert_eq!(octets[36..], [9; 19]);
    let narrow = CodecContext::before_open();
    let octets = written(|out| message(AT, &ends("10.0.0.1"), Direction::Sent, &narrow, &[], out));
    assert_eq!(octets[6..8], [0, 6]);
    assert_eq!(octets[16..20], [0x5b, 0xa0, 0xfd, 0xe9]);
}

#[test]
fn a_local_address_of_the_other_family_is_unknown() {
    let octets =
        written(|out| state_change(AT, &ends("fd00::1"), State::OpenConfirm, State::Established, out));
    assert_eq!(octets[44..60], [0; 16]);
    assert_eq!(octets[60..], [0, 5, 0, 6]);
}
