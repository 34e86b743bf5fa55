//! TCP MD5 signatures (RFC 2385).

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::ensure;
use control::PeerState;
use lab::speakers::{Kind, Speaker};
use support::{Podbgpd, Rack, SOON, config, eventually, throughout};

use crate::pair::session;

pub(crate) fn md5_with_the_right_key(kind: Kind) {
    let (_rack, daemon, foreign) = start(kind, "sesame");
    daemon.await_established("peer0");
    eventually(SOON, "the other side's word on the session", || foreign.expect_established());
    let peer = daemon.peer("peer0").expect("an answer");
    assert!(peer.md5);
    assert!(!daemon.log().contains("sesame"), "the key is in the log");
}

pub(crate) fn md5_with_the_wrong_key(kind: Kind) {
    let (_rack, daemon, foreign) = start(kind, "simsim");
    throughout(Duration::from_secs(5), "a session that must not be", || {
        let peer = daemon.peer("peer0")?;
        ensure!(peer.state < PeerState::OpenSent, "the session is {:?}", peer.state);
        ensure!(foreign.expect_established().is_err(), "the other side says established");
        Ok(())
    });
    // TCP hides the reason; what we can tell is that nobody answered, and that there is a key.
    let error = eventually(SOON, "a reason", || {
        anyhow::Context::context(daemon.peer("peer0")?.last_error, "no last error")
    });
    assert!(error.text.to_lowercase().contains("md5"), "no hint at the key: {error:?}");
}

fn start(kind: Kind, our_key: &str) -> (Rack, Podbgpd, Speaker) {
    let rack = Rack::new(1);
    let session = session().with(|us| us.password = Some("sesame".to_owned()));
    let key = rack.directory("ours").join("key");
    std::fs::write(&key, our_key).expect("the key is written");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("the key is ours alone");
    let lines = format!("password-file = \"{}\"", key.display());
    let text = config::node("") + &config::peer(&session, &lines);
    let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &text);
    let foreign = session.start(kind, &rack);
    (rack, daemon, foreign)
}
