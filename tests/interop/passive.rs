//! One side waits, the other dials.

use lab::speakers::Kind;

use crate::pair::{Pair, THEIR_V4, session};

pub(crate) fn a_passive_peer_is_dialled(kind: Kind) {
    let pair = Pair::start(kind, session().with(|us| us.passive = true), "");
    pair.await_session();
    pair.await_learned(THEIR_V4);
}

pub(crate) fn we_wait_when_we_are_passive(kind: Kind) {
    let pair = Pair::start(kind, session(), "passive = true");
    pair.await_session();
    pair.await_learned(THEIR_V4);
    assert!(pair.daemon.peer("peer0").expect("an answer").passive);
}
