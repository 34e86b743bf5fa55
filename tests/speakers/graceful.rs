//! Restarts, ours and a peer's, from both sides: what stays, until when, and what goes.

use std::time::Duration;

use bgp::fsm::StopReason;
use control::PeerState;
use ipnet::IpNet;
use podbgpd::intent::{Export, Intent, RestartRole};
use podbgpd::snapshot::Snapshot;
use podbgpd::speaker::{Ending, Notice, Output};

use crate::world::World;
use crate::{SOON, blocks, chain, name, net, node_with_peers, pair};

const SECOND: Duration = Duration::from_secs(1);
/// How long a node asks its peers to wait for it.
const RESTART_TIME: Duration = Duration::from_secs(60);

fn unchanged(_: &mut Intent) {}

/// A pair, both with an edit of their intents.
fn pair_with(edit: impl Fn(&mut Intent)) -> World {
    let intents = [(1, 2), (2, 1)].map(|(number, peer)| {
        let mut intent = node_with_peers(number, &[peer]);
        edit(&mut intent);
        intent
    });
    let mut world = World::new(intents);
    world.run(SOON);
    world
}

/// A node that exports what it learns, between two that do not.
fn star() -> World {
    let mut world =
        World::new([node_with_peers(1, &[2, 3]), node_with_peers(2, &[1]), node_with_peers(3, &[1])]);
    world.run(SOON);
    world
}

/// The prefixes a node has from a peer and keeps for its return.
fn stale(world: &World, number: u8, peer: u8) -> u64 {
    world.peer(number, peer).families.iter().map(|family| family.stale).sum()
}

/// When and how selection began again, if it did.
fn selected(world: &World, number: u8) -> Option<(Duration, Ending)> {
    world.nodes[&number].notices.iter().find_map(|notice| match notice {
        Notice::Selected { took, ending } => Some((*took, ending.clone())),
        _ => None,
    })
}

/// What a peer said of restarts in its OPEN.
fn said(world: &World, number: u8, peer: u8) -> String {
    let capabilities = world.peer(number, peer).capabilities.remote;
    capabilities.into_iter().find(|line| line.starts_with("graceful restart")).unwrap_or_default()
}

fn restart(world: &mut World, number: u8, away: Duration) {
    let snapshot = world.end(number);
    world.run(away);
    world.start_again(number, Some(snapshot), unchanged);
}

// The helper.

#[test]
fn a_peer_that_restarts_loses_no_route_and_no_packet() {
    let mut world = pair();
    let before = world.node(1).kernel.routes.clone();
    restart(&mut world, 2, SECOND * 5);
    assert_ne!(world.peer(1, 2).state, PeerState::Established);
    assert_eq!(stale(&world, 1, 2), 2);
    world.run(SOON);
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
    assert_eq!((world.prefixes(1, 2), stale(&world, 1, 2)), (blocks(2).to_vec(), 0));
    for number in [1, 2] {
        assert_eq!(world.node(number).kernel.removed, [] as [IpNet; 0]);
    }
    assert_eq!(world.node(1).kernel.routes, before);
}

#[test]
fn what_a_peer_no_longer_announces_goes_at_its_end_of_rib() {
    let mut world = pair();
    let [gone, kept] = blocks(2);
    let snapshot = world.end(2);
    world.run(SECOND);
    world.start_again(2, Some(snapshot), |intent| intent.node.blocks = [kept].into());
    world.run(SOON);
    assert_eq!(world.prefixes(1, 2), [kept]);
    assert_eq!(world.node(1).kernel.removed, [gone]);
}

#[test]
fn a_peer_that_does_not_come_back_is_waited_for_as_long_as_it_asked() {
    let mut world = pair();
    world.end(2);
    world.run(RESTART_TIME);
    assert_eq!(stale(&world, 1, 2), 2);
    world.run(SECOND);
    assert_eq!((world.prefixes(1, 2), stale(&world, 1, 2)), (vec![], 0));
    assert_eq!(world.node(1).kernel.forwarded(), []);
}

#[test]
fn a_peer_is_never_waited_for_longer_than_we_are_willing_to() {
    let mut world = pair_with(|intent| intent.graceful_restart.max_peer_restart_time = SECOND * 10);
    world.end(2);
    world.run(SECOND * 9);
    assert_eq!(world.prefixes(1, 2), blocks(2));
    world.run(SECOND * 2);
    assert_eq!(world.prefixes(1, 2), []);
}

