//! What the tables must know of a peer.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bgp::wire::CodecContext;
use bgp::{Asn, BgpId, Family, FamilySet, NextHop, Role};

use crate::drain::Drain;
use crate::export::Export;
use crate::import::{Import, RejectReason};
use crate::member::Member;
use crate::own_as::OwnAs;
use crate::path::{PeerId, Standing};
use crate::policy::Announcer;

/// Our address on a session, for each family: what "next hop self" means there.
///
/// A family without one is not advertised, and [`crate::Withheld::NoNextHopSelf`] says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NextHopSelf {
    /// For IPv4 routes; an IPv6 next hop where RFC 8950 was negotiated.
    pub ipv4: Option<NextHop>,
    /// For IPv6 routes.
    pub ipv6: Option<NextHop>,
}

impl NextHopSelf {
    /// Returns our address for routes of a family.
    #[must_use]
    pub fn of(&self, family: Family) -> Option<NextHop> {
        match family {
            Family::Ipv4 => self.ipv4,
            Family::Ipv6 => self.ipv6,
        }
    }
}

/// Which next hop a peer is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NextHopMode {
    /// Ourselves towards an external peer and for what we originate, else the next hop as it came (RFC 4271
    /// §5.1.3).
    #[default]
    Auto,
    /// Ourselves, but for routes we reflect: packets are not to pass here because words do (RFC 4456 §10).
    Own,
    /// Ourselves, even for routes we reflect: packets pass here too, as a route reflector on the way wants (Calico's
    /// `nextHopMode: Self`).
    OwnAlways,
    /// The next hop as it came, as a route server does (RFC 7947 §2.2.1); ourselves for what we originate.
    Keep,
}

impl fmt::Display for NextHopMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Own => "self",
            Self::OwnAlways => "self-always",
            Self::Keep => "keep",
        })
    }
}

/// Of which families a peer takes several paths of a prefix (RFC 7911), and how many either side may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddPath {
    /// The families of which it takes them.
    pub send: FamilySet,
    /// The most paths of a prefix it is told of.
    pub most_sent: usize,
    /// The most paths of a prefix of its own that are kept.
    pub most_received: usize,
}

impl Default for AddPath {
    /// One path of a prefix to the peer; without identifiers it cannot have several here either.
    fn default() -> Self {
        Self { send: FamilySet::NONE, most_sent: 8, most_received: 32 }
    }
}

/// What a session is, for the tables: everything that bears on a route that comes or goes.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// The peer's AS.
    pub asn: Asn,
    /// Our AS as this peer sees it; the session is internal when the two are equal.
    pub local_asn: Asn,
    /// What the paths of the session say of our own AS, and may say.
    pub own_as: OwnAs,
    /// The peer's identifier.
    pub bgp_id: BgpId,
    /// The peer's address.
    pub address: IpAddr,
    /// What we are to the peer, if that is known (RFC 9234). Means nothing inside our AS.
    pub role: Option<Role>,
    /// The link the peer is on: the scope of its link-local next hops.
    pub interface: Option<u32>,
    /// The name of the interface the session is on, where that is known: what import policies know of interfaces.
    pub link: Option<Arc<str>>,
    /// The families the session carries.
    pub families: FamilySet,
    /// Our address on the session.
    pub next_hop_self: NextHopSelf,
    /// The families whose routes may have a next hop of the other family (RFC 8950).
    pub extended_next_hop: FamilySet,
    /// What may come in.
    pub import: Arc<Import>,
    /// What may go out.
    pub export: Arc<Export>,
    /// The most prefixes of one family the peer may announce; the tables only report an excess.
    pub max_prefixes: Option<u32>,
    /// Whether we reflect to this internal peer what other internal peers say, and to them what it says (RFC 4456
    /// §6).
    pub client: bool,
    /// Which next hop it is told.
    pub next_hop: NextHopMode,
    /// Of which families it takes several paths of a prefix, and how many.
    pub add_path: AddPath,
    /// The families of the peer's Long-Lived Graceful Restart capability: those of which it may be told
    /// long-lived stale paths (RFC 9494 §4.3).
    pub long_lived: FamilySet,
    /// Whether an external peer's AS must be the first of its paths (RFC 4271 §6.3). A route server's is not.
    pub enforce_first_as: bool,
    /// Whether routes an external peer marks with GRACEFUL_SHUTDOWN get the lowest preference (RFC 8326).
    pub graceful_shutdown: bool,
    /// How far we are about to leave the session, if at all.
    pub drain: Option<Drain>,
    /// Whether the peer may have us drop what goes to its prefixes, by BLACKHOLE (RFC 7999).
    pub blackhole: bool,
    /// The octets a second that what we originate is to say fit through our link.
    pub link_bandwidth: Option<u64>,
    /// Whether AIGP is said and heard on the session (RFC 7311 §3.3).
    pub aigp: bool,
    /// How the messages of the session are written.
    pub codec: CodecContext,
}

impl PeerInfo {
    /// Tells whether the session crosses an AS border.
    #[must_use]
    pub fn is_external(&self) -> bool {
        self.asn != self.local_asn
    }

    /// Tells whether what was said on the session before still means the same on this one.
    pub(crate) fn stays_itself(&self, now: &Self) -> bool {
        (self.asn, self.local_asn, self.interface) == (now.asn, now.local_asn, now.interface)
    }

    /// Returns what policies may know of the peer.
    #[must_use]
    pub fn announcer(&self) -> Announcer {
        Announcer { asn: self.asn, address: self.address, external: self.is_external() }
    }
}

/// How the paths of one peer and family stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCounts {
    by_standing: [u32; Standing::CODES],
    /// How many paths the peer has been told of: one a prefix, unless it takes several. Filled in when asked for.
    pub advertised: u32,
}

impl Default for PeerCounts {
    fn default() -> Self {
        Self { by_standing: [0; Standing::CODES], advertised: 0 }
    }
}

impl PeerCounts {
    /// Returns how many paths stand like this.
    #[must_use]
    pub fn standing(&self, standing: Standing) -> u32 {
        self.by_standing[standing.code()]
    }

    /// Returns how many paths were received.
    #[must_use]
    pub fn received(&self) -> u32 {
        self.by_standing.iter().sum()
    }

    /// Returns how many paths import refused.
    #[must_use]
    pub fn rejected(&self) -> u32 {
        RejectReason::ALL.iter().map(|&reason| self.standing(Standing::Rejected(reason))).sum()
    }

    /// Returns how many paths import let in.
    #[must_use]
    pub fn accepted(&self) -> u32 {
        self.received() - self.rejected()
    }

    pub(crate) fn add(&mut self, standing: Standing) {
        self.by_standing[standing.code()] += 1;
    }

    pub(crate) fn subtract(&mut self, standing: Standing) {
        self.by_standing[standing.code()] -= 1;
    }
}

/// A peer whose session is up, or was and may be again.
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) info: PeerInfo,
    /// What it was told and is to be told; `None` when its session is over and its paths wait for it.
    pub(crate) member: Option<Member>,
    pub(crate) counts: [PeerCounts; 2],
    /// How many of its paths are kept over its restart, by family.
    pub(crate) stale: [u32; 2],
    /// How many of its paths it has yet to say again in the refresh that goes on, by family.
    pub(crate) unrefreshed: [u32; 2],
}

impl Peer {
    /// Tells whether its session is over and its paths wait for it.
    pub(crate) fn is_lost(&self) -> bool {
        self.member.is_none()
    }
}
