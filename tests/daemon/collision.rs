use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::ensure;
use bgp::Message;
use bgp::notification::{Cease, NotificationError};
use support::puppet::Puppet;
use support::rack::{Transport, our_address, their_address};
use support::{Podbgpd, Rack, SOON, config, eventually, requires, throughout};

use crate::session;

/// RFC 4271 §6.8: the side with the higher identifier keeps the connection it dialled.
#[test]
fn with_the_lower_identifier_we_keep_the_connection_of_the_peer() {
    requires!(&[]);
    // A puppet's identifier starts with 192.
    let (daemon, mut dialled_by_us, mut dialled_by_peer, _rack) = cross("10.9.255.1");
    assert_eq!(rest(&mut dialled_by_us), Some(NotificationError::Cease(Cease::ConnectionCollision)));
    assert_eq!(dialled_by_peer.confirm().ok(), Some(()));
    one_session(&daemon);
}

#[test]
fn with_the_higher_identifier_we_keep_the_connection_we_dialled() {
    requires!(&[]);
    let (daemon, mut dialled_by_us, mut dialled_by_peer, _rack) = cross("223.9.255.1");
    assert_eq!(rest(&mut dialled_by_peer), Some(NotificationError::Cease(Cease::ConnectionCollision)));
    assert_eq!(dialled_by_us.confirm().ok(), Some(()));
    one_session(&daemon);
}

/// Makes both connections before the peer has said OPEN on either, then says it on both.
fn cross(router_id: &str) -> (Podbgpd, Puppet, Puppet, Rack) {
    let rack = Rack::new(1);
    let listen = SocketAddr::new(their_address(0, Transport::V4), 179);
    let listener = rack.theirs[0].run(|| TcpListener::bind(listen)).expect("the peer listens");
    let text = config::node("").replace("10.9.255.1", router_id) + &config::peer(&session(0), "");
    let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &text);
    let (stream, _) = listener.accept().expect("the daemon dials");
    let mut dialled_by_us = Puppet::over(stream).expect("a connection");
    let mut dialled_by_peer =
        Puppet::dial(&rack.theirs[0], our_address(0, Transport::V4)).expect("the daemon listens");
    let asn = session(0).config.asn;
    dialled_by_us.say_open(asn, 9).expect("the daemon reads");
    dialled_by_peer.say_open(asn, 9).expect("the daemon reads");
    (daemon, dialled_by_us, dialled_by_peer, rack)
}

/// Reads a connection to its end; returns the NOTIFICATION it ended with.
fn rest(puppet: &mut Puppet) -> Option<NotificationError> {
    let mut last = None;
    while let Ok(message) = puppet.hear() {
        if let Message::Notification(notification) = message {
            last = Some(notification.error);
        }
    }
    last
}

fn one_session(daemon: &Podbgpd) {
    eventually(SOON, "the session", || daemon.established("peer0"));
    throughout(Duration::from_secs(1), "the one session", || {
        let peer = daemon.established("peer0")?;
        ensure!(peer.flaps == 0, "{:?}", peer.last_error);
        Ok(())
    });
}
