//! Other people's BGP daemons, each driven and observed through its own command line.
//!
//! Every route a foreign daemon announces carries the same communities ([`COMMUNITY`], [`EXTENDED_COMMUNITY`],
//! [`LARGE_COMMUNITY`]), and its AS number needs four octets, so that any test sees both travel.

mod bird;
mod exabgp;
mod frr;
mod gobgp;
mod openbgpd;

pub use exabgp::Exabgp;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use ipnet::IpNet;
use lab::net::Namespace;
use lab::process::Process;
use nix::sys::signal::Signal;

use crate::rack::{Rack, Transport, our_address, their_address};

/// The AS number of our side in all tests.
pub const OUR_ASN: u32 = 4_200_064_512;
/// The community of every announced route.
pub const COMMUNITY: &str = "65001:11";
/// The route target of every announced route.
pub const EXTENDED_COMMUNITY: &str = "rt:65001:5";
/// The large community of every announced route.
pub const LARGE_COMMUNITY: &str = "4200000001:3:4";

/// Whose daemon it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// BIRD 2.
    Bird,
    /// FRRouting.
    Frr,
    /// GoBGP.
    Gobgp,
    /// OpenBGPD.
    Openbgpd,
}

/// An address family, as a foreign daemon's file names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4 unicast.
    V4,
    /// IPv6 unicast.
    V6,
}

/// What a foreign daemon is told about its one session, with us.
#[derive(Clone, Debug)]
pub struct Session {
    /// Which of the rack's peers it is.
    pub index: usize,
    /// Its AS number.
    pub asn: u32,
    /// Its BGP identifier.
    pub router_id: Ipv4Addr,
    /// What carries the session.
    pub transport: Transport,
    /// What the session carries.
    pub families: Vec<Family>,
    /// The TCP MD5 key.
    pub password: Option<String>,
    /// Whether it accepts neighbours' packets only (RFC 5082).
    pub ttl_security: bool,
    /// The key of its BFD session, for meticulous keyed SHA1; only BIRD has it.
    pub bfd_key: Option<String>,
    /// Whether it takes us to be behind a router; only BIRD and FRR are told.
    pub multihop: bool,
    /// Whether it waits for us to connect.
    pub passive: bool,
    /// The hold time it asks for, in seconds.
    pub hold_time: u16,
    /// Whether IPv4 may travel with IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    /// The interval of its BFD session in milliseconds, with a multiplier of 3; BIRD and FRR have BFD.
    pub bfd: Option<u16>,
    /// What it announces from the start.
    pub announces: Vec<IpNet>,
}

impl Session {
    /// A session over IPv4 with both families, as peer `index` of the rack.
    ///
    /// # Panics
    /// With more than a handful of peers.
    #[must_use]
    pub fn new(index: usize) -> Self {
        let host = u8::try_from(index).expect("a handful of peers");
        Self {
            index,
            asn: 4_200_000_001 + u32::from(host),
            router_id: Ipv4Addr::new(10, 9, host, 2),
            transport: Transport::V4,
            families: vec![Family::V4, Family::V6],
            password: None,
            ttl_security: false,
            bfd_key: None,
            multihop: false,
            passive: false,
            hold_time: 9,
            extended_next_hop: false,
            bfd: None,
            announces: Vec::new(),
        }
    }

    /// The foreign end.
    #[must_use]
    pub fn local(&self) -> IpAddr {
        their_address(self.index, self.transport)
    }

    /// Our end.
    #[must_use]
    pub fn remote(&self) -> IpAddr {
        our_address(self.index, self.transport)
    }

    /// Our IPv6 next hop's counterpart: what the foreign side should name as its own.
    #[must_use]
    pub fn next_hop(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => their_address(self.index, Transport::V4),
            Family::V6 => their_address(self.index, Transport::V6),
        }
    }

    fn carries(&self, family: Family) -> bool {
        self.families.contains(&family)
    }
}

/// A route as the foreign daemon received it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// The AS numbers, the nearest first.
    pub as_path: Vec<u32>,
    /// The next hop.
    pub next_hop: String,
    /// `65001:11`.
    pub communities: Vec<String>,
    /// `rt:65001:5`.
    pub extended_communities: Vec<String>,
    /// `4200000001:3:4`.
    pub large_communities: Vec<String>,
    /// The rest, in the daemon's own words.
    pub other: String,
}

/// A BFD session as the foreign daemon sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BfdPeer {
    /// The interval it sends at, in milliseconds.
    pub transmit: u64,
    /// How long we may be silent, in milliseconds.
    pub detection_time: u64,
}