#[test]
fn a_peer_that_has_not_preserved_forwarding_loses_its_routes_with_its_open() {
    let mut world = pair();
    world.end(2);
    world.run(SECOND);
    // As after a power cut: nothing is remembered, and the kernel is empty.
    world.forget(2);
    world.start_again(2, None, unchanged);
    world.run(SOON);
    assert_eq!(said(&world, 1, 2), "graceful restart 60 s: ipv4, ipv6");
    assert_eq!(world.prefixes(1, 2), blocks(2));
    assert_eq!(world.node(1).kernel.removed, blocks(2));
}

#[test]
fn a_second_loss_before_end_of_rib_has_no_second_grace() {
    let mut world = chain();
    let snapshot = world.end(2);
    world.unplug(3);
    world.run(SECOND);
    // It waits for node 3 before it says what it learned, and that it is done.
    world.start_again(2, Some(snapshot), unchanged);
    world.run(SECOND * 3);
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
    assert_eq!(stale(&world, 1, 2), 4);
    world.cut(2);
    world.run(Duration::from_millis(50));
    assert_eq!(world.prefixes(1, 2), []);
}

#[test]
fn a_notification_ends_a_session_and_not_its_routes_unless_it_is_a_hard_reset() {
    let mut world = pair();
    world.reload(1, |intent| intent.peers.get_mut(&name(2)).unwrap().connect_retry = SECOND).unwrap();
    world.reload(1, |intent| intent.peers.get_mut(&name(2)).unwrap().multihop = 2).unwrap();
    assert_eq!(world.node(1).ends(), ["configuration_change"]);
    world.run(Duration::from_millis(15));
    for (number, peer) in [(1, 2), (2, 1)] {
        assert_eq!(stale(&world, number, peer), 2, "node {number} keeps what node {peer} said");
    }
    world.run(SOON);
    assert_eq!(world.node(2).kernel.removed, [] as [IpNet; 0]);

    world.act(1, |speaker, now, out| speaker.peer_reset(&name(2), String::new(), now, out));
    world.run(Duration::from_millis(15));
    for (number, peer) in [(1, 2), (2, 1)] {
        assert_eq!(world.prefixes(number, peer), [], "node {number} forgets what node {peer} said");
    }
}

#[test]
fn an_operator_who_takes_a_peer_down_waits_for_nobody() {
    let mut world = pair();
    world.end(2);
    world.run(SECOND);
    assert_eq!(stale(&world, 1, 2), 2);
    world.act(1, |speaker, now, out| speaker.peer_down(&name(2), String::new(), now, out));
    assert_eq!(world.prefixes(1, 2), []);
    world.run(RESTART_TIME * 2);
    assert_eq!(world.node(1).kernel.forwarded(), []);
}

#[test]
fn a_peer_that_is_removed_takes_what_was_kept_of_it_along() {
    let mut world = pair();
    world.end(2);
    world.run(SECOND);
    world.reload(1, |intent| intent.peers.clear()).unwrap();
    world.run(SECOND);
    assert_eq!(world.node(1).kernel.forwarded(), []);
}

#[test]
fn a_helper_keeps_and_is_not_kept() {
    let mut world = World::new([node_with_peers(1, &[2]), {
        let mut helper = node_with_peers(2, &[1]);
        helper.peers.values_mut().for_each(|peer| peer.graceful_restart = RestartRole::Helper);
        helper
    }]);
    world.run(SOON);
    assert_eq!(said(&world, 1, 2), "graceful restart: End-of-RIB only");
    world.cut(1);
    world.run(Duration::from_millis(15));
    assert_eq!(stale(&world, 2, 1), 2);
    assert_eq!(world.prefixes(1, 2), []);
}

#[test]
fn who_wants_no_graceful_restart_keeps_nothing_and_is_not_kept() {
    let mut world = World::new([node_with_peers(1, &[2]), {
        let mut off = node_with_peers(2, &[1]);
        off.graceful_restart.enabled = false;
        off
    }]);
    world.run(SOON);
    assert_eq!(said(&world, 1, 2), "");
    world.cut(1);
    world.run(Duration::from_millis(15));
    assert_eq!((world.prefixes(1, 2), world.prefixes(2, 1)), (vec![], vec![]));
}

#[test]
fn long_lived_routes_are_kept_as_the_last_resort_and_no_longer_than_both_want() {
    let times = [7200, 3600];
    let intents = [(1, 2), (2, 1)].map(|(number, peer)| {
        let mut intent = node_with_peers(number, &[peer]);
        intent.graceful_restart.long_lived_stale_time = times[usize::from(number) - 1];
        intent
    });
    let mut world = World::new(intents);
    world.run(SOON);
    world.end(2);
    world.run(RESTART_TIME + SECOND);
    assert_eq!(world.prefixes(1, 2), blocks(2));
    let path = world.route(1, blocks(2)[0]).candidates.remove(0);
    assert_eq!(path.stale, Some(control::Staleness::LongLived));
    world.run(Duration::from_secs(3598));
    assert_eq!(world.prefixes(1, 2), blocks(2));
    world.run(SECOND * 3);
    assert_eq!(world.prefixes(1, 2), []);
}

