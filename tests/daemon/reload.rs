use std::time::Duration;

use anyhow::ensure;
use nix::sys::signal::Signal;
use support::{Podbgpd, SOON, eventually, kernel, requires, throughout};

use crate::{OUR_BLOCK, configuration, connect, net, start};

#[test]
fn a_reload_resets_only_the_session_that_changed() {
    requires!(&[]);
    let (rack, daemon) = start(2);
    let _peers: Vec<_> = (0..2).map(|index| connect(&rack, index)).collect();
    daemon.await_established("peer0");
    daemon.await_established("peer1");

    // The second peer's hold time is the last in the file.
    let text = configuration(2);
    let (before, after) = text.rsplit_once("hold-time = 9").expect("a hold time");
    daemon.configure(&format!("{before}hold-time = 12{after}"));
    let answer = daemon.reload();
    assert!(answer.applied, "{answer:?}");
    assert!(answer.changes.iter().all(|change| change.subject.contains("peer1")), "{answer:?}");
    eventually(SOON, "the reset of the second", || {
        let flaps = daemon.peer("peer1")?.flaps;
        ensure!(flaps == 1, "{flaps} flaps");
        Ok(())
    });
    throughout(Duration::from_secs(1), "the first session", || {
        let peer = daemon.established("peer0")?;
        ensure!(peer.flaps == 0, "{:?}", peer.last_error);
        Ok(())
    });
}

#[test]
fn a_reload_without_a_difference_does_nothing() {
    requires!(&[]);
    let (rack, daemon) = start(1);
    let _peer = connect(&rack, 0);
    daemon.await_established("peer0");
    let answer = daemon.reload();
    assert!(answer.applied && answer.changes.is_empty(), "{answer:?}");
    assert_eq!(daemon.established("peer0").expect("the session stays").flaps, 0);
}

#[test]
fn a_hangup_signal_reloads() {
    requires!(&[]);
    let (rack, daemon) = start(1);
    eventually(SOON, "the block", || kernel::our_route(&rack.ours, net(OUR_BLOCK)));
    daemon.configure(&configuration(1).replace(OUR_BLOCK, "10.20.31.0/26"));
    daemon.signal(Signal::SIGHUP);
    eventually(SOON, "the other block", || kernel::our_route(&rack.ours, net("10.20.31.0/26")));
    eventually(SOON, "the block to go", || kernel::no_route(&rack.ours, net(OUR_BLOCK)));
}

#[test]
fn a_broken_file_changes_nothing_and_is_reported() {
    requires!(&[]);
    let (rack, daemon) = start(1);
    let _peer = connect(&rack, 0);
    daemon.await_established("peer0");
    let broken =
        configuration(1).replace(OUR_BLOCK, "10.20.31.0/26").replace("hold-time = 9", "hold-time = 2");
    daemon.configure(&broken);
    let answer = daemon.reload();
    assert!(!answer.applied, "{answer:?}");
    let error = &answer.errors[0];
    assert!(error.key.as_deref().is_some_and(|key| key.contains("hold-time")), "{error:?}");
    assert!(error.line.is_some(), "{error:?}");
    still_as_before(&rack.ours, &daemon);

    // The same by signal: nobody reads the answer, so it is in the status.
    daemon.signal(Signal::SIGHUP);
    eventually(SOON, "the second failure to be counted", || {
        let config = daemon.status()?.config;
        ensure!(config.reload_failures == 2 && config.last_reload_error.is_some(), "{config:?}");
        Ok(())
    });
    still_as_before(&rack.ours, &daemon);
}

fn still_as_before(namespace: &lab::net::Namespace, daemon: &Podbgpd) {
    assert_eq!(daemon.established("peer0").expect("the session stays").flaps, 0);
    kernel::our_route(namespace, net(OUR_BLOCK)).expect("the block stays");
    kernel::no_route(namespace, net("10.20.31.0/26")).expect("the new block is not there");
}
