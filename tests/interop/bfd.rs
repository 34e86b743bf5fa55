//! BFD with the two daemons that have it (RFC 5880, 5881, RFC 9384).

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use control::{BfdState, BfdView, PeerState};
use lab::speakers::{Bfd, BfdSession, Kind};
use nix::sys::signal::Signal;
use support::puppet::Puppet;
use support::rack::{Transport, our_address, their_address};
use support::{Podbgpd, Rack, SOON, Session, eventually, internet, kernel, throughout};

use crate::pair::{Pair, THEIR_V4, THEIR_V6, net};

/// Three packets of 50 ms.
const FAST: &str = "bfd = { interval = 50, multiplier = 3 }";
/// The routes that keep us busy; a million of them do no harm either.
const TABLE: usize = 100_000;
/// How much later than the detection time a failure may be noticed on a machine that has other things to do.
const BUSY: Duration = Duration::from_millis(350);

/// Makes each scenario a test against each daemon that has BFD.
macro_rules! with_bfd {
    ($($daemon:ident = $kind:expr, $program:literal => { $($scenario:ident),* $(,)? };)*) => {
        $(mod $daemon {
            $(
                #[test]
                fn $scenario() {
                    support::requires!(&[lab::speakers::Kind::programs($kind), &[$program]].concat());
                    super::$scenario($kind);
                }
            )*
        })*
    };
}

with_bfd! {
    bird = lab::speakers::Kind::Bird, "bird" => {
        both_ends_agree_on_the_intervals,
        both_ends_agree_over_ipv6,
        both_ends_agree_over_several_hops,
        a_table_being_learned_costs_no_packet,
        a_dead_peer_is_given_up_within_the_detection_time,
        new_intervals_keep_the_session,
        turning_it_off_is_said_at_once,
        only_who_has_the_key_is_heard,
    };
    frr = lab::speakers::Kind::Frr, "/usr/lib/frr/bfdd" => {
        both_ends_agree_on_the_intervals,
        both_ends_agree_over_ipv6,
        both_ends_agree_over_several_hops,
        a_table_being_learned_costs_no_packet,
        a_dead_peer_is_given_up_within_the_detection_time,
        a_dead_bfd_takes_the_session_along_and_it_comes_back,
        an_end_that_turns_bfd_off_has_not_failed,
        new_intervals_keep_the_session,
        turning_it_off_is_said_at_once,
    };
}

fn watched() -> Session {
    watched_over(Transport::V4)
}

fn watched_over(transport: Transport) -> Session {
    let session = Session::over(transport, 0).announcing([net(THEIR_V4), net(THEIR_V6)]);
    session.with(|us| us.bfd = Some(Bfd { interval: 50, key: None }))
}

/// What the other side says of its BFD session with us.
fn at_the_other_side(pair: &Pair) -> Result<BfdSession> {
    let [us] = &pair.foreign.config().neighbors[..] else { bail!("one neighbor") };
    pair.foreign.bfd(us.address)
}

fn bfd(pair: &Pair) -> Result<BfdView> {
    let peer = pair.daemon.peer("peer0")?;
    peer.bfd.ok_or_else(|| anyhow::anyhow!("{} is not watched", peer.name))
}

/// Waits until both ends say that the session is up, and ours has got the peer's answer to its intervals.
fn await_bfd(pair: &Pair) {
    eventually(SOON, "BFD at the other side", || at_the_other_side(pair));
    eventually(SOON, "BFD here", || {
        let bfd = bfd(pair)?;
        let remote = bfd.remote.as_ref().is_some_and(|remote| remote.min_tx_seconds < 1.0);
        ensure!(bfd.state == BfdState::Up && remote, "{bfd:?}");
        Ok(())
    });
}

fn start(kind: Kind, session: Session, lines: &str) -> Pair {
    let pair = Pair::start(kind, session, lines);
    pair.await_session();
    pair.await_learned(THEIR_V4);
    await_bfd(&pair);
    pair
}

