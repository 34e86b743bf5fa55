//! What BFD's word does to sessions, without BFD.

use std::time::{Duration, Instant};

use bgp::bfd::{Diagnostic, Discriminator, Hops, Remote, State, Stats, Why};
use control::{BfdState, PeerState};
use podbgpd::bfd::{Failure, Negotiated, Report, SessionReport};
use podbgpd::intent::Bfd;
use podbgpd::speaker::Input;

use crate::world::{World, address};
use crate::{SOON, blocks, node_with_peers};

const SILENCE: Duration = Duration::from_millis(900);

/// Two nodes that are each other's peers, the first of which watches the second.
fn watching() -> World {
    let mut watching = node_with_peers(1, &[2]);
    watching.peers.values_mut().for_each(|peer| peer.bfd = Some(Bfd::default()));
    let mut world = World::new([watching, node_with_peers(2, &[1])]);
    world.run(SOON);
    world.input(1, report(&world, State::Up, 0, None));
    world.run(Duration::from_secs(2));
    world
}

fn report(world: &World, state: State, failures: u64, last_failure: Option<Failure>) -> Input {
    let session = SessionReport {
        discriminator: Discriminator::new(7).expect("not zero"),
        state,
        diagnostic: Diagnostic::None,
        since: world.now,
        remote: None,
        negotiated: Negotiated { transmit: Duration::from_secs(1), receive: None, detection_time: None },
        stats: Stats { failures, ..Stats::default() },
        last_failure,
    };
    Input::Bfd(Report { sessions: [(address(2), session)].into(), ..Report::default() })
}

fn silence(at: Instant) -> Option<Failure> {
    Some(Failure { at, heard: at - SILENCE, why: Why::Silence(SILENCE) })
}

#[test]
fn a_failure_ends_the_session_at_once_and_another_is_looked_for() {
    let mut world = watching();
    assert_eq!(world.prefixes(1, 2), blocks(2));
    world.input(1, report(&world, State::Down, 1, silence(world.now)));
    assert_ne!(world.peer(1, 2).state, PeerState::Established);
    assert_eq!(world.prefixes(1, 2), []);
    assert_eq!(world.node(1).ends(), ["bfd_down"]);
    world.run(SOON);
    let error = world.peer(2, 1).last_error.expect("a reason");
    assert!(error.text.contains("cease: BFD down"), "{error:?}");
    assert_eq!(world.peer(1, 2).state, PeerState::Established, "BGP may come up before BFD");
}

#[test]
fn the_same_failure_is_told_only_once() {
    let mut world = watching();
    let failure = silence(world.now);
    world.input(1, report(&world, State::Down, 1, failure));
    world.run(SOON);
    world.input(1, report(&world, State::Down, 1, failure));
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
    assert_eq!(world.peer(1, 2).flaps, 1);
}

#[test]
fn a_failure_that_was_over_before_anybody_looked_is_one_all_the_same() {
    let mut world = watching();
    world.input(1, report(&world, State::Up, 1, silence(world.now)));
    assert_eq!(world.node(1).ends(), ["bfd_down"]);
}

#[test]
fn going_down_without_a_failure_costs_nothing() {
    let mut world = watching();
    world.input(1, report(&world, State::Down, 0, None));
    world.run(SOON);
    assert_eq!(world.peer(1, 2).flaps, 0);
    assert_eq!(world.peer(1, 2).bfd.expect("it is watched").state, BfdState::Down);
}

#[test]
fn silence_that_began_before_the_session_is_not_held_against_it() {
    let mut world = watching();
    world.act(1, |speaker, now, out| speaker.peer_reset("node2", String::new(), now, out));
    while world.peer(1, 2).state != PeerState::Established {
        world.run(Duration::from_millis(10));
    }
    world.run(SILENCE / 2);
    world.input(1, report(&world, State::Down, 1, silence(world.now)));
    world.run(SOON);
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
    assert_eq!(world.node(1).ends(), ["admin_reset"]);
}

