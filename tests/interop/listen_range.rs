//! Peers nobody lists: they connect from a range of addresses.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::ensure;
use control::PeerState;
use lab::speakers::Kind;
use support::{Podbgpd, Rack, SOON, Session, config, eventually, throughout};

use crate::pair::{OUR_V4, THEIR_V4, net, session};

const PEER: &str = "rack/10.9.0.2";

pub(crate) fn a_peer_of_a_range_comes_and_goes(kind: Kind) {
    let rack = Rack::new(1);
    let daemon = start(&rack, "linger = 1");
    assert_eq!(daemon.peers().expect("an answer"), []);
    let foreign = session().start(kind, &rack);
    let peer = daemon.await_established(PEER);
    assert_eq!((peer.asn, peer.range.as_deref()), (Some(session().config.asn), Some("rack")));
    eventually(SOON, "their route", || daemon.route(net(THEIR_V4)));
    eventually(SOON, "our route", || foreign.route(net(OUR_V4)));
    drop(foreign);
    // Some keep their routes for two minutes when they are killed; an operator does not.
    daemon.peer_action(PEER, &["down"]);
    daemon.peer_action(PEER, &["up"]);
    eventually(SOON, "the peer to be forgotten", || {
        ensure!(daemon.peers()?.is_empty(), "it is still there");
        Ok(())
    });
}

pub(crate) fn a_full_range_takes_nobody_else(kind: Kind) {
    let rack = Rack::new(2);
    let daemon = start(&rack, "limit = 1");
    let _first = session().start(kind, &rack);
    daemon.await_established(PEER);
    let _second = Session::new(1).start(kind, &rack);
    eventually(SOON, "the refusal", || {
        ensure!(daemon.log().contains("the range is full"), "nobody was refused");
        Ok(())
    });
    throughout(Duration::from_secs(2), "one peer and no more", || {
        let peers = daemon.peers()?;
        ensure!(peers.len() == 1 && peers[0].state == PeerState::Established, "{peers:?}");
        Ok(())
    });
}

pub(crate) fn the_peers_of_a_range_sign(kind: Kind) {
    let rack = Rack::new(1);
    let key = rack.directory("ours").join("key");
    std::fs::write(&key, "sesame").expect("the key is written");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("the key is ours alone");
    let daemon = start(&rack, &format!("password-file = \"{}\"", key.display()));
    {
        let _unsigned = session().start(kind, &rack);
        throughout(Duration::from_secs(4), "nobody", || {
            ensure!(daemon.peers()?.is_empty(), "an unsigned connection was taken");
            Ok(())
        });
    }
    let _signed = session().with(|us| us.password = Some("sesame".to_owned())).start(kind, &rack);
    assert!(daemon.await_established(PEER).md5);
}

fn start(rack: &Rack, lines: &str) -> Podbgpd {
    let range =
        "[listen-range.rack]\nprefix = \"10.9.0.0/16\"\nasn = \"external\"\nimport = \"all\"\nhold-time = 9";
    let text = format!("{}\n{range}\n{lines}\n", config::node(&format!("blocks = [\"{OUR_V4}\"]")));
    Podbgpd::start(&rack.ours, rack.directory("ours"), &text)
}
