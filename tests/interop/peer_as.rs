//! Peers whose AS only their OPEN tells.

use lab::speakers::Kind;
use support::{Podbgpd, Rack, SOON, eventually};

use crate::pair::{OUR_V4, Pair, THEIR_V4, net, session};

pub(crate) fn the_as_of_an_external_peer_is_learned(kind: Kind) {
    let session = session();
    let theirs = session.config.asn;
    let rack = Rack::new(1);
    let text = Pair::config(&session, "").replace(&format!("asn = {theirs}"), "asn = \"external\"");
    let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &text);
    assert_eq!(daemon.peer("peer0").expect("an answer").asn, None);
    let foreign = session.start(kind, &rack);
    let peer = daemon.await_established("peer0");
    assert_eq!((peer.asn, peer.asn_rule.as_str()), (Some(theirs), "external"));
    eventually(SOON, "their route", || daemon.route(net(THEIR_V4)));
    let told = eventually(SOON, "our route", || foreign.route(net(OUR_V4)));
    assert_eq!(told.as_path, [support::session::OUR_ASN]);
}