/// A foreign daemon with one session.
pub trait Foreign: Send {
    /// Checks that the session is up.
    ///
    /// # Errors
    /// It is not: the text has the daemon's own account.
    fn established(&self) -> Result<()>;

    /// Finds what it received for a prefix.
    ///
    /// # Errors
    /// Nothing.
    fn received(&self, prefix: IpNet) -> Result<Path>;

    /// Counts the prefixes received in both families.
    ///
    /// # Errors
    /// Its command line does not answer.
    fn received_count(&self) -> Result<usize>;

    /// Announces more prefixes.
    ///
    /// # Errors
    /// Its command line refuses.
    fn announce(&mut self, prefixes: &[IpNet]) -> Result<()>;

    /// Withdraws prefixes.
    ///
    /// # Errors
    /// Its command line refuses.
    fn withdraw(&mut self, prefixes: &[IpNet]) -> Result<()>;

    /// Ends the session with Cease/Administrative Shutdown and a message (RFC 9003).
    ///
    /// # Errors
    /// Its command line refuses.
    fn shut_down(&mut self, message: &str) -> Result<()>;

    /// Asks us to send everything again (RFC 2918).
    ///
    /// # Errors
    /// Its command line refuses.
    fn ask_again(&mut self) -> Result<()>;

    /// Finds its BFD session, when that is up.
    ///
    /// # Errors
    /// It is not up: the text has the daemon's own account.
    fn bfd(&self) -> Result<BfdPeer> {
        bail!("it has no BFD")
    }

    /// Has its BFD say AdminDown.
    ///
    /// # Errors
    /// Its command line refuses.
    fn shut_bfd_down(&mut self) -> Result<()> {
        bail!("it has no BFD")
    }

    /// The process that speaks BFD.
    fn bfd_process(&mut self) -> &mut Process {
        self.process()
    }

    /// The process that speaks BGP.
    fn process(&mut self) -> &mut Process;

    /// Stops it from running without ending it: its kernel goes on acknowledging.
    ///
    /// # Errors
    /// It has ended.
    fn freeze(&mut self) -> Result<()> {
        self.process().signal(Signal::SIGSTOP)
    }
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Bird, Self::Frr, Self::Gobgp, Self::Openbgpd];

    /// What must be installed.
    #[must_use]
    pub fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Bird => &["bird", "birdc"],
            Self::Frr => &["/usr/lib/frr/bgpd", "/usr/lib/frr/zebra", "vtysh"],
            Self::Gobgp => &["gobgpd", "gobgp"],
            Self::Openbgpd => &["/usr/sbin/bgpd", "/usr/sbin/bgpctl"],
        }
    }

    /// Whether it names a usable IPv6 next hop of its own in a session over IPv4.
    ///
    /// OpenBGPD 7.7 on Linux announces `::1` there, whatever its file says.
    #[must_use]
    pub fn announces_v6_over_v4(self) -> bool {
        self != Self::Openbgpd
    }

    /// Starts the daemon in its place in the rack.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(self, rack: &Rack, session: Session) -> Box<dyn Foreign> {
        let namespace = rack.theirs[session.index].clone();
        let directory = rack.directory(&format!("peer{}", session.index));
        match self {
            Self::Bird => Box::new(bird::Bird::start(namespace, directory, session).expect("BIRD starts")),
            Self::Frr => Box::new(frr::Frr::start(namespace, directory, session).expect("FRR starts")),
            Self::Gobgp => {
                Box::new(gobgp::Gobgp::start(namespace, directory, session).expect("GoBGP starts"))
            }
            Self::Openbgpd => {
                Box::new(openbgpd::Openbgpd::start(namespace, directory, session).expect("OpenBGPD starts"))
            }
        }
    }
}

/// Where a foreign daemon runs and what it was told.
#[derive(Debug)]
struct Site {
    namespace: Namespace,
    directory: PathBuf,
    session: Session,
}

impl Site {
    /// Runs a command in the daemon's namespace and returns what it printed.
    fn ask(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let output = self
            .namespace
            .run(|| Command::new(program).args(arguments).output())
            .with_context(|| format!("cannot start {program}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("{program} {arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(text)
    }

    fn file(&self, name: &str) -> String {
        self.directory.join(name).to_string_lossy().into_owned()
    }
}

fn as_path(text: &str) -> Vec<u32> {
    text.split_whitespace().filter_map(|asn| asn.parse().ok()).collect()
}
