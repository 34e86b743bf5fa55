//! What we write we read the same, whatever it is and whatever the session.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{Bytes, BytesMut};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::testing::there_and_back;
use super::*;
use crate::as_path::{Segment, SegmentKind};
use crate::attributes::{Aggregator, Aigp, Origin, RareAttributes, UnknownAttribute};
use crate::capability::{AddPath, ExtendedNextHop, Fqdn, GracefulRestart, LongLived};
use crate::family::AfiSafi;
use crate::message::RouteRefresh;
use crate::notification::NotificationError;
use crate::{
    Announcement, AsPath, Asn, BgpId, Capability, Community, ExtendedCommunity, Family, HoldTime,
    LargeCommunity, NextHop, Nlri, Notification, Open, PathAttributes, Update,
};

fn context() -> impl Strategy<Value = CodecContext> {
    any::<(bool, bool, bool)>().prop_map(|(four_octet_asn, extended_messages, add_path)| {
        let with_ids = if add_path { FamilySet::ALL } else { FamilySet::NONE };
        CodecContext {
            four_octet_asn,
            extended_messages,
            families: FamilySet::ALL,
            extended_next_hop: [Family::Ipv4].into_iter().collect(),
            add_path_receive: with_ids,
            add_path_send: with_ids,
            internal: true,
        }
    })
}

/// Any AS but the reserved ones, small ones as often as great ones.
fn asn() -> impl Strategy<Value = Asn> {
    prop_oneof![1..=65_535_u32, 1..=u32::MAX].prop_map(Asn).prop_filter("reserved", |asn| !asn.is_reserved())
}

fn bgp_id() -> impl Strategy<Value = BgpId> {
    (1..=u32::MAX).prop_filter_map("zero", |bits| BgpId::new(Ipv4Addr::from_bits(bits)))
}

fn as_path() -> impl Strategy<Value = AsPath> {
    let kind = prop_oneof![Just(SegmentKind::Set), Just(SegmentKind::Sequence)];
    let segment = (kind, vec(asn(), 1..6)).prop_map(|(kind, asns)| Segment { kind, asns });
    vec(segment, 0..4).prop_map(AsPath::from_iter)
}

fn ipv6_next_hop() -> impl Strategy<Value = NextHop> {
    let link_local = any::<u64>().prop_map(|id| Ipv6Addr::from_bits(0xFE80 << 112 | u128::from(id)));
    (1..=u128::MAX, option::of(link_local))
        .prop_map(|(global, link_local)| NextHop::V6 { global: Ipv6Addr::from_bits(global), link_local })
}

fn ipv4_prefix() -> impl Strategy<Value = Nlri> {
    (any::<u32>(), 0..=32_u8, any::<u32>()).prop_map(|(bits, length, path_id)| {
        let prefix = IpNet::from(Ipv4Net::new(Ipv4Addr::from_bits(bits), length).unwrap()).trunc();
        Nlri { prefix, path_id }
    })
}

fn ipv6_prefix() -> impl Strategy<Value = Nlri> {
    (any::<u128>(), 0..=128_u8, any::<u32>()).prop_map(|(bits, length, path_id)| {
        let prefix = IpNet::from(Ipv6Net::new(Ipv6Addr::from_bits(bits), length).unwrap()).trunc();
        Nlri { prefix, path_id }
    })
}

fn sorted<T: Ord + std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    btree_set(value, 0..5).prop_map(|set| set.into_iter().collect())
}

prop_compose! {
    fn aggregator()(asn in asn(), bits in any::<u32>()) -> Aggregator {
        Aggregator { asn, address: Ipv4Addr::from_bits(bits) }
    }
}

prop_compose! {
    fn large_community()(global: u32, local1: u32, local2: u32) -> LargeCommunity {
        LargeCommunity { global, local1, local2 }
    }
}

fn unknown() -> impl Strategy<Value = Vec<UnknownAttribute>> {
    let value = || vec(any::<u8>(), 0..300).prop_map(Bytes::from);
    (option::of(value()), option::of(value())).prop_map(|(first, second)| {
        let both = [(99, first), (200, second)].into_iter();
        both.filter_map(|(code, value)| Some(UnknownAttribute { code, partial: true, value: value? }))
            .collect()
    })
}

