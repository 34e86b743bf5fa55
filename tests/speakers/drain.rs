//! Drains among speakers: what the other side sees of each stage, and that nothing is left of one called off.

use std::time::Duration;

use bgp::fsm::State;
use control::{DrainCause, DrainStage, ErrorCode, PeerState, Standing};
use podbgpd::drain::Drained;
use podbgpd::intent::Intent;
use podbgpd::speaker::{Acted, Notice};

use crate::world::{World, address};
use crate::{SOON, blocks, name, node_with_peers, pair};

const SECOND: Duration = Duration::from_secs(1);

/// Node 1 between two others that know each other not.
fn fork(edit: impl FnOnce(&mut Intent)) -> World {
    let mut middle = node_with_peers(1, &[2, 3]);
    edit(&mut middle);
    let mut world = World::new([middle, node_with_peers(2, &[1]), node_with_peers(3, &[1])]);
    world.run(SOON);
    world
}

fn start(world: &mut World, peers: &[u8]) {
    let peers: Vec<_> = peers.iter().map(|&peer| name(peer)).collect();
    world.act(1, |speaker, now, out| speaker.start_drain(&peers, "rack 12 moves".into(), now, out)).unwrap();
}

fn cancel(world: &mut World, peers: &[u8]) -> Result<(), ErrorCode> {
    let peers: Vec<_> = peers.iter().map(|&peer| name(peer)).collect();
    let cancelled = world.act(1, |speaker, now, out| speaker.cancel_drain(&peers, now, out));
    cancelled.map_err(|error| error.code)
}

fn stage(world: &World, peer: u8) -> Option<DrainStage> {
    world.peer(1, peer).drain
}

/// The communities and the path a node sees on what node 1 announces.
fn seen(world: &World, at: u8) -> Vec<(Vec<String>, String)> {
    let attributes = |route: control::RouteView| route.candidates[0].attributes.clone();
    let seen = world.received(at, 1).into_iter().map(attributes);
    seen.map(|attributes| (attributes.communities, attributes.as_path)).collect()
}

/// Why a node lost its first session.
fn farewell(world: &mut World, at: u8) -> String {
    let end = |notice: &Notice| match notice {
        Notice::State { from: State::Established, cause, .. } => Some(cause.to_string()),
        _ => None,
    };
    world.node(at).notices.iter().find_map(end).expect("it lost a session")
}

#[test]
fn a_node_leaves_in_stages_and_comes_back_as_it_was() {
    let mut world = fork(|intent| intent.drain.prepend = 2);
    let before = seen(&world, 2);
    assert_eq!(before, vec![(vec![], "64501".to_owned()); 2]);
    let forwarded = world.node(1).kernel.forwarded();
    assert_eq!(forwarded.len(), 4);

    start(&mut world, &[]);
    world.run(SECOND);
    let going = (vec!["graceful-shutdown".to_owned()], "64501 64501 64501".to_owned());
    assert_eq!(seen(&world, 2), vec![going; 2]);
    assert_eq!(stage(&world, 2), Some(DrainStage::Announced));
    let status = world.status(1);
    assert!(!status.ready && status.drain.is_some_and(|drain| drain.cause == DrainCause::Operator));

    world.run(SECOND * 10);
    assert_eq!((seen(&world, 2), seen(&world, 3)), (vec![], vec![]));
    assert_eq!(
        (world.peer(1, 2).state, stage(&world, 2)),
        (PeerState::Established, Some(DrainStage::Withdrawn))
    );

    world.run(SECOND * 2);
    assert_eq!(
        farewell(&mut world, 2),
        "peer said: cease: hard reset: cease: administrative shutdown (\"rack 12 moves\")"
    );
    world.run(SECOND * 60);
    assert_eq!((world.peer(1, 2).state, stage(&world, 2)), (PeerState::Idle, Some(DrainStage::Closed)));
    let up = world.act(1, |speaker, now, out| speaker.peer_up(&name(2), now, out));
    assert_eq!(up, Some(Acted::Drained));
    assert_eq!(world.node(1).kernel.forwarded(), forwarded, "the node itself still gets out");

    assert_eq!(cancel(&mut world, &[]), Ok(()));
    assert_eq!(world.node(1).kernel.forwarded(), forwarded, "before the sessions are back");
    world.run(SOON * 20);
    assert_eq!((seen(&world, 2), stage(&world, 2)), (before, None));
    assert_eq!(world.node(1).kernel.forwarded(), forwarded);
    assert!(world.status(1).ready);
}

#[test]
fn a_drained_node_that_comes_back_forgets_what_peers_no_longer_have() {
    let mut world = fork(|_| ());
    start(&mut world, &[]);
    world.run(SECOND * 20);
    world.reload(3, |intent| intent.node.blocks.clear()).unwrap();
    assert_eq!(cancel(&mut world, &[]), Ok(()));
    world.run(SOON * 20);
    assert_eq!(world.node(1).kernel.forwarded(), blocks(2));
}

