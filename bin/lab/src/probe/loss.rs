//! What was lost, and for how long.

use std::fmt;
use std::time::Duration;

/// One packet of a probe.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// Which flow carried it.
    pub flow: usize,
    /// When it was sent, since the probe started.
    pub sent: Duration,
    /// How long the answer took, if there was one.
    pub answered: Option<Duration>,
}

/// The fate of a run of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Packets sent.
    pub sent: usize,
    /// Packets without an answer.
    pub lost: usize,
    /// When the first lost packet was sent, since the first of them all.
    pub first_lost: Option<Duration>,
    /// How long the probe sent, from the first to the last packet.
    pub lasted: Duration,
    /// From the first lost packet to the first that was sent after the last lost one; zero without a loss.
    pub outage: Duration,
    /// Flows that sent.
    pub flows: usize,
    /// Flows that lost something.
    pub flows_hit: usize,
    /// Half of the answers were faster.
    pub median_rtt: Duration,
}

impl Report {
    /// Adds up packets that are in the order of sending.
    #[must_use]
    pub fn of(packets: &[Packet]) -> Self {
        let is_lost = |packet: &&Packet| packet.answered.is_none();
        let first = packets.iter().find(is_lost);
        let last = packets.iter().rposition(|packet| packet.answered.is_none());
        let end = last.and_then(|last| packets.get(last + 1).or(packets.get(last)));
        let outage = first.zip(end).map(|(first, end)| end.sent.saturating_sub(first.sent));
        let start = packets.first().map(|packet| packet.sent).unwrap_or_default();
        let mut rtts: Vec<_> = packets.iter().filter_map(|packet| packet.answered).collect();
        rtts.sort_unstable();
        Self {
            sent: packets.len(),
            lost: packets.iter().filter(is_lost).count(),
            first_lost: first.map(|packet| packet.sent.saturating_sub(start)),
            lasted: packets.last().map(|packet| packet.sent.saturating_sub(start)).unwrap_or_default(),
            outage: outage.unwrap_or_default(),
            flows: distinct(packets.iter()),
            flows_hit: distinct(packets.iter().filter(is_lost)),
            median_rtt: rtts.get(rtts.len() / 2).copied().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, lost, flows, flows_hit, .. } = self;
        write!(f, "lost {lost} of {sent} packets in {} ms over {flows} flows", self.lasted.as_millis())?;
        match self.first_lost {
            None => Ok(()),
            Some(first) => {
                let (first, outage) = (first.as_millis(), self.outage.as_millis());
                write!(f, ": {flows_hit} flows hit, {first} ms after the start, for {outage} ms")
            }
        }
    }
}

fn distinct<'a>(packets: impl Iterator<Item = &'a Packet>) -> usize {
    let mut flows: Vec<_> = packets.map(|packet| packet.flow).collect();
    flows.sort_unstable();
    flows.dedup();
    flows.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Option<Duration> = Some(Duration::from_micros(80));

    /// A packet every 5 ms over two flows; `x` is lost.
    fn packets(fates: &str) -> Vec<Packet> {
        let fate = |(number, fate): (usize, char)| Packet {
            flow: number % 2,
            sent: Duration::from_millis(5 * number as u64),
            answered: if fate == 'x' { None } else { RTT },
        };
        fates.chars().enumerate().map(fate).collect()
    }

    #[test]
    fn a_clean_run_has_no_outage() {
        let report = Report::of(&packets("......"));
        assert_eq!((report.sent, report.lost, report.flows_hit), (6, 0, 0));
        assert_eq!((report.first_lost, report.outage), (None, Duration::ZERO));
        assert_eq!(report.lasted, Duration::from_millis(25));
        assert_eq!(report.median_rtt, Duration::from_micros(80));
    }

    #[test]
    fn an_outage_lasts_until_the_next_packet_that_got_through() {
        let report = Report::of(&packets("..x.x..."));
        assert_eq!((report.lost, report.flows, report.flows_hit), (2, 2, 1));
        assert_eq!(report.first_lost, Some(Duration::from_millis(10)));
        assert_eq!(report.outage, Duration::from_millis(15));
    }

    #[test]
    fn an_outage_that_has_not_ended_lasts_until_the_last_packet() {
        assert_eq!(Report::of(&packets("..xxx")).outage, Duration::from_millis(10));
    }

    #[test]
    fn nothing_sent_is_nothing_lost() {
        assert_eq!(Report::of(&[]), Report::default());
    }
}
