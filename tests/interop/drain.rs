//! Leaving a peer that has routes of ours, and being left (RFC 8326, RFC 9003).

use anyhow::{Context, Result, bail, ensure};
use control::{DrainStage, PeerState};
use lab::speakers::{Communities, Kind};
use support::session::OUR_ASN;
use support::{SOON, eventually};

use crate::pair::{OUR_V4, Pair, THEIR_V4, net, session};

/// What the four daemons call 65535:0.
const GRACEFUL_SHUTDOWN: [&str; 4] = ["65535:0", "graceful-shutdown", "GRACEFUL_SHUTDOWN", "planned-shut"];

/// Short stages, and marks for who does not know the community.
const DRAIN: &str = "[drain]\nannounce = 3\nwithdraw = 2\nprepend = 2\nmed = 50\n";

fn start(kind: Kind) -> Pair {
    let pair = Pair::start(kind, session(), DRAIN);
    pair.await_session();
    pair.await_received(OUR_V4);
    pair.await_learned(THEIR_V4);
    pair
}

fn bgpctl(pair: &Pair, arguments: &[&str]) {
    let output = pair.daemon.bgpctl(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Checks what the other side has of our block: whether it is marked.
fn seen(pair: &Pair, marked: bool) -> Result<()> {
    let route = pair.foreign.route(net(OUR_V4))?;
    let carries = |community: &String| GRACEFUL_SHUTDOWN.contains(&community.as_str());
    ensure!(route.communities.standard.iter().any(carries) == marked, "{route:?}");
    ensure!(route.as_path == vec![OUR_ASN; if marked { 3 } else { 1 }], "{route:?}");
    Ok(())
}

pub(crate) fn a_drain_is_seen_stage_by_stage(kind: Kind) {
    let pair = start(kind);
    bgpctl(&pair, &["drain", "start", "-m", "rack 12 moves"]);
    eventually(SOON, "the marks", || seen(&pair, true));
    eventually(SOON, "the withdrawal", || match pair.foreign.route(net(OUR_V4)) {
        Ok(route) => bail!("{route:?}"),
        Err(_) => pair.foreign.expect_established().context("the session went first"),
    });
    eventually(SOON, "the end of the session", || {
        let peer = pair.daemon.peer("peer0")?;
        ensure!(peer.drain == Some(DrainStage::Closed) && peer.state == PeerState::Idle, "{peer:?}");
        match pair.foreign.expect_established() {
            Ok(()) => bail!("the other side says established"),
            Err(_) => Ok(()),
        }
    });
    if kind == Kind::Bird {
        eventually(SOON, "our words in the peer's log", || {
            let log: String = pair.foreign.processes().iter().map(lab::process::Process::output).collect();
            ensure!(log.contains("rack 12 moves"), "{log}");
            Ok(())
        });
    }
    // The node itself still has to get out.
    support::kernel::our_route(&pair.rack.ours, net(THEIR_V4)).expect("the route is kept");

    bgpctl(&pair, &["drain", "cancel"]);
    pair.await_session();
    eventually(SOON, "our route without marks", || seen(&pair, false));
    pair.await_learned(THEIR_V4);
}

pub(crate) fn a_drain_called_off_leaves_no_trace(kind: Kind) {
    let pair = start(kind);
    bgpctl(&pair, &["drain", "start", "peer0"]);
    eventually(SOON, "the marks", || seen(&pair, true));
    bgpctl(&pair, &["drain", "cancel", "peer0"]);
    eventually(SOON, "our route without marks", || seen(&pair, false));
    let peer = pair.daemon.peer("peer0").expect("an answer");
    assert_eq!((peer.flaps, peer.drain, peer.state), (0, None, PeerState::Established));
}

pub(crate) fn a_peer_about_to_go_is_the_last_resort(kind: Kind) {
    let mut session = session();
    session.config.communities =
        Communities { standard: vec!["65535:0".to_owned()], ..Communities::default() };
    let pair = Pair::start(kind, session, "");
    pair.await_session();
    let route = pair.await_learned(THEIR_V4);
    let attributes = &route.candidates[0].attributes;
    assert_eq!(attributes.communities, ["graceful-shutdown"]);
    assert_eq!(attributes.local_pref, Some(0));
}