#[test]
fn a_peer_that_comes_late_finds_its_long_lived_routes() {
    let mut world = pair_with(|intent| intent.graceful_restart.long_lived_stale_time = 3600);
    restart(&mut world, 2, RESTART_TIME * 3);
    assert_eq!(stale(&world, 1, 2), 2);
    world.run(RESTART_TIME * 2);
    assert_eq!((world.prefixes(1, 2), stale(&world, 1, 2)), (blocks(2).to_vec(), 0));
    assert_eq!(world.node(1).kernel.removed, [] as [IpNet; 0]);
}

#[test]
fn the_helper_says_how_long_the_peer_was_away_and_what_it_kept() {
    let mut world = pair();
    restart(&mut world, 2, SECOND * 5);
    let now = world.peer(1, 2).graceful_restart.expect("they agreed on it");
    assert_eq!(now.role, control::RestartNow::Helping);
    let remaining = now.waiting.expect("it waits").remaining_seconds;
    assert!((55.0..55.1).contains(&remaining), "{remaining}");
    world.run(SOON);
    let after = world.peer(1, 2).graceful_restart.expect("they agreed on it");
    assert_eq!((after.role, after.peer_restarts), (control::RestartNow::Idle, 1));
    let last = after.last_absence.expect("it was away");
    assert!(last.away_seconds.is_some_and(|away| (5.0..6.0).contains(&away)), "{last:?}");
    assert_eq!((last.kept, last.gone), (2, 0));
}

// The restarter.

#[test]
fn a_restart_says_nothing_to_anybody() {
    let mut world = pair();
    let mut out = Vec::new();
    let now = world.now;
    world.node(1).speaker.shut_down(&StopReason::Restart, now, &mut out);
    assert!(out.iter().any(|output| matches!(output, Output::Close(_))));
    assert!(!out.iter().any(|output| matches!(output, Output::Transmit(..))), "{out:?}");
}

#[test]
fn a_restart_is_announced_until_it_is_over() {
    let mut world = pair();
    assert_eq!(said(&world, 1, 2), "graceful restart 60 s: ipv4, ipv6", "there was nothing to keep");
    restart(&mut world, 2, SECOND);
    world.run(SOON);
    let kept = "ipv4 (forwarding kept), ipv6 (forwarding kept)";
    assert_eq!(said(&world, 1, 2), format!("graceful restart 60 s, just restarted: {kept}"));
    world.cut(2);
    world.run(SOON);
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
    assert_eq!(said(&world, 1, 2), format!("graceful restart 60 s: {kept}"));
}

#[test]
fn routes_that_are_gone_from_the_kernel_were_not_kept() {
    let mut world = pair();
    let snapshot = world.end(2);
    world.forget(2);
    world.start_again(2, Some(snapshot), unchanged);
    world.run(SOON);
    assert_eq!(said(&world, 1, 2), "graceful restart 60 s, just restarted: ipv4, ipv6");
}

#[test]
fn the_kernel_is_left_alone_until_every_peer_has_told_its_routes() {
    let mut world = star();
    let snapshot = world.end(1);
    world.unplug(3);
    world.start_again(1, Some(snapshot), unchanged);
    world.run(SECOND * 4);
    assert_eq!(world.prefixes(1, 2), blocks(2));
    assert_eq!((selected(&world, 1), world.node(1).kernel.changes), (None, 0));
    world.plug_in(3);
    world.run(SECOND * 5);
    assert!(matches!(selected(&world, 1), Some((took, Ending::EndOfRib)) if took < SECOND * 9));
    // Both nodes' blocks and our own, each claimed by being wanted.
    assert_eq!(world.node(1).kernel.changes, 6);
    assert_eq!(world.node(1).kernel.removed, [] as [IpNet; 0]);
    assert!(world.node(1).kernel.converged_at.is_some());
}

#[test]
fn a_peer_that_died_meanwhile_holds_nothing_up_but_keeps_its_routes_until_time_is_up() {
    let mut world = star();
    let snapshot = world.end(1);
    world.end(3);
    world.start_again(1, Some(snapshot), unchanged);
    world.run(SECOND * 9);
    assert_eq!(world.node(1).kernel.changes, 0);
    world.run(SECOND * 2);
    let (took, ending) = selected(&world, 1).expect("nobody is waited for");
    assert_eq!((took, ending), (SECOND * 10, Ending::EndOfRib));
    assert_eq!(world.node(1).kernel.changes, 4);
    assert_eq!(world.node(1).kernel.removed, [] as [IpNet; 0]);
    world.run(RESTART_TIME);
    assert_eq!(world.node(1).kernel.removed, blocks(3));
}

