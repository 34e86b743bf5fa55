//! Leaving for good, and making way for the machine's shutdown.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use bgp::Message;
use bgp::notification::{Cease, NotificationError};
use control::{DrainCause, DrainStage, PeerState};
use support::logind::Logind;
use support::puppet::Puppet;
use support::{Podbgpd, Rack, SOON, eventually, kernel, requires, throughout};

use crate::{attributes, configuration, connect, net, prefixes};

/// Stages of a second each.
const DRAIN: &str = "[drain]\nannounce = 1\nwithdraw = 1\n";

/// A daemon whose one peer has announced ten routes.
fn learned(rack: &Rack, environment: &[(&str, &str)]) -> (Podbgpd, Puppet) {
    let text = configuration(1) + DRAIN;
    let daemon = Podbgpd::start_with(&rack.ours, rack.directory("ours"), &text, environment);
    let mut peer = connect(rack, 0);
    peer.announce(&attributes(0), &prefixes(10)).expect("the peer announces");
    peer.end_of_rib().expect("the peer announces");
    await_installed(rack);
    (daemon, peer)
}

fn await_installed(rack: &Rack) {
    eventually(SOON, "the kernel to have the routes", || {
        let routes = kernel::our_routes(&rack.ours)?.len();
        // The block is a route too.
        ensure!(routes == 11, "it has {routes}");
        Ok(())
    });
}

/// Reads to the end of a connection: the communities of the last announcement, whether everything was withdrawn
/// after it, and the words of the Cease.
fn farewell(peer: &mut Puppet) -> (Vec<String>, bool, Option<String>) {
    let (mut communities, mut is_withdrawn, mut words) = (Vec::new(), false, None);
    while let Ok(message) = peer.hear() {
        match message {
            Message::Update(update) => {
                is_withdrawn |= !update.withdrawn.is_empty();
                for announcement in update.announced {
                    communities =
                        announcement.attributes.communities.iter().map(ToString::to_string).collect();
                    is_withdrawn = false;
                }
            }
            Message::Notification(notification) => {
                assert_eq!(notification.error, NotificationError::Cease(Cease::AdministrativeShutdown));
                words = notification.shutdown_message();
            }
            _ => {}
        }
    }
    (communities, is_withdrawn, words)
}

fn bgpctl(daemon: &Podbgpd, arguments: &[&str]) {
    let output = daemon.bgpctl(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_daemon_told_to_leave_drains_and_ends() {
    requires!(&[]);
    let rack = Rack::new(1);
    let (mut daemon, mut peer) = learned(&rack, &[]);
    bgpctl(&daemon, &["shutdown", "-m", "kernel update"]);
    let (communities, is_withdrawn, words) = farewell(&mut peer);
    assert_eq!(communities, ["graceful-shutdown"]);
    assert_eq!((is_withdrawn, words.as_deref()), (true, Some("kernel update")));
    daemon.await_end();
    await_installed(&rack);
    kernel::our_route(&rack.ours, net("64.0.0.0/24")).expect("routes stay for the node itself");
}

#[test]
fn a_daemon_told_to_leave_now_does_so() {
    requires!(&[]);
    let rack = Rack::new(1);
    let (mut daemon, mut peer) = learned(&rack, &[]);
    let start = Instant::now();
    bgpctl(&daemon, &["shutdown", "--now", "-m", "fire"]);
    let (communities, _, words) = farewell(&mut peer);
    assert_eq!((communities, words.as_deref()), (vec![], Some("fire")));
    daemon.await_end();
    assert!(start.elapsed() < Duration::from_secs(10));
    await_installed(&rack);
}

#[test]
fn who_changes_his_mind_about_leaving_keeps_the_daemon() {
    requires!(&[]);
    let rack = Rack::new(1);
    let (daemon, _peer) = learned(&rack, &[]);
    daemon.configure(&(configuration(1) + "[drain]\nannounce = 30\n"));
    assert!(daemon.reload().applied);
    bgpctl(&daemon, &["shutdown"]);
    let drain = daemon.status().expect("an answer").drain.expect("a drain");
    assert_eq!((drain.cause, drain.stage), (DrainCause::Leave, DrainStage::Announced));
    bgpctl(&daemon, &["drain", "cancel"]);
    let status = daemon.status().expect("an answer");
    assert_eq!((status.drain, status.ready), (None, true));
    assert_eq!(daemon.peer("peer0").expect("an answer").flaps, 0);
}

#[test]
fn what_is_drained_stays_so_through_a_crash_and_an_upgrade() {
    requires!(&[]);
    let rack = Rack::new(1);
    let (mut daemon, mut peer) = learned(&rack, &[]);
    bgpctl(&daemon, &["drain", "start", "-m", "rack 12 moves"]);
    farewell(&mut peer);
    let ends: [fn(&mut Podbgpd); 3] = [Podbgpd::kill, Podbgpd::stop, |daemon| {
        bgpctl(daemon, &["shutdown"]);
        daemon.await_end();
    }];
    for end in ends {
        end(&mut daemon);
        daemon = daemon.start_again();
        let status = daemon.status().expect("an answer");
        let drain = status.drain.expect("it is still drained");
        assert_eq!((drain.cause, drain.stage), (DrainCause::Operator, DrainStage::Closed));
        assert_eq!((drain.message.as_str(), status.ready), ("rack 12 moves", false));
        throughout(Duration::from_secs(1), "a drained node", || {
            let peer = daemon.peer("peer0")?;
            ensure!(peer.state == PeerState::Idle && peer.drain.is_some(), "{peer:?}");
            ensure!(kernel::our_routes(&rack.ours)?.len() == 11, "the node itself no longer gets out");
            Ok(())
        });
    }
    bgpctl(&daemon, &["drain", "cancel"]);
    let _peer = connect(&rack, 0);
    daemon.await_established("peer0");
    daemon.kill();
    let daemon = daemon.start_again();
    assert_eq!(daemon.status().expect("an answer").drain, None, "what was called off stays so too");
}

#[test]
fn the_machine_waits_with_its_shutdown_until_the_node_is_drained() {
    requires!(&["dbus-daemon"]);
    let rack = Rack::new(1);
    let mut logind = Logind::start(&rack.ours, &rack.directory("bus"));
    let (daemon, mut peer) = learned(&rack, &[("DBUS_SYSTEM_BUS_ADDRESS", &logind.address())]);
    let lock = logind.await_lock();

    logind.impersonate(true);
    throughout(Duration::from_secs(1), "a node nobody drains", || {
        ensure!(daemon.status()?.drain.is_none(), "somebody other than logind was believed");
        Ok(())
    });
    logind.prepare_for_shutdown(true);
    eventually(SOON, "the drain", || match daemon.status()?.drain {
        Some(drain) if drain.cause == DrainCause::Host => Ok(()),
        other => bail!("{other:?}"),
    });
    assert!(lock.is_held(), "the drain has only begun");
    let (communities, is_withdrawn, words) = farewell(&mut peer);
    assert_eq!(communities, ["graceful-shutdown"]);
    assert_eq!((is_withdrawn, words.as_deref()), (true, Some("the machine shuts down")));
    eventually(SOON, "the lock to be let go of", || {
        ensure!(!lock.is_held(), "it is held: {:?}", daemon.status()?.drain);
        Ok(())
    });

    logind.prepare_for_shutdown(false);
    let again = logind.await_lock();
    eventually(SOON, "the drain to be undone", || match daemon.status()?.drain {
        None => Ok(()),
        Some(drain) => bail!("{drain:?}"),
    });
    assert!(again.is_held());
    let _peer = connect(&rack, 0);
    daemon.await_established("peer0");
}
