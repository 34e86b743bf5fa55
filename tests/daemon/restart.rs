use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use lab::net::{Namespace, Witness};
use support::{SOON, config, eventually, kernel, requires, throughout};

use crate::{OUR_BLOCK, attributes, connect, learned, net, prefixes};

/// Routes learned before the crash.
const LEARNED: u32 = 100_000;
/// Of those, the peer no longer has these many afterwards.
const GONE: usize = 100;
/// A hundred thousand routes take the kernel half a second; a busy machine takes longer.
const WHILE: Duration = Duration::from_secs(60);

#[test]
fn no_route_is_missing_while_a_killed_daemon_starts_again() {
    requires!(&[]);
    let routes = prefixes(LEARNED);
    let (rack, mut daemon, peer) = learned(&routes);
    // The block is a route too.
    await_installed(&rack.ours, routes.len() + 1);

    let witness = Witness::start(&rack.ours).expect("a witness");
    daemon.kill();
    drop(peer);
    let daemon = daemon.start_again();
    let mut peer = connect(&rack, 0);
    let (gone, kept) = routes.split_at(GONE);
    peer.announce(&attributes(0), kept).expect("the peer announces");
    eventually(WHILE, "the routes to be claimed again", || {
        let status = daemon.status()?;
        ensure!(status.fib.leftovers == GONE as u64, "{:?}", status.fib);
        Ok(())
    });
    throughout(Duration::from_secs(2), "every route before End-of-RIB", || {
        let deleted = witness.deleted()?;
        ensure!(deleted.is_empty(), "deleted {:?}", deleted.first());
        Ok(())
    });

    peer.end_of_rib().expect("the peer announces");
    await_installed(&rack.ours, kept.len() + 1);
    let gone: BTreeSet<_> = gone.iter().copied().collect();
    eventually(SOON, "the witness's word on the stale routes", || {
        let deleted = witness.deleted()?;
        ensure!(deleted == gone, "{} deleted, {} stale", deleted.len(), gone.len());
        Ok(())
    });
    let fib = daemon.status().expect("an answer").fib;
    assert_eq!((fib.swept, fib.leftovers), (GONE as u64, 0), "{fib:?}");
    kernel::our_route(&rack.ours, net(OUR_BLOCK)).expect("our blackhole is there");
}

#[test]
fn routes_stay_when_the_daemon_ends() {
    requires!(&[]);
    let (rack, mut daemon, _peer) = learned(&prefixes(10));
    await_installed(&rack.ours, 11);
    daemon.stop();
    assert_eq!(kernel::our_routes(&rack.ours).expect("an answer").len(), 11);
}

#[test]
fn a_daemon_that_is_started_again_knows_what_it_was() {
    requires!(&[]);
    let routes = prefixes(10);
    let (rack, mut daemon, peer) = learned(&routes);
    await_installed(&rack.ours, 11);
    daemon.stop();
    drop(peer);
    let daemon = daemon.start_again();
    let restart = daemon.status().expect("an answer").restart;
    assert!(restart.restarted && restart.forwarding_kept, "{restart:?}");
    assert!(restart.away_seconds.is_some_and(|away| away < 30.0), "{restart:?}");
    assert_eq!(restart.waiting_for, [config::name(0)]);

    let mut peer = connect(&rack, 0);
    let (gone, kept) = routes.split_at(2);
    peer.announce(&attributes(0), kept).expect("the peer announces");
    peer.end_of_rib().expect("the peer announces");
    await_installed(&rack.ours, 9);
    eventually(SOON, "the word on what has not come back", || {
        let returned = daemon.peer(&config::name(0))?.graceful_restart.and_then(|restart| restart.returned);
        let returned = returned.context("nothing yet")?;
        ensure!((returned.announced_before, returned.examples.as_slice()) == (10, gone), "{returned:?}");
        Ok(())
    });
}

#[test]
fn leftovers_of_a_peer_that_never_comes_back_are_kept_for_a_while() {
    requires!(&[]);
    let (rack, mut daemon, peer) = learned(&prefixes(10));
    await_installed(&rack.ours, 11);
    daemon.kill();
    drop(peer);
    let daemon = daemon.start_again();
    throughout(Duration::from_secs(3), "the routes without their peer", || {
        let count = kernel::our_routes(&rack.ours)?.len();
        ensure!(count == 11, "{count} routes: {:?}", daemon.status()?.fib);
        Ok(())
    });
}

fn await_installed(namespace: &Namespace, count: usize) {
    eventually(WHILE, "the kernel to have the routes", || {
        let routes = kernel::our_routes(namespace)?.len();
        ensure!(routes == count, "it has {routes} of {count}");
        Ok(())
    });
}
