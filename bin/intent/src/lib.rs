//! What a node should do, as one value.
//!
//! The file of the operator and the objects of a cluster both end up here, and nothing else tells a running
//! daemon what to do: [`reconcile()`] compares two intents and yields the list of changes between them. So
//! there is no TOML and no Kubernetes in this module, and every default is already applied.

pub mod add_path;
pub mod bfd;
pub mod drain;
pub mod graceful;
pub mod kubernetes;
pub mod local_as;
pub mod monitoring;
pub mod next_hop_groups;
pub mod origination;
pub mod range;
pub mod reconcile;
pub mod secret;
pub mod tcp_ao;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bgp::fsm::PeerAs;
use bgp::{Asn, BgpId, Family, FamilySet, HoldTime, Role};
use ipnet::IpNet;
use rib::own_as::Shown;
use rib::{NextHopMode, Policy};

pub use add_path::AddPath;
pub use bfd::{Bfd, BfdTiming};
pub use drain::Drain;
pub use graceful::{GracefulRestart, RestartRole};
pub use kubernetes::{BlockSource, Kubernetes, PeerSource, RouterId, ServiceRanges, StatusReport};
pub use monitoring::{BmpView, Mrt, Station};
pub use next_hop_groups::NextHopGroups;
pub use origination::{Leftover, Originated};
pub use range::ListenRange;
pub use reconcile::{Change, Effect, reconcile};
pub use secret::Secret;
pub use tcp_ao::{AoAlgorithm, AoKey};

pub use rib::guard::{self, Guard, Guarded};
pub use rib::origination::KernelRoute;
pub use rib::ownership::{self, Hand, Ownership, RouteMetric};

/// How long to wait between attempts to connect. RFC 4271 §10 suggests 120 seconds, which is long for the
/// only way out of a node; back-off keeps it polite.
const CONNECT_RETRY: Duration = Duration::from_secs(5);
/// How long a peer may refuse to read (RFC 9687), unless the hold time is more than half of it.
const SEND_HOLD: Duration = Duration::from_secs(480);
/// The TTL of packets to a peer that may be any number of hops away.
const TTL_ANYWHERE: u8 = 255;

/// What this node should do.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// Who we are and what we originate.
    pub node: Node,
    /// What becomes of the best routes in the kernel.
    pub fib: Fib,
    /// How the best routes are chosen.
    pub decision: Decision,
    /// The intervals of BFD sessions whose peer has none of its own.
    pub bfd: BfdTiming,
    /// How restarts go.
    pub graceful_restart: GracefulRestart,
    /// How peers are left.
    pub drain: Drain,
    /// How much is remembered of what happened.
    pub history: History,
    /// The peers by name.
    pub peers: BTreeMap<String, PeerIntent>,
    /// The ranges of peers nobody lists, by name.
    pub ranges: BTreeMap<String, ListenRange>,
    /// The path of the unix socket operators talk to.
    pub control_socket: PathBuf,
    /// Where metrics and health are served, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// The monitoring stations, by where they listen.
    pub bmp: BTreeMap<SocketAddr, Station>,
    /// Where every message is written down, if anywhere.
    pub mrt: Option<Mrt>,
    /// How this node takes part in a cluster, if it does.
    pub kubernetes: Option<Kubernetes>,
    /// What the cluster has us originate beside the blocks of the node.
    pub originated: BTreeMap<IpNet, Originated>,
    /// Addresses with the gateway each is reached by, whatever is learned: a peer must not be reached over what it says.
    pub host_routes: BTreeMap<IpAddr, IpAddr>,
    /// Who writes which learned routes to the kernel.
    pub ownership: Ownership,
    /// What the safe import refuses because of the cluster.
    pub guard: Guard,
    /// Why the cluster wants this node drained, if it does.
    pub leave: Option<String>,
}

