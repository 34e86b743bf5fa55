//! Octets of other people's encoders, and what they mean.
//!
//! `golden/*.hex` are whole sessions as a peer saw them: comments, then one message a paragraph. All were
//! told to announce the same few routes, so that the expectations below can be compared with each other.

use std::fmt::Write;

use bgp::message::MessageKind;
use bgp::wire::{CodecContext, Decoded, Frame, decode, encode, next_frame};
use bgp::{Announcement, Capability, Family, FamilySet, Message, Nlri, Update};
use bytes::BytesMut;

/// Reads the messages of a file.
fn messages(text: &str) -> Vec<BytesMut> {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let lines = paragraph.lines().filter(|line| !line.starts_with('#'));
        let digits: Vec<u8> = lines.flat_map(str::bytes).collect();
        let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(octet).collect::<BytesMut>()
    });
    paragraphs.filter(|message| !message.is_empty()).collect()
}

fn four_octet() -> CodecContext {
    CodecContext {
        four_octet_asn: true,
        extended_messages: true,
        families: FamilySet::ALL,
        extended_next_hop: [Family::Ipv4].into_iter().collect(),
        add_path_receive: FamilySet::NONE,
        add_path_send: FamilySet::NONE,
        internal: false,
    }
}

fn two_octet() -> CodecContext {
    CodecContext { four_octet_asn: false, extended_messages: false, ..four_octet() }
}

fn add_path() -> CodecContext {
    let (add_path_receive, add_path_send) = (FamilySet::ALL, FamilySet::ALL);
    CodecContext { add_path_receive, add_path_send, internal: true, ..four_octet() }
}

fn frame(message: &BytesMut, context: &CodecContext) -> Frame {
    let mut buffer = message.clone();
    let frame = next_frame(&mut buffer, context).unwrap().unwrap();
    assert!(buffer.is_empty());
    frame
}

/// Reads a session and says what each message but KEEPALIVE means.
fn meaning(text: &str, context: &CodecContext) -> Vec<String> {
    let mut lines = Vec::new();
    for message in messages(text) {
        let Decoded { message, offences } = decode(frame(&message, context), context).unwrap();
        assert_eq!(offences, []);
        match message {
            Message::Open(open) => {
                let capabilities: Vec<_> = open.capabilities.iter().map(capability).collect();
                let (asn, id, hold) = (open.asn, open.bgp_id, open.hold_time.seconds());
                lines.push(format!("open AS {asn} id {id} hold {hold}: {}", capabilities.join(", ")));
            }
            Message::Update(update) => lines.extend(update_lines(&update)),
            Message::Keepalive => (),
            other => lines.push(format!("{other:?}")),
        }
    }
    lines
}

fn capability(capability: &Capability) -> String {
    match capability {
        Capability::Multiprotocol(family) => format!("mp {}/{}", family.afi, family.safi),
        Capability::RouteRefresh => "refresh".to_owned(),
        Capability::ExtendedNextHop(entries) => {
            let entries = entries.iter();
            let entry =
                |family: bgp::family::AfiSafi, afi| format!("{}/{} by {afi}", family.afi, family.safi);
            let all: Vec<_> = entries.map(|each| entry(each.family, each.next_hop_afi)).collect();
            format!("next hop {}", all.join(" "))
        }
        Capability::ExtendedMessage => "long messages".to_owned(),
        Capability::LinkLocalNextHop => "link-local next hop".to_owned(),
        Capability::GracefulRestart(restart) => {
            format!(
                "restart {} s r={} n={} {:?}",
                restart.restart_time,
                u8::from(restart.restarted),
                u8::from(restart.notification),
                restart.families.iter().map(|(code, kept)| (code.afi, *kept)).collect::<Vec<_>>(),
            )
        }
        Capability::LongLivedGracefulRestart(families) => {
            let kept = families.iter().map(|kept| (kept.family.afi, kept.forwarding, kept.stale_time));
            format!("long-lived {:?}", kept.collect::<Vec<_>>())
        }
        Capability::AddPath(entries) => {
            let directions = entries.iter().map(|each| (each.family.afi, each.receive, each.send));
            format!("paths {:?}", directions.collect::<Vec<_>>())
        }
        Capability::Role(role) => format!("role {role}"),
        Capability::FourOctetAsn(asn) => format!("as4 {asn}"),
        Capability::EnhancedRouteRefresh => "enhanced refresh".to_owned(),
        Capability::Fqdn(name) => format!("name {name}"),
        Capability::SoftwareVersion(version) => format!("version {version}"),
        Capability::Unknown { code, .. } => format!("({code})"),
    }
}

