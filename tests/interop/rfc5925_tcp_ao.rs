//! The TCP Authentication Option (RFC 5925). BIRD 2, FRR 8 and GoBGP have none, so this is about what must not be.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::{Context, ensure};
use control::PeerState;
use lab::speakers::Kind;
use support::{Rack, SOON, config, eventually, throughout};

use crate::pair::session;

pub(crate) fn a_peer_that_must_sign_and_cannot_stays_down_and_says_why(kind: Kind) {
    let rack = Rack::new(1);
    let key = rack.directory("ours").join("key");
    std::fs::write(&key, "sesame").expect("the key is written");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("the key is ours alone");
    let session = session();
    let lines = format!("tcp-ao = [{{ id = 1, file = \"{}\" }}]", key.display());
    let text = config::node("") + &config::peer(&session, &lines);
    let daemon = support::Podbgpd::start(&rack.ours, rack.directory("ours"), &text);
    let foreign = session.start(kind, &rack);
    throughout(Duration::from_secs(5), "a session that must not be", || {
        let peer = daemon.peer("peer0")?;
        ensure!(peer.state < PeerState::OpenConfirm, "the session is {:?}", peer.state);
        ensure!(foreign.expect_established().is_err(), "the other side says established");
        Ok(())
    });
    let error = eventually(SOON, "a reason", || daemon.peer("peer0")?.last_error.context("no last error"));
    // Where the kernel has it, TCP hides the reason: nobody answers.
    let known = ["TCP-AO", "no answer", "timed out"].iter().any(|word| error.text.contains(word));
    assert!(known, "{error:?}");
    assert!(daemon.peer("peer0").expect("an answer").tcp_ao);
}