/// Who this node is and what it originates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The name of the node, for people.
    pub name: String,
    /// Our autonomous system.
    pub asn: Asn,
    /// Our identifier in OPEN messages.
    pub router_id: BgpId,
    /// The cluster we reflect for (RFC 4456).
    pub cluster_id: Ipv4Addr,
    /// Where we accept connections; nowhere when empty.
    pub listen: BTreeSet<SocketAddr>,
    /// The pod blocks we advertise, host bits clear, none within another.
    pub blocks: BTreeSet<IpNet>,
    /// Whether an external peer whose import or export is left out has none (RFC 8212). The defaults of the peers
    /// follow from it.
    pub require_policy: bool,
    /// Whether peers are told our name.
    pub announce_fqdn: bool,
    /// Whether peers are told what we run.
    pub announce_version: bool,
}

/// Whose routes in the kernel are ours and how they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fib {
    /// Whether routes are written to the kernel at all.
    pub install: bool,
    /// The protocol number that marks our routes (`rtm_protocol`); never below 5, which is the kernel's own.
    pub protocol: u8,
    /// The metric of our routes; never 0, which IPv6 would turn into 1024.
    pub metric: u32,
    /// The routing table our routes are in; never 0 or 255.
    pub table: u32,
    /// The most next hops of one route, 1 to 256.
    pub max_paths: u16,
    /// Whether routes that leave the same way share a nexthop group of the kernel.
    pub next_hop_groups: NextHopGroups,
    /// What the shares of a route's next hops go by.
    pub weights: Weights,
    /// The routing table of destinations of ours to which nothing that passes through the node is sent; another than
    /// `table`, and never 0 or 253 to 255.
    pub transit_table: u32,
}

/// What the shares of a route's next hops go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// Nothing: each has the same.
    None,
    /// The link bandwidth their paths say, where all of them do (draft-ietf-idr-link-bandwidth).
    LinkBandwidth,
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::LinkBandwidth => "link-bandwidth",
        })
    }
}

/// How the best routes are chosen where RFC 4271 §9.1 leaves a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether routes with different AS paths of the same length may share the traffic.
    pub multipath_relax: bool,
    /// Whether MED is compared between routes of different neighbouring ASes too.
    pub always_compare_med: bool,
}

/// How much is remembered of what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// The most changes of best paths kept in detail, 34 octets each; nothing is remembered at all if zero.
    pub records: u32,
}

impl Default for History {
    /// Half a mebioctet.
    fn default() -> Self {
        Self { records: 16_384 }
    }
}

