//! ROUTE-REFRESH (RFC 2918) in both directions.

use anyhow::ensure;
use lab::speakers::Kind;
use support::{SOON, eventually, skip};

use crate::pair::{OUR_V4, Pair, THEIR_V4, session};

pub(crate) fn we_ask_for_everything_again(kind: Kind) {
    let pair = Pair::start(kind, session(), "");
    pair.await_session();
    pair.await_learned(THEIR_V4);
    let before = pair.daemon.peer("peer0").expect("an answer").messages;
    pair.daemon.peer_action("peer0", &["refresh"]);
    eventually(SOON, "the routes again", || {
        let now = pair.daemon.established("peer0")?.messages;
        ensure!(now.sent.route_refresh > before.sent.route_refresh, "no ROUTE-REFRESH went out");
        // OpenBGPD 7.7 counts the question and does not answer it, whoever asks.
        ensure!(kind == Kind::Openbgpd || now.received.update > before.received.update, "no UPDATE came");
        Ok(())
    });
    pair.learned(THEIR_V4).expect("the route stays throughout");
}

pub(crate) fn the_peer_asks_for_everything_again(kind: Kind) {
    if kind == Kind::Gobgp {
        return skip("GoBGP has no command that sends ROUTE-REFRESH");
    }
    let pair = Pair::start(kind, session(), "");
    pair.await_session();
    pair.await_received(OUR_V4);
    let before = pair.daemon.peer("peer0").expect("an answer").messages;
    pair.foreign.refresh().expect("it asks");
    eventually(SOON, "the peer's question and our answer", || {
        let now = pair.daemon.established("peer0")?.messages;
        ensure!(now.received.route_refresh > before.received.route_refresh, "no ROUTE-REFRESH came");
        ensure!(now.sent.update > before.sent.update, "no UPDATE went out");
        Ok(())
    });
    pair.foreign.route(crate::pair::net(OUR_V4)).expect("the route stays throughout");
}
