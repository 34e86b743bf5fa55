use super::*;
use crate::wire::testing::{
    self, AS_PATH, MP_REACH, NEXT_HOP, ORIGIN, PREFIX, body, external, read, refused, there_and_back,
};

fn texts(nlri: &[Nlri]) -> Vec<String> {
    nlri.iter().map(|nlri| nlri.prefix.to_string()).collect()
}

/// Tells what an UPDATE withdraws and announces.
fn meaning(body: &[u8], context: &CodecContext) -> (Vec<String>, Vec<String>) {
    let (update, _) = read(body, context).unwrap();
    let announced: Vec<_> = update.announced.iter().flat_map(|part| texts(&part.nlri)).collect();
    (texts(&update.withdrawn), announced)
}

fn without(family: Family) -> CodecContext {
    let mut context = external();
    context.families.remove(family);
    context
}

#[test]
fn lengths_beyond_the_message_end_the_session() {
    for body in [&[0, 1, 0, 0][..], &[0, 0, 0, 1], &[0xFF, 0xFF, 0, 0], &[0, 0, 0], &[]] {
        assert_eq!(refused(body, &external()), (3, 1, vec![]), "{body:?}");
    }
}

#[test]
fn a_malformed_prefix_ends_the_session() {
    for prefix in [&[33, 1, 1, 1, 1, 1][..], &[24, 10, 1], &[24, 10, 1, 2, 255]] {
        let announced = body(&[], &[ORIGIN, AS_PATH, NEXT_HOP], prefix);
        assert_eq!(refused(&announced, &external()), (3, 10, vec![]));
        assert_eq!(refused(&body(prefix, &[], &[]), &external()), (3, 10, vec![]));
    }
}

#[test]
fn a_missing_mandatory_attribute_is_treated_as_withdraw() {
    for attributes in [[AS_PATH, NEXT_HOP], [ORIGIN, NEXT_HOP], [ORIGIN, AS_PATH]] {
        let (update, offences) = read(&body(&[], &attributes, PREFIX), &external()).unwrap();
        assert_eq!(texts(&update.withdrawn), ["10.1.2.0/24"]);
        assert_eq!(offences.len(), 1);
        assert_eq!(offences[0].error, WireError::Missing);
    }
    let by_attribute = body(&[], &[MP_REACH, ORIGIN], &[]);
    assert_eq!(meaning(&by_attribute, &external()).0, ["2001:db8::/32"]);
}

#[test]
fn an_attribute_that_overruns_the_others_is_treated_as_withdraw() {
    let overrun: &[u8] = &[0x80, 4, 200, 0];
    let nlri = body(&[], &[ORIGIN, AS_PATH, NEXT_HOP, overrun], PREFIX);
    assert_eq!(meaning(&nlri, &external()), (vec!["10.1.2.0/24".to_owned()], vec![]));
    let reach = body(&[], &[MP_REACH, ORIGIN, AS_PATH, overrun], &[]);
    assert_eq!(meaning(&reach, &external()), (vec!["2001:db8::/32".to_owned()], vec![]));
    let both = body(&[], &[MP_REACH, ORIGIN, AS_PATH, &[0x40]], PREFIX);
    assert_eq!(
        meaning(&both, &external()).0,
        ["2001:db8::/32", "10.1.2.0/24"].map(str::to_owned).into_iter().rev().collect::<Vec<_>>()
    );
}

#[test]
fn an_overrun_that_hides_the_routes_ends_the_session() {
    let before: &[u8] = &[0x80, 4, 200, 0];
    assert_eq!(refused(&body(&[], &[ORIGIN, before, MP_REACH], &[]), &external()).0, 3);
    let itself = &MP_REACH[..20];
    assert_eq!(
        refused(&body(&[], &[ORIGIN, AS_PATH, NEXT_HOP, itself], PREFIX), &external()),
        (3, 1, vec![])
    );
}