/// What one peer should be to us.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerIntent {
    /// The name, unique on this node; a peer with another name is another peer.
    pub name: String,
    /// The range the peer came from; `None` when the file lists it.
    pub range: Option<String>,
    /// What the operator says of the peer.
    pub description: Option<String>,
    /// The address we dial and accept from; unspecified (`::`) when it is learned on the interface.
    pub address: IpAddr,
    /// The interface the peer is on, if its address is link-local or learned there.
    pub interface: Option<String>,
    /// The port we dial.
    pub port: u16,
    /// The AS the peer may say it is.
    pub asn: PeerAs,
    /// The AS we say we are, when not the node's own.
    pub local_asn: Option<Asn>,
    /// How much the paths show of that.
    pub local_asn_mode: Shown,
    /// How often our own AS may be in the peer's paths.
    pub allow_own_as: u8,
    /// The address we dial from, when the kernel shall not choose.
    pub local_address: Option<IpAddr>,
    /// What we are to the peer (RFC 9234); never of one in our own AS.
    pub role: Option<Role>,
    /// Whether a peer that says no role is refused.
    pub role_strict: bool,
    /// Whether we only wait for the peer to dial.
    pub passive: bool,
    /// The hold time we offer.
    pub hold_time: HoldTime,
    /// The time between two KEEPALIVEs; `None` for a third of the hold time agreed on.
    pub keepalive: Option<Duration>,
    /// How long to wait between attempts to connect, before jitter and back-off.
    pub connect_retry: Duration,
    /// How long a peer may refuse to read before the session ends (RFC 9687); `None` when forever.
    pub send_hold: Option<Duration>,
    /// The families we offer; never empty.
    pub families: FamilySet,
    /// How far away packets may come from, in hops, 1 to 254 (GTSM, RFC 5082); `None` when not checked.
    pub ttl_security: Option<u8>,
    /// How far away an external peer may be, in hops; 1 is the same link.
    pub multihop: u8,
    /// How BFD watches the path; `None` when it does not.
    pub bfd: Option<Bfd>,
    /// Which side of a graceful restart we are.
    pub graceful_restart: RestartRole,
    /// How many seconds this peer is asked to wait for us, 1 to 4095; `None` as everybody is.
    pub restart_time: Option<u16>,
    /// Whether the session ends with its link, its address or its neighbour; `None` when that depends on where the
    /// peer is.
    pub fast_failover: Option<bool>,
    /// The key of the TCP MD5 signatures (RFC 2385).
    pub password: Option<Secret>,
    /// The keys of the TCP Authentication Option (RFC 5925); the first of them signs. Not beside a password.
    pub tcp_ao: Vec<AoKey>,
    /// The most prefixes we accept per family before the session ends (RFC 4486).
    pub max_prefixes: Option<u32>,
    /// The part of that which is worth a warning, in percent, 1 to 100.
    pub max_prefixes_warning: Option<u8>,
    /// How long after such an end the peer may come back; `None` when only an operator lets it.
    pub max_prefixes_restart: Option<Duration>,
    /// The longest IPv4 prefix the safe import accepts, in bits.
    pub max_length_ipv4: u8,
    /// The longest IPv6 prefix the safe import accepts, in bits.
    pub max_length_ipv6: u8,
    /// What we accept.
    pub import: Import,
    /// What we advertise.
    pub export: Export,
    /// Whether an internal peer is a client of ours as route reflector (RFC 4456).
    pub client: bool,
    /// Which next hop the peer is told.
    pub next_hop: NextHopMode,
    /// Several paths of a prefix.
    pub add_path: AddPath,
    /// Whether routes an external peer marks with GRACEFUL_SHUTDOWN are the last resort (RFC 8326).
    pub graceful_shutdown: bool,
    /// Whether the peer may have us drop what goes to its prefixes (RFC 7999).
    pub blackhole: bool,
    /// The octets a second that what we originate says fit through our link to the peer.
    pub link_bandwidth: Option<u64>,
    /// Whether AIGP is said and heard (RFC 7311); `None` is only within our own AS.
    pub aigp: Option<bool>,
    /// Whether the operator wants no session for now.
    pub shutdown: bool,
}

/// What we accept from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Import {
    /// What cannot hurt a node: never our own blocks, martians, or prefixes longer than the limit.
    Safe,
    /// Everything without an AS loop.
    All,
    /// Nothing.
    None,
    /// What a policy lets pass.
    Policy(Arc<Policy>),
    /// What a policy lets pass of what cannot hurt a node.
    Guarded(Arc<Policy>),
}

impl Import {
    /// Returns the policy, if one has a say.
    #[must_use]
    pub fn policy(&self) -> Option<&Policy> {
        match self {
            Self::Policy(policy) | Self::Guarded(policy) => Some(policy),
            Self::Safe | Self::All | Self::None => None,
        }
    }
}

/// What we advertise to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Export {
    /// What this node originates and nothing it learned.
    Originated,
    /// What is originated and what is best: this node is transit.
    All,
    /// Nothing.
    None,
    /// What a policy lets pass of what is originated and what is best.
    Policy(Arc<Policy>),
}

impl Intent {
    /// Returns the AS we say we are to a peer.
    #[must_use]
    pub fn local_asn(&self, peer: &PeerIntent) -> Asn {
        peer.local_asn.unwrap_or(self.node.asn)
    }

    /// Tells whether the peer is in our own AS.
    #[must_use]
    pub fn is_internal(&self, peer: &PeerIntent) -> bool {
        peer.asn.is_internal(self.local_asn(peer))
    }