#[test]
fn a_peer_that_was_dead_before_holds_nothing_up_at_all() {
    let mut world = star();
    world.end(3);
    world.run(RESTART_TIME * 2);
    restart(&mut world, 1, SECOND);
    world.run(SECOND);
    assert!(matches!(selected(&world, 1), Some((took, Ending::EndOfRib)) if took < SECOND));
    assert!(world.node(1).kernel.converged_at.is_some());
}

#[test]
fn a_peer_that_never_says_it_is_done_holds_the_kernel_until_time_is_up() {
    let mut world = star();
    let snapshot = world.end(1);
    world.start_again(1, Some(snapshot), unchanged);
    while world.peer(1, 3).state != PeerState::Established {
        world.run(Duration::from_millis(1));
    }
    world.stop_reading(1);
    world.run(RESTART_TIME - SECOND);
    assert_eq!((selected(&world, 1), world.node(1).kernel.changes), (None, 0));
    world.run(SECOND);
    let (took, ending) = selected(&world, 1).expect("time is up");
    assert_eq!((took, ending), (RESTART_TIME, Ending::Deadline(vec![name(2), name(3)])));
}

#[test]
fn two_that_restart_at_once_do_not_wait_for_each_other() {
    let mut world = pair_with(|intent| {
        intent.peers.values_mut().for_each(|peer| peer.export = Export::All);
    });
    let snapshots: Vec<(u8, Snapshot)> = [1, 2].map(|number| (number, world.end(number))).into();
    world.run(SECOND);
    for (number, snapshot) in snapshots {
        world.start_again(number, Some(snapshot), unchanged);
    }
    world.run(SOON);
    for (number, peer) in [(1, 2), (2, 1)] {
        assert!(matches!(selected(&world, number), Some((took, Ending::EndOfRib)) if took < SECOND * 5));
        assert_eq!(world.prefixes(number, peer), blocks(peer));
        assert_eq!(world.node(number).kernel.removed, [] as [IpNet; 0]);
    }
}

#[test]
fn what_others_decide_is_advertised_when_they_have_told_it_and_our_own_at_once() {
    let mut world = chain();
    let snapshot = world.end(2);
    world.unplug(3);
    world.start_again(2, Some(snapshot), unchanged);
    world.run(SECOND * 5);
    let done = |world: &World| world.peer(1, 2).families.iter().all(|family| family.end_of_rib_received);
    assert!(!done(&world) && stale(&world, 1, 2) == 4, "a node in transit says nothing yet");
    world.plug_in(3);
    world.run(SECOND * 5);
    assert!(done(&world));
    assert_eq!((world.prefixes(1, 2).len(), stale(&world, 1, 2)), (4, 0));

    let mut world = star();
    let snapshot = world.end(1);
    world.unplug(3);
    world.start_again(1, Some(snapshot), |intent| intent.node.blocks = [net("10.99.0.0/24")].into());
    world.run(SECOND * 3);
    assert_eq!(world.prefixes(2, 1), [net("10.99.0.0/24")]);
}

#[test]
fn the_first_start_ever_waits_for_nobody() {
    let world = pair();
    assert_eq!(selected(&world, 1), None);
    let restart = world.status(1).restart;
    assert!(!restart.restarted && restart.converged_seconds.is_some());
}

#[test]
fn a_restart_tells_what_has_not_come_back() {
    let mut world = star();
    let [gone, kept] = blocks(2);
    let snapshot = world.end(1);
    world.reload(2, |intent| intent.node.blocks = [kept].into()).unwrap();
    world.start_again(1, Some(snapshot), unchanged);
    world.run(SOON);
    let returned = |peer: u8| {
        world.nodes[&1].notices.iter().find_map(|notice| match notice {
            Notice::Returned { peer: of, before, missing, named } if *of == name(peer) => {
                Some((*before, *missing, named.clone()))
            }
            _ => None,
        })
    };
    assert_eq!(returned(2), Some((2, 1, vec![gone])));
    assert_eq!(returned(3), Some((2, 0, vec![])));
    let view = world.peer(1, 2).graceful_restart.and_then(|restart| restart.returned).expect("it is told");
    assert_eq!((view.announced_before, view.missing, view.examples), (2, 1, vec![gone]));
}