fn both_ends_agree_on_the_intervals(kind: Kind) {
    agree(kind, watched());
}

fn both_ends_agree_over_ipv6(kind: Kind) {
    agree(kind, watched_over(Transport::V6));
}

fn both_ends_agree_over_several_hops(kind: Kind) {
    agree(kind, watched().with(|us| us.multihop = true));
}

fn agree(kind: Kind, session: Session) {
    let multihop = session.config.neighbors.iter().any(|us| us.multihop);
    let hops = if multihop { "multihop = 2\n" } else { "" };
    let pair =
        Pair::start(kind, session, &format!("{hops}bfd = {{ min-tx = 60, min-rx = 80, multiplier = 4 }}"));
    pair.await_session();
    await_bfd(&pair);
    let close = |seconds: f64, millis: f64| (seconds * 1000.0 - millis).abs() < 0.5;
    let ours = eventually(SOON, "the slower interval of each direction", || {
        let ours = bfd(&pair)?;
        let detection_time = ours.detection_time_seconds.unwrap_or_default();
        ensure!(
            close(ours.transmit_interval_seconds, 60.0),
            "we send 60 ms, not as they could bear: {ours:?}"
        );
        ensure!(close(detection_time, 240.0), "three of our 80 ms, not of their 50: {ours:?}");
        Ok(ours)
    });
    let theirs = eventually(SOON, "the same at the other side", || {
        let theirs = at_the_other_side(&pair)?;
        ensure!((theirs.transmit, theirs.detection_time) == (80, 240), "{theirs:?}");
        Ok(theirs)
    });
    assert_eq!(ours.multihop, multihop);
    let remote = ours.remote.expect("it is heard");
    assert_eq!((remote.state, remote.multiplier), (BfdState::Up, 3));
    // FRR sets the C bit when its file says that BFD is to outlive bgpd.
    assert_eq!(remote.control_plane_independent, kind == Kind::Frr, "{theirs:?}");
    throughout(Duration::from_secs(2), "the session", || {
        let ours = bfd(&pair)?;
        ensure!(ours.state == BfdState::Up && ours.failures == 0, "{ours:?}");
        at_the_other_side(&pair).map(drop)
    });
    let status = pair.daemon.status().expect("an answer").bfd;
    assert_eq!((status.sessions, status.up, status.send_failures), (1, 1, 0));
    assert_eq!(status.discarded, []);
}

/// The whole other side falls silent, but its kernel goes on acknowledging: TCP alone would notice nothing.
fn a_dead_peer_is_given_up_within_the_detection_time(kind: Kind) {
    let pair = start(kind, watched(), FAST);
    let since = Instant::now();
    pair.foreign.signal(Signal::SIGSTOP).expect("it runs");
    let took = gone(&pair, since);
    tell(&format!(
        "{kind:?}: 50 ms x 3, the route left the kernel {} ms after the peer died",
        took.as_millis()
    ));
    assert!(took < Duration::from_millis(150) + BUSY, "{took:?}");
    let peer = pair.daemon.peer("peer0").expect("an answer");
    let error = peer.last_error.expect("a reason");
    assert_eq!(error.code, "bfd_down", "{error:?}");
    assert_eq!(peer.flaps, 1);
    let bfd = bfd(&pair).expect("an answer");
    assert_eq!((bfd.state, bfd.failures), (BfdState::Down, 1));
    assert_eq!(bfd.last_failure.expect("a reason").code, "detection_time_expired");
    throughout(Duration::from_secs(2), "the absence of the route", || {
        kernel::no_route(&pair.rack.ours, net(THEIR_V4))
    });
    // It was only asleep: what it missed is made up for.
    pair.foreign.signal(Signal::SIGCONT).expect("it runs");
    eventually(Duration::from_secs(40), "the route to come back", || pair.learned(THEIR_V4));
    await_bfd(&pair);
}

