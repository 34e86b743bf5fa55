//! The generalised TTL security mechanism (RFC 5082).

use lab::speakers::Kind;

use crate::pair::{OUR_V4, Pair, THEIR_V4, session};

pub(crate) fn packets_from_the_link_are_believed(kind: Kind) {
    let pair = Pair::start(kind, session().with(|us| us.ttl_security = true), "ttl-security = 1");
    pair.await_session();
    pair.await_learned(THEIR_V4);
    pair.await_received(OUR_V4);
    assert!(pair.daemon.peer("peer0").expect("an answer").ttl_security);
}
