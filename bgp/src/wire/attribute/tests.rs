//! What each attribute costs when it is malformed: RFC 7606 §7, one test a section.

use super::*;
use crate::Asn;
use crate::attributes::UnknownAttribute;
use crate::wire::testing::{
    self, AS_PATH, MP_REACH, NEXT_HOP, ORIGIN, PREFIX, body, external, internal, two_octet,
};

/// What was done about one more attribute in an otherwise good UPDATE; `None` where the session ended.
fn cost(attribute: &[u8], context: &CodecContext) -> Option<Disposition> {
    cost_among(&[ORIGIN, AS_PATH, NEXT_HOP, attribute], context)
}

fn cost_among(attributes: &[&[u8]], context: &CodecContext) -> Option<Disposition> {
    let (update, offences) = testing::read(&body(&[], attributes, PREFIX), context).ok()?;
    let worst = offences.iter().map(|offence| offence.disposition).max();
    let withdrawn = worst == Some(TreatAsWithdraw);
    assert_eq!((update.announced.len(), update.withdrawn.len()), if withdrawn { (0, 1) } else { (1, 0) });
    Some(worst.unwrap_or(Disposition::Accept))
}

/// What is made of one more attribute in an otherwise good UPDATE.
fn attributes(more: &[&[u8]], context: &CodecContext) -> PathAttributes {
    let all = [&[ORIGIN, AS_PATH, NEXT_HOP], more].concat();
    let (mut update, _) = testing::read(&body(&[], &all, PREFIX), context).unwrap();
    update.announced.remove(0).attributes
}

#[test]
fn the_table_is_in_order_and_its_routes_are_its_only_resets() {
    assert!(TABLE.is_sorted_by_key(|row| row.code));
    for row in TABLE {
        assert_eq!(row.encode.is_none(), row.malformed == Reset, "{}", row.name);
    }
}

#[test]
fn a_malformed_origin_is_treated_as_withdraw() {
    for origin in [&[0x40, 1, 0][..], &[0x40, 1, 2, 0, 0], &[0x40, 1, 1, 3]] {
        assert_eq!(cost_among(&[origin, AS_PATH, NEXT_HOP], &external()), Some(TreatAsWithdraw));
    }
}

#[test]
fn a_malformed_as_path_is_treated_as_withdraw() {
    let cases: [&[u8]; 8] = [
        &[0x40, 2, 1, 2],                               // half a segment header
        &[0x40, 2, 2, 2, 0],                            // a segment of none
        &[0x40, 2, 6, 2, 2, 0, 0, 0xFD, 0xE9],          // a segment that runs over
        &[0x40, 2, 7, 2, 1, 0, 0, 0xFD, 0xE9, 2],       // an octet left over
        &[0x40, 2, 6, 5, 1, 0, 0, 0xFD, 0xE9],          // no such segment type
        &[0x40, 2, 6, 3, 1, 0, 0, 0xFD, 0xE9],          // a confederation we are not in
        &[0x40, 2, 6, 2, 1, 0, 0, 0, 0],                // AS 0
        &[0x40, 2, 10, 2, 255, 0, 0, 0, 1, 0, 0, 0, 2], // 255 announced, two there
    ];
    for path in cases {
        assert_eq!(cost_among(&[ORIGIN, path, NEXT_HOP], &external()), Some(TreatAsWithdraw), "{path:?}");
    }
    let empty: &[u8] = &[0x40, 2, 0];
    assert_eq!(cost_among(&[ORIGIN, empty, NEXT_HOP], &external()), Some(Disposition::Accept));
}

