//! Going by another AS towards a peer (RFC 7705), and bearing our own AS in its paths.

use anyhow::ensure;
use lab::speakers::{Kind, Neighbor, Speaker, SpeakerConfig};
use support::rack::{Transport, our_address, their_address};
use support::session::OUR_ASN;
use support::{Podbgpd, Rack, SOON, config, eventually};

use crate::pair::{OUR_V4, Pair, THEIR_V4, net, session};

const OLD: u32 = 4_200_064_999;

pub(crate) fn the_old_as_replaces_ours_in_what_we_send(kind: Kind) {
    let pair = known_as_old(kind, "replace");
    assert_eq!(pair.await_received(OUR_V4).as_path, [OLD]);
    assert_eq!(path_here(&pair), session().config.asn.to_string());
}

pub(crate) fn both_numbers_are_in_what_we_send(kind: Kind) {
    let pair = known_as_old(kind, "no-prepend");
    assert_eq!(pair.await_received(OUR_V4).as_path, [OLD, OUR_ASN]);
    assert_eq!(path_here(&pair), session().config.asn.to_string());
}

pub(crate) fn the_old_as_is_in_what_we_receive_too(kind: Kind) {
    let pair = known_as_old(kind, "prepend");
    assert_eq!(pair.await_received(OUR_V4).as_path, [OLD, OUR_ASN]);
    assert_eq!(path_here(&pair), format!("{OLD} {}", session().config.asn));
}

fn known_as_old(kind: Kind, mode: &str) -> Pair {
    let lines = format!("local-asn = {OLD}\nlocal-asn-mode = \"{mode}\"");
    let pair = Pair::start(kind, session().with(|us| us.asn = OLD), &lines);
    pair.await_session();
    pair
}

fn path_here(pair: &Pair) -> String {
    let route = pair.await_learned(THEIR_V4);
    route.candidates[0].attributes.as_path.clone()
}

/// Two nodes of one AS with a switch between them.
pub(crate) fn what_has_been_through_our_as_is_borne_if_allowed(kind: Kind) {
    let rack = Rack::new(2);
    let link = |peer: usize| our_address(peer, Transport::V4);
    let neighbor = |peer| Neighbor::new(their_address(peer, Transport::V4), OUR_ASN);
    let switch = SpeakerConfig {
        neighbors: vec![neighbor(0), neighbor(1)],
        transit: true,
        ..SpeakerConfig::new(65_001, "10.9.0.1".parse().expect("an address"))
    };
    let _switch = Speaker::start(kind, &rack.ours, &switch, &rack.directory("switch")).expect("it starts");
    let node = |peer: usize, block: &str, lines: &str| {
        let text = config::node(&format!("blocks = [\"{block}\"]"))
            .replace("10.9.255.1", &format!("10.9.255.{}", peer + 1));
        let text = format!(
            "{text}\n[[peer]]\nname = \"switch\"\naddress = \"{}\"\nasn = 65001\nhold-time = 9\nconnect-retry = 1\n\
             families = [\"ipv4\"]\nimport = \"all\"\n{lines}\n",
            link(peer)
        );
        Podbgpd::start(&rack.theirs[peer], rack.directory(&format!("node{peer}")), &text)
    };
    let strict = node(0, "10.20.1.0/24", "");
    let lenient = node(1, "10.20.2.0/24", "allow-own-as = 1");
    let route = eventually(SOON, "the other node's block", || lenient.route(net("10.20.1.0/24")));
    assert_eq!(route.candidates[0].attributes.as_path, format!("65001 {OUR_ASN}"));
    eventually(SOON, "the refusal", || {
        let peer = strict.established("switch")?;
        let refused: Vec<_> = peer.families.iter().flat_map(|family| &family.rejected).collect();
        ensure!(refused.iter().any(|refused| refused.code == "own_as"), "{refused:?}");
        Ok(())
    });
}
