//! The daemon of a node ends and comes back, or reads another file.

use std::time::Duration;

use lab::rack::plan::{NodeId, TorId};
use lab::speakers::Kind;
use support::podbgpd::another_build;

use crate::world::{Options, World, configuration, peers_of};

/// Time enough for a switch to notice, and for packets to be lost.
const AWAY: Duration = Duration::from_millis(700);

pub(crate) fn a_daemon_stopped_and_started_loses_no_packet(kind: Kind) {
    let mut world = World::start(kind, Options::default());
    world.without_loss("SIGTERM and start", |world| {
        world.change_daemon(|mut daemon| {
            daemon.stop();
            std::thread::sleep(AWAY);
            daemon.start_again()
        });
        world.await_whole();
    });
}

pub(crate) fn a_daemon_killed_and_started_loses_no_packet(kind: Kind) {
    let mut world = World::start(kind, Options::default());
    world.without_loss("SIGKILL and start", |world| {
        world.change_daemon(|mut daemon| {
            daemon.kill();
            std::thread::sleep(AWAY);
            daemon.start_again()
        });
        world.await_whole();
    });
}

/// Compiled once more, with another version and other optimisation, and from it back again.
pub(crate) fn a_daemon_replaced_by_another_build_loses_no_packet(kind: Kind) {
    let other = another_build();
    let mut world = World::start(kind, Options::default());
    let version = |world: &World| world.daemon().status().expect("an answer").version;
    let first = version(&world);
    world.without_loss("another build", |world| {
        world.change_daemon(|mut daemon| {
            daemon.stop();
            daemon.start_again_as(&other, &["--log-format", "json"])
        });
        world.await_whole();
    });
    assert_ne!(version(&world), first, "it is the same build");
    world.without_loss("the build before", |world| {
        world.change_daemon(|mut daemon| {
            daemon.stop();
            daemon.start_again()
        });
        world.await_whole();
    });
    assert_eq!(version(&world), first);
}

/// What another version wrote, it may be unable to read; that must cost time at most.
pub(crate) fn a_daemon_that_cannot_read_its_snapshot_loses_no_packet(kind: Kind) {
    let mut world = World::start(kind, Options::default());
    let state = world.state();
    world.without_loss("a start without a snapshot", |world| {
        world.change_daemon(|mut daemon| {
            daemon.stop();
            let files: Vec<_> = std::fs::read_dir(&state).expect("a directory").flatten().collect();
            assert!(!files.is_empty(), "there is no snapshot in {}", state.display());
            for file in files {
                std::fs::write(file.path(), "from another world").expect("a file");
            }
            daemon.start_again()
        });
        world.await_whole();
    });
}

pub(crate) fn an_unrelated_change_loses_no_packet(kind: Kind) {
    let mut world = World::start(kind, Options::default());
    world.without_loss("a reload", |world| {
        let lines =
            "\n[[peer]]\nname = \"another\"\naddress = \"192.0.2.99\"\nasn = 65099\nshutdown = true\n";
        world.daemon().configure(&configuration(NodeId::A, Options { lines, ..Options::default() }));
        let reload = world.daemon().reload();
        assert!(reload.applied && reload.changes.len() == 1, "{reload:?}");
        world.await_whole();
    });
    for peer in TorId::BOTH.into_iter().flat_map(peers_of) {
        assert_eq!(world.daemon().established(&peer).expect("it stays").flaps, 0);
    }
}
