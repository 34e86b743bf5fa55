//! Enhanced route refresh (RFC 7313) in both directions.

use anyhow::ensure;
use lab::speakers::Kind;
use support::{SOON, eventually};

use crate::pair::{OUR_V4, OUR_V6, Pair, THEIR_V4, THEIR_V6, net, session};

/// Two brackets for each of two families.
const BRACKETS: u64 = 4;

fn pair(kind: Kind) -> Pair {
    let pair = Pair::start(kind, session(), "");
    pair.await_session();
    for prefix in [THEIR_V4, THEIR_V6] {
        pair.await_learned(prefix);
    }
    for prefix in [OUR_V4, OUR_V6] {
        pair.await_received(prefix);
    }
    // Nobody answers a refresh before its End-of-RIB (RFC 7313 §4.1).
    eventually(SOON, "End-of-RIB both ways", || {
        let families = pair.daemon.established("peer0")?.families;
        let done = families.iter().all(|family| family.end_of_rib_received && family.end_of_rib_sent);
        ensure!(done, "{families:?}");
        Ok(())
    });
    let capabilities = pair.daemon.peer("peer0").expect("an answer").capabilities;
    let name = "enhanced route refresh".to_owned();
    assert!(capabilities.local.contains(&name) && capabilities.remote.contains(&name), "{capabilities:?}");
    pair
}

pub(crate) fn an_answer_to_us_comes_in_brackets(kind: Kind) {
    let pair = pair(kind);
    let before = pair.daemon.peer("peer0").expect("an answer").messages.received;
    pair.daemon.peer_action("peer0", &["refresh"]);
    eventually(SOON, "the brackets", || {
        let peer = pair.daemon.established("peer0")?;
        let heard = peer.messages.received.route_refresh - before.route_refresh;
        ensure!(heard >= BRACKETS, "{heard} of {BRACKETS} brackets");
        ensure!(peer.families.iter().all(|family| family.unrefreshed == 0), "{:?}", peer.families);
        Ok(())
    });
    for prefix in [THEIR_V4, THEIR_V6] {
        let route = pair.learned(prefix).expect("the route stays");
        assert_eq!(route.candidates[0].stale, None);
    }
}

pub(crate) fn our_answer_goes_in_brackets(kind: Kind) {
    let pair = pair(kind);
    let before = pair.daemon.peer("peer0").expect("an answer").messages.sent;
    pair.foreign.refresh().expect("it asks");
    eventually(SOON, "our brackets", || {
        let sent = pair.daemon.established("peer0")?.messages.sent;
        let said = sent.route_refresh - before.route_refresh;
        ensure!(said >= BRACKETS, "{said} of {BRACKETS} brackets");
        ensure!(sent.update > before.update, "no UPDATE between them");
        Ok(())
    });
    for prefix in [OUR_V4, OUR_V6] {
        pair.foreign.route(net(prefix)).expect("the route stays at the peer");
    }
    pair.foreign.expect_established().expect("the session stays");
}
