//! Graceful restart octet by octet (RFC 4724, RFC 8538): the peers are puppets.

use std::time::{Duration, Instant};

use anyhow::ensure;
use bgp::capability::GracefulRestart;
use bgp::{Capability, Family, Message, Update};
use control::PeerState;
use ipnet::IpNet;
use lab::net::Namespace;
use support::puppet::Puppet;
use support::rack::{Transport, our_address};
use support::{Podbgpd, Rack, SOON, eventually, kernel, requires, throughout};

use crate::{OUR_BLOCK, attributes, configuration, net, prefixes, session, start};

/// Time enough for routes to go that should stay.
const A_WHILE: Duration = Duration::from_secs(1);
/// As long as the puppets say they take.
const RESTART_TIME: u16 = 60;

/// What a puppet says of its restarts.
fn capability(change: impl FnOnce(&mut GracefulRestart)) -> Capability {
    let mut restart = GracefulRestart {
        restarted: false,
        notification: false,
        restart_time: RESTART_TIME,
        families: vec![(Family::Ipv4.code(), true)],
    };
    change(&mut restart);
    Capability::GracefulRestart(restart)
}

/// Dials the daemon as the peer of this number, saying this of its restarts.
fn connect(rack: &Rack, index: usize, restart: Capability) -> Puppet {
    let ours = our_address(index, Transport::V4);
    Puppet::connect_with(&rack.theirs[index], ours, session(index).config.asn, 0, &[restart])
}

/// A daemon whose one peer has announced these, with End-of-RIB.
fn learned(prefixes: &[IpNet], restart: Capability) -> (Rack, Podbgpd, Puppet) {
    let (rack, daemon) = start(1);
    let mut peer = connect(&rack, 0, restart);
    peer.announce(&attributes(0), prefixes).expect("the peer announces");
    peer.end_of_rib().expect("the peer announces");
    for prefix in prefixes {
        eventually(SOON, "the route", || kernel::our_route(&rack.ours, *prefix));
    }
    (rack, daemon, peer)
}

fn await_lost(daemon: &Podbgpd) {
    eventually(SOON, "the session to end", || {
        let peer = daemon.peer("peer0")?;
        ensure!(peer.state != PeerState::Established, "still established");
        Ok(())
    });
}

fn stays(namespace: &Namespace, prefix: IpNet) {
    throughout(A_WHILE, "the route", || kernel::our_route(namespace, prefix).map(drop));
}

fn goes(namespace: &Namespace, prefix: IpNet) {
    eventually(Duration::from_secs(3), "the route to go", || kernel::no_route(namespace, prefix));
}

#[test]
fn what_was_stale_already_goes_with_the_second_failure() {
    requires!(&[]);
    let routes = prefixes(2);
    let (rack, daemon, peer) = learned(&routes, capability(|_| {}));
    drop(peer);
    await_lost(&daemon);
    let mut peer = connect(&rack, 0, capability(|restart| restart.restarted = true));
    peer.announce(&attributes(0), &routes[..1]).expect("the peer announces");
    eventually(SOON, "the route again", || {
        let received = daemon.established("peer0")?.messages.received.update;
        ensure!(received > 0, "nothing yet");
        Ok(())
    });
    stays(&rack.ours, routes[1]);
    // It fails before End-of-RIB: what it has not announced again goes, what it has is stale from now on.
    drop(peer);
    goes(&rack.ours, routes[1]);
    stays(&rack.ours, routes[0]);
    let mut peer = connect(&rack, 0, capability(|restart| restart.restarted = true));
    peer.end_of_rib().expect("the peer announces");
    goes(&rack.ours, routes[0]);
    daemon.established("peer0").expect("the session stays");
}

#[test]
fn forwarding_that_was_not_preserved_keeps_no_route() {
    requires!(&[]);
    let routes = prefixes(1);
    let (rack, daemon, peer) = learned(&routes, capability(|_| {}));
    drop(peer);
    await_lost(&daemon);
    stays(&rack.ours, routes[0]);
    let lost = capability(|restart| {
        restart.restarted = true;
        restart.families = vec![(Family::Ipv4.code(), false)];
    });
    let _peer = connect(&rack, 0, lost);
    goes(&rack.ours, routes[0]);
}

#[test]
fn a_peer_that_speaks_of_restarts_no_longer_keeps_no_route() {
    requires!(&[]);
    let routes = prefixes(1);
    let (rack, daemon, peer) = learned(&routes, capability(|_| {}));
    drop(peer);
    await_lost(&daemon);
    stays(&rack.ours, routes[0]);
    let _peer = crate::connect(&rack, 0);
    goes(&rack.ours, routes[0]);
}

#[test]
fn a_restart_time_ends() {
    requires!(&[]);
    let routes = prefixes(1);
    let (rack, _daemon, peer) = learned(&routes, capability(|restart| restart.restart_time = 2));
    let since = Instant::now();
    drop(peer);
    throughout(Duration::from_millis(1500), "the route", || {
        kernel::our_route(&rack.ours, routes[0]).map(drop)
    });
    eventually(SOON, "the route to go", || kernel::no_route(&rack.ours, routes[0]));
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
}