prop_compose! {
    fn rare()(
        aggregator in option::of(aggregator()),
        originator_id in option::of(bgp_id()),
        cluster_list in vec(any::<u32>().prop_map(Ipv4Addr::from_bits), 0..4),
        extended_communities in sorted(any::<[u8; 8]>().prop_map(ExtendedCommunity)),
        large_communities in sorted(large_community()),
        only_to_customer in proptest::option::of(asn()),
        aigp in proptest::option::of(any::<u64>().prop_map(|metric| Aigp { metric, others: Bytes::from_static(&[2, 0, 4, 7]) })),
        unknown in unknown(),
        partial: bool,
    ) -> RareAttributes {
        let has = [(7, aggregator.is_some()), (16, !extended_communities.is_empty()), (32, !large_communities.is_empty()), (35, only_to_customer.is_some())];
        let partial = has.into_iter().filter_map(|(code, has)| (has && partial).then_some(code)).collect();
        RareAttributes {
            aggregator, originator_id, cluster_list, extended_communities, aigp, large_communities, only_to_customer, unknown, partial,
        }
    }
}

prop_compose! {
    fn attributes(next_hop: impl Strategy<Value = NextHop>)(
        next_hop in next_hop,
        origin in prop_oneof![Just(Origin::Igp), Just(Origin::Egp), Just(Origin::Incomplete)],
        as_path in as_path(),
        (med, local_pref) in any::<(Option<u32>, Option<u32>)>(),
        atomic_aggregate: bool,
        communities in sorted(any::<u32>().prop_map(Community)),
        rare in rare(),
    ) -> PathAttributes {
        PathAttributes {
            origin, as_path, next_hop, med, local_pref, atomic_aggregate, communities, rare: rare.into(),
        }
    }
}

fn ipv4_next_hop() -> impl Strategy<Value = NextHop> {
    any::<u32>().prop_map(|bits| NextHop::V4(Ipv4Addr::from_bits(bits)))
}

fn announcement() -> impl Strategy<Value = Announcement> {
    let part = |(attributes, nlri)| Announcement { attributes, nlri };
    prop_oneof![
        (attributes(ipv4_next_hop()), vec(ipv4_prefix(), 1..20)).prop_map(part),
        (attributes(ipv6_next_hop()), vec(ipv4_prefix(), 1..20)).prop_map(part),
        (attributes(ipv6_next_hop()), vec(ipv6_prefix(), 1..20)).prop_map(part),
    ]
}

/// Withdrawn prefixes in the order of their fields, and none that is announced too.
fn update() -> impl Strategy<Value = Update> {
    let withdrawn = (vec(ipv4_prefix(), 0..9), vec(ipv6_prefix(), 0..9));
    (withdrawn, option::of(announcement())).prop_filter_map("says nothing", |((ipv4, ipv6), announced)| {
        let announced = Vec::from_iter(announced);
        let mut withdrawn = [ipv4, ipv6].concat();
        withdrawn.retain(|nlri| announced.iter().all(|part| !part.nlri.contains(nlri)));
        let says_something = !withdrawn.is_empty() || !announced.is_empty();
        says_something.then_some(Update { withdrawn, announced, end_of_rib: None })
    })
}

/// Takes the path identifiers away, where the session has none.
fn on_session(mut update: Update, context: &CodecContext) -> Update {
    if context.add_path_send.is_empty() {
        update.withdrawn.iter_mut().for_each(|nlri| nlri.path_id = 0);
        update.announced.iter_mut().flat_map(|part| &mut part.nlri).for_each(|nlri| nlri.path_id = 0);
        update.withdrawn.retain(|nlri| update.announced.iter().all(|part| !part.nlri.contains(nlri)));
    }
    update
}

fn family() -> impl Strategy<Value = AfiSafi> {
    any::<(u16, u8)>().prop_map(|(afi, safi)| AfiSafi { afi, safi })
}

fn capability() -> impl Strategy<Value = Capability> {
    let next_hop =
        (family(), any::<u16>()).prop_map(|(family, next_hop_afi)| ExtendedNextHop { family, next_hop_afi });
    let restart = (any::<bool>(), any::<bool>(), 0..4096_u16, vec((family(), any::<bool>()), 0..5));
    let long_lived = (family(), any::<bool>(), 0..1_u32 << 24)
        .prop_map(|(family, forwarding, stale_time)| LongLived { family, forwarding, stale_time });
    let add_path = (family(), 1..=3_u8).prop_map(|(family, direction)| AddPath {
        family,
        receive: direction & 1 != 0,
        send: direction & 2 != 0,
    });
    prop_oneof![
        family().prop_map(Capability::Multiprotocol),
        Just(Capability::RouteRefresh),
        Just(Capability::ExtendedMessage),
        Just(Capability::LinkLocalNextHop),
        Just(Capability::EnhancedRouteRefresh),
        any::<u8>().prop_map(Capability::Role),
        ("[a-z0-9]{0,63}", "[a-zé.]{0,100}")
            .prop_map(|(host, domain)| Capability::Fqdn(Fqdn { host, domain })),
        "[ -~]{0,64}".prop_map(Capability::SoftwareVersion),
        vec(next_hop, 0..5).prop_map(Capability::ExtendedNextHop),
        restart.prop_map(|(restarted, notification, restart_time, families)| {
            Capability::GracefulRestart(GracefulRestart { restarted, notification, restart_time, families })
        }),
        vec(add_path, 0..5).prop_map(Capability::AddPath),
        vec(long_lived, 0..5).prop_map(Capability::LongLivedGracefulRestart),
        (78..=255_u8, vec(any::<u8>(), 0..=255))
            .prop_map(|(code, value)| Capability::Unknown { code, value: value.into() }),
    ]
}

