//! What is intended of BFD.

use std::fmt;
use std::num::NonZeroU8;
use std::time::Duration;

use bgp::bfd::{Authentication, Hops, Settings};

use super::{Intent, PeerIntent};

/// The intervals of a session. None is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BfdTiming {
    /// The interval we would like to send at.
    pub min_tx: Duration,
    /// The least interval we can bear to receive at.
    pub min_rx: Duration,
    /// How many of our intervals the peer waits for.
    pub multiplier: NonZeroU8,
}

/// How BFD watches the path to one peer; what is not said here is as for all peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bfd {
    /// The interval we would like to send at.
    pub min_tx: Option<Duration>,
    /// The least interval we can bear to receive at.
    pub min_rx: Option<Duration>,
    /// How many of our intervals the peer waits for.
    pub multiplier: Option<NonZeroU8>,
    /// Whether the session is one over several hops (RFC 5883), when that does not follow from the peer.
    pub multihop: Option<bool>,
    /// The key packets are signed with, if they are.
    pub authentication: Option<Authentication>,
}

impl Default for BfdTiming {
    /// A second to notice, as most routers have it.
    fn default() -> Self {
        const INTERVAL: Duration = Duration::from_millis(300);
        const MULTIPLIER: NonZeroU8 = NonZeroU8::MIN.saturating_add(2);
        Self { min_tx: INTERVAL, min_rx: INTERVAL, multiplier: MULTIPLIER }
    }
}

impl Intent {
    /// Returns the settings of a peer's BFD session, if it is to have one.
    #[must_use]
    pub fn bfd_settings(&self, peer: &PeerIntent) -> Option<Settings> {
        let own = peer.bfd?;
        Some(Settings {
            min_tx: own.min_tx.unwrap_or(self.bfd.min_tx),
            min_rx: own.min_rx.unwrap_or(self.bfd.min_rx),
            multiplier: own.multiplier.unwrap_or(self.bfd.multiplier),
        })
    }

    /// Returns how far away BFD takes a peer to be: on the link, unless its session may cross a router.
    #[must_use]
    pub fn bfd_hops(&self, peer: &PeerIntent) -> Hops {
        let several = peer.bfd.and_then(|own| own.multihop).unwrap_or_else(|| self.may_cross_routers(peer));
        if several { Hops::Multi(peer.min_ttl().unwrap_or(0)) } else { Hops::Single }
    }
}

impl fmt::Display for Bfd {
    /// Renders as the file would write it, but for the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interval = |interval: Option<Duration>| interval.map(|interval| interval.as_millis().to_string());
        let parts = [
            ("min-tx", interval(self.min_tx)),
            ("min-rx", interval(self.min_rx)),
            ("multiplier", self.multiplier.map(|multiplier| multiplier.to_string())),
            ("multihop", self.multihop.map(|multihop| multihop.to_string())),
            ("key-file", self.authentication.map(|_| "(secret)".to_owned())),
            ("key-id", self.authentication.map(|own| own.key_id.to_string())),
            ("meticulous", self.authentication.map(|own| own.meticulous.to_string())),
        ];
        let parts = parts.into_iter().filter_map(|(key, value)| Some(format!("{key} = {}", value?)));
        let parts: Vec<String> = parts.collect();
        if parts.is_empty() { f.write_str("true") } else { write!(f, "{{ {} }}", parts.join(", ")) }
    }
}
