use std::time::Duration;

use bgp::fsm::StopReason;
use control::PeerState;
use podbgpd::speaker::{Input, Notice, Output};

use crate::world::{World, local_end};
use crate::{SOON, address, blocks, node_with_peers, pair};

/// How long a node asks its peers to wait for it.
const RESTART_TIME: Duration = Duration::from_secs(60);

#[test]
fn a_session_comes_up_when_both_sides_dial() {
    let world = pair();
    for (number, peer) in [(1, 2), (2, 1)] {
        let view = world.peer(number, peer);
        assert_eq!(view.state, PeerState::Established, "{:?}", view.last_error);
        assert_eq!(view.flaps, 0);
        assert_eq!(view.local_address, Some(crate::world::address(number)));
    }
}

#[test]
fn a_session_comes_up_when_one_side_only_waits() {
    let mut waiting = node_with_peers(2, &[1]);
    waiting.peers.values_mut().for_each(|peer| peer.passive = true);
    let mut world = World::new([node_with_peers(1, &[2]), waiting]);
    world.run(SOON);
    assert_eq!(world.peer(2, 1).state, PeerState::Established);
}

#[test]
fn a_peer_that_is_silent_loses_its_session_its_routes_and_gets_them_back() {
    let mut world = pair();
    world.unplug(2);
    let hold = Duration::from_secs(world.peer(1, 2).timers.hold_time_seconds.expect("a session"));
    world.run(hold);
    assert_ne!(world.peer(1, 2).state, PeerState::Established);
    assert_eq!(world.node(1).ends(), ["hold_timer_expired"]);
    assert_eq!(world.prefixes(1, 2), blocks(2), "it may be back");
    world.run(RESTART_TIME);
    assert_eq!(world.prefixes(1, 2), []);
    assert_eq!(world.node(1).kernel.forwarded(), []);

    world.plug_in(2);
    world.run(SOON * 10);
    assert_eq!(world.prefixes(1, 2), blocks(2));
    assert_eq!(world.node(1).kernel.forwarded(), blocks(2));
}

#[test]
fn a_stranger_is_refused_and_told_of() {
    let mut world = pair();
    let mut out = Vec::new();
    let now = world.now;
    let stranger = address("203.0.113.9");
    assert!(!world.node(1).speaker.knows(stranger));
    world.node(1).speaker.handle(Input::Accepted(stranger, local_end(1)), now, &mut out);
    assert!(
        matches!(out[..], [Output::Refuse, Output::Notice(Notice::Stranger(from))] if from == stranger),
        "{out:?}"
    );
}

#[test]
fn what_comes_of_a_connection_that_is_over_is_ignored() {
    let mut world = pair();
    let mut keys = Vec::new();
    world.act(1, |speaker, now, out| {
        speaker.peer_reset("node2", String::new(), now, out);
        keys.extend(out.iter().filter_map(|output| match output {
            Output::Close(key) => Some(*key),
            _ => None,
        }));
    });
    let [old] = keys[..] else { panic!("{keys:?}") };
    world.run(SOON);
    let flaps = world.peer(1, 2).flaps;
    for stale in [
        Input::Received(old, vec![0xff; 19].into()),
        Input::Written(old, 19),
        Input::ConnectFailed(old, "late".to_owned()),
        Input::Closed(old, "late".to_owned()),
    ] {
        let outputs = world.act(1, |speaker, now, out| {
            speaker.handle(stale, now, out);
            out.len()
        });
        assert_eq!(outputs, 0);
    }
    assert_eq!((world.peer(1, 2).state, world.peer(1, 2).flaps), (PeerState::Established, flaps));
}

#[test]
fn a_shutdown_says_why_to_every_peer_and_leaves_the_kernel_alone() {
    let mut world = pair();
    let routes = world.node(1).kernel.routes.clone();
    let reason = StopReason::AdminDown { message: "podbgpd stops".to_owned() };
    let mut out = Vec::new();
    let now = world.now;
    world.node(1).speaker.shut_down(&reason, now, &mut out);
    // Nobody settles any more.
    let kinds: Vec<_> = out
        .iter()
        .filter_map(|output| match output {
            Output::Transmit(..) => Some("transmit"),
            Output::Close(..) => Some("close"),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, ["transmit", "close"]);
    assert!(routes.len() > 2 && world.node(1).kernel.routes == routes);
}
