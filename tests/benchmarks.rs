//! The benchmarks in small, so that they cannot rot, and the one promise that needs a table in full.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use control::{BfdState, BfdView};
use fib::{FibSettings, NextHopGroups};
use support::failover::{Failure, Subject, fail_over};
use support::install::{Site, blocks};
use support::puppet::Puppet;
use support::rack::{Transport, our_address, their_address};
use support::reflector::reflect;
use support::{Podbgpd, Rack, SOON, Session, config, eventually, internet, measure, requires};

/// Enough routes for groups to be worth it.
const ROUTES: usize = 100;

/// A full table.
const TABLE: usize = 1_000_000;

/// Packets are lost for as long as BFD needs and a little, and `podbgpd` says little to the kernel until they flow.
#[test]
fn a_silent_tor_costs_few_packets_and_few_requests() {
    requires!(&["bird", "birdc", "ip"]);
    let cost = fail_over(Subject::Podbgpd, Failure::Silence, ROUTES, "").expect("the traffic recovers");
    assert!(cost.lost > 0 && cost.requests > 0, "something failed: {cost:?}");
    assert!(cost.last_lost < Duration::from_millis(500), "{cost:?}");
    assert!(cost.own_count >= Some(cost.requests as u64), "what the kernel heard, we said: {cost:?}");
}

#[test]
fn a_carrier_that_is_lost_is_made_up_for() {
    requires!(&["bird", "birdc", "ip"]);
    let cost = fail_over(Subject::Podbgpd, Failure::CarrierLost, ROUTES, "").expect("the traffic recovers");
    assert!(cost.last_lost < Duration::from_millis(500), "{cost:?}");
}

/// Everybody hears of everybody else's routes and of none of his own: [`reflect`] sees to that.
#[test]
fn clients_of_a_reflector_hear_all_of_each_other() {
    requires!(&["bird"]);
    for subject in [measure::Subject::Podbgpd, measure::Subject::Bird] {
        let cost = reflect(subject, 20, 20).expect("all is heard");
        assert!(cost.updates >= 20 * 19 * 2, "{subject:?}: {cost:?}");
    }
}

/// Both writers get every route into the kernel: [`Site`] counts them there.
#[test]
fn routes_are_installed_in_both_forms() {
    requires!(&[]);
    for (transport, grouped, next_hop_groups) in [
        (Transport::V4, false, NextHopGroups::Never),
        (Transport::V4, true, NextHopGroups::Always),
        (Transport::V6, true, NextHopGroups::Always),
    ] {
        let prefixes = blocks(transport, 3000);
        let site = || Site::new(transport).expect("a site");
        site().write_raw(&prefixes, grouped).expect("the kernel takes them");
        let settings = FibSettings { next_hop_groups, ..FibSettings::default() };
        site().install(&prefixes, settings).expect("the kernel takes them");
    }
}

/// While a million prefixes come in and go to the kernel, two daemons watch each other at 300 ms × 3.
#[test]
fn a_full_table_costs_no_bfd_session() {
    requires!(&[]);
    let rack = Rack::new(2);
    let session = Session::new(0).with(|us| us.ipv6 = false);
    let feeder = "[[peer]]\nname = \"peer1\"\naddress = \"10.9.1.2\"\nasn = 65001\npassive = true\n\
                  families = [\"ipv4\"]\nimport = \"all\"\nexport = \"originated\"\n";
    let text = config::node("") + &config::peer(&session, "bfd = true\nexport = \"originated\"") + feeder;
    let ours = Podbgpd::start(&rack.ours, rack.directory("ours"), &text);
    let theirs = format!(
        "[node]\nname = \"theirs\"\nasn = {}\nrouter-id = \"10.9.0.2\"\n[[peer]]\nname = \"ours\"\n\
         address = \"{}\"\nasn = {}\nbfd = true\n",
        session.config.asn,
        our_address(0, Transport::V4),
        support::session::OUR_ASN
    );
    let theirs = Podbgpd::start(&rack.theirs[0], rack.directory("theirs"), &theirs);
    for (daemon, peer) in [(&ours, "peer0"), (&theirs, "ours")] {
        daemon.await_established(peer);
        eventually(SOON, "BFD", || up(daemon, peer).map(drop));
    }

    let IpAddr::V4(next_hop) = their_address(1, Transport::V4) else { unreachable!("that is IPv4") };
    let mut sender = Puppet::connect(&rack.theirs[1], our_address(1, Transport::V4), 65_001, 0);
    let stream = internet::encode(&internet::table(TABLE, 65_001, next_hop), sender.context());
    let start = Instant::now();
    sender.send(&stream).expect("it is read");
    eventually(Duration::from_secs(180), "the table in the kernel", || {
        let fib = ours.status()?.fib;
        ensure!(fib.installed >= TABLE as u64, "{} of {TABLE} routes", fib.installed);
        Ok(())
    });
    tell(&format!(
        "300 ms x 3 stayed up while {TABLE} routes were learned in {:.1} s",
        start.elapsed().as_secs_f32()
    ));
    for (daemon, peer) in [(&ours, "peer0"), (&theirs, "ours")] {
        let bfd = up(daemon, peer).expect("it is up");
        assert_eq!((bfd.failures, daemon.peer(peer).expect("an answer").flaps), (0, 0), "{bfd:?}");
    }
}

/// The BFD session with a peer, if it is up at the intervals both ask for.
fn up(daemon: &Podbgpd, peer: &str) -> Result<BfdView> {
    let bfd = daemon.peer(peer)?.bfd.ok_or_else(|| anyhow::anyhow!("{peer} is not watched"))?;
    let fast = bfd.detection_time_seconds.is_some_and(|time| (time - 0.9).abs() < 0.001);
    ensure!(bfd.state == BfdState::Up && fast, "{bfd:?}");
    Ok(bfd)
}

#[expect(clippy::print_stderr, reason = "a figure worth seeing")]
fn tell(figure: &str) {
    eprintln!("BFD {figure}");
}
