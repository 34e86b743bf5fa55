//! What on the machine fights with the daemon.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use support::{Podbgpd, Rack, SOON, eventually, kernel, requires, throughout};

use crate::{configuration, learned, net, prefixes};

#[test]
fn a_kernel_that_forwards_nothing_is_told_of_until_it_does() {
    requires!(&[]);
    let rack = Rack::new(1);
    forward(&rack, "0");
    let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &configuration(1));
    let hand = eventually(SOON, "the finding", || {
        let found = daemon.status()?.wrong_hands.into_iter().find(|hand| hand.kind == "ip_forward");
        found.ok_or_else(|| anyhow::anyhow!("nothing found"))
    });
    assert_eq!(hand.remedy, "sysctl -w net.ipv4.ip_forward=1");
    let lines = daemon.log().matches("kind=\"ip_forward\"").count();
    assert_eq!(lines, 1, "{}", daemon.log());

    forward(&rack, "1");
    let reload = daemon.reload();
    assert!(reload.applied);
    eventually(SOON, "peace", || {
        ensure!(!hands(&daemon).contains(&"ip_forward".to_owned()));
        Ok(())
    });
    assert!(daemon.log().contains("no longer so"), "{}", daemon.log());
}

#[test]
fn a_program_that_uses_our_mark_is_told_of() {
    requires!(&["ip"]);
    let (rack, daemon, _peer) = learned(&prefixes(1));
    eventually(SOON, "convergence", || {
        ensure!(daemon.status()?.ready);
        kernel::our_route(&rack.ours, prefixes(1)[0])
    });
    throughout(Duration::from_millis(300), "peace", || {
        ensure!(hands(&daemon).iter().all(|kind| kind != "protocol_number"));
        Ok(())
    });
    let intruder = net("203.0.113.0/24");
    let words = ["route", "add", "203.0.113.0/24", "via", "10.9.0.2", "metric", "20", "proto", "179"];
    let status = rack.ours.run(|| Command::new("ip").args(words).status()).expect("ip starts");
    assert!(status.success(), "{status}");
    eventually(SOON, "the route to go", || kernel::no_route(&rack.ours, intruder));
    let _ = daemon.reload();
    eventually(SOON, "the finding", || {
        let found = hands(&daemon);
        ensure!(found.contains(&"protocol_number".to_owned()), "{found:?}");
        Ok(())
    });
}

fn hands(daemon: &Podbgpd) -> Vec<String> {
    let status = daemon.status().expect("an answer");
    status.wrong_hands.into_iter().map(|hand| hand.kind).collect()
}

fn forward(rack: &Rack, value: &str) {
    rack.ours.run(|| fs::write("/proc/sys/net/ipv4/ip_forward", value)).expect("the namespace is ours");
}