/// A new connection while the old session stands: the peer has restarted, and its old end never said so.
#[test]
fn a_peer_that_restarts_unnoticed_keeps_its_routes() {
    requires!(&[]);
    let routes = prefixes(1);
    let (rack, daemon, old) = learned(&routes, capability(|_| {}));
    let mut peer = connect(&rack, 0, capability(|restart| restart.restarted = true));
    stays(&rack.ours, routes[0]);
    daemon.established("peer0").expect("the new session");
    peer.end_of_rib().expect("the peer announces");
    goes(&rack.ours, routes[0]);
    drop(old);
    daemon.established("peer0").expect("the new session stays");
}

#[test]
fn a_notification_keeps_routes_only_with_the_n_bit() {
    requires!(&[]);
    let routes = prefixes(1);
    for notification in [false, true] {
        let (rack, daemon, mut peer) =
            learned(&routes, capability(|restart| restart.notification = notification));
        // Cease, Administrative Reset.
        peer.send(&notification_of(&[6, 4])).expect("the daemon listens");
        drop(peer);
        await_lost(&daemon);
        match notification {
            true => stays(&rack.ours, routes[0]),
            false => goes(&rack.ours, routes[0]),
        }
    }
}

#[test]
fn a_hard_reset_keeps_no_route() {
    requires!(&[]);
    let routes = prefixes(1);
    let (rack, daemon, mut peer) = learned(&routes, capability(|restart| restart.notification = true));
    // Cease (6), Hard Reset (9), and what it would have been without: Cease, Administrative Shutdown (2).
    peer.send(&notification_of(&[6, 9, 6, 2])).expect("the daemon listens");
    drop(peer);
    await_lost(&daemon);
    goes(&rack.ours, routes[0]);
}

/// A NOTIFICATION with these octets (RFC 4271 §4.5).
fn notification_of(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(19 + body.len()).expect("a short one");
    [&[0xff; 16][..], &length.to_be_bytes(), &[3], body].concat()
}

#[test]
fn we_restart_with_both_bits_and_our_end_of_rib_comes_last() {
    requires!(&[]);
    let routes = prefixes(2);
    let (rack, mut daemon, peer) = learned(&routes, capability(|_| {}));
    let before = restarts_of(&peer);
    assert!(!before.restarted, "a first start is no restart: {before:?}");
    assert_eq!(before.families, [(Family::Ipv4.code(), false)], "it has preserved nothing yet");
    assert!(before.notification && before.restart_time > 0, "{before:?}");
    daemon.kill();
    drop(peer);
    let daemon = daemon.start_again();
    let mut peer = connect(&rack, 0, capability(|_| {}));
    let after = restarts_of(&peer);
    assert!(after.restarted && after.families == [(Family::Ipv4.code(), true)], "{after:?}");
    peer.announce(&attributes(0), &routes[..1]).expect("the peer announces");
    // What is our own depends on nobody.
    let block = next_update(&mut peer);
    let said: Vec<_> = block.announced.iter().flat_map(|announcement| &announcement.nlri).collect();
    assert_eq!(said, [&net(OUR_BLOCK).into()]);
    assert_eq!(next_update(&mut peer).end_of_rib, Some(Family::Ipv4));
    // What depends on others waits until they have said everything.
    stays(&rack.ours, routes[1]);
    peer.end_of_rib().expect("the peer announces");
    goes(&rack.ours, routes[1]);
    kernel::our_route(&rack.ours, routes[0]).expect("it was announced again");
    kernel::our_route(&rack.ours, net(OUR_BLOCK)).expect("our blackhole is there");
    daemon.established("peer0").expect("the session stays");
}

fn next_update(peer: &mut Puppet) -> Update {
    loop {
        if let Message::Update(update) = peer.hear().expect("an UPDATE") {
            return update;
        }
    }
}

/// What the daemon said of its restarts.
fn restarts_of(peer: &Puppet) -> GracefulRestart {
    let capabilities = &peer.open().expect("a session").capabilities;
    let found = capabilities.iter().find_map(|capability| match capability {
        Capability::GracefulRestart(restart) => Some(restart.clone()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no word of restarts: {capabilities:?}"))
}

#[test]
fn a_dead_peer_does_not_hold_the_selection_for_ever() {
    requires!(&[]);
    let rack = Rack::new(2);
    let text = configuration(2) + "[graceful-restart]\nselection-deferral = 3\n";
    let mut daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &text);
    let routes = prefixes(2);
    let mut peers: Vec<_> = (0..2).map(|index| connect(&rack, index, capability(|_| {}))).collect();
    for (index, peer) in peers.iter_mut().enumerate() {
        peer.announce(&attributes(index), &routes[index..=index]).expect("the peer announces");
        peer.end_of_rib().expect("the peer announces");
    }
    for route in &routes {
        eventually(SOON, "the route", || kernel::our_route(&rack.ours, *route));
    }
    daemon.kill();
    drop(peers);
    let since = Instant::now();
    let daemon = daemon.start_again();
    let mut peer = connect(&rack, 0, capability(|_| {}));
    peer.announce(&attributes(0), &routes[..1]).expect("the peer announces");
    peer.end_of_rib().expect("the peer announces");
    throughout(Duration::from_secs(1), "the route of the peer that is away", || {
        kernel::our_route(&rack.ours, routes[1]).map(drop)
    });
    eventually(SOON, "the route to go", || kernel::no_route(&rack.ours, routes[1]));
    assert!(since.elapsed() < Duration::from_secs(6), "{:?}", since.elapsed());
    kernel::our_route(&rack.ours, routes[0]).expect("its peer is there");
    daemon.established("peer0").expect("the session stays");
}
