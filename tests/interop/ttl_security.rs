//! The generalised TTL security mechanism (RFC 5082).

use std::time::Duration;

use anyhow::ensure;
use control::PeerState;
use lab::net::NextHop;
use lab::speakers::{Kind, Neighbor, Speaker, SpeakerConfig};
use support::rack::{Transport, our_address, their_address};
use support::session::OUR_ASN;
use support::{Podbgpd, Rack, config, throughout};

use crate::pair::{OUR_V4, Pair, THEIR_V4, net, session};

pub(crate) fn packets_from_the_link_are_believed(kind: Kind) {
    let pair = Pair::start(kind, session().with(|us| us.ttl_security = true), "ttl-security = 1");
    pair.await_session();
    pair.await_learned(THEIR_V4);
    pair.await_received(OUR_V4);
    assert!(pair.daemon.peer("peer0").expect("an answer").ttl_security);
}

/// Ours, a router, theirs: the peer does all it can, and is one hop too far away.
pub(crate) fn packets_from_behind_a_router_are_not_believed(kind: Kind) {
    let rack = Rack::new(2);
    rack.ours.forward().expect("a router");
    for (here, there) in [(0, 1), (1, 0)] {
        let route = net(&format!("10.9.{there}.0/24"));
        let router = NextHop::via(our_address(here, Transport::V4));
        rack.theirs[here].add_route(route, &[router]).expect("a route");
    }
    let (ours, theirs) = (their_address(0, Transport::V4), their_address(1, Transport::V4));
    let us = Neighbor {
        local_address: Some(theirs),
        ttl_security: true,
        multihop: true,
        ..Neighbor::new(ours, OUR_ASN)
    };
    let far = SpeakerConfig {
        neighbors: vec![us],
        ..SpeakerConfig::new(65_001, "10.9.1.2".parse().expect("an id"))
    };
    let text = |hops: u8| {
        config::node("")
            + &format!(
                "[[peer]]\nname = \"far\"\naddress = \"{theirs}\"\nlocal-address = \"{ours}\"\nasn = 65001\n\
                 hold-time = 9\nconnect-retry = 1\nfamilies = [\"ipv4\"]\nttl-security = {hops}\n"
            )
    };
    let daemon = Podbgpd::start(&rack.theirs[0], rack.directory("ours"), &text(1));
    let _far = Speaker::start(kind, &rack.theirs[1], &far, &rack.directory("far")).expect("it starts");
    throughout(Duration::from_secs(6), "a session that must not be", || {
        let peer = daemon.peer("far")?;
        ensure!(peer.state < PeerState::OpenConfirm, "the session is {:?}", peer.state);
        Ok(())
    });
    daemon.configure(&text(2));
    let _ = daemon.reload();
    daemon.await_established("far");
}