#[test]
fn attributes_in_error_without_any_route_end_the_session() {
    let bad_origin: &[u8] = &[0x40, 1, 1, 9];
    assert_eq!(refused(&body(&[], &[bad_origin, AS_PATH], &[]), &external()), (3, 1, vec![]));
    assert_eq!(refused(&body(PREFIX, &[bad_origin], &[]), &external()), (3, 1, vec![]));
    let discarded: &[u8] = &[0x40, 6, 1, 0];
    assert!(read(&body(PREFIX, &[discarded], &[]), &external()).is_ok());
}

#[test]
fn a_prefix_withdrawn_and_announced_is_only_announced() {
    let both = body(&[24, 10, 1, 2, 8, 10], &[ORIGIN, AS_PATH, NEXT_HOP], PREFIX);
    assert_eq!(meaning(&both, &external()), (vec!["10.0.0.0/8".to_owned()], vec!["10.1.2.0/24".to_owned()]));
}

#[test]
fn the_two_end_of_ribs_are_told_apart() {
    let ipv6: &[u8] = &[0x80, 15, 3, 0, 2, 1];
    let extended: &[u8] = &[0x90, 15, 0, 3, 0, 2, 1];
    assert_eq!(read(&[0; 4], &external()).unwrap().0.end_of_rib, Some(Family::Ipv4));
    assert_eq!(read(&body(&[], &[ipv6], &[]), &external()).unwrap().0.end_of_rib, Some(Family::Ipv6));
    assert_eq!(read(&body(&[], &[extended], &[]), &external()).unwrap().0.end_of_rib, Some(Family::Ipv6));
}

#[test]
fn what_has_anything_else_in_it_is_no_end_of_rib() {
    let ipv6: &[u8] = &[0x80, 15, 3, 0, 2, 1];
    for body in [body(PREFIX, &[ipv6], &[]), body(&[], &[ipv6, ORIGIN], &[]), body(&[], &[ORIGIN], &[])] {
        assert_eq!(read(&body, &external()).unwrap().0.end_of_rib, None);
    }
    assert_eq!(read(&[0; 4], &without(Family::Ipv4)).unwrap().0.end_of_rib, None);
    assert_eq!(read(&body(&[], &[ipv6], &[]), &without(Family::Ipv6)).unwrap().0, Update::default());
}

#[test]
fn routes_of_a_family_not_negotiated_are_ignored_and_the_session_stays() {
    let both = body(&[], &[MP_REACH, ORIGIN, AS_PATH, NEXT_HOP], PREFIX);
    let (update, offences) = read(&both, &without(Family::Ipv6)).unwrap();
    assert_eq!(texts(&update.announced[0].nlri), ["10.1.2.0/24"]);
    assert_eq!(update.announced.len(), 1);
    assert_eq!(offences[0].disposition, Disposition::DiscardAttribute);

    let (update, offences) = read(&both, &without(Family::Ipv4)).unwrap();
    assert_eq!(texts(&update.announced[0].nlri), ["2001:db8::/32"]);
    assert_eq!(offences.len(), 1);

    let vpn: &[u8] = &[0x80, 14, 6, 0, 1, 128, 0, 0, 99];
    assert_eq!(read(&body(&[], &[vpn, ORIGIN, AS_PATH], &[]), &external()).unwrap().0, Update::default());
}

#[test]
fn ipv4_routes_have_an_ipv6_next_hop_only_where_negotiated() {
    let reach: &[u8] =
        &[0x80, 14, 25, 0, 1, 1, 16, 0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 24, 10, 1, 2];
    let octets = body(&[], &[reach, ORIGIN, AS_PATH], &[]);
    let (update, _) = read(&octets, &external()).unwrap();
    assert_eq!(update.announced[0].attributes.next_hop.address().to_string(), "fe80::1");
    let context = CodecContext { extended_next_hop: Default::default(), ..external() };
    assert_eq!(refused(&octets, &context).1, 9);
    assert_eq!(
        testing::there_and_back(&Message::Update(update.clone()), &external()).message,
        Message::Update(update.clone())
    );
    let mut out = BytesMut::new();
    assert_eq!(crate::wire::encode(&Message::Update(update), &context, &mut out), Err(EncodeError::NextHop));
}

