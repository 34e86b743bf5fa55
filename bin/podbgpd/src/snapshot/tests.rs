use bgp::Family;

use super::*;

const NODE: fn() -> Identity =
    || Identity { asn: Asn(64_512), router_id: BgpId::new([10, 0, 0, 1].into()).expect("not zero") };

fn at(seconds: u64) -> Moment {
    Moment { boot: [3; 16], uptime: Duration::from_secs(seconds) }
}

fn prefixes(texts: &[&str]) -> Prefixes {
    texts.iter().map(|text| text.parse().expect("a prefix")).collect()
}

fn snapshot() -> Snapshot {
    let peer = |name: &str, up, announced: &[&str]| PeerRecord {
        name: name.to_owned(),
        up,
        families: FamilySet::from_iter([Family::Ipv6]),
        announced: prefixes(announced),
    };
    Snapshot {
        node: NODE(),
        taken: at(100),
        farewell: true,
        installed: 70_000,
        originated: prefixes(&["10.20.30.64/26", "fd00:20:30:40::/122"]),
        peers: vec![
            peer("tor-a", true, &["0.0.0.0/0", "10.1.2.3/32", "::/0", "2001:db8::1/128", "10.0.0.0/7"]),
            peer("tor-b", false, &[]),
        ],
    }
}

#[test]
fn what_is_written_is_read() {
    let snapshot = snapshot();
    let read = decode(&encode(&snapshot)).expect("it is ours");
    assert_eq!(read, snapshot);
    let announced: Vec<String> = read.peers[0].announced.iter().map(|prefix| prefix.to_string()).collect();
    assert_eq!(announced, ["0.0.0.0/0", "10.1.2.3/32", "::/0", "2001:db8::1/128", "10.0.0.0/7"]);
}

#[test]
fn no_changed_bit_and_no_missing_octet_goes_unnoticed() {
    let octets = encode(&snapshot());
    for at in 0..octets.len() {
        assert!(decode(&octets[..at]).is_err(), "cut after {at}");
        for bit in 0..8 {
            let mut changed = octets.clone();
            changed[at] ^= 1 << bit;
            assert!(decode(&changed).is_err(), "octet {at} bit {bit}");
        }
    }
    assert_eq!(decode(&[octets.as_slice(), &[0]].concat()), Err(Unusable::Damaged));
}

#[test]
fn another_format_is_told_apart_from_damage() {
    let mut octets = encode(&snapshot());
    octets[13] = 2;
    assert_eq!(decode(&octets), Err(Unusable::Format(2)));
}

#[test]
fn octets_with_a_good_checksum_and_no_sense_are_refused() {
    use sha1::{Digest as _, Sha1};
    let octets = encode(&snapshot());
    let body = octets.len() - 20;
    for at in 14..body {
        let mut changed = octets[..body].to_vec();
        changed[at] = 0xFF;
        let checksum = Sha1::digest(&changed);
        changed.extend(checksum.as_slice());
        // Whatever comes of it, walking it must end.
        if let Ok(odd) = decode(&changed) {
            odd.peers.iter().for_each(|peer| assert!(peer.announced.iter().count() <= octets.len()));
        }
    }
}

#[test]
fn only_a_recent_snapshot_of_this_node_and_boot_counts() {
    let snapshot = snapshot();
    assert_eq!(snapshot.judge(NODE(), at(103)), Ok(Duration::from_secs(3)));
    let other = Identity { asn: Asn(64_513), ..NODE() };
    assert_eq!(snapshot.judge(other, at(103)), Err(Unusable::OtherNode(NODE())));
    let later = Moment { boot: [4; 16], ..at(103) };
    assert_eq!(snapshot.judge(NODE(), later), Err(Unusable::OtherBoot));
    assert_eq!(snapshot.judge(NODE(), at(99)), Err(Unusable::Damaged), "it is from the future");
    let age = MAX_AGE + Duration::from_secs(1);
    let old = Moment { uptime: snapshot.taken.uptime + age, ..at(0) };
    assert_eq!(snapshot.judge(NODE(), old), Err(Unusable::TooOld(age)));
}

#[test]
fn a_list_of_prefixes_takes_no_more_than_it_needs() {
    let list = prefixes(&["10.0.0.0/8", "10.1.0.0/24", "2001:db8::/32"]);
    assert_eq!((list.len(), list.octets().len()), (3, 2 + 4 + 5));
    let (first, next) = list.at(0).expect("a prefix");
    assert_eq!((first.to_string().as_str(), next), ("10.0.0.0/8", 2));
    assert_eq!(list.at(list.octets().len()), None);
}
