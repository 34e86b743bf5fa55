//! What is configured about a peer.

use std::time::Duration;

use super::PeerAs;
use crate::{Asn, BgpId, Capability, HoldTime, Open};

/// What a [`Peer`](super::Peer) needs to know before the first byte.
#[derive(Clone, Debug)]
pub struct PeerSettings {
    /// Our AS as this peer sees it.
    pub local_asn: Asn,
    /// The AS the peer may have.
    pub peer_asn: PeerAs,
    /// Our identifier.
    pub bgp_id: BgpId,
    /// The hold time we offer.
    pub hold_time: HoldTime,
    /// The time between two KEEPALIVEs; `None` for a third of the hold time agreed on, and never longer than that, which
    /// could cost the session (RFC 4271 §4.4).
    pub keepalive: Option<Duration>,
    /// How long one attempt to connect may take, and the longest wait between two. At least a second.
    pub connect_retry: Duration,
    /// Whether we only wait for the peer to connect.
    pub passive: bool,
    /// How long the peer may read nothing before the session ends (RFC 9687). `None` stands for the RFC's
    /// default, the longer of eight minutes and twice the hold time; zero turns it off.
    pub send_hold: Option<Duration>,
    /// What we can do, except [`Capability::FourOctetAsn`], which is always added.
    pub capabilities: Vec<Capability>,
    /// Whether a peer that says no role is refused; of no meaning while we say none (RFC 9234 §4.2).
    pub role_strict: bool,
    /// Where the jitter of the timers starts; another value for each peer of each node.
    pub jitter_seed: u64,
}

impl PeerSettings {
    /// Makes the OPEN these settings ask for.
    #[must_use]
    pub fn open(&self) -> Open {
        let mut capabilities = self.capabilities.clone();
        capabilities.retain(|capability| !matches!(capability, Capability::FourOctetAsn(_)));
        capabilities.push(Capability::FourOctetAsn(self.local_asn));
        Open { asn: self.local_asn, hold_time: self.hold_time, bgp_id: self.bgp_id, capabilities }
    }

    pub(super) fn send_hold(&self, hold: Option<Duration>) -> Option<Duration> {
        const LEAST: Duration = Duration::from_secs(8 * 60);
        let send_hold = self.send_hold.unwrap_or_else(|| LEAST.max(hold.unwrap_or_default() * 2));
        (!send_hold.is_zero()).then_some(send_hold)
    }
}