fn update_lines(update: &Update) -> Vec<String> {
    let mut lines: Vec<_> = update.announced.iter().map(announcement).collect();
    lines.extend(update.withdrawn.iter().map(|nlri| format!("withdraw {}", route(nlri))));
    lines.extend(update.end_of_rib.map(|family| format!("end of {family}")));
    lines
}

/// Writes a prefix, with the identifier of the path if there is one.
fn route(nlri: &Nlri) -> String {
    match nlri.path_id {
        0 => nlri.prefix.to_string(),
        path_id => format!("{}#{path_id}", nlri.prefix),
    }
}

fn announcement(part: &Announcement) -> String {
    let prefixes: Vec<_> = part.nlri.iter().map(route).collect();
    let route = &part.attributes;
    let mut line = format!("{} via {}", prefixes.join(" "), route.next_hop.address());
    write!(line, " {:?} path {}", route.origin, route.as_path).unwrap();
    if let Some(med) = route.med {
        write!(line, " med {med}").unwrap();
    }
    if route.atomic_aggregate {
        line.push_str(" atomic");
    }
    if let Some(aggregator) = route.rare.aggregator {
        write!(line, " by {} {}", aggregator.asn, aggregator.address).unwrap();
    }
    let communities = route.communities.iter().map(ToString::to_string);
    let communities = communities.chain(route.rare.extended_communities.iter().map(ToString::to_string));
    for community in communities.chain(route.rare.large_communities.iter().map(ToString::to_string)) {
        write!(line, " {community}").unwrap();
    }
    for attribute in &route.rare.unknown {
        write!(line, " ({} partial={} {:?})", attribute.code, attribute.partial, &attribute.value[..])
            .unwrap();
    }
    line
}

const BIRD: &str = include_str!("golden/bird.hex");
const BIRD_ADD_PATH: &str = include_str!("golden/bird-add-path.hex");
const BIRD_TWO_OCTET: &str = include_str!("golden/bird-two-octet.hex");
const EXABGP: &str = include_str!("golden/exabgp.hex");
const FRR: &str = include_str!("golden/frr.hex");
const FRR_ADD_PATH: &str = include_str!("golden/frr-add-path.hex");
const FRR_TWO_OCTET: &str = include_str!("golden/frr-two-octet.hex");
const GOBGP: &str = include_str!("golden/gobgp.hex");

/// Every message of every session, with the context to read it in.
fn all() -> impl Iterator<Item = (&'static str, CodecContext, BytesMut)> {
    let four_octet = [("bird", BIRD), ("exabgp", EXABGP), ("frr", FRR), ("gobgp", GOBGP)];
    let two_octet = [("bird, two octets", BIRD_TWO_OCTET), ("frr, two octets", FRR_TWO_OCTET)];
    let four_octet = four_octet.map(|(name, text)| (name, text, self::four_octet()));
    let two_octet = two_octet.map(|(name, text)| (name, text, self::two_octet()));
    let add_path = [("bird, several paths", BIRD_ADD_PATH), ("frr, several paths", FRR_ADD_PATH)];
    let add_path = add_path.map(|(name, text)| (name, text, self::add_path()));
    four_octet.into_iter().chain(two_octet).chain(add_path).flat_map(|(name, text, context)| {
        messages(text).into_iter().map(move |message| (name, context.clone(), message))
    })
}

/// What BIRD, FRR, GoBGP and ExaBGP were told to say of the first route, as far as each can.
const TAGGED: &str =
    "Egp path 4200000001 64512 4200000002 med 50 65001:100 no-export rt:65001:7 4200000001:7:9";

fn tagged(prefixes: &str, next_hop: &str) -> String {
    format!("{prefixes} via {next_hop} {TAGGED}")
}

/// BIRD puts IPv4 into MP_REACH_NLRI once the peer takes IPv6 next hops, even where the next hop is IPv4.
#[test]
fn bird_means_the_same_with_as_numbers_of_both_sizes() {
    let expected = [
        "open AS 4200000001 id 10.9.0.2 hold 240: mp 1/1, mp 2/1, refresh, next hop 1/1 by 2, long messages, \
         restart 120 s r=0 n=0 [], as4 4200000001, enhanced refresh, long-lived []"
            .to_owned(),
        tagged("0.0.0.0/0 10.244.1.0/24 10.244.2.0/26", "10.9.0.2"),
        "end of ipv4".to_owned(),
        tagged("::/0 2001:db8::/32 fd44:1::/64", "fd09::2"),
        "end of ipv6".to_owned(),
    ];
    assert_eq!(meaning(BIRD, &four_octet()), expected);
    assert_eq!(meaning(BIRD_TWO_OCTET, &two_octet()), expected);
}

