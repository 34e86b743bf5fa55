//! Sessions whose link, address or neighbour goes, with a hold time of 90 seconds.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use control::PeerState;
use lab::net::Namespace;
use support::puppet::Puppet;
use support::rack::{Transport, link, our_address, their_address};
use support::{Podbgpd, Rack, SOON, Session, config, eventually, kernel, requires, throughout};

use crate::{attributes, prefixes};

const HOLD: u16 = 90;
const AT_ONCE: Duration = Duration::from_millis(500);
/// The first packet may go before the other end is ready for it, and TCP sends it again a second later.
const SOON_BACK: Duration = Duration::from_secs(2);

#[test]
fn a_link_that_goes_down_ends_the_session_at_once_and_one_that_returns_brings_it_back() {
    requires!(&["ip"]);
    let (rack, listener, daemon, _puppet) = learned();
    let start = Instant::now();
    rack.ours.set_down(&link(0)).expect("the link goes down");
    ended(&daemon, "interface_down", "stopped: interface peer0 went down");
    assert!(start.elapsed() < AT_ONCE, "after {:?}", start.elapsed());
    daemon.route(prefixes(1)[0]).expect_err("the route is forgotten");
    kernel::no_route(&rack.ours, prefixes(1)[0]).expect("no route");

    // Longer than the first waits between attempts.
    std::thread::sleep(Duration::from_secs(4));
    let start = Instant::now();
    rack.ours.set_up(&link(0)).expect("the link comes up");
    let _puppet = established(&listener, &daemon);
    assert!(start.elapsed() < SOON_BACK, "after {:?}", start.elapsed());
}

#[test]
fn routes_of_a_session_that_ended_with_its_link_do_not_come_back_with_it() {
    requires!(&["ip"]);
    let (rack, listener, daemon, _puppet) = learned();
    // Nobody speaks BGP at the other end any more.
    drop(listener);
    rack.ours.set_down(&link(0)).expect("the link goes down");
    ended(&daemon, "interface_down", "stopped: interface peer0 went down");
    rack.ours.set_up(&link(0)).expect("the link comes up");
    throughout(Duration::from_secs(2), "no route", || kernel::no_route(&rack.ours, prefixes(1)[0]));
}

#[test]
fn an_address_that_is_removed_ends_its_session_at_once() {
    requires!(&["ip"]);
    let (rack, listener, daemon, _puppet) = learned();
    let (start, address) = (Instant::now(), our_address(0, Transport::V4));
    ip(&rack.ours, &format!("addr del {address}/24 dev {}", link(0)));
    ended(&daemon, "address_gone", &format!("stopped: our address {address} is gone"));
    assert!(start.elapsed() < AT_ONCE, "after {:?}", start.elapsed());
    let start = Instant::now();
    ip(&rack.ours, &format!("addr add {address}/24 dev {}", link(0)));
    let _puppet = established(&listener, &daemon);
    assert!(start.elapsed() < SOON_BACK, "after {:?}", start.elapsed());
}

#[test]
fn a_neighbour_that_is_not_there_any_more_ends_the_session() {
    requires!(&["ip"]);
    let (rack, _listener, daemon, _puppet) = learned();
    let theirs = their_address(0, Transport::V4);
    // What an operator does to the table says nothing about the neighbour.
    ip(&rack.ours, &format!("neigh flush dev {}", link(0)));
    throughout(Duration::from_secs(1), "the session", || daemon.established("peer0").map(drop));
    // Now it is gone, and the kernel looks for it, as it does now and then: three times, a second apart.
    ip(&rack.theirs[0], &format!("addr del {theirs}/24 dev {}", support::rack::UPLINK));
    ip(&rack.ours, &format!("neigh replace {theirs} lladdr 02:00:00:00:00:09 dev {} nud probe", link(0)));
    ended(&daemon, "neighbour_failed", "stopped: the peer does not answer on peer0");
}

fn session() -> Session {
    crate::session(0).with(|us| us.hold_time = HOLD)
}

/// A daemon that dials its one peer, whose listener this is, and has a route of it in the kernel.
fn learned() -> (Rack, TcpListener, Podbgpd, Puppet) {
    let rack = Rack::new(1);
    let listen = SocketAddr::new(their_address(0, Transport::V4), 179);
    let listener = rack.theirs[0].run(|| TcpListener::bind(listen)).expect("the peer listens");
    // The waits grow up to half a minute.
    let peer = config::peer(&session(), "connect-retry = 30");
    let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &(config::node("") + &peer));
    let mut puppet = established(&listener, &daemon);
    puppet.announce(&attributes(0), &prefixes(1)).expect("the peer announces");
    puppet.end_of_rib().expect("the peer announces");
    eventually(SOON, "the route", || kernel::our_route(&rack.ours, prefixes(1)[0]));
    (rack, listener, daemon, puppet)
}

/// Takes the connection the daemon dials and has a session over it.
fn established(listener: &TcpListener, daemon: &Podbgpd) -> Puppet {
    let (stream, _) = listener.accept().expect("the daemon dials");
    let mut puppet = Puppet::over(stream).expect("a connection");
    puppet.say_open(session().config.asn, HOLD).expect("the daemon reads");
    puppet.confirm().expect("the daemon agrees");
    daemon.await_established("peer0");
    puppet
}

fn ended(daemon: &Podbgpd, code: &str, text: &str) {
    eventually(SOON, "the end of the session", || {
        let peer = daemon.peer("peer0")?;
        ensure!(peer.state != PeerState::Established, "established");
        let loss = peer.last_error.context("no reason")?;
        // The next attempt may have failed already; what ended the session is in the log too.
        let told = loss.code == code && loss.text == text || daemon.log().contains(text);
        ensure!(told, "{loss:?}");
        Ok(())
    });
}

fn ip(namespace: &Namespace, words: &str) {
    let words: Vec<_> = words.split_whitespace().collect();
    let status = namespace.run(|| Command::new("ip").args(&words).status()).expect("ip starts");
    assert!(status.success(), "ip {words:?}: {status}");
}