    /// Tells whether the session may cross a router: GTSM or `multihop` allow it, or the peer is in our own AS. No
    /// router passes on packets with a link-local address.
    #[must_use]
    pub fn may_cross_routers(&self, peer: &PeerIntent) -> bool {
        match peer.ttl_security {
            _ if peer.interface.is_some() => false,
            Some(hops) => hops > 1,
            None => peer.multihop > 1 || self.is_internal(peer),
        }
    }

    /// Tells whether a peer's session ends with its link: unless the file says otherwise, that of an external peer
    /// which is no router away. Others may be reached another way.
    #[must_use]
    pub fn fails_over_fast(&self, peer: &PeerIntent) -> bool {
        peer.fast_failover.unwrap_or(!self.may_cross_routers(peer))
    }

    /// Returns the TTL of what we send to a peer: 255 under GTSM and inside our AS, else as far as the peer
    /// may be.
    #[must_use]
    pub fn ttl(&self, peer: &PeerIntent) -> u8 {
        if peer.ttl_security.is_some() || self.is_internal(peer) { TTL_ANYWHERE } else { peer.multihop }
    }
}

impl PeerIntent {
    /// Makes a peer of what must be known of it; everything else has its default.
    #[must_use]
    pub fn new(name: String, address: IpAddr, asn: impl Into<PeerAs>) -> Self {
        Self {
            name,
            range: None,
            description: None,
            address,
            interface: None,
            port: 179,
            asn: asn.into(),
            local_asn: None,
            local_asn_mode: Shown::default(),
            allow_own_as: 0,
            local_address: None,
            role: None,
            role_strict: false,
            passive: false,
            hold_time: HoldTime::default(),
            keepalive: None,
            connect_retry: CONNECT_RETRY,
            send_hold: Self::default_send_hold(HoldTime::default()),
            families: FamilySet::ALL,
            ttl_security: None,
            multihop: 1,
            bfd: None,
            graceful_restart: RestartRole::default(),
            restart_time: None,
            fast_failover: None,
            password: None,
            tcp_ao: Vec::new(),
            max_prefixes: None,
            max_prefixes_warning: None,
            max_prefixes_restart: None,
            max_length_ipv4: Family::Ipv4.bits(),
            max_length_ipv6: Family::Ipv6.bits(),
            import: Import::Safe,
            export: Export::Originated,
            client: false,
            next_hop: NextHopMode::default(),
            add_path: AddPath::OFF,
            graceful_shutdown: true,
            blackhole: false,
            link_bandwidth: None,
            aigp: None,
            shutdown: false,
        }
    }

    /// Tells whether the peer's address is to be learned on its interface.
    #[must_use]
    pub fn is_unnumbered(&self) -> bool {
        self.interface.is_some() && self.address.is_unspecified()
    }

    /// Returns the send hold time RFC 9687 suggests; a session that is never lost for silence has none.
    #[must_use]
    pub fn default_send_hold(hold_time: HoldTime) -> Option<Duration> {
        hold_time.hold().map(|hold| (hold * 2).max(SEND_HOLD))
    }

    /// Returns the lowest TTL a packet of this peer may arrive with (RFC 5082 §3); `None` when any will do.
    #[must_use]
    pub fn min_ttl(&self) -> Option<u8> {
        self.ttl_security.map(|hops| TTL_ANYWHERE.saturating_sub(hops).saturating_add(1))
    }

    /// Returns the number of prefixes that is worth a warning.
    #[must_use]
    pub fn warning_threshold(&self) -> Option<u32> {
        let (limit, percent) = (u64::from(self.max_prefixes?), u64::from(self.max_prefixes_warning?));
        u32::try_from((limit * percent).div_ceil(100)).ok()
    }
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safe => "safe",
            Self::All => "all",
            Self::None => "none",
            Self::Policy(policy) => &policy.name,
            Self::Guarded(policy) => return write!(f, "safe, {}", policy.name),
        })
    }
}

impl fmt::Display for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Originated => "originated",
            Self::All => "all",
            Self::None => "none",
            Self::Policy(policy) => &policy.name,
        })
    }
}
