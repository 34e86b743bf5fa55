use std::net::Ipv4Addr;

use super::*;

fn peer(view: View) -> PeerHeader {
    PeerHeader {
        view,
        address: "10.0.0.1".parse().unwrap(),
        asn: Asn(4_200_000_001),
        bgp_id: BgpId::new(Ipv4Addr::new(192, 0, 2, 1)).unwrap(),
        at: Duration::new(0x0102_0304, 5_000),
    }
}

fn written(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out);
    out.to_vec()
}

#[test]
fn the_length_counts_the_header_too() {
    let octets = written(|out| initiation("node-a", "podbgpd", out));
    assert_eq!(octets[0], 3);
    assert_eq!(u32::from_be_bytes(octets[1..5].try_into().unwrap()) as usize, octets.len());
    assert_eq!(octets[5], 4);
    assert_eq!(&octets[6..10], [0, 1, 0, 7]);
    assert_eq!(&octets[10..17], b"podbgpd");
}

#[test]
fn a_route_has_the_peer_in_front_and_the_update_behind() {
    let octets = written(|out| route_monitoring(&peer(View::AdjRibIn { post_policy: true }), &[9; 23], out));
    assert_eq!(octets.len(), 6 + 42 + 23);
    assert_eq!(&octets[5..8], [0, 0, 0x40]);
    assert_eq!(&octets[16..32], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1]);
    assert_eq!(&octets[32..36], 4_200_000_001_u32.to_be_bytes());
    assert_eq!(&octets[36..40], [192, 0, 2, 1]);
    assert_eq!(&octets[40..48], [1, 2, 3, 4, 0, 0, 0, 5]);
    assert_eq!(&octets[48..], [9; 23]);
}

#[test]
fn what_a_peer_is_told_is_marked() {
    let ipv6 =
        PeerHeader { address: "fd00::1".parse().unwrap(), ..peer(View::AdjRibOut { post_policy: true }) };
    let octets = written(|out| route_monitoring(&ipv6, &[], out));
    assert_eq!(octets[7], 0x80 | 0x40 | 0x10);
}

#[test]
fn loc_rib_has_no_address() {
    let octets = written(|out| route_monitoring(&peer(View::LocRib), &[], out));
    assert_eq!(&octets[6..8], [3, 0]);
    assert_eq!(octets[16..32], [0; 16]);
}

#[test]
fn every_end_of_a_session_has_its_code() {
    let ends = [
        (Down::LocalNotification(&[1, 2]), vec![1, 1, 2]),
        (Down::Local(2), vec![2, 0, 2]),
        (Down::RemoteNotification(&[3]), vec![3, 3]),
        (Down::Remote, vec![4]),
        (Down::NotMonitored, vec![5]),
    ];
    for (down, expected) in ends {
        let octets = written(|out| peer_down(&peer(View::AdjRibIn { post_policy: false }), down, out));
        assert_eq!(octets[48..], expected);
    }
}

#[test]
fn both_opens_follow_the_ends_of_the_connection() {
    let local = "[fd00::7]:179".parse().unwrap();
    let header = peer(View::AdjRibIn { post_policy: false });
    let octets = written(|out| peer_up(&header, local, 40_000, (&[1; 29], &[2; 29]), out));
    assert_eq!(octets.len(), 6 + 42 + 20 + 58);
    assert_eq!(octets[64..68], [0, 179, 0x9c, 0x40]);
    assert_eq!(octets[68..97], [1; 29]);
}

#[test]
fn a_gauge_of_a_family_names_it() {
    let family = crate::Family::Ipv6.code();
    let counted = [Statistic::Rejected(7), Statistic::AdjRibInOf(family, 9)];
    let octets = written(|out| statistics(&peer(View::AdjRibIn { post_policy: false }), &counted, out));
    assert_eq!(octets[48..52], [0, 0, 0, 2]);
    assert_eq!(octets[52..60], [0, 0, 0, 4, 0, 0, 0, 7]);
    assert_eq!(octets[60..], [0, 9, 0, 11, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 9]);
}

#[test]
fn a_station_is_told_why_it_hears_no_more() {
    let octets = written(|out| termination(Termination::AdministrativelyClosed, out));
    assert_eq!(octets, [3, 0, 0, 0, 12, 5, 0, 1, 0, 2, 0, 0]);
}
