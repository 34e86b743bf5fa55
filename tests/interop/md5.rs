//! TCP MD5 signatures (RFC 2385).

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::ensure;
use control::PeerState;
use lab::speakers::{Kind, Speaker};
use support::rack::{Transport, our_address, their_address};
use support::session::OUR_ASN;
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

/// Nobody else changes a key without a new session, so both ends are ours.
#[test]
fn a_key_changes_without_losing_the_session() {
    support::requires!(&[]);
    let rack = Rack::new(1);
    let (one, two) = (our_address(0, Transport::V4), their_address(0, Transport::V4));
    let write = |name: &str, key: &str| {
        let file = rack.directory(name).join("key");
        std::fs::write(&file, key).expect("the key is written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("it is ours alone");
        file
    };
    let start = |name: &str, namespace, id: &str, other| {
        let key = write(name, "first");
        let node = config::node("").replace("10.9.255.1", id);
        let peer = format!(
            "[[peer]]\nname = \"other\"\naddress = \"{other}\"\nasn = {OUR_ASN}\nhold-time = 9\nconnect-retry = 1\n\
             password-file = \"{}\"\n",
            key.display()
        );
        Podbgpd::start(namespace, rack.directory(name), &(node + &peer))
    };
    let first = start("one", &rack.ours, "10.9.255.1", two);
    let second = start("two", &rack.theirs[0], "10.9.255.2", one);
    first.await_established("other");
    let before = second.await_established("other").messages.received.keepalive;
    for (name, daemon) in [("one", &first), ("two", &second)] {
        write(name, "second");
        let _ = daemon.reload();
    }
    eventually(SOON, "messages signed with the new key", || {
        let peer = second.established("other")?;
        ensure!(peer.messages.received.keepalive >= before + 4, "nothing new came");
        Ok(())
    });
    assert_eq!(first.established("other").expect("the session stays").flaps, 0);
    assert_eq!(second.established("other").expect("the session stays").flaps, 0);
}