#[test]
fn frr_sends_ipv4_routes_by_an_ipv6_next_hop() {
    let expected = [
        "open AS 4200000001 id 10.9.0.2 hold 9: mp 1/1, next hop 1/1 by 2, mp 2/1, (128), refresh, enhanced refresh, \
         as4 4200000001, long messages, paths [(1, true, false), (2, true, false)], name tor, restart 120 s r=1 n=1 [], \
         long-lived [(1, true, 0), (2, true, 0)]"
            .to_owned(),
        tagged("10.244.1.0/24 10.244.2.0/26", "fd09::2"),
        tagged("2001:db8::/32 fd44:1::/64", "fd09::2"),
    ];
    assert_eq!(meaning(FRR, &four_octet()), expected);
}

#[test]
fn frr_says_a_long_aggregator_in_two_attributes() {
    let expected = [
        "open AS 4200000001 id 10.9.0.2 hold 9: mp 1/1, mp 2/1, (128), refresh, enhanced refresh, as4 4200000001, \
         long messages, paths [(1, true, false), (2, true, false)], name tor, restart 120 s r=1 n=1 [(1, false), (2, false)], \
         long-lived [(1, true, 0), (2, true, 0)]",
        "0.0.0.0/0 via 10.9.0.2 Igp path 4200000001 med 0",
        "10.244.0.0/16 via 10.9.0.2 Igp path 4200000001 med 0 atomic by 4200000001 10.9.0.2",
    ];
    assert_eq!(meaning(FRR_TWO_OCTET, &two_octet()), expected);
}

/// What the routes of two external peers carry on their way through BIRD or FRR.
const CARRIED: &str = "65001:11 rt:65001:5 4200000001:3:4";

#[test]
fn bird_tells_two_paths_apart_by_their_identifiers() {
    let path = |prefix: &str, hop: &str, asn: u32| format!("{prefix} via {hop} Igp path {asn} {CARRIED}");
    let expected = [
        "open AS 4200064512 id 10.9.255.2 hold 9: mp 1/1, mp 2/1, refresh, long messages, \
         restart 120 s r=0 n=0 [], as4 4200064512, paths [(1, true, true), (2, true, true)], \
         enhanced refresh, long-lived []"
            .to_owned(),
        path("10.50.1.0/24#4", "10.9.0.2", 4_200_000_001),
        path("10.50.1.0/24#5", "10.9.1.2", 4_200_000_002),
        "end of ipv4".to_owned(),
        path("fd50:1::/64#4", "fd09::2", 4_200_000_001),
        path("fd50:1::/64#5", "fd09:1::2", 4_200_000_002),
        "end of ipv6".to_owned(),
        "withdraw 10.50.1.0/24#4".to_owned(),
        "withdraw fd50:1::/64#4".to_owned(),
    ];
    assert_eq!(meaning(BIRD_ADD_PATH, &add_path()), expected);
}

#[test]
fn frr_tells_two_paths_apart_by_their_identifiers() {
    let path =
        |prefix: &str, hop: &str, asn: u32| format!("{prefix} via {hop} Igp path {asn} med 0 {CARRIED}");
    let expected = [
        "open AS 4200064512 id 10.9.255.2 hold 9: mp 1/1, mp 2/1, (128), refresh, enhanced refresh, \
         as4 4200064512, long messages, paths [(1, true, true), (2, true, true)], name vm, restart 120 s r=1 n=1 [], \
         long-lived [(1, true, 0), (2, true, 0)]"
            .to_owned(),
        path("10.50.1.0/24#3", "10.9.1.2", 4_200_000_002),
        path("fd50:1::/64#3", "fd09:1::2", 4_200_000_002),
        path("10.50.1.0/24#2", "10.9.0.2", 4_200_000_001),
        path("fd50:1::/64#2", "fd09::2", 4_200_000_001),
        "withdraw 10.50.1.0/24#2".to_owned(),
        "withdraw fd50:1::/64#2".to_owned(),
    ];
    assert_eq!(meaning(FRR_ADD_PATH, &add_path()), expected);
}