#[test]
fn what_is_watched_follows_the_intent_and_the_operator() {
    let mut world = watching();
    let [watched] = world.node(1).watched[..] else { panic!("one session") };
    assert_eq!((watched.remote, watched.hops), (address(2), Hops::Single));
    assert_eq!(watched.settings.min_tx, Duration::from_millis(300));
    assert_eq!(world.node(1).watched_anew, 1);

    world.reload(1, |intent| intent.bfd.min_tx = Duration::from_millis(50)).expect("it is taken over");
    assert_eq!(world.node(1).watched[0].settings.min_tx, Duration::from_millis(50));

    world.act(1, |speaker, now, out| speaker.peer_down("node2", String::new(), now, out));
    assert_eq!(world.node(1).watched, []);
    assert_eq!(world.peer(1, 2).bfd.expect("it would be watched").state, BfdState::AdminDown);
    world.act(1, |speaker, now, out| speaker.peer_up("node2", now, out));
    assert_eq!(world.node(1).watched.len(), 1);

    world
        .reload(1, |intent| intent.peers.values_mut().for_each(|peer| peer.bfd = None))
        .expect("it is taken over");
    assert_eq!(world.node(1).watched, []);
    assert_eq!(world.peer(1, 2).bfd, None);
}

#[test]
fn a_peer_that_may_be_behind_a_router_is_watched_over_several_hops() {
    let hops = |edit: fn(&mut podbgpd::intent::PeerIntent)| {
        let mut intent = node_with_peers(1, &[2]);
        let peer = intent.peers.get_mut("node2").expect("it is there");
        peer.bfd = Some(Bfd::default());
        edit(peer);
        intent.bfd_hops(&intent.peers["node2"])
    };
    assert_eq!(hops(|_| ()), Hops::Single);
    assert_eq!(hops(|peer| peer.multihop = 2), Hops::Multi(0));
    assert_eq!(hops(|peer| peer.ttl_security = Some(1)), Hops::Single);
    assert_eq!(hops(|peer| peer.ttl_security = Some(3)), Hops::Multi(253));
    assert_eq!(hops(|peer| peer.asn = crate::asn(1).into()), Hops::Multi(0), "the same AS");
    let on_the_link = |peer: &mut podbgpd::intent::PeerIntent| {
        peer.asn = crate::asn(1).into();
        peer.bfd = Some(Bfd { multihop: Some(false), ..Bfd::default() });
    };
    assert_eq!(hops(on_the_link), Hops::Single, "the operator knows better");
}

/// The report of a session whose peer said this of itself.
fn report_of(world: &World, state: State, failures: u64, control_plane_independent: bool) -> Input {
    let Input::Bfd(mut report) =
        report(world, state, failures, (failures > 0).then(|| silence(world.now)).flatten())
    else {
        unreachable!("a report is about BFD")
    };
    let said = bgp::bfd::ControlPacket {
        diagnostic: Diagnostic::None,
        state: State::Up,
        poll: false,
        is_final: false,
        control_plane_independent,
        demand: false,
        authenticated: false,
        multiplier: std::num::NonZeroU8::MIN,
        my_discriminator: Discriminator::new(9).expect("not zero"),
        your_discriminator: Discriminator::new(7),
        desired_min_tx: Duration::from_millis(300),
        required_min_rx: Duration::from_millis(300),
        required_min_echo_rx: Duration::ZERO,
    };
    let remote = Some(Remote { said, heard: world.now });
    report.sessions.values_mut().for_each(|session| session.remote = remote.filter(|_| state == State::Up));
    Input::Bfd(report)
}

#[test]
fn silence_of_a_bfd_that_dies_with_bgp_changes_nothing_for_a_peer_that_restarts() {
    let mut world = watching();
    world.input(1, report_of(&world, State::Up, 0, false));
    world.end(2);
    world.run(Duration::from_secs(1));
    world.input(1, report_of(&world, State::Down, 1, false));
    assert_eq!(world.prefixes(1, 2), blocks(2));
}

#[test]
fn silence_of_a_bfd_that_outlives_bgp_is_the_forwarding_planes() {
    let mut world = watching();
    world.input(1, report_of(&world, State::Up, 0, true));
    world.end(2);
    world.run(Duration::from_secs(1));
    assert_eq!(world.prefixes(1, 2), blocks(2));
    world.input(1, report_of(&world, State::Down, 1, true));
    assert_eq!(world.prefixes(1, 2), []);
}
