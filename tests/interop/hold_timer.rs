//! A peer that falls silent (RFC 4271 §6.5).

use std::time::{Duration, Instant};

use anyhow::ensure;
use control::PeerState;
use lab::speakers::Kind;
use nix::sys::signal::Signal;
use support::{eventually, kernel};

use crate::pair::{Pair, THEIR_V4, net, session};

pub(crate) fn a_silent_peer_is_given_up(kind: Kind) {
    let pair = Pair::start(kind, session().with(|us| us.hold_time = 3), "");
    pair.await_session();
    pair.await_learned(THEIR_V4);

    // Frozen, not ended: its kernel goes on acknowledging.
    pair.foreign.signal(Signal::SIGSTOP).expect("the peer freezes");
    let frozen = Instant::now();
    eventually(Duration::from_secs(10), "the hold timer", || {
        let peer = pair.daemon.peer("peer0")?;
        ensure!(peer.state != PeerState::Established, "still established");
        Ok(())
    });
    // The peer's last KEEPALIVE may be a third of the hold time old.
    assert!(frozen.elapsed() >= Duration::from_millis(1900), "given up after {:?}", frozen.elapsed());
    assert!(frozen.elapsed() <= Duration::from_secs(5), "given up after {:?}", frozen.elapsed());
    eventually(Duration::from_secs(2), "its routes to go", || {
        kernel::no_route(&pair.rack.ours, net(THEIR_V4))
    });
    let peer = pair.daemon.peer("peer0").expect("an answer");
    let error = peer.last_error.expect("a reason");
    assert!(error.text.to_lowercase().contains("hold"), "{error:?}");
    assert_eq!(peer.flaps, 1);
}
