//! Two and three [`Speaker`](podbgpd::speaker::Speaker)s in memory: virtual time, pipes for a network, a map for a
//! kernel. What no state machine and no table can show alone.

#[path = "speakers/bfd.rs"]
mod bfd;
#[path = "speakers/convergence.rs"]
mod convergence;
#[path = "speakers/drain.rs"]
mod drain;
#[path = "speakers/duplicates.rs"]
mod duplicates;
#[path = "speakers/explained.rs"]
mod explained;
#[path = "speakers/failover.rs"]
mod failover;
#[path = "speakers/flow.rs"]
mod flow;
#[path = "speakers/graceful.rs"]
mod graceful;
#[path = "speakers/groups.rs"]
mod groups;
#[path = "speakers/history.rs"]
mod history;
#[path = "speakers/inside.rs"]
mod inside;
#[path = "speakers/limits.rs"]
mod limits;
#[path = "speakers/operators.rs"]
mod operators;
#[path = "speakers/ranges.rs"]
mod ranges;
#[path = "speakers/readiness.rs"]
mod readiness;
#[path = "speakers/refresh.rs"]
mod refresh;
#[path = "speakers/reload.rs"]
mod reload;
#[path = "speakers/roles.rs"]
mod roles;
#[path = "speakers/routes.rs"]
mod routes;
#[path = "speakers/sessions.rs"]
mod sessions;
#[path = "speakers/unnumbered.rs"]
mod unnumbered;
#[path = "speakers/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use bgp::{Asn, BgpId};
use ipnet::IpNet;
use podbgpd::intent::{
    BfdTiming, Decision, Drain, Export, Fib, GracefulRestart, Guard, History, Intent, NextHopGroups, Node,
    Ownership, PeerIntent, Weights,
};
use world::World;

/// Enough for a session, routes and the kernel, without failures.
const SOON: Duration = Duration::from_secs(8);

/// The node of this number: its AS is 64500 and so many, its block 10.N.0.0/24 and fd00:N::/64.
fn node(number: u8) -> Intent {
    Intent {
        node: Node {
            name: name(number),
            asn: asn(number),
            router_id: BgpId::new([192, 0, 2, number].into()).expect("not zero"),
            cluster_id: [192, 0, 2, number].into(),
            listen: [].into(),
            blocks: blocks(number).into(),
            require_policy: false,
            announce_fqdn: true,
            announce_version: false,
        },
        fib: Fib {
            install: true,
            protocol: 179,
            metric: 20,
            table: 254,
            max_paths: 16,
            next_hop_groups: NextHopGroups::Auto,
            weights: Weights::None,
            transit_table: 179,
        },
        bfd: BfdTiming::default(),
        graceful_restart: GracefulRestart::default(),
        drain: Drain::default(),
        history: History::default(),
        decision: Decision { multipath_relax: true, always_compare_med: false },
        peers: [].into(),
        ranges: [].into(),
        control_socket: "/run/podbgp/podbgpd.sock".into(),
        metrics: None,
        bmp: BTreeMap::new(),
        mrt: None,
        kubernetes: None,
        originated: BTreeMap::new(),
        host_routes: BTreeMap::new(),
        ownership: Ownership::default(),
        guard: Guard::default(),
        leave: None,
    }
}

/// A node with these peers and nothing special about them.
fn node_with_peers(number: u8, peers: &[u8]) -> Intent {
    let peers =
        peers.iter().map(|&peer| (name(peer), PeerIntent::new(name(peer), world::address(peer), asn(peer))));
    Intent { peers: peers.collect(), ..node(number) }
}

fn asn(number: u8) -> Asn {
    Asn(64_500 + u32::from(number))
}

fn name(number: u8) -> String {
    format!("node{number}")
}

fn blocks(number: u8) -> [IpNet; 2] {
    [net(&format!("10.{number}.0.0/24")), net(&format!("fd00:{number}::/64"))]
}

fn net(prefix: &str) -> IpNet {
    prefix.parse().expect("a prefix")
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Two nodes that are each other's peers, once all is said.
fn pair() -> World {
    let mut world = World::new([node_with_peers(1, &[2]), node_with_peers(2, &[1])]);
    world.run(SOON);
    world
}

/// Three nodes in a row; the middle one lets everything through.
fn chain() -> World {
    let mut middle = node_with_peers(2, &[1, 3]);
    middle.peers.values_mut().for_each(|peer| peer.export = Export::All);
    let mut world = World::new([node_with_peers(1, &[2]), middle, node_with_peers(3, &[2])]);
    world.run(SOON);
    world
}
