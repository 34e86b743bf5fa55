//! Shares of traffic after link bandwidth, and saying ours (draft-ietf-idr-link-bandwidth).

use anyhow::{Context, Result, ensure};
use bgp::ExtendedCommunity;
use lab::speakers::{Communities, Kind};
use support::{Podbgpd, Rack, SOON, Session, config, eventually, kernel};

use crate::pair::{OUR_V4, Pair, THEIR_V4, net, session};

/// Two of them announce the same, one with four times the bandwidth of the other.
fn rivals() -> [Session; 2] {
    let mut rivals = [0, 1].map(|index| Session::new(index).announcing([net(THEIR_V4)]));
    for (session, megabits) in rivals.iter_mut().zip([1000, 4000]) {
        let extended = vec![format!("bandwidth:{megabits}")];
        session.config.communities = Communities { extended, ..Communities::default() };
    }
    rivals
}

fn weights(rack: &Rack) -> Result<Vec<u16>> {
    let route = kernel::our_route(&rack.ours, net(THEIR_V4))?;
    Ok(route.next_hops.iter().map(|next_hop| next_hop.weight).collect())
}

pub(crate) fn the_kernel_shares_after_the_bandwidth_peers_say(kind: Kind) {
    let rack = Rack::new(2);
    let rivals = rivals();
    let text = |weights: &str| {
        let peers: String = rivals.iter().map(|session| config::peer(session, "")).collect();
        format!("{}[fib]\nweights = \"{weights}\"\n{peers}", config::node(""))
    };
    let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &text("link-bandwidth"));
    let _speakers = rivals.each_ref().map(|session| session.start(kind, &rack));
    eventually(SOON, "unequal shares", || {
        let weights = weights(&rack)?;
        ensure!(weights == [1, 4], "{weights:?}");
        Ok(())
    });
    let route = daemon.route(net(THEIR_V4)).expect("an answer");
    let said = &route.candidates[0].attributes.extended_communities;
    // FRR says it with a transitive type, which only the octets tell.
    let bandwidth = said[0].parse::<ExtendedCommunity>().ok().and_then(ExtendedCommunity::link_bandwidth);
    assert!(bandwidth.is_some(), "{said:?}");
}

pub(crate) fn the_peer_hears_how_much_fits_through_our_link(kind: Kind) {
    let pair = Pair::start(kind, session(), "link-bandwidth = \"25Gbit\"");
    pair.await_session();
    eventually(SOON, "our bandwidth at the peer", || {
        let said = pair.foreign.route(net(OUR_V4))?.communities.extended.join(" ").to_lowercase();
        // FRR knows it; BIRD shows the octets. Our AS number does not fit, so AS_TRANS stands for it, and of the
        // bandwidth there is what 32 bits of a floating-point number hold.
        let known = ["lb:23456:3124999936", "unknown0x4004:23456:1329218487"];
        known.into_iter().find(|text| said.contains(text)).context(said.clone())
    });
}
