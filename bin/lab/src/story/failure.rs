//! What goes wrong in a rack, and what the pods notice of it.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{PATIENCE, all_reached_through, established_with, reached_through, show_ip_route, show_peers};
use crate::probe::{Mark, Probe, Report};
use crate::rack::plan::TorId;
use crate::rack::{HOLD_TIME, Rack};
use crate::screen::{Screen, seconds};
use crate::wait::wait_until;

/// Packets a second in each family; a loss is known to five milliseconds.
const RATE: u32 = 200;
/// Flows in each family: enough that each TOR carries some.
const FLOWS: usize = 8;
/// How long the traffic is watched after a change.
const AFTERMATH: Duration = Duration::from_secs(1);
/// The loss of a link must be over for the pods within this. It takes some milliseconds; a busy machine may not
/// let anybody run for longer than that.
const LINK_EVENT: Duration = Duration::from_millis(500);
/// The return of a TOR, which may be told of routes before it has them itself, must be over within this.
const RETURN: Duration = Duration::from_secs(1);
/// A repair must be over within this.
const REPAIR: Duration = Duration::from_secs(1);
/// What a hold timer may take beyond the hold time.
const TARDINESS: Duration = Duration::from_millis(500);

/// The steady traffic between two pods on different nodes, a probe for each family.
struct Traffic {
    probes: [(&'static str, Probe); 2],
}

impl Traffic {
    fn start(rack: &Rack) -> Result<Self> {
        let [here, there] = &rack.nodes;
        let from = &here.pods[0].namespace;
        let [v4, v6] = there.pods[0].addresses;
        Ok(Self {
            probes: [
                ("IPv4", Probe::start(from, v4, FLOWS, RATE)?),
                ("IPv6", Probe::start(from, v6, FLOWS, RATE)?),
            ],
        })
    }

    fn mark(&self) -> [Mark; 2] {
        [self.probes[0].1.mark(), self.probes[1].1.mark()]
    }

    /// Watches for a while, says what was lost since the marks, and checks that it was over within the limit.
    fn account(&self, screen: &mut Screen, since: [Mark; 2], limit: Duration) {
        screen.waiting("watching the traffic");
        sleep(AFTERMATH);
        let until = self.mark();
        for (((family, probe), since), until) in self.probes.iter().zip(since).zip(until) {
            let report = probe.between(since, until);
            // An account of next to nothing would prove nothing.
            let has_flowed = report.sent >= (RATE / 2) as usize;
            screen.check(
                has_flowed && report.outage <= limit,
                &format!("{family}: {}", told(&report)),
                &format!("limit {}", seconds(limit)),
            );
        }
    }
}

fn told(report: &Report) -> String {
    match report.lost {
        0 => {
            format!("no packet lost of {}, half answered within {}", report.sent, seconds(report.median_rtt))
        }
        lost => format!(
            "lost {lost} of {} packets over {}, in {} of {} flows",
            report.sent,
            seconds(report.outage),
            report.flows_hit,
            report.flows
        ),
    }
}

/// Steps 6 to 10: a TOR dies twice, comes back twice, and somebody deletes a route.
pub(super) fn tell(screen: &mut Screen, rack: &mut Rack) -> Result<()> {
    let traffic = Traffic::start(rack)?;
    sleep(Duration::from_millis(300));

    screen.step("tor-a loses power: its ports go dark, its daemon is killed");
    screen.note(format!(
        "pod-a1 sends {RATE} packets a second in {FLOWS} flows to pod-b1, in IPv4 and as many in IPv6"
    ));
    let before = traffic.mark();
    rack.tors[0].set_ports(false)?;
    rack.tors[0].router.kill();
    failed_over(screen, rack, &traffic, before, LINK_EVENT);
    given_up(screen, rack);
    let node = &rack.nodes[0];
    let [far, _] = node.id.other().blocks();
    show_peers(screen, node);
    show_ip_route(screen, node, &format!("ip route show {far}"), |destination| destination == far)?;

    screen.step("tor-a comes back");
    let before = traffic.mark();
    rack.tors[0].set_ports(true)?;
    recovered(screen, rack, &traffic, before)?;

    screen.step("tor-a hangs: its ports stay lit, nothing passes and nobody answers");
    let before = traffic.mark();
    rack.tors[0].hang()?;
    failed_over(screen, rack, &traffic, before, Duration::from_secs(HOLD_TIME.into()) + TARDINESS);

    screen.step("tor-a is power-cycled and comes back");
    let before = traffic.mark();
    rack.tors[0].router.kill();
    rack.tors[0].router.namespace.set_forwarding(true)?;
    recovered(screen, rack, &traffic, before)?;

    screen.step("Somebody deletes a route of ours on node-a");
    let before = traffic.mark();
    let node = &rack.nodes[0];
    for block in node.id.other().blocks() {
        node.router.namespace.remove_route(block).context("there is a route to delete")?;
        let repaired =
            wait_until(Duration::from_secs(5), "the route", || reached_through(node, block, &TorId::BOTH));
        screen.outcome(&format!("ip route del {block}: it is back, through both TORs"), repaired);
    }
    traffic.account(screen, before, REPAIR);
    Ok(())
}

fn failed_over(screen: &mut Screen, rack: &Rack, traffic: &Traffic, before: [Mark; 2], limit: Duration) {
    let moved = wait_until(PATIENCE, "the kernels to leave tor-a", || {
        screen.waiting("the kernels still have routes through tor-a");
        all_reached_through(rack, &[TorId::B])
    });
    screen.outcome("both kernels send everything through tor-b", moved);
    traffic.account(screen, before, limit);
}

/// The sessions outlive the link by up to a hold time: it may have been a short flap.
fn given_up(screen: &mut Screen, rack: &Rack) {
    let over = wait_until(PATIENCE, "the hold timers", || {
        screen.waiting("the hold timers of the sessions with tor-a run");
        established_with(rack, &[TorId::B])
    });
    screen.outcome("both nodes have given up their sessions with tor-a", over);
}

fn recovered(screen: &mut Screen, rack: &mut Rack, traffic: &Traffic, before: [Mark; 2]) -> Result<()> {
    rack.tors[0].router.start()?;
    let back = wait_until(PATIENCE, "both TORs as next hops", || {
        screen.waiting("waiting for the sessions and the routes through tor-a");
        established_with(rack, &TorId::BOTH)?;
        all_reached_through(rack, &TorId::BOTH)
    });
    screen.outcome("both kernels share the traffic between tor-a and tor-b again", back);
    traffic.account(screen, before, RETURN);
    Ok(())
}
