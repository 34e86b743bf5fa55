//! Graceful restart in both roles (RFC 4724), through a NOTIFICATION (RFC 8538), and long-lived (RFC 9494).

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use control::{PeerState, Staleness};
use lab::net::Witness;
use lab::speakers::{GracefulRestart, Kind};
use support::puppet::Puppet;
use support::rack::{Transport, our_address, their_address};
use support::{Podbgpd, Rack, SOON, Session, eventually, kernel, throughout};

use crate::pair::{OUR_V4, OUR_V6, Pair, THEIR_V4, THEIR_V6, net, session};

/// A second prefix of the peer's.
const OTHER_V4: &str = "10.50.2.0/24";
/// Long enough for any restart here.
const PATIENT: GracefulRestart = GracefulRestart { restart_time: 60, long_lived: None, notification: false };
/// Time enough for either side to notice that the other has gone.
const AWAY: Duration = Duration::from_secs(1);

fn restarting(restart: GracefulRestart) -> Session {
    let mut session = session();
    session.config.announce.push(net(OTHER_V4));
    session.config.graceful_restart = Some(restart);
    session
}

/// Both ends, each with the other's routes.
fn start(kind: Kind, restart: GracefulRestart) -> Pair {
    let pair = Pair::start(kind, restarting(restart), "");
    exchanged(&pair);
    pair
}

fn exchanged(pair: &Pair) {
    pair.await_session();
    for prefix in [THEIR_V4, THEIR_V6, OTHER_V4] {
        pair.await_learned(prefix);
    }
    for prefix in [OUR_V4, OUR_V6] {
        pair.await_received(prefix);
    }
}

fn witness(pair: &Pair) -> Witness {
    Witness::start(&pair.rack.ours).expect("a witness")
}

fn is_gone(pair: &Pair) -> Result<()> {
    let peer = pair.daemon.peer("peer0")?;
    ensure!(peer.state != PeerState::Established, "still established");
    Ok(())
}

fn is_stale(pair: &Pair, prefix: &str, wanted: Option<Staleness>) -> Result<()> {
    let route = pair.learned(prefix)?;
    let found: Vec<_> = route.candidates.iter().map(|path| path.stale).collect();
    ensure!(found.first() == Some(&wanted), "{prefix}: {found:?}");
    Ok(())
}

/// We help: what a killed peer announced stays while it is away, and when it is back.
pub(crate) fn the_routes_of_a_peer_that_restarts_stay(kind: Kind) {
    let mut pair = start(kind, PATIENT);
    let witness = witness(&pair);
    pair.foreign.kill();
    eventually(SOON, "the session to end", || is_gone(&pair));
    throughout(AWAY, "the stale routes of the peer", || {
        [THEIR_V4, THEIR_V6].iter().try_for_each(|prefix| is_stale(&pair, prefix, Some(Staleness::Stale)))
    });
    pair.foreign.start_again().expect("it starts again");
    pair.await_session();
    eventually(SOON, "fresh routes", || {
        [THEIR_V4, THEIR_V6].iter().try_for_each(|prefix| is_stale(&pair, prefix, None))
    });
    throughout(AWAY, "the routes of the peer", || pair.learned(THEIR_V4).map(drop));
    assert_eq!(witness.deleted().expect("a whole account").into_iter().collect::<Vec<_>>(), []);
}

/// We help: End-of-RIB sweeps what the peer no longer has, and only that.
pub(crate) fn what_did_not_come_back_goes_with_end_of_rib(kind: Kind) {
    let mut pair = start(kind, PATIENT);
    let witness = witness(&pair);
    pair.foreign.kill();
    eventually(SOON, "the session to end", || is_gone(&pair));
    pair.foreign.config_mut().announce.retain(|prefix| *prefix != net(OTHER_V4));
    pair.learned(OTHER_V4).expect("it is stale");
    pair.foreign.start_again().expect("it starts again");
    pair.await_session();
    eventually(SOON, "the route to go", || kernel::no_route(&pair.rack.ours, net(OTHER_V4)));
    pair.learned(THEIR_V4).expect("it stays");
    let deleted: Vec<_> = witness.deleted().expect("a whole account").into_iter().collect();
    assert_eq!(deleted, [net(OTHER_V4)]);
}

/// We help, but not for ever.
pub(crate) fn a_peer_that_stays_away_is_forgotten_in_time(kind: Kind) {
    let mut pair = start(kind, GracefulRestart::within(3));
    pair.foreign.kill();
    let since = Instant::now();
    throughout(Duration::from_millis(2500), "the route", || pair.learned(THEIR_V4).map(drop));
    eventually(SOON, "the routes to go", || {
        [THEIR_V4, THEIR_V6].iter().try_for_each(|prefix| kernel::no_route(&pair.rack.ours, net(prefix)))
    });
    let took = since.elapsed();
    assert!(took < Duration::from_secs(6), "{took:?}");
}

