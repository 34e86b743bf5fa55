use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use bgp::PathAttributes;
use control::PeerState;
use support::puppet::Puppet;
use support::rack::{Transport, our_address};
use support::{Podbgpd, Rack, config, eventually, requires};

use crate::{attributes, prefixes, session};

/// A KEEPALIVE (RFC 4271 §4.4).
const KEEPALIVE: [u8; 19] = {
    let mut message = [0xff; 19];
    message[16] = 0;
    message[17] = 19;
    message[18] = 4;
    message
};
/// More than the buffers of both kernels hold.
const TABLE: u32 = 100_000;

/// A peer that stays alive but reads nothing: RFC 9687 ends its session, and until then it costs little memory.
#[test]
fn a_peer_that_stops_reading_meets_the_send_hold_timer() {
    requires!(&[]);
    let rack = Rack::new(2);
    let lines = "passive = true\nexport = \"all\"";
    let slow = format!("{lines}\nsend-hold-time = 10");
    let text = config::node("")
        + "[fib]\ninstall = false\n"
        + &config::peer(&session(0), lines)
        + &config::peer(&session(1), &slow);
    let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &text);
    let stuck = Puppet::connect(&rack.theirs[1], our_address(1, Transport::V4), session(1).config.asn, 9);
    let mut sender =
        Puppet::connect(&rack.theirs[0], our_address(0, Transport::V4), session(0).config.asn, 0);
    daemon.await_established("peer1");

    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| keep_alive(&stuck, &over));
        announce(&mut sender, 1);
        eventually(Duration::from_secs(30), "the table to be here", || received_all(&daemon));
        let once = resident(&daemon);
        // Each round replaces the whole table. Whoever queues it for the stuck peer grows by a table a round.
        for med in 2..=8 {
            announce(&mut sender, med);
        }
        eventually(Duration::from_secs(40), "the send-hold timer", || {
            let peer = daemon.peer("peer1")?;
            ensure!(peer.state != PeerState::Established, "still established");
            let error = peer.last_error.context("no last error")?;
            ensure!(error.code.contains("send_hold"), "{error:?}");
            Ok(())
        });
        over.store(true, Ordering::Relaxed);
        let grown = resident(&daemon).saturating_sub(once);
        assert!(grown < 64 * 1024, "{grown} KiB more than the table");
    });
    assert_eq!(daemon.established("peer0").expect("the other session stays").flaps, 0);
}

fn announce(sender: &mut Puppet, med: u32) {
    let attributes = PathAttributes { med: Some(med), ..attributes(0) };
    // One attribute set for every ten prefixes makes for many messages.
    for (index, chunk) in prefixes(TABLE).chunks(10).enumerate() {
        let origin = bgp::Asn::from(100_000 + u32::try_from(index).expect("ten thousand chunks"));
        let mut attributes = attributes.clone();
        attributes.as_path = bgp::AsPath::sequence([session(0).config.asn.into(), origin]);
        sender.announce(&attributes, chunk).expect("the daemon reads");
    }
}

fn received_all(daemon: &Podbgpd) -> anyhow::Result<()> {
    let received = daemon.established("peer0")?.families[0].received;
    ensure!(received == u64::from(TABLE), "{received}");
    Ok(())
}

fn keep_alive(stuck: &Puppet, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        // The daemon closes it in the end: that is what the test waits for.
        let _ = stuck.stream().write_all(&KEEPALIVE);
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// What the daemon has in memory now, in KiB.
fn resident(daemon: &Podbgpd) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its resident memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
