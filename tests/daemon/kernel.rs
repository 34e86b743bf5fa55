use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use control::KernelState;
use ipnet::IpNet;
use lab::net::{KernelRoute, Namespace, RouteKind};
use support::puppet::Puppet;
use support::rack::{Transport, link, their_address};
use support::{Podbgpd, Rack, SOON, eventually, kernel, requires, throughout};

use crate::{OUR_BLOCK, attributes, configuration, connect, learned, net, prefixes, start};

/// How soon somebody else's change must be undone.
const SOON_REPAIRED: Duration = Duration::from_secs(1);

#[test]
fn traffic_to_our_unused_addresses_dies_here() {
    requires!(&[]);
    let (rack, _daemon) = start(1);
    let route = eventually(SOON, "the blackhole", || kernel::our_route(&rack.ours, net(OUR_BLOCK)));
    assert_eq!(route.kind, RouteKind::Blackhole);
}

#[test]
fn a_route_somebody_deleted_is_put_back() {
    requires!(&["ip"]);
    let (rack, daemon, _peer, prefix) = one_route();
    for round in 1..=3 {
        let start = Instant::now();
        ip(&rack.ours, &["route", "del", &prefix.to_string()]);
        eventually(SOON, "the repair", || kernel::our_route(&rack.ours, prefix));
        assert!(start.elapsed() < SOON_REPAIRED, "repaired after {:?}", start.elapsed());
        let repairs = eventually(SOON, "the count", || {
            let repairs = daemon.status()?.fib.repairs;
            ensure!(repairs >= round, "{repairs}");
            Ok(repairs)
        });
        assert_eq!(repairs, round);
    }
}

#[test]
fn a_route_somebody_changed_is_changed_back() {
    requires!(&["ip"]);
    let (rack, _daemon, _peer, prefix) = one_route();
    let before = kernel::our_route(&rack.ours, prefix).expect("the route");
    let start = Instant::now();
    // Same key, same owner, another next hop.
    let text = prefix.to_string();
    let change = ["route", "replace", &text, "via", "10.9.0.99", "metric", "20", "proto", "179"];
    ip(&rack.ours, &change);
    eventually(SOON, "the repair", || {
        let now = kernel::our_route(&rack.ours, prefix)?;
        ensure!(now == before, "{now:?}");
        Ok(())
    });
    assert!(start.elapsed() < SOON_REPAIRED, "repaired after {:?}", start.elapsed());
}

#[test]
fn routes_come_back_with_their_link() {
    requires!(&[]);
    let (rack, daemon, _peer, prefix) = one_route();
    // The session survives, so that only the kernel has something to mend.
    let stays = configuration(1).replace("passive = true", "passive = true\nfast-failover = false");
    daemon.configure(&stays);
    assert!(daemon.reload().applied);
    rack.ours.set_down(&link(0)).expect("the link goes down");
    // The kernel takes the routes of a link that goes down.
    eventually(SOON, "the route to go", || kernel::no_route(&rack.ours, prefix));
    rack.ours.set_up(&link(0)).expect("the link comes up");
    let start = Instant::now();
    eventually(SOON, "the route to come back", || kernel::our_route(&rack.ours, prefix));
    assert!(start.elapsed() < SOON_REPAIRED, "back after {:?}", start.elapsed());
}

#[test]
fn two_peers_share_the_traffic() {
    requires!(&[]);
    let (rack, daemon) = start(2);
    let prefix = prefixes(1)[0];
    let mut peers: Vec<_> = (0..2).map(|index| connect(&rack, index)).collect();
    // Paths of equal length through different ASes.
    for (index, peer) in peers.iter_mut().enumerate() {
        peer.announce(&attributes(index), &[prefix]).expect("the peer announces");
        peer.end_of_rib().expect("the peer announces");
    }
    let both = [their_address(0, Transport::V4), their_address(1, Transport::V4)];
    eventually(SOON, "both next hops in the kernel", || {
        let route = kernel::our_route(&rack.ours, prefix)?;
        let mut gateways: Vec<_> = route.gateways().collect();
        gateways.sort_unstable();
        ensure!(gateways == both, "{gateways:?}: {:?}", daemon.route(prefix)?);
        Ok(())
    });
    drop(peers.pop());
    eventually(SOON, "the other next hop alone", || {
        let route = kernel::our_route(&rack.ours, prefix)?;
        let gateways: Vec<_> = route.gateways().collect();
        ensure!(gateways == both[..1], "{gateways:?}");
        Ok(())
    });
}

#[test]
fn a_route_that_is_not_ours_is_never_touched() {
    requires!(&["ip"]);
    let (rack, daemon) = start(1);
    let [same_key, other_metric] = [prefixes(2)[0], prefixes(2)[1]];
    // One stands where ours would be, one beside it.
    ip(
        &rack.ours,
        &["route", "add", &same_key.to_string(), "via", "10.9.0.77", "metric", "20", "proto", "static"],
    );
    ip(&rack.ours, &["route", "add", &other_metric.to_string(), "via", "10.9.0.77", "proto", "static"]);
    let theirs = not_ours(&rack.ours);
    let mut peer = connect(&rack, 0);
    peer.announce(&attributes(0), &prefixes(2)).expect("the peer announces");
    peer.end_of_rib().expect("the peer announces");

    eventually(SOON, "the conflict to be shown", || {
        let route = daemon.route(same_key)?;
        ensure!(matches!(route.kernel, KernelState::Conflict { .. }), "{:?}", route.kernel);
        kernel::our_route(&rack.ours, other_metric)
    });
    throughout(Duration::from_secs(1), "their routes", || {
        ensure!(not_ours(&rack.ours) == theirs, "{:?}", not_ours(&rack.ours));
        Ok(())
    });
    // When the other owner leaves, ours takes its place.
    ip(&rack.ours, &["route", "del", &same_key.to_string(), "proto", "static"]);
    eventually(SOON, "our route", || kernel::our_route(&rack.ours, same_key));
}

/// A daemon with one learned route, in the kernel.
fn one_route() -> (Rack, Podbgpd, Puppet, IpNet) {
    let prefix = prefixes(1)[0];
    let (rack, daemon, peer) = learned(&[prefix]);
    eventually(SOON, "the route", || kernel::our_route(&rack.ours, prefix));
    (rack, daemon, peer, prefix)
}

fn not_ours(namespace: &Namespace) -> Vec<KernelRoute> {
    let routes = namespace.routes().expect("the kernel answers");
    routes.into_iter().filter(|route| route.protocol != kernel::PROTOCOL).collect()
}

/// Does what an operator's hand would.
fn ip(namespace: &Namespace, arguments: &[&str]) {
    let status = namespace.run(|| Command::new("ip").args(arguments).status()).expect("ip starts");
    assert!(status.success(), "ip {arguments:?}: {status}");
}
