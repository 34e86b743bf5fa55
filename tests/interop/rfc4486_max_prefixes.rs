//! A peer that announces more prefixes than agreed (RFC 4486).

use anyhow::{Context, ensure};
use lab::speakers::Kind;
use support::{SOON, eventually};

use crate::pair::{Pair, net, session};

pub(crate) fn a_peer_with_too_much_is_kept_away_for_a_while(kind: Kind) {
    let prefixes = ["10.50.1.0/24", "10.50.2.0/24", "10.50.3.0/24"].map(net);
    let pair =
        Pair::start(kind, session().announcing(prefixes), "max-prefixes = 2\nmax-prefixes-restart = 3");
    eventually(SOON, "the excess", || {
        let peer = pair.daemon.peer("peer0")?;
        ensure!(peer.max_prefixes_exceeded, "it is not kept away");
        let error = peer.last_error.context("no reason")?;
        ensure!(error.code == "max_prefixes", "{error:?}");
        Ok(())
    });
    eventually(SOON, "another try", || {
        let peer = pair.daemon.peer("peer0")?;
        ensure!(peer.flaps >= 2, "{} sessions so far", peer.flaps);
        Ok(())
    });
}

pub(crate) fn a_peer_near_its_limit_is_marked(kind: Kind) {
    let prefixes = ["10.50.1.0/24", "10.50.2.0/24", "10.50.3.0/24"].map(net);
    let lines = "max-prefixes = 4\nmax-prefixes-warning = 75";
    let pair = Pair::start(kind, session().announcing(prefixes), lines);
    pair.await_session();
    eventually(SOON, "the mark", || {
        let peer = pair.daemon.established("peer0")?;
        ensure!(peer.families.iter().any(|family| family.max_prefixes_warning), "no mark");
        Ok(())
    });
    assert!(pair.daemon.log().contains("near its limit"));
}