/// BGP comes up again before BFD does, and is left alone.
fn a_dead_bfd_takes_the_session_along_and_it_comes_back(kind: Kind) {
    let pair = start(kind, watched(), FAST);
    let bfdd = pair.foreign.processes().iter().find(|process| process.name() == "bfdd");
    bfdd.expect("FRR has one").signal_all(Signal::SIGSTOP).expect("it runs");
    eventually(SOON, "the session to end", || {
        let peer = pair.daemon.peer("peer0")?;
        ensure!(peer.flaps == 1, "still the first session");
        Ok(())
    });
    pair.await_session();
    pair.await_learned(THEIR_V4);
    throughout(Duration::from_secs(3), "the second session", || {
        let peer = pair.daemon.established("peer0")?;
        ensure!(peer.flaps == 1, "it was lost: {:?}", peer.last_error);
        Ok(())
    });
    assert_eq!(bfd(&pair).expect("an answer").state, BfdState::Down);
}

/// BIRD only falls silent when its BFD is turned off; FRR says AdminDown.
fn an_end_that_turns_bfd_off_has_not_failed(kind: Kind) {
    let pair = start(kind, watched(), FAST);
    pair.foreign.shut_bfd_down().expect("it does");
    eventually(SOON, "BFD to go down here", || {
        let bfd = bfd(&pair)?;
        ensure!(bfd.state == BfdState::Down, "{bfd:?}");
        Ok(())
    });
    throughout(Duration::from_secs(2), "the session", || pair.daemon.established("peer0").map(drop));
    assert_eq!(pair.daemon.peer("peer0").expect("an answer").flaps, 0);
    assert_eq!(bfd(&pair).expect("an answer").failures, 0);
}

fn new_intervals_keep_the_session(kind: Kind) {
    let pair = start(kind, watched(), FAST);
    for (interval, transmit) in [(400, 0.4), (50, 0.05)] {
        reload(&pair, &format!("bfd = {{ interval = {interval}, multiplier = 3 }}"));
        eventually(SOON, "the new interval", || {
            let bfd = bfd(&pair)?;
            ensure!((bfd.transmit_interval_seconds - transmit).abs() < 0.001, "{bfd:?}");
            ensure!(bfd.receive_interval_seconds == Some(transmit), "{bfd:?}");
            Ok(())
        });
        throughout(Duration::from_secs(2), "the session", || {
            let bfd = bfd(&pair)?;
            ensure!(bfd.state == BfdState::Up && bfd.failures == 0, "{bfd:?}");
            at_the_other_side(&pair).map(drop)
        });
    }
    assert_eq!(pair.daemon.peer("peer0").expect("an answer").flaps, 0);
}

/// BIRD 2.0 and FRR 8.4 take our AdminDown for a failure, which is their affair: we end nothing, and the session
/// comes back unwatched.
fn turning_it_off_is_said_at_once(kind: Kind) {
    let pair = start(kind, watched(), "bfd = { interval = 1000, multiplier = 10 }");
    reload(&pair, "");
    assert!(bfd(&pair).is_err());
    eventually(Duration::from_secs(3), "the other side to know, long before ten seconds of silence", || {
        ensure!(at_the_other_side(&pair).is_err(), "it is up there");
        Ok(())
    });
    pair.await_session();
    throughout(Duration::from_secs(3), "the session without BFD", || {
        pair.daemon.established("peer0")?;
        pair.foreign.expect_established()
    });
    if let Some(error) = pair.daemon.peer("peer0").expect("an answer").last_error {
        assert_eq!(error.code, "notification_received", "{error:?}");
    }
}