#[test]
fn segments_of_255_fill_a_message_and_are_read() {
    let segment = [&[2, 255][..], &65_001_u32.to_be_bytes().repeat(255)].concat();
    let value = segment.repeat(3);
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    let path = [&[0x50, 2][..], &length, &value].concat();
    let (update, _) = testing::read(&body(&[], &[ORIGIN, &path, NEXT_HOP], PREFIX), &external()).unwrap();
    let attributes = &update.announced[0].attributes;
    assert_eq!(attributes.as_path.length(), 3 * 255);
    // One more AS in front takes a new segment: to an old speaker this grows by AS4_PATH, and no message holds it.
    let mut prepended = attributes.clone();
    prepended.as_path.prepend(Asn(70_000), 1);
    let nlri = &update.announced[0].nlri;
    let mut out = BytesMut::new();
    assert!(
        crate::wire::pack::announce(&prepended, crate::Family::Ipv4, nlri, &external(), &mut out).is_ok()
    );
    assert!(
        crate::wire::pack::announce(&prepended, crate::Family::Ipv4, nlri, &two_octet(), &mut out).is_err()
    );
}

#[test]
fn an_as_set_is_understood() {
    let path: &[u8] = &[0x40, 2, 16, 2, 1, 0, 0, 0, 1, 1, 2, 0, 0, 0, 2, 0, 0, 0, 3];
    let (update, _) = testing::read(&body(&[], &[ORIGIN, path, NEXT_HOP], PREFIX), &external()).unwrap();
    assert_eq!(update.announced[0].attributes.as_path.to_string(), "1 {2,3}");
}

#[test]
fn a_malformed_next_hop_is_treated_as_withdraw() {
    for next_hop in [&[0x40, 3, 3, 192, 0, 2][..], &[0x40, 3, 5, 192, 0, 2, 1, 0], &[0x40, 3, 0]] {
        assert_eq!(cost_among(&[ORIGIN, AS_PATH, next_hop], &external()), Some(TreatAsWithdraw));
    }
}

#[test]
fn a_malformed_med_is_treated_as_withdraw() {
    assert_eq!(cost(&[0x80, 4, 3, 0, 0, 1], &external()), Some(TreatAsWithdraw));
    assert_eq!(cost(&[0x80, 4, 5, 0, 0, 0, 0, 1], &internal()), Some(TreatAsWithdraw));
    assert_eq!(attributes(&[&[0x80, 4, 4, 0, 0, 0, 50]], &external()).med, Some(50));
}

#[test]
fn a_malformed_local_pref_is_treated_as_withdraw_and_one_from_outside_discarded() {
    assert_eq!(cost(&[0x40, 5, 3, 0, 0, 1], &internal()), Some(TreatAsWithdraw));
    assert_eq!(cost(&[0x40, 5, 3, 0, 0, 1], &external()), Some(DiscardAttribute));
    let good: &[&[u8]] = &[&[0x40, 5, 4, 0, 0, 0, 200]];
    assert_eq!(attributes(good, &internal()).local_pref, Some(200));
    assert_eq!(attributes(good, &external()).local_pref, None);
}

#[test]
fn a_malformed_atomic_aggregate_is_discarded() {
    assert_eq!(cost(&[0x40, 6, 1, 0], &external()), Some(DiscardAttribute));
    assert!(!attributes(&[&[0x40, 6, 1, 0]], &external()).atomic_aggregate);
    assert!(attributes(&[&[0x40, 6, 0]], &external()).atomic_aggregate);
}

#[test]
fn a_malformed_aggregator_is_discarded() {
    let long: &[u8] = &[0xC0, 7, 8, 0, 0, 0xFD, 0xE9, 192, 0, 2, 9];
    let short: &[u8] = &[0xC0, 7, 6, 0xFD, 0xE9, 192, 0, 2, 9];
    assert_eq!(cost(short, &external()), Some(DiscardAttribute));
    assert_eq!(cost(&[0xC0, 7, 8, 0, 0, 0, 0, 192, 0, 2, 9], &external()), Some(DiscardAttribute));
    let expected = Some(Aggregator { asn: Asn(65_001), address: [192, 0, 2, 9].into() });
    assert_eq!(attributes(&[long], &external()).rare.aggregator, expected);
}

