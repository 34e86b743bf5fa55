//! Sessions that end: by accident, by the peer's will, by ours.

use std::time::Duration;

use anyhow::{Context, ensure};
use control::PeerState;
use lab::speakers::Kind;
use support::{SOON, eventually, kernel};

use crate::pair::{OUR_V4, Pair, THEIR_V4, net, session};

pub(crate) fn a_killed_peer_leaves_nothing_behind(kind: Kind) {
    let mut pair = Pair::start(kind, session(), "");
    pair.await_session();
    pair.await_learned(THEIR_V4);

    pair.foreign.kill();
    // The kernel closes its sockets: no need to wait for the hold timer.
    eventually(Duration::from_secs(3), "the routes to go", || {
        kernel::no_route(&pair.rack.ours, net(THEIR_V4))
    });
    let peer = pair.daemon.peer("peer0").expect("an answer");
    assert!(peer.state != PeerState::Established, "{peer:?}");
    assert!(peer.last_error.is_some(), "{peer:?}");
    // Our own block stays a blackhole here: it is not the peer's.
    kernel::our_route(&pair.rack.ours, net(OUR_V4)).expect("our blackhole stays");
}

pub(crate) fn a_peer_that_shuts_down_says_why(kind: Kind) {
    let pair = Pair::start(kind, session(), "");
    pair.await_session();
    pair.foreign.shut_down("maintenance-42").expect("it shuts down");
    let error = eventually(SOON, "the reason", || {
        let peer = pair.daemon.peer("peer0")?;
        ensure!(peer.state != PeerState::Established, "still established");
        let error = peer.last_error.context("no last error")?;
        ensure!(error.text.contains("maintenance-42"), "no message: {error:?}");
        Ok(error)
    });
    assert!(error.text.to_lowercase().contains("administrative shutdown"), "{error:?}");
}

pub(crate) fn we_say_why_we_shut_down(kind: Kind) {
    let pair = Pair::start(kind, session(), "");
    pair.await_session();
    pair.await_received(OUR_V4);
    pair.daemon.peer_action("peer0", &["down"]);
    eventually(Duration::from_secs(3), "the other side to notice", || {
        match pair.foreign.expect_established() {
            Ok(()) => anyhow::bail!("the other side says established"),
            Err(_) => Ok(()),
        }
    });
    let peer = pair.daemon.peer("peer0").expect("an answer");
    assert_eq!(peer.state, PeerState::Idle);
    assert!(peer.administratively_down);
    pair.daemon.peer_action("peer0", &["up"]);
    pair.await_session();
    pair.await_learned(THEIR_V4);
}
