use anyhow::ensure;
use support::puppet::Puppet;
use support::rack::{Transport, our_address};
use support::{Podbgpd, SOON, eventually, requires};

use crate::start;

/// Far more than are open at any one time.
const ATTEMPTS: usize = 60;

#[test]
fn connections_the_peer_gives_up_leave_nothing_open() {
    requires!(&[]);
    let (rack, daemon) = start(1);
    let attempt = || Puppet::dial(&rack.theirs[0], our_address(0, Transport::V4));
    eventually(SOON, "the daemon to listen", || attempt().map(drop));
    let before = open(&daemon);
    for _ in 0..ATTEMPTS {
        drop(attempt().expect("the daemon listens"));
    }
    eventually(SOON, "the descriptors to be closed", || {
        let now = open(&daemon);
        ensure!(now < before + ATTEMPTS / 4, "{before} descriptors before, {now} now");
        Ok(())
    });
}

fn open(daemon: &Podbgpd) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", daemon.id())).expect("it runs").count()
}