fn open() -> impl Strategy<Value = Open> {
    let hold_time = any::<u16>().prop_filter_map("1 or 2 s", HoldTime::new);
    (asn(), hold_time, bgp_id(), vec(capability(), 0..8)).prop_map(
        |(asn, hold_time, bgp_id, mut capabilities)| {
            capabilities.push(Capability::FourOctetAsn(asn));
            Open { asn, hold_time, bgp_id, capabilities }
        },
    )
}

fn notification() -> impl Strategy<Value = Notification> {
    (any::<(u8, u8)>(), vec(any::<u8>(), 0..64)).prop_map(|((code, subcode), data)| Notification {
        error: NotificationError::from_codes(code, subcode),
        data: data.into(),
    })
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        open().prop_map(Message::Open),
        notification().prop_map(Message::Notification),
        Just(Message::Keepalive),
        (family(), any::<u8>())
            .prop_map(|(family, subtype)| Message::RouteRefresh(RouteRefresh { family, subtype })),
    ]
}

proptest! {
    #[test]
    fn an_update_is_read_as_it_was_written(update in update(), context in context()) {
        let update = on_session(update, &context);
        prop_assume!(update != Update::default());
        let message = Message::Update(update);
        prop_assert_eq!(there_and_back(&message, &context), message.into());
    }

    #[test]
    fn every_other_message_is_read_as_it_was_written(message in message(), context in context()) {
        prop_assert_eq!(there_and_back(&message, &context), message.into());
    }

    #[test]
    fn no_octets_make_the_reader_panic(kind in 1..=5_u8, body in vec(any::<u8>(), 0..200), context in context()) {
        let kind = MessageKind::from_code(kind).unwrap();
        if let Err(error) = decode(Frame { kind, body: body.into() }, &context) {
            let said = Message::Notification(Notification::from(&error));
            prop_assert!(encode(&said, &CodecContext::before_open(), &mut BytesMut::new()).is_ok());
        }
    }
}

#[test]
fn the_answer_to_a_message_of_the_greatest_length_fits() {
    let context = CodecContext { extended_messages: true, ..CodecContext::before_open() };
    let body = Bytes::from(vec![0; MAX_EXTENDED_MESSAGE - HEADER]);
    let error = decode(Frame { kind: MessageKind::RouteRefresh, body }, &context).unwrap_err();
    let said = Notification::from(&error);
    assert_eq!(said.error.codes(), (7, 1));
    let mut out = BytesMut::new();
    encode(&Message::Notification(said), &CodecContext::before_open(), &mut out).unwrap();
    assert_eq!(out.len(), MAX_MESSAGE);
}

#[test]
fn a_name_that_makes_no_sense_is_kept_as_it_came() {
    for (code, value) in
        [(73, &[3, b'a'][..]), (73, &[1, b'a', 0, 0]), (73, &[1, 0xFF, 0]), (75, &[2, b'1']), (75, &[])]
    {
        let unknown = Capability::Unknown { code, value: Bytes::copy_from_slice(value) };
        let hold_time = HoldTime::default();
        let bgp_id = BgpId::new(Ipv4Addr::LOCALHOST).unwrap();
        let asn = Asn(65_001);
        let capabilities = vec![unknown, Capability::FourOctetAsn(asn)];
        let open = Message::Open(Open { asn, hold_time, bgp_id, capabilities });
        assert_eq!(there_and_back(&open, &CodecContext::before_open()), open.into());
    }
}

#[test]
fn a_route_refresh_of_wrong_length_is_shown_whole() {
    let frame = Frame { kind: MessageKind::RouteRefresh, body: Bytes::from_static(&[0, 1, 0]) };
    let said = Notification::from(&decode(frame, &CodecContext::before_open()).unwrap_err());
    assert_eq!(said.error.codes(), (7, 1));
    assert_eq!(said.data, [&[0xFF; 16][..], &[0, 22, 5, 0, 1, 0]].concat());
}
