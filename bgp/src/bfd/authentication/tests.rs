use super::*;
use crate::bfd::Session;
use crate::bfd::session::tests::{millis, name, settings, start_of_time};

const PATIENCE: Duration = Duration::from_millis(900);

fn authentication(key: &[u8], meticulous: bool) -> Authentication {
    Authentication { key: Key::new(key).unwrap(), key_id: 1, meticulous }
}

fn authenticator(key: &[u8], meticulous: bool) -> Authenticator {
    Authenticator::new(authentication(key, meticulous), u32::MAX - 2)
}

fn packet() -> ControlPacket {
    Session::new(settings(300, 3), name(1), 1, start_of_time()).packet()
}

fn check(authenticator: &mut Authenticator, payload: &[u8], now: Instant) -> Result<(), Discard> {
    let packet = ControlPacket::decode(payload)?;
    authenticator.check(payload, &packet, PATIENCE, now)
}

#[test]
fn the_section_is_as_the_rfc_has_it() {
    let mut ours = authenticator(b"secret", true);
    let octets = ours.sign(&packet());
    assert_eq!(octets.len(), 52);
    assert_eq!(octets[3], 52);
    assert_eq!(octets[24..32], [5, 28, 1, 0, 0xFF, 0xFF, 0xFF, 0xFE]);
    let mut hashed = octets[..32].to_vec();
    hashed.extend(b"secret\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    assert_eq!(octets[32..], Sha1::digest(&hashed)[..]);
    assert_eq!(authenticator(b"secret", false).sign(&packet())[24], 4);
}

#[test]
fn what_one_end_signs_the_other_takes_across_the_end_of_numbers() {
    for meticulous in [false, true] {
        let now = start_of_time();
        let (mut ours, mut theirs) = (authenticator(b"key", meticulous), authenticator(b"key", meticulous));
        for _ in 0..10 {
            assert_eq!(check(&mut theirs, &ours.sign(&packet()), now), Ok(()));
        }
    }
}

#[test]
fn every_octet_counts() {
    let now = start_of_time();
    let octets = authenticator(b"key", true).sign(&packet());
    for at in 0..octets.len() {
        let mut forged = octets.clone();
        forged[at] ^= 0x80;
        assert!(check(&mut authenticator(b"key", true), &forged, now).is_err(), "octet {at}");
    }
    for length in 0..octets.len() {
        assert!(check(&mut authenticator(b"key", true), &octets[..length], now).is_err(), "{length} octets");
    }
}

#[test]
fn another_key_kind_or_none_at_all_is_refused() {
    let now = start_of_time();
    let mut theirs = authenticator(b"key", true);
    let refused = Err(Discard::Authentication);
    assert_eq!(check(&mut theirs, &authenticator(b"kez", true).sign(&packet()), now), refused);
    assert_eq!(check(&mut theirs, &authenticator(b"key", false).sign(&packet()), now), refused);
    assert_eq!(check(&mut theirs, &packet().encode(), now), refused);
    let other = Authentication { key_id: 2, ..authentication(b"key", true) };
    assert_eq!(check(&mut theirs, &Authenticator::new(other, 0).sign(&packet()), now), refused);
}

#[test]
fn a_packet_sent_again_is_refused_by_the_meticulous_alone() {
    let now = start_of_time();
    for (meticulous, expected) in [(false, Ok(())), (true, Err(Discard::Authentication))] {
        let mut theirs = authenticator(b"key", meticulous);
        let octets = authenticator(b"key", meticulous).sign(&packet());
        assert_eq!(check(&mut theirs, &octets, now), Ok(()));
        assert_eq!(check(&mut theirs, &octets, now), expected);
    }
}

#[test]
fn numbers_may_run_ahead_by_three_multipliers_and_never_back() {
    let now = start_of_time();
    let signed = |number: u32| Authenticator::new(authentication(b"key", false), number - 1).sign(&packet());
    for (number, taken) in [(99, false), (100, true), (109, true), (110, false)] {
        let mut theirs = authenticator(b"key", false);
        assert_eq!(check(&mut theirs, &signed(100), now), Ok(()));
        assert_eq!(check(&mut theirs, &signed(number), now).is_ok(), taken, "{number}");
    }
}

#[test]
fn after_twice_the_detection_time_any_number_will_do() {
    let now = start_of_time();
    let signed = |number: u32| Authenticator::new(authentication(b"key", true), number).sign(&packet());
    let mut theirs = authenticator(b"key", true);
    assert_eq!(check(&mut theirs, &signed(5000), now), Ok(()));
    assert!(check(&mut theirs, &signed(7), now + PATIENCE * 2 - millis(1)).is_err());
    assert_eq!(check(&mut theirs, &signed(7), now + PATIENCE * 2), Ok(()));
}

#[test]
fn a_key_has_one_to_twenty_octets_and_is_never_shown() {
    assert_eq!(Key::new(b""), None);
    assert_eq!(Key::new(&[7; 21]), None);
    assert!(Key::new(&[7; 20]).is_some());
    assert_eq!(format!("{:?}", authentication(b"hunter2", true).key), "Key");
}