#[test]
fn a_next_hop_of_32_octets_has_a_link_local_companion() {
    let global = [0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let link_local = [0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let next_hop = |first: [u8; 16], second: [u8; 16]| {
        let reach =
            [&[0x80, 14, 42, 0, 2, 1, 32][..], &first, &second, &[0, 32, 0x20, 1, 0xD, 0xB8]].concat();
        let (update, _) = read(&body(&[], &[&reach, ORIGIN, AS_PATH], &[]), &external()).unwrap();
        update.announced[0].attributes.next_hop
    };
    let (g, l) = (global.into(), link_local.into());
    assert_eq!(next_hop(global, link_local), NextHop::V6 { global: g, link_local: Some(l) });
    assert_eq!(next_hop([0; 16], link_local), NextHop::V6 { global: l, link_local: None });
    assert_eq!(next_hop(global, [0; 16]), NextHop::V6 { global: g, link_local: None });
}

#[test]
fn the_reserved_octet_behind_the_next_hop_is_ignored() {
    let mut reach = MP_REACH.to_vec();
    reach[23] = 0xFF;
    let (update, offences) = read(&body(&[], &[&reach, ORIGIN, AS_PATH], &[]), &external()).unwrap();
    assert_eq!((texts(&update.announced[0].nlri), offences), (vec!["2001:db8::/32".to_owned()], vec![]));
}

#[test]
fn both_places_for_routes_may_be_used_at_once() {
    let both = body(PREFIX, &[MP_REACH, ORIGIN, AS_PATH, NEXT_HOP, &[0x80, 15, 4, 0, 2, 1, 0]], &[8, 10]);
    let (update, offences) = read(&both, &external()).unwrap();
    assert_eq!(offences, []);
    assert_eq!(update.announced.len(), 2);
    assert_eq!(texts(&update.withdrawn), ["10.1.2.0/24", "::/0"]);
    let message = Message::Update(update);
    assert_eq!(there_and_back(&message, &external()).message, message);
}

#[test]
fn thousands_of_empty_attributes_are_few_offences() {
    let (update, offences) =
        read(&body(&[], &[ORIGIN, AS_PATH, NEXT_HOP, &[0x40, 6, 0].repeat(20_000)], PREFIX), &external())
            .unwrap();
    assert_eq!(update.announced.len(), 1);
    assert_eq!(offences.len(), 1);
}

#[test]
fn a_default_route_repeated_over_and_over_is_read() {
    let (update, _) = read(&body(&[], &[ORIGIN, AS_PATH, NEXT_HOP], &[0; 4000]), &external()).unwrap();
    assert_eq!(update.announced[0].nlri.len(), 4000);
}

#[test]
fn what_one_update_cannot_say_is_refused() {
    let (good, _) = read(&body(PREFIX, &[ORIGIN, AS_PATH, NEXT_HOP], &[8, 10]), &external()).unwrap();
    let mut out = BytesMut::new();
    let mut encode = |update: Update| crate::wire::encode(&Message::Update(update), &external(), &mut out);
    assert_eq!(encode(Update::default()), Err(EncodeError::Empty));
    assert_eq!(encode(Update { end_of_rib: Some(Family::Ipv4), ..good.clone() }), Err(EncodeError::Mixed));
    let mut twice = good.clone();
    twice.announced.extend(good.announced.clone());
    assert_eq!(encode(twice), Err(EncodeError::Mixed));
    let mut ipv6_by_ipv4 = good;
    ipv6_by_ipv4.announced[0].nlri = vec!["2001:db8::/32".parse::<ipnet::IpNet>().unwrap().into()];
    assert_eq!(encode(ipv6_by_ipv4), Err(EncodeError::NextHop));
    assert!(out.is_empty());
}
