//! Packets between the pods of two nodes, all the time.

use std::time::Duration;

use lab::probe::{Mark, Probe, Report};
use lab::rack::Rack;

/// Enough that every way through the rack carries some, in both directions.
const FLOWS: usize = 32;
/// Packets a second of each family. A little more than is promised: it is measured.
const RATE: u32 = 1_050;
/// What is promised of each family.
const PROMISED: u128 = 1_000;

/// IPv4 from the first node's pod to the second's and IPv6 the other way, each answered: whatever breaks in either
/// direction is a loss.
#[derive(Debug)]
pub(crate) struct Flood([Probe; 2]);

impl Flood {
    pub(crate) fn start(rack: &Rack) -> Self {
        let [one, other] = &rack.nodes;
        let (one, other) = (&one.pods[0], &other.pods[0]);
        let probe = |from, to| Probe::start(from, to, FLOWS, RATE).expect("a probe");
        Self([probe(&one.namespace, other.addresses[0]), probe(&other.namespace, one.addresses[1])])
    }

    pub(crate) fn mark(&self) -> [Mark; 2] {
        let Self([v4, v6]) = self;
        [v4.mark(), v6.mark()]
    }

    /// What became of the packets sent since then, IPv4 first.
    ///
    /// # Panics
    /// When it was no flood: an account of a trickle proves nothing.
    pub(crate) fn since(&self, then: [Mark; 2]) -> [Report; 2] {
        let Self([v4, v6]) = self;
        let now = self.mark();
        let reports = [v4.between(then[0], now[0]), v6.between(then[1], now[1])];
        for report in &reports {
            let promised = PROMISED * report.lasted.as_millis() / Duration::from_secs(1).as_millis();
            assert!(report.sent as u128 >= promised, "a trickle: {report}");
            assert_eq!(report.flows, FLOWS);
        }
        reports
    }
}