#[test]
fn malformed_communities_are_treated_as_withdraw() {
    for communities in [&[0xC0, 8, 0][..], &[0xC0, 8, 3, 0, 0, 1], &[0xC0, 8, 5, 0, 0, 0, 1, 0]] {
        assert_eq!(cost(communities, &external()), Some(TreatAsWithdraw));
    }
    let twice: &[u8] = &[0xC0, 8, 12, 0, 2, 0, 1, 0, 1, 0, 1, 0, 2, 0, 1];
    let expected = [Community(0x1_0001), Community(0x2_0001)];
    assert_eq!(attributes(&[twice], &external()).communities, expected);
}

#[test]
fn a_malformed_originator_id_is_treated_as_withdraw_and_one_from_outside_discarded() {
    assert_eq!(cost(&[0x80, 9, 3, 1, 2, 3], &internal()), Some(TreatAsWithdraw));
    assert_eq!(cost(&[0x80, 9, 4, 0, 0, 0, 0], &internal()), Some(TreatAsWithdraw));
    assert_eq!(cost(&[0x80, 9, 4, 1, 2, 3, 4], &external()), Some(DiscardAttribute));
    assert!(attributes(&[&[0x80, 9, 4, 1, 2, 3, 4]], &internal()).rare.originator_id.is_some());
}

#[test]
fn a_malformed_cluster_list_is_treated_as_withdraw_and_one_from_outside_discarded() {
    for list in [&[0x80, 10, 0][..], &[0x80, 10, 5, 1, 2, 3, 4, 5]] {
        assert_eq!(cost(list, &internal()), Some(TreatAsWithdraw));
        assert_eq!(cost(list, &external()), Some(DiscardAttribute));
    }
    let good: &[u8] = &[0x80, 10, 8, 9, 9, 9, 9, 1, 1, 1, 1];
    assert_eq!(
        attributes(&[good], &internal()).rare.cluster_list,
        [[9; 4].into(), std::net::Ipv4Addr::from([1; 4])]
    );
}

#[test]
fn a_malformed_mp_reach_ends_the_session() {
    let mut no_next_hop = MP_REACH.to_vec();
    no_next_hop[6] = 0;
    let mut long_next_hop = MP_REACH.to_vec();
    long_next_hop[6] = 255;
    let mut long_prefix = MP_REACH.to_vec();
    long_prefix[24] = 129;
    let short: &[u8] = &[0x80, 14, 4, 0, 2, 1, 0];
    for reach in [&no_next_hop, &long_next_hop, &long_prefix, short] {
        assert_eq!(cost(reach, &external()), None, "{reach:?}");
    }
    let (code, subcode, data) = testing::refused(&body(&[], &[short], &[]), &external());
    assert_eq!((code, subcode, data.as_slice()), (3, 9, short));
    let (code, subcode, _) = testing::refused(&body(&[], &[&long_prefix], &[]), &external());
    assert_eq!((code, subcode), (3, 10));
}

#[test]
fn a_malformed_mp_unreach_ends_the_session() {
    for unreach in [&[0x80, 15, 2, 0, 2][..], &[0x80, 15, 4, 0, 2, 1, 129], &[0x80, 15, 4, 0, 2, 1, 8]] {
        assert_eq!(cost(unreach, &external()), None, "{unreach:?}");
    }
}

#[test]
fn malformed_extended_communities_are_treated_as_withdraw() {
    for communities in [&[0xC0, 16, 0][..], &[0xC0, 16, 7, 0, 2, 0, 0, 0, 0, 0]] {
        assert_eq!(cost(communities, &external()), Some(TreatAsWithdraw));
    }
    let target: &[u8] = &[0xC0, 16, 8, 0, 2, 0xFD, 0xE9, 0, 0, 0, 7];
    assert_eq!(attributes(&[target], &external()).rare.extended_communities[0].to_string(), "rt:65001:7");
}

