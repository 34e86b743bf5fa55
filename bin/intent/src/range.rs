//! Peers nobody lists: whoever connects from a range of addresses.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::PeerIntent;

/// A range of addresses whose owners may have sessions.
#[derive(Clone, Debug, PartialEq)]
pub struct ListenRange {
    /// The name of the range; its peers are called NAME/ADDRESS.
    pub name: String,
    /// The addresses, host bits clear. No other range has the same.
    pub prefix: IpNet,
    /// The most peers at a time.
    pub limit: u32,
    /// How long a peer is remembered that has no connection and of which nothing is kept.
    pub linger: Duration,
    /// What each peer is, but for its name and its address. Passive: nobody knows where to dial.
    pub peer: PeerIntent,
}

impl ListenRange {
    /// Returns what the peer at an address of the range should be to us.
    #[must_use]
    pub fn peer_at(&self, address: IpAddr) -> PeerIntent {
        PeerIntent {
            name: format!("{}/{address}", self.name),
            address,
            range: Some(self.name.clone()),
            ..self.peer.clone()
        }
    }

    /// Tells whether the owner of an address may have a session.
    #[must_use]
    pub fn covers(&self, address: IpAddr) -> bool {
        self.prefix.contains(&address)
    }
}

/// Finds the narrowest of the ranges an address is in.
pub fn narrowest<'a>(
    ranges: impl IntoIterator<Item = &'a ListenRange>,
    address: IpAddr,
) -> Option<&'a ListenRange> {
    let covering = ranges.into_iter().filter(|range| range.covers(address));
    covering.max_by_key(|range| range.prefix.prefix_len())
}

impl fmt::Display for ListenRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.prefix)
    }
}
