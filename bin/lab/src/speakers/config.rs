//! What a speaker is told, whichever program it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// What a speaker is told; the same for every program.
#[derive(Clone, Debug)]
pub struct SpeakerConfig {
    /// Its own AS.
    pub asn: u32,
    /// Its BGP Identifier.
    pub router_id: Ipv4Addr,
    /// Whom it talks to.
    pub neighbors: Vec<Neighbor>,
    /// What it originates.
    pub announce: Vec<IpNet>,
    /// What its own routes carry.
    pub communities: Communities,
    /// What it names as next hop of its own IPv6 routes in a session over IPv4, for programs that do not find out.
    pub ipv6_next_hop: Option<Ipv6Addr>,
    /// Whether it writes what it learns to its kernel.
    pub install: bool,
    /// Whether it passes on what it learns, as a TOR does; a node announces only its own.
    pub transit: bool,
    /// Restarts gracefully, and bears with neighbors that do; none leaves the program at its defaults.
    pub graceful_restart: Option<GracefulRestart>,
}

impl SpeakerConfig {
    /// A node that is alone, has nothing to say, and leaves its kernel alone.
    #[must_use]
    pub fn new(asn: u32, router_id: Ipv4Addr) -> Self {
        Self {
            asn,
            router_id,
            neighbors: Vec::new(),
            announce: Vec::new(),
            communities: Communities::default(),
            ipv6_next_hop: None,
            install: false,
            transit: false,
            graceful_restart: None,
        }
    }
}

/// A peer as the speaker sees it.
#[derive(Clone, Debug)]
pub struct Neighbor {
    /// What we call it; only podbgp cares.
    pub name: String,
    /// The peer's address.
    pub address: IpAddr,
    /// The link the peer is on, if its address is link-local; FRR learns the address there.
    pub link: Option<String>,
    /// Our end, when it matters.
    pub local_address: Option<IpAddr>,
    /// The peer's AS.
    pub asn: u32,
    /// TCP MD5 (RFC 2385).
    pub password: Option<String>,
    /// Accepts packets from the link only (RFC 5082).
    pub ttl_security: bool,
    /// Takes the peer to be behind a router.
    pub multihop: bool,
    /// What it is to the peer (RFC 9234), and whether the peer must say its own: `provider`, `customer` or `peer`;
    /// BIRD and FRR can.
    pub role: Option<(&'static str, bool)>,
    /// Watches the peer by BFD; BIRD and FRR can.
    pub bfd: Option<Bfd>,
    /// The hold time to offer, in seconds; a third of it is the keepalive interval.
    pub hold_time: u16,
    /// Reflects to it what others of our AS say, and to them what it says (RFC 4456); BIRD, FRR and podbgp can.
    pub client: bool,
    /// Takes several paths of a prefix from it, and tells it of all (RFC 7911); BIRD, FRR and podbgp can.
    pub add_path: bool,
    /// Whether the accumulated cost of the way is said and heard (RFC 7311); only BIRD is told.
    pub aigp: bool,
    /// Never dials, only answers.
    pub passive: bool,
    /// Whether IPv4 unicast is negotiated; over IPv6 its next hops are IPv6 (RFC 8950).
    pub ipv4: bool,
    /// Whether IPv6 unicast is negotiated.
    pub ipv6: bool,
}

impl Neighbor {
    /// A peer for the family of its own address, with a hold time of nine seconds.
    #[must_use]
    pub fn new(address: impl Into<IpAddr>, asn: u32) -> Self {
        let address = address.into();
        Self {
            name: address.to_string(),
            address,
            link: None,
            local_address: None,
            asn,
            password: None,
            ttl_security: false,
            multihop: false,
            role: None,
            bfd: None,
            client: false,
            add_path: false,
            aigp: false,
            hold_time: 9,
            passive: false,
            ipv4: address.is_ipv4(),
            ipv6: address.is_ipv6(),
        }
    }

    /// The families negotiated, as most programs write them.
    #[must_use]
    pub fn families(&self) -> Vec<&'static str> {
        let families = [("ipv4", self.ipv4), ("ipv6", self.ipv6)];
        families.iter().filter(|(_, wanted)| *wanted).map(|(name, _)| *name).collect()
    }
}

/// How sessions outlive a speaker (RFC 4724).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GracefulRestart {
    /// How long the neighbors wait for it to come back, in seconds.
    pub restart_time: u16,
    /// How long they keep its routes as a last resort after that, in seconds (RFC 9494).
    pub long_lived: Option<u32>,
    /// Whether a NOTIFICATION ends a session no worse than a lost connection (RFC 8538); FRR and GoBGP can.
    pub notification: bool,
}

impl GracefulRestart {
    /// So many seconds to come back, and nothing else.
    #[must_use]
    pub fn within(restart_time: u16) -> Self {
        Self { restart_time, long_lived: None, notification: false }
    }
}

/// How a peer is watched by BFD (RFC 5880), with a detection multiplier of three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bfd {
    /// The interval in milliseconds, in both directions.
    pub interval: u16,
    /// The key of meticulous keyed SHA1, with the identifier 7; BIRD has it.
    pub key: Option<String>,
}

/// The communities of a route, in the order of its attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Communities {
    /// `65001:7` (RFC 1997).
    pub standard: Vec<String>,
    /// Route targets as `rt:65001:5` (RFC 4360).
    pub extended: Vec<String>,
    /// `65001:7:9` (RFC 8092).
    pub large: Vec<String>,
}