/// While a neighbour's table goes into tables and kernel, the peer that is watched hears us in time, and we it.
fn a_table_being_learned_costs_no_packet(kind: Kind) {
    let rack = Rack::new(2);
    let puppet = "[[peer]]\nname = \"peer1\"\naddress = \"10.9.1.2\"\nasn = 65001\npassive = true\n\
                  families = [\"ipv4\"]\nimport = \"all\"\n";
    let text = Pair::config(&watched(), FAST) + puppet;
    let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &text);
    let foreign = watched().start(kind, &rack);
    let pair = Pair { daemon, foreign, rack };
    pair.await_session();
    await_bfd(&pair);

    let IpAddr::V4(next_hop) = their_address(1, Transport::V4) else { unreachable!("that is IPv4") };
    let mut sender = Puppet::connect(&pair.rack.theirs[1], our_address(1, Transport::V4), 65_001, 0);
    let stream = internet::encode(&internet::table(TABLE, 65_001, next_hop), sender.context());
    let start = Instant::now();
    sender.send(&stream).expect("it is read");
    eventually(Duration::from_secs(120), "the table in the kernel", || {
        let status = pair.daemon.status()?;
        ensure!(status.fib.installed >= TABLE as u64, "{} of {TABLE} routes", status.fib.installed);
        Ok(())
    });
    let took = start.elapsed();
    let peer = pair.daemon.established("peer0").expect("the session stays");
    let bfd = peer.bfd.expect("it is watched");
    tell(&format!(
        "{kind:?}: 50 ms x 3 stayed up while {TABLE} routes were learned in {} ms",
        took.as_millis()
    ));
    assert_eq!((peer.flaps, bfd.state, bfd.failures), (0, BfdState::Up, 0));
    at_the_other_side(&pair).expect("it is up there");
}

fn only_who_has_the_key_is_heard(kind: Kind) {
    let session = watched().with(|us| us.bfd = Some(Bfd { interval: 50, key: Some("sesame".to_owned()) }));
    let rack = Rack::new(1);
    let directory = rack.directory("ours");
    let write = |key: &str| {
        let file = directory.join("bfd.key");
        std::fs::write(&file, key).expect("a file");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("a file of ours alone");
    };
    write("mellon");
    let lines = "bfd = { interval = 50, key-file = \"bfd.key\", key-id = 7, meticulous = true }";
    let daemon = Podbgpd::start(&rack.ours, directory.clone(), &Pair::config(&session, lines));
    let foreign = session.start(kind, &rack);
    let pair = Pair { daemon, foreign, rack };
    pair.await_session();
    eventually(SOON, "packets to be dropped", || {
        let discarded = pair.daemon.status()?.bfd.discarded;
        ensure!(discarded.iter().any(|reason| reason.code == "authentication"), "{discarded:?}");
        Ok(())
    });
    assert_eq!(bfd(&pair).expect("an answer").state, BfdState::Down);
    write("sesame");
    assert!(pair.daemon.reload().applied);
    await_bfd(&pair);
    throughout(Duration::from_secs(2), "the session", || {
        let bfd = bfd(&pair)?;
        ensure!(bfd.state == BfdState::Up && bfd.failures == 0, "{bfd:?}");
        at_the_other_side(&pair).map(drop)
    });
}

fn reload(pair: &Pair, lines: &str) {
    let text = Pair::config(&watched(), lines);
    pair.daemon.configure(&text);
    let reload = pair.daemon.reload();
    assert!(reload.applied, "{reload:?}");
}

/// Waits until the route is gone, without the pauses of `eventually`.
fn gone(pair: &Pair, since: Instant) -> Duration {
    while kernel::no_route(&pair.rack.ours, net(THEIR_V4)).is_err() {
        assert!(since.elapsed() < SOON, "the route stays");
        std::thread::sleep(Duration::from_millis(2));
    }
    let took = since.elapsed();
    eventually(SOON, "the session to be over", || {
        let peer = pair.daemon.peer("peer0")?;
        ensure!(peer.state != PeerState::Established, "still established");
        Ok(())
    });
    took
}

#[expect(clippy::print_stderr, reason = "a figure worth seeing")]
fn tell(figure: &str) {
    eprintln!("BFD {figure}");
}
