//! `podbgpd` in a namespace of its own: what happens when it, its file or its kernel is disturbed.

#[path = "daemon/collision.rs"]
mod collision;
#[path = "daemon/drain.rs"]
mod drain;
#[path = "daemon/failover.rs"]
mod failover;
#[path = "daemon/full_table.rs"]
mod full_table;
#[path = "daemon/graceful_restart.rs"]
mod graceful_restart;
#[path = "daemon/hands.rs"]
mod hands;
#[path = "daemon/kernel.rs"]
mod kernel;
#[path = "daemon/reload.rs"]
mod reload;
#[path = "daemon/restart.rs"]
mod restart;
#[path = "daemon/slow_peer.rs"]
mod slow_peer;
#[path = "daemon/sockets.rs"]
mod sockets;

use std::net::Ipv4Addr;

use bgp::{AsPath, Asn, NextHop, PathAttributes};
use ipnet::{IpNet, Ipv4Net};
use support::puppet::Puppet;
use support::rack::{Transport, our_address, their_address};
use support::{Podbgpd, Rack, Session, config};

/// The block of this node.
const OUR_BLOCK: &str = "10.20.30.64/26";

/// The peer of this number as the daemon is told of it: IPv4 only, and the daemon waits for it.
fn session(index: usize) -> Session {
    Session::new(index).with(|us| us.ipv6 = false)
}

/// A configuration with one block and so many peers.
fn configuration(peers: usize) -> String {
    let peers = (0..peers).map(|index| config::peer(&session(index), "passive = true"));
    config::node(&format!("blocks = [\"{OUR_BLOCK}\"]")) + &peers.collect::<String>()
}

/// A daemon with so many peers, all of them puppets that have not yet said anything.
fn start(peers: usize) -> (Rack, Podbgpd) {
    let rack = Rack::new(peers);
    let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &configuration(peers));
    (rack, daemon)
}

/// A daemon whose one peer has announced these routes.
fn learned(prefixes: &[IpNet]) -> (Rack, Podbgpd, Puppet) {
    let (rack, daemon) = start(1);
    let mut peer = connect(&rack, 0);
    peer.announce(&attributes(0), prefixes).expect("the peer announces");
    peer.end_of_rib().expect("the peer announces");
    (rack, daemon, peer)
}

/// Dials the daemon as the peer of this number. A hold time of zero: nobody needs to speak.
fn connect(rack: &Rack, index: usize) -> Puppet {
    Puppet::connect(&rack.theirs[index], our_address(index, Transport::V4), session(index).config.asn, 0)
}

/// The attributes of a route that this peer originates.
fn attributes(index: usize) -> PathAttributes {
    PathAttributes {
        as_path: AsPath::sequence([Asn::from(session(index).config.asn)]),
        ..PathAttributes::originated(NextHop::from(their_address(index, Transport::V4)))
    }
}

/// So many distinct prefixes of length 24.
fn prefixes(count: u32) -> Vec<IpNet> {
    let first = u32::from(Ipv4Addr::new(64, 0, 0, 0));
    (0..count)
        .map(|index| Ipv4Net::new(Ipv4Addr::from(first + (index << 8)), 24).expect("a length of 24").into())
        .collect()
}

/// Reads a prefix.
fn net(prefix: &str) -> IpNet {
    prefix.parse().expect("a prefix")
}