#[test]
fn what_an_operator_drained_the_next_run_keeps_drained() {
    let mut world = fork(|_| ());
    let forwarded = world.node(1).kernel.forwarded();
    start(&mut world, &[2]);
    world.run(SECOND * 20);
    let drained = world.node(1).speaker.drained().clone();
    assert_eq!(drained.peers.keys().collect::<Vec<_>>(), [&name(2)]);
    let snapshot = world.end(1);
    world.start_again_drained(1, Some(snapshot), drained, |_| ());
    world.run(SOON * 20);
    assert_eq!((world.peer(1, 2).state, stage(&world, 2)), (PeerState::Idle, Some(DrainStage::Closed)));
    assert_eq!((world.peer(1, 3).state, stage(&world, 3)), (PeerState::Established, None));

    start(&mut world, &[]);
    world.run(SECOND * 20);
    let before = world.node(1).kernel.forwarded();
    let drained = world.node(1).speaker.drained().clone();
    let snapshot = world.end(1);
    world.start_again_drained(1, Some(snapshot), drained, |_| ());
    world.run(SOON * 20);
    assert_eq!(world.status(1).drain.map(|drain| drain.cause), Some(DrainCause::Operator));
    assert_eq!(world.node(1).kernel.forwarded(), before, "the node itself still gets out");

    assert_eq!(cancel(&mut world, &[]), Ok(()));
    world.run(SOON * 20);
    assert_eq!(*world.node(1).speaker.drained(), Drained::default());
    assert_eq!(world.node(1).kernel.forwarded(), forwarded);
}

#[test]
fn called_off_in_the_middle_the_session_has_noticed_nothing() {
    for wait in [1, 11] {
        let mut world = fork(|_| ());
        let before = seen(&world, 2);
        start(&mut world, &[]);
        world.run(SECOND * wait);
        assert_ne!(seen(&world, 2), before);
        assert_eq!(cancel(&mut world, &[]), Ok(()));
        world.run(SECOND);
        assert_eq!((seen(&world, 2), world.peer(1, 2).flaps), (before, 0));
        world.run(SECOND * 60);
        assert_eq!(world.peer(1, 2).flaps, 0, "no stage comes later");
    }
}

#[test]
fn our_own_packets_leave_a_drained_peer_first() {
    // Both neighbours announce the same block.
    let mut world = World::new([
        node_with_peers(1, &[2, 3]),
        node_with_peers(2, &[1]),
        Intent {
            node: podbgpd::intent::Node { blocks: blocks(2).into(), ..node_with_peers(3, &[1]).node },
            ..node_with_peers(3, &[1])
        },
    ]);
    world.run(SOON);
    let block = blocks(2)[0];
    let via = |world: &World| -> Vec<_> {
        world.route(1, block).next_hops.iter().map(|next_hop| next_hop.address).collect()
    };
    assert_eq!(via(&world), [address(2), address(3)]);

    start(&mut world, &[2]);
    world.run(SECOND);
    assert_eq!(
        (via(&world), stage(&world, 2), stage(&world, 3)),
        (vec![address(3)], Some(DrainStage::Announced), None)
    );
    let route = world.route(1, block);
    let drained = route.candidates.iter().find(|path| path.standing == Standing::Lost).unwrap();
    let reason = &drained.reason.as_ref().unwrap().text;
    assert_eq!(reason, "lower LOCAL_PREF (0 < 100): the peer is drained");

    world.run(SECOND * 20);
    assert_eq!((world.peer(1, 2).state, world.peer(1, 3).state), (PeerState::Idle, PeerState::Established));
    assert!(world.status(1).ready, "the node is not drained");
    assert_eq!(cancel(&mut world, &[3]), Err(ErrorCode::Conflict));
    assert_eq!(cancel(&mut world, &[2]), Ok(()));
    world.run(SOON * 20);
    assert_eq!(via(&world), [address(2), address(3)]);
}

#[test]
fn a_reload_changes_the_marks_and_nothing_about_the_drain() {
    let mut world = fork(|_| ());
    start(&mut world, &[]);
    world.run(SECOND);
    world.reload(1, |intent| intent.drain.med = Some(7)).unwrap();
    world
        .reload(1, |intent| {
            intent.peers.get_mut("node2").unwrap().hold_time = bgp::HoldTime::new(30).unwrap()
        })
        .unwrap();
    world.run(SECOND * 3);
    let route = world.received(3, 1).remove(0);
    assert_eq!(route.candidates[0].attributes.med, Some(7));
    assert_eq!(seen(&world, 2)[0].0, ["graceful-shutdown"], "the new session says it too");
    world.run(SECOND * 20);
    assert_eq!(stage(&world, 2), Some(DrainStage::Closed));
    // A peer that is new to a drained node is not let in.
    world.reload(1, |intent| drop(intent.peers.remove("node3"))).unwrap();
    let node3 = node_with_peers(1, &[3]).peers.remove("node3").unwrap();
    world.reload(1, |intent| drop(intent.peers.insert(name(3), node3))).unwrap();
    world.run(SOON);
    assert_eq!((world.peer(1, 3).state, stage(&world, 3)), (PeerState::Idle, Some(DrainStage::Closed)));
}