/// We restart: the peer keeps our blocks as stale meanwhile, and hears that we kept forwarding (the F bit) and have
/// just started (the R bit).
pub(crate) fn the_peer_keeps_our_blocks_while_we_restart(kind: Kind) {
    let mut pair = start(kind, PATIENT);
    let witness = witness(&pair);
    pair.daemon.kill();
    eventually(SOON, "the peer to notice", || {
        ensure!(pair.foreign.expect_established().is_err(), "it says established");
        Ok(())
    });
    throughout(AWAY, "our blocks at the peer", || {
        [OUR_V4, OUR_V6].iter().try_for_each(|prefix| pair.foreign.route(net(prefix)).map(drop))
    });
    eventually(SOON, "the peer to wait for us", || expect_words(&pair, waits_for_us(kind)));

    pair.daemon = pair.daemon.start_again();
    eventually(SOON, "the session", || {
        [OUR_V4, OUR_V6].iter().try_for_each(|prefix| pair.foreign.route(net(prefix)).map(drop))?;
        pair.daemon.established("peer0")?;
        pair.foreign.expect_established()
    });
    eventually(SOON, "the peer's account of our restart", || expect_words(&pair, heard_of_us(kind)));
    throughout(AWAY, "our blocks at the peer", || {
        [OUR_V4, OUR_V6].iter().try_for_each(|prefix| pair.foreign.route(net(prefix)).map(drop))
    });
    for prefix in [THEIR_V4, THEIR_V6, OTHER_V4] {
        pair.learned(prefix).expect("it stays");
    }
    assert_eq!(witness.deleted().expect("a whole account").into_iter().collect::<Vec<_>>(), []);
}

/// Checks that the peer says all this of our restarts, whatever its spacing.
fn expect_words(pair: &Pair, wanted: &[&str]) -> Result<()> {
    let us = pair.foreign.config().neighbors[0].address;
    let said = pair.foreign.graceful_restart(us)?;
    let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let missing = wanted.iter().find(|words| !flat.contains(**words));
    missing.map_or(Ok(()), |words| bail!("no {words:?} in: {said}"))
}

/// What the peer says while it waits for us.
fn waits_for_us(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Bird => &["Neighbor graceful restart active"],
        Kind::Frr => &["Restart Time Remaining(sec)"],
        _ => &[],
    }
}

/// What the peer says of our OPEN after a restart: that we restarted, and kept forwarding.
fn heard_of_us(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Bird => &["Restart recovery AF supported: ipv4 ipv6 AF preserved: ipv4 ipv6"],
        // The last word is our End-of-RIB, which comes after our routes.
        Kind::Frr => &[
            "Remote GR Mode: Restart R bit: True N bit: True",
            "IPv4 Unicast: F bit: True",
            "IPv6 Unicast: F bit: True",
            "End-of-RIB received: Yes",
        ],
        Kind::Gobgp => &[
            "restart flag set, notification flag set ipv4-unicast, forward flag set ipv6-unicast, forward flag set",
        ],
        Kind::Openbgpd | Kind::Podbgp => &[],
    }
}

/// We help: a peer that ends the session with a NOTIFICATION may come back as if the connection had been lost.
pub(crate) fn a_notification_is_no_worse_than_a_lost_connection(kind: Kind) {
    let pair = start(kind, GracefulRestart { notification: true, ..PATIENT });
    let witness = witness(&pair);
    pair.foreign.reset().expect("it does");
    eventually(SOON, "the session to end", || {
        let peer = pair.daemon.peer("peer0")?;
        ensure!(peer.flaps == 1, "{} flaps", peer.flaps);
        Ok(())
    });
    let error = pair.daemon.peer("peer0").expect("an answer").last_error.expect("a reason");
    assert_eq!(error.code, "notification_received", "{error:?}");
    throughout(AWAY, "the routes of the peer", || pair.learned(THEIR_V4).map(drop));
    // GoBGP 3.10 takes half a minute to come back from its own reset.
    if kind != Kind::Gobgp {
        exchanged(&pair);
    }
    assert_eq!(witness.deleted().expect("a whole account").into_iter().collect::<Vec<_>>(), []);
}

/// A path that is stale for long loses to any other, and serves when there is no other.
pub(crate) fn a_long_lived_stale_route_is_the_last_resort(kind: Kind) {
    let restart = GracefulRestart { restart_time: 1, long_lived: Some(60), notification: false };
    let session = restarting(restart);
    let rack = Rack::new(2);
    let text = Pair::config(&session, "")
        + "[[peer]]\nname = \"peer1\"\naddress = \"10.9.1.2\"\nasn = 65001\npassive = true\n\
           families = [\"ipv4\"]\nimport = \"all\"\n[graceful-restart]\nlong-lived-stale-time = 60\n";
    let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &text);
    let foreign = session.start(kind, &rack);
    let mut pair = Pair { daemon, foreign, rack };
    exchanged(&pair);
    let via = |pair: &Pair, index: usize| {
        let wanted = their_address(index, Transport::V4);
        let route = kernel::our_route(&pair.rack.ours, net(THEIR_V4))?;
        ensure!(route.gateways().eq([wanted]), "{route}");
        Ok(())
    };
    let mut other = Puppet::connect(&pair.rack.theirs[1], our_address(1, Transport::V4), 65_001, 0);
    let longer = bgp::PathAttributes {
        as_path: bgp::AsPath::sequence([65_001, 65_002, 65_003, 65_004].map(bgp::Asn::from)),
        ..bgp::PathAttributes::originated(bgp::NextHop::from(their_address(1, Transport::V4)))
    };
    other.announce(&longer, &[net(THEIR_V4)]).expect("the puppet announces");
    other.end_of_rib().expect("the puppet announces");
    eventually(SOON, "the second path", || {
        let candidates = pair.daemon.route(net(THEIR_V4))?.candidates.len();
        ensure!(candidates == 2, "{candidates} candidates");
        Ok(())
    });
    via(&pair, 0).expect("the shorter path is the better");

    pair.foreign.kill();
    eventually(SOON, "the longer path to be the better", || via(&pair, 1));
    drop(other);
    eventually(SOON, "the last resort", || via(&pair, 0));
    is_stale(&pair, THEIR_V4, Some(Staleness::LongLived)).expect("it is long-lived stale");
    pair.foreign.start_again().expect("it starts again");
    pair.await_session();
    throughout(AWAY, "the route", || via(&pair, 0));
}
