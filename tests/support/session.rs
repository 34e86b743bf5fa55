//! A foreign daemon's place in the rack and its one session, with us.
//!
//! Every route a foreign daemon announces carries the same [`communities()`], and its AS number needs four octets, so
//! that any test sees both travel.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use lab::speakers::{Communities, Kind, Neighbor, Speaker, SpeakerConfig};

use crate::rack::{Rack, Transport, our_address, their_address};

/// The AS number of our side in all tests.
pub const OUR_ASN: u32 = 4_200_064_512;

/// What every route that a foreign daemon announces carries.
#[must_use]
pub fn communities() -> Communities {
    Communities {
        standard: vec!["65001:11".to_owned()],
        extended: vec!["rt:65001:5".to_owned()],
        large: vec!["4200000001:3:4".to_owned()],
    }
}

/// What a foreign daemon is told about its session with us.
#[derive(Clone, Debug)]
pub struct Session {
    /// Which of the rack's peers it is.
    pub index: usize,
    /// What it is told; its one neighbor is us.
    pub config: SpeakerConfig,
}

impl Session {
    /// A session over IPv4 with both families, as peer `index` of the rack.
    ///
    /// # Panics
    /// With more than a handful of peers.
    #[must_use]
    pub fn new(index: usize) -> Self {
        Self::over(Transport::V4, index)
    }

    /// As [`Session::new`], over either protocol.
    ///
    /// # Panics
    /// With more than a handful of peers.
    #[must_use]
    pub fn over(transport: Transport, index: usize) -> Self {
        let host = u8::try_from(index).expect("a handful of peers");
        let ipv6_next_hop = match their_address(index, Transport::V6) {
            IpAddr::V6(address) => Some(address),
            IpAddr::V4(_) => None,
        };
        let us = Neighbor {
            local_address: Some(their_address(index, transport)),
            ipv4: true,
            ipv6: true,
            ..Neighbor::new(our_address(index, transport), OUR_ASN)
        };
        let config = SpeakerConfig {
            neighbors: vec![us],
            communities: communities(),
            ipv6_next_hop,
            transit: true,
            ..SpeakerConfig::new(4_200_000_001 + u32::from(host), Ipv4Addr::new(10, 9, host, 2))
        };
        Self { index, config }
    }

    /// Changes what the foreign daemon is told of us.
    #[must_use]
    pub fn with(mut self, change: impl FnMut(&mut Neighbor)) -> Self {
        self.config.neighbors.iter_mut().for_each(change);
        self
    }

    /// Has it announce these from the start.
    #[must_use]
    pub fn announcing(mut self, prefixes: impl IntoIterator<Item = IpNet>) -> Self {
        self.config.announce = prefixes.into_iter().collect();
        self
    }

    /// Starts the daemon in its place in the rack.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(&self, kind: Kind, rack: &Rack) -> Speaker {
        let directory = rack.directory(&format!("peer{}", self.index));
        let speaker = Speaker::start(kind, &rack.theirs[self.index], &self.config, &directory);
        speaker.unwrap_or_else(|reason| panic!("{reason:#}"))
    }
}