#[test]
fn a_peer_that_reads_nothing_is_left_by_the_deadline() {
    let mut world = fork(|intent| intent.drain.deadline = SECOND * 30);
    world.stop_reading(2);
    start(&mut world, &[]);
    world.run(SECOND * 27);
    assert_eq!(stage(&world, 2), Some(DrainStage::Announced));
    world.run(SECOND * 4);
    assert_eq!(stage(&world, 2), Some(DrainStage::Closed));
}

#[test]
fn a_node_that_is_to_leave_says_when_it_has() {
    let mut world = fork(|_| ());
    world.act(1, |speaker, now, out| speaker.leave(Some("bye".into()), false, now, out));
    world.run(SECOND * 11);
    assert!(!world.node(1).speaker.has_left());
    world.run(SECOND * 2);
    assert!(world.node(1).speaker.has_left());
    assert_eq!(
        farewell(&mut world, 2),
        "peer said: cease: hard reset: cease: administrative shutdown (\"bye\")"
    );

    let mut world = fork(|_| ());
    world.act(1, |speaker, now, out| speaker.leave(None, true, now, out));
    assert!(world.node(1).speaker.has_left());
    assert_eq!(cancel(&mut world, &[]), Ok(()));
    assert!(!world.node(1).speaker.has_left());
}

#[test]
fn the_machine_gives_little_time_and_may_change_its_mind() {
    let mut world = fork(|_| ());
    let before = seen(&world, 2);
    world.act(1, |speaker, now, out| speaker.host_goes(SECOND * 4, now, out));
    world.run(SECOND * 4);
    assert!(world.node(1).speaker.is_drained());
    assert!(!world.node(1).speaker.has_left());
    world.act(1, |speaker, now, out| speaker.host_stays(now, out));
    world.run(SOON * 20);
    assert_eq!((seen(&world, 2), world.peer(1, 2).flaps), (before, 1));

    start(&mut world, &[]);
    world.act(1, |speaker, now, out| speaker.host_goes(SECOND * 4, now, out));
    world.run(SECOND * 4);
    world.act(1, |speaker, now, out| speaker.host_stays(now, out));
    assert!(world.node(1).speaker.is_drained(), "an operator had drained it");
}

#[test]
fn what_cannot_be_drained_is_said() {
    let mut world = pair();
    let start = |world: &mut World, peer: &str| {
        let peers = [peer.to_owned()];
        world.act(1, |speaker, now, out| speaker.start_drain(&peers, String::new(), now, out))
    };
    assert_eq!(start(&mut world, "nobody").unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(cancel(&mut world, &[]), Err(ErrorCode::Conflict));
    assert_eq!(start(&mut world, "node2"), Ok(()));
    assert_eq!(start(&mut world, "node2").unwrap_err().code, ErrorCode::Conflict);
}

/// Lets the cluster want, or no longer, that node 1 is drained.
fn wanted_by_the_cluster(world: &mut World, why: Option<&str>) {
    world.reload(1, |intent| intent.leave = why.map(str::to_owned)).unwrap();
}

#[test]
fn a_cluster_drains_a_node_and_gives_back_only_what_it_took() {
    let mut world = fork(|_| ());
    let cause = |world: &mut World| {
        world.act(1, |speaker, now, _| speaker.drain_view(now)).node.map(|drain| drain.cause)
    };
    wanted_by_the_cluster(&mut world, Some("node is being deleted"));
    assert_eq!(cause(&mut world), Some(DrainCause::Cluster));
    wanted_by_the_cluster(&mut world, None);
    assert_eq!(cause(&mut world), None);
    // What an operator drains the cluster does not give back.
    start(&mut world, &[]);
    wanted_by_the_cluster(&mut world, Some("node is being deleted"));
    wanted_by_the_cluster(&mut world, None);
    assert_eq!(cause(&mut world), Some(DrainCause::Operator));
    cancel(&mut world, &[]).unwrap();
    // What an operator calls off stays so until the cluster has thought of something else.
    wanted_by_the_cluster(&mut world, Some("taint"));
    cancel(&mut world, &[]).unwrap();
    wanted_by_the_cluster(&mut world, Some("two taints"));
    assert_eq!(cause(&mut world), None);
    wanted_by_the_cluster(&mut world, None);
    wanted_by_the_cluster(&mut world, Some("taint"));
    assert_eq!(cause(&mut world), Some(DrainCause::Cluster));
}