#[test]
fn malformed_large_communities_are_treated_as_withdraw() {
    for communities in [&[0xC0, 32, 0][..], &[0xC0, 32, 11, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]] {
        assert_eq!(cost(communities, &external()), Some(TreatAsWithdraw));
    }
    let good: &[u8] = &[0xC0, 32, 12, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    assert_eq!(attributes(&[good], &external()).rare.large_communities[0].to_string(), "1:2:3");
}

#[test]
fn a_malformed_aigp_is_discarded() {
    for attribute in [
        &[0x80, 26, 2, 1, 0][..],
        &[0x80, 26, 3, 1, 0, 3],
        &[0x80, 26, 3, 2, 0, 2],
        &[0x80, 26, 10, 1, 0, 10, 0, 0, 0, 0, 0, 0, 1],
        &[0x80, 26, 4, 2, 0, 9, 0],
        // Transitive it would get to where nobody was asked (RFC 7311 §3.2).
        &[0xC0, 26, 11, 1, 0, 11, 0, 0, 0, 0, 0, 0, 0, 7],
    ] {
        assert_eq!(cost(attribute, &external()), Some(DiscardAttribute), "{attribute:?}");
    }
}

#[test]
fn the_first_metric_of_an_aigp_counts_and_the_rest_goes_on() {
    let good: &[u8] =
        &[0x80, 26, 26, 2, 0, 4, 9, 1, 0, 11, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 11, 0, 0, 0, 0, 0, 0, 0, 5];
    let read = attributes(&[good], &external());
    let aigp = read.rare.aigp.as_ref().unwrap();
    assert_eq!(aigp.metric, 257);
    assert_eq!(aigp.others[..], [2, 0, 4, 9, 1, 0, 11, 0, 0, 0, 0, 0, 0, 0, 5]);
    assert_eq!(attributes(&[&[0x80, 26, 4, 2, 0, 4, 9]], &external()).rare.aigp, None);
}

/// AS_PATH and AS4_PATH of a speaker of 2-octet numbers, put together.
#[test]
fn a_malformed_only_to_customer_is_treated_as_withdraw() {
    for attribute in [
        &[0xC0, 35, 0][..],
        &[0xC0, 35, 3, 0, 0, 1],
        &[0xC0, 35, 5, 0, 0, 0, 1, 0],
        &[0x40, 35, 4, 0, 0, 0, 1],
    ] {
        assert_eq!(cost(attribute, &external()), Some(TreatAsWithdraw), "{attribute:?}");
    }
    let good: &[u8] = &[0xC0, 35, 4, 0, 0, 0xFD, 0xE9];
    for context in [external(), CodecContext { internal: true, ..external() }] {
        assert_eq!(attributes(&[good], &context).rare.only_to_customer, Some(crate::Asn(65_001)));
    }
}

fn merged(path: &[u8], more: &[&[u8]]) -> PathAttributes {
    let all = [&[ORIGIN, path, NEXT_HOP], more].concat();
    let (mut update, _) = testing::read(&body(&[], &all, PREFIX), &two_octet()).unwrap();
    update.announced.remove(0).attributes
}

/// 65010 23456 23456
const TRANS_PATH: &[u8] = &[0x40, 2, 8, 2, 3, 0xFD, 0xF2, 0x5B, 0xA0, 0x5B, 0xA0];
/// 70000 70001
const AS4_PATH: &[u8] = &[0xC0, 17, 10, 2, 2, 0, 1, 0x11, 0x70, 0, 1, 0x11, 0x71];
/// 70001, 192.0.2.9
const AS4_AGGREGATOR: &[u8] = &[0xC0, 18, 8, 0, 1, 0x11, 0x71, 192, 0, 2, 9];

#[test]
fn as4_path_replaces_the_tail_of_as_path() {
    assert_eq!(merged(TRANS_PATH, &[AS4_PATH]).as_path.to_string(), "65010 70000 70001");
}

#[test]
fn to_an_old_speaker_as_trans_stands_where_the_as4_attributes_say_more() {
    let route = merged(TRANS_PATH, &[&[0xC0, 7, 6, 0x5B, 0xA0, 192, 0, 2, 9], AS4_PATH, AS4_AGGREGATOR]);
    let mut out = BytesMut::new();
    encode(&route, &two_octet(), &mut out);
    let whole_as4_path: &[u8] = &[0xC0, 17, 14, 2, 3, 0, 0, 0xFD, 0xF2, 0, 1, 0x11, 0x70, 0, 1, 0x11, 0x71];
    for expected in [TRANS_PATH, &[0xC0, 7, 6, 0x5B, 0xA0, 192, 0, 2, 9], whole_as4_path, AS4_AGGREGATOR] {
        assert!(out.windows(expected.len()).any(|octets| octets == expected), "{expected:?} in {out:?}");
    }
    let mut out = BytesMut::new();
    encode(&route, &external(), &mut out);
    assert!(!out.windows(2).any(|octets| octets == [0xC0, 17] || octets == [0xC0, 18]), "{out:?}");
}

#[test]
fn an_as4_path_longer_than_as_path_is_out_of_date() {
    let short: &[u8] = &[0x40, 2, 4, 2, 1, 0x5B, 0xA0];
    assert_eq!(merged(short, &[AS4_PATH]).as_path.to_string(), "23456");
}

#[test]
fn a_changed_aggregator_makes_both_as4_attributes_out_of_date() {
    let trans: &[u8] = &[0xC0, 7, 6, 0x5B, 0xA0, 192, 0, 2, 9];
    let route = merged(TRANS_PATH, &[trans, AS4_PATH, AS4_AGGREGATOR]);
    assert_eq!(route.rare.aggregator.map(|aggregator| aggregator.asn), Some(Asn(70_001)));
    assert_eq!(route.as_path.to_string(), "65010 70000 70001");

    let changed: &[u8] = &[0xC0, 7, 6, 0xFD, 0xF2, 192, 0, 2, 9];
    let route = merged(TRANS_PATH, &[changed, AS4_PATH, AS4_AGGREGATOR]);
    assert_eq!(route.rare.aggregator.map(|aggregator| aggregator.asn), Some(Asn(65_010)));
    assert_eq!(route.as_path.to_string(), "65010 23456 23456");
}

#[test]
fn confederation_segments_are_dropped_from_as4_path() {
    let confederate: &[u8] = &[0xC0, 17, 16, 3, 1, 0, 0, 0, 7, 2, 2, 0, 1, 0x11, 0x70, 0, 1, 0x11, 0x71];
    assert_eq!(merged(TRANS_PATH, &[confederate]).as_path.to_string(), "65010 70000 70001");
}

#[test]
fn malformed_as4_attributes_are_discarded_and_so_are_those_of_4_octet_speakers() {
    let zero: &[u8] = &[0xC0, 17, 6, 2, 1, 0, 0, 0, 0];
    for as4 in [&[0xC0, 17, 0][..], &[0xC0, 17, 3, 2, 1, 0], zero, &[0xC0, 18, 6, 0, 1, 1, 1, 1, 1]] {
        assert_eq!(cost_among(&[ORIGIN, TRANS_PATH, NEXT_HOP, as4], &two_octet()), Some(DiscardAttribute));
    }
    assert_eq!(cost(AS4_PATH, &external()), Some(DiscardAttribute));
    assert_eq!(cost(AS4_AGGREGATOR, &external()), Some(DiscardAttribute));
}

#[test]
fn flags_that_contradict_the_type_are_treated_as_withdraw() {
    for attribute in [&[0xC0, 4, 4, 0, 0, 0, 1][..], &[0x40, 8, 4, 0, 0, 0, 1], &[0xC0, 6, 0]] {
        assert_eq!(cost(attribute, &external()), Some(TreatAsWithdraw), "{attribute:?}");
    }
    let mut reach = MP_REACH.to_vec();
    reach[0] = 0xC0;
    assert_eq!(cost(&reach, &external()), None);
}

#[test]
fn an_unknown_well_known_attribute_ends_the_session_and_is_shown() {
    let unknown: &[u8] = &[0x40, 99, 2, 1, 2];
    let answer = testing::refused(&body(&[], &[ORIGIN, AS_PATH, NEXT_HOP, unknown], PREFIX), &external());
    assert_eq!(answer, (3, 2, unknown.to_vec()));
}

#[test]
fn an_unknown_optional_attribute_is_passed_on_as_partial_if_transitive_and_dropped_if_not() {
    let transitive: &[u8] = &[0xC0, 99, 2, 1, 2];
    let route = attributes(&[transitive, &[0x80, 98, 1, 0]], &external());
    let kept = UnknownAttribute { code: 99, partial: false, value: Bytes::from_static(&[1, 2]) };
    assert_eq!(route.rare.unknown, [kept]);
    let mut out = BytesMut::new();
    encode(&route, &external(), &mut out);
    assert!(out.ends_with(&[0xE0, 99, 2, 1, 2]), "{out:?}");
}

#[test]
fn the_partial_bit_of_an_attribute_we_understand_stays() {
    let (partial, whole): (&[u8], &[u8]) =
        (&[0xE0, 8, 4, 0, 0, 0, 1], &[0xC0, 32, 12, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]);
    assert_eq!(cost(partial, &external()), Some(Disposition::Accept));
    let mut out = BytesMut::new();
    encode(&attributes(&[whole, partial], &external()), &external(), &mut out);
    assert!(out.ends_with(&[partial, whole].concat()), "{out:?}");
}

#[test]
fn the_worst_of_several_faults_wins() {
    let (discarded, withdrawn): (&[u8], &[u8]) = (&[0x40, 6, 1, 0], &[0x80, 4, 3, 0, 0, 1]);
    for faults in [[discarded, withdrawn], [withdrawn, discarded]] {
        let attributes = [&[ORIGIN, AS_PATH, NEXT_HOP][..], &faults].concat();
        assert_eq!(cost_among(&attributes, &external()), Some(TreatAsWithdraw));
        let with_reset = [&attributes[..], &[&[0x40, 99, 0]]].concat();
        assert_eq!(cost_among(&with_reset, &external()), None);
    }
}

#[test]
fn of_an_attribute_that_comes_twice_the_first_counts() {
    let (first, second): (&[u8], &[u8]) = (&[0x80, 4, 4, 0, 0, 0, 1], &[0x80, 4, 4, 0, 0, 0, 2]);
    assert_eq!(attributes(&[first, second], &external()).med, Some(1));
    assert_eq!(cost_among(&[ORIGIN, AS_PATH, NEXT_HOP, first, second], &external()), Some(DiscardAttribute));
    let reach_twice = body(&[], &[MP_REACH, MP_REACH, ORIGIN, AS_PATH], &[]);
    assert_eq!(testing::refused(&reach_twice, &external()), (3, 1, vec![]));
    let unreach: &[u8] = &[0x80, 15, 4, 0, 2, 1, 0];
    let unreach_twice = body(&[], &[unreach, unreach], &[]);
    assert_eq!(testing::refused(&unreach_twice, &external()), (3, 1, vec![]));
}

#[test]
fn a_value_of_more_than_255_octets_gets_a_long_length() {
    let mut route = attributes(&[], &external());
    for count in [63, 64] {
        route.communities = (0..count).map(Community).collect();
        let mut out = BytesMut::new();
        encode(&route, &external(), &mut out);
        let (more, _) = testing::read(&body(&[], &[&out], PREFIX), &external()).unwrap();
        assert_eq!(more.announced[0].attributes, route);
    }
}

#[test]
fn codes_that_killed_others_are_carried_or_dropped_but_never_read() {
    for code in [11, 12, 13, 19, 20, 21, 22, 23, 25, 28, 29, 30, 31, 33, 40, 128, 129, 241, 255] {
        for value in [&[][..], &[0], &[0xFF; 9]] {
            let length = u8::try_from(value.len()).unwrap();
            for flags in [OPTIONAL, OPTIONAL_TRANSITIVE, OPTIONAL_TRANSITIVE | PARTIAL] {
                let attribute = [&[flags, code, length], value].concat();
                assert_eq!(cost(&attribute, &external()), Some(Disposition::Accept), "{code}");
            }
        }
    }
}
