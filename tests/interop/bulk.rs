//! A thousand routes in each direction.

use std::net::Ipv4Addr;

use anyhow::ensure;
use ipnet::{IpNet, Ipv4Net};
use lab::speakers::Kind;
use support::{Podbgpd, Rack, SOON, Session, config, eventually, kernel};

use crate::pair::Pair;

const COUNT: u32 = 1000;

pub(crate) fn a_thousand_routes_go_both_ways(kind: Kind) {
    // GoBGP takes its routes one command at a time.
    let from_peer = if kind == Kind::Gobgp { 100 } else { COUNT };
    let pair = pair(kind, COUNT, from_peer);
    pair.await_session();

    await_accepted(&pair, from_peer);
    await_received(&pair, COUNT);
    eventually(SOON, "all routes in the kernel", || {
        let count = kernel::our_routes(&pair.rack.ours)?.len();
        ensure!(count == (COUNT + from_peer) as usize, "it has {count}");
        Ok(())
    });
    assert_eq!(pair.daemon.advertised("peer0").expect("an answer").len(), COUNT as usize);
}

/// Starts both ends with so many routes each.
pub(crate) fn pair(kind: Kind, ours: u32, theirs: u32) -> Pair {
    let rack = Rack::new(1);
    let blocks: Vec<_> =
        prefixes(Ipv4Addr::new(10, 64, 0, 0), ours).map(|prefix| format!("\"{prefix}\"")).collect();
    let session = Session::new(0).announcing(prefixes(Ipv4Addr::new(10, 128, 0, 0), theirs));
    let text = config::node(&format!("blocks = [{}]", blocks.join(", "))) + &config::peer(&session, "");
    let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &text);
    let foreign = session.start(kind, &rack);
    Pair { daemon, foreign, rack }
}

/// Waits until the peer has so many routes of ours.
pub(crate) fn await_received(pair: &Pair, count: u32) {
    eventually(SOON, "our routes at the peer", || {
        let received = pair.foreign.routes()?.len();
        ensure!(received == count as usize, "it has {received}");
        Ok(())
    });
}

/// Waits until we have accepted so many routes of the peer's.
fn await_accepted(pair: &Pair, count: u32) {
    eventually(SOON, "the peer's routes", || {
        let peer = pair.daemon.established("peer0")?;
        let accepted: u64 = peer.families.iter().map(|family| family.accepted).sum();
        ensure!(accepted == u64::from(count), "{accepted} accepted");
        Ok(())
    });
}

fn prefixes(first: Ipv4Addr, count: u32) -> impl Iterator<Item = IpNet> {
    (0..count).map(move |index| {
        let address = Ipv4Addr::from(u32::from(first) + (index << 8));
        Ipv4Net::new(address, 24).expect("a length of 24").into()
    })
}