#[test]
fn gobgp_announces_and_withdraws() {
    let expected = [
        "open AS 4200000001 id 10.9.0.2 hold 90: refresh, name vm, mp 1/1, mp 2/1, as4 4200000001, \
         restart 120 s r=0 n=0 [(1, false)], next hop 1/1 by 2",
        "10.244.1.0/24 via 10.9.0.2 Egp path 4200000001 64512 4200000002 med 50 by 4200000001 10.9.0.2 \
         65001:100 no-export rt:65001:7 4200000001:7:9",
        "10.244.2.0/26 via 10.9.0.2 Incomplete path 4200000001",
        "fd44:1::/64 via fd09::2 Incomplete path 4200000001 med 7",
        "::/0 via fd09::2 Incomplete path 4200000001",
        "withdraw 10.244.2.0/26",
        "withdraw ::/0",
    ];
    assert_eq!(meaning(GOBGP, &four_octet()), expected);
}

#[test]
fn exabgp_sends_an_attribute_nobody_knows() {
    let expected = [
        "open AS 4200000001 id 10.9.0.2 hold 90: mp 1/1, mp 2/1, as4 4200000001, next hop 1/1 by 2, \
         restart 120 s r=1 n=0 [(1, true), (2, true)], refresh, enhanced refresh, long messages",
        "10.244.1.0/24 via 10.9.0.2 Egp path 4200000001 64512 4200000002 med 50 atomic by 4200000001 10.9.0.2 \
         65001:100 no-export rt:65001:7 4200000001:7:9",
        "10.244.2.0/26 via fd09::2 Igp path 4200000001",
        "10.244.3.0/24 via 10.9.0.2 Igp path 4200000001 (99 partial=true [202, 254, 1])",
        "fd44:1::/64 via fd09::2 Igp path 4200000001 med 7",
        "end of ipv4",
        "end of ipv6",
    ];
    assert_eq!(meaning(EXABGP, &four_octet()), expected);
}

#[test]
fn what_others_say_we_say_so_that_it_means_the_same() {
    for (name, context, octets) in all() {
        let message = decode(frame(&octets, &context), &context).unwrap().message;
        let mut ours = BytesMut::new();
        encode(&message, &context, &mut ours).unwrap();
        let mut again = decode(frame(&ours, &context), &context).unwrap().message;
        if let (Message::Update(again), Message::Update(first)) = (&mut again, &message) {
            // An attribute we do not know is passed on as partial.
            for (again, first) in again.announced.iter_mut().zip(&first.announced) {
                again.attributes.rare.edit(|rare| rare.unknown.clone_from(&first.attributes.rare.unknown));
            }
        }
        assert_eq!(again, message, "{name}");
    }
}

#[test]
fn a_message_cut_anywhere_waits_for_the_rest() {
    for (name, context, octets) in all() {
        for end in 0..octets.len() {
            let mut cut = BytesMut::from(&octets[..end]);
            assert_eq!(next_frame(&mut cut, &context), Ok(None), "{name}: {end}");
        }
    }
}

/// An UPDATE cut between two of its prefixes is a good UPDATE of fewer; all other cuts show.
#[test]
fn a_body_cut_anywhere_is_an_error_unless_between_two_prefixes() {
    for (name, context, octets) in all() {
        let Frame { kind, body } = frame(&octets, &context);
        let whole = decode(Frame { kind, body: body.clone() }, &context).unwrap().message;
        for end in 0..body.len() {
            match decode(Frame { kind, body: body.slice(..end) }, &context) {
                Err(_) => (),
                Ok(cut) => {
                    assert_eq!(kind, MessageKind::Update, "{name}: {end} of {}", body.len());
                    assert!(prefixes(&cut.message) < prefixes(&whole), "{name}: {end}");
                }
            }
        }
    }
}

fn prefixes(message: &Message) -> usize {
    let Message::Update(update) = message else { return 0 };
    update.withdrawn.len() + update.announced.iter().map(|part| part.nlri.len()).sum::<usize>()
}

#[test]
fn no_single_wrong_octet_makes_the_reader_panic() {
    let mut refused = 0;
    for (_, context, octets) in all() {
        for at in 0..octets.len() {
            for value in 0..=u8::MAX {
                let mut wrong = octets.clone();
                wrong[at] = value;
                match next_frame(&mut wrong, &context) {
                    Ok(Some(frame)) => refused += usize::from(decode(frame, &context).is_err()),
                    Ok(None) => (),
                    Err(_) => refused += 1,
                }
            }
        }
    }
    assert!(refused > 0);
}
