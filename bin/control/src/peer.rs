//! One peer: configuration, session, counters, and what went wrong last.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::{BfdView, DrainStage, Family, PeerRestartView};

/// A peer, as in `GET /v1/peers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerView {
    /// The name from the configuration.
    pub name: String,
    /// What the operator wrote about the peer.
    pub description: Option<String>,
    /// The peer's address.
    pub address: IpAddr,
    /// The interface of a link-local peer.
    pub interface: Option<String>,
    /// The TCP port dialled.
    pub port: u16,
    /// The peer's AS number; `null` as long as only its OPEN can tell.
    pub asn: Option<u32>,
    /// What the configuration says of it: a number, `external` or `internal`.
    pub asn_rule: String,
    /// The range the peer came from; `null` if the configuration lists it.
    pub range: Option<String>,
    /// The AS number we show the peer.
    pub local_asn: u32,
    /// Whether the session is within our AS.
    pub internal: bool,
    /// The state of RFC 4271 §8.2.2.
    pub state: PeerState,
    /// How long the peer has been in this state. For an Established peer this is the uptime of the session.
    pub state_seconds: u64,
    /// Whether the operator holds the peer down.
    pub administratively_down: bool,
    /// Whether the peer is kept away because it announced more prefixes than it may.
    pub max_prefixes_exceeded: bool,
    /// The BGP identifier from the peer's OPEN.
    pub router_id: Option<Ipv4Addr>,
    /// What the peer's machine is called, by its own word (FQDN capability).
    pub hostname: Option<String>,
    /// What the peer runs, by its own word (software version capability).
    pub software_version: Option<String>,
    /// What we are to the peer, if the configuration says so (RFC 9234): `provider`, `customer`, `rs`, `rs-client`
    /// or `peer`.
    pub role: Option<String>,
    /// Our end of the connection.
    pub local_address: Option<IpAddr>,
    /// A row for each configured family.
    pub families: Vec<PeerFamilyView>,
    /// Messages since the daemon started.
    pub messages: MessagesView,
    /// UPDATEs with mistakes that did not end the session (RFC 7606).
    pub malformed: MalformedView,
    /// The timers of the session.
    pub timers: TimersView,
    /// What both OPENs said.
    pub capabilities: CapabilitiesView,
    /// Whether segments are signed (RFC 2385). The password is never shown.
    pub md5: bool,
    /// Whether segments carry the TCP Authentication Option (RFC 5925).
    pub tcp_ao: bool,
    /// Whether packets that crossed a router are refused (RFC 5082).
    pub ttl_security: bool,
    /// Whether we wait for the peer to connect.
    pub passive: bool,
    /// The import policy's name.
    pub import: String,
    /// The export policy's name.
    pub export: String,
    /// The cluster we reflect for, if the peer is a client of ours (RFC 4456).
    pub cluster_id: Option<Ipv4Addr>,
    /// Which next hop the peer is told: `auto`, `self` or `keep`.
    pub next_hop: String,
    /// Paths not taken in, since the peer had as many of their prefixes as it may (RFC 7911).
    pub surplus_paths: u64,
    /// Sessions that ended, whatever the cause.
    pub flaps: u64,
    /// How far the peer is drained; `null` if it is not.
    pub drain: Option<DrainStage>,
    /// The BFD session, if the path is watched.
    pub bfd: Option<BfdView>,
    /// What graceful restart means to the session; `null` where it is off.
    pub graceful_restart: Option<PeerRestartView>,
    /// The round-trip time TCP measured, with a fraction.
    pub rtt_seconds: Option<f64>,
    /// How many segments TCP sent again on this session.
    pub retransmissions: Option<u64>,
    /// What stands in the way of a session now; while there is one, how the last one ended, if there was one.
    pub last_error: Option<LastErrorView>,
}

/// The states of RFC 4271 §8.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerState {
    /// Not trying.
    Idle,
    /// Waiting for our connection to complete.
    Connect,
    /// Waiting before the next attempt, or for the peer to connect.
    Active,
    /// Our OPEN is on its way.
    OpenSent,
    /// Both OPENs are here.
    OpenConfirm,
    /// The session is up.
    Established,
}

impl PeerState {
    /// Every state, in the order of the RFC.
    pub const ALL: [Self; 6] =
        [Self::Idle, Self::Connect, Self::Active, Self::OpenSent, Self::OpenConfirm, Self::Established];

    /// Returns the state as JSON spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connect => "connect",
            Self::Active => "active",
            Self::OpenSent => "open_sent",
            Self::OpenConfirm => "open_confirm",
            Self::Established => "established",
        }
    }
}

/// Something that went wrong, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastErrorView {
    /// The stable code, in snake_case, such as `hold_timer_expired`.
    pub code: String,
    /// The same for people, with what the peer said.
    pub text: String,
    /// How long ago it happened.
    pub age_seconds: u64,
}

/// The prefixes exchanged in one family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerFamilyView {
    /// The family counted.
    pub family: Family,
    /// Whether both sides agreed to exchange it.
    pub negotiated: bool,
    /// Whether the peer sends several paths of a prefix (RFC 7911).
    pub add_path_received: bool,
    /// Whether we send several paths of a prefix.
    pub add_path_sent: bool,
    /// Whether the peer said that it has sent everything (RFC 4724 §2).
    pub end_of_rib_received: bool,
    /// Whether we said so.
    pub end_of_rib_sent: bool,
    /// Paths in the Adj-RIB-In.
    pub received: u64,
    /// Paths of these that import policy and loop check let through.
    pub accepted: u64,
    /// Paths of these in use: best, or one of several.
    pub best: u64,
    /// Paths in the Adj-RIB-Out.
    pub advertised: u64,
    /// Paths the peer has not announced on this session, kept over its restart.
    pub stale: u64,
    /// Paths not said again yet by a peer that is saying everything again (RFC 7313).
    pub unrefreshed: u64,
    /// Why the others were refused, by reason. Reasons that refused nothing are left out.
    pub rejected: Vec<RejectedView>,
    /// The most paths accepted from the peer.
    pub max_prefixes: Option<u64>,
    /// Whether there are nearly as many.
    pub max_prefixes_warning: bool,
}

/// How many paths one reason refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedView {
    /// The stable code, in snake_case, such as `own_block`.
    pub code: String,
    /// The same for people.
    pub text: String,
    /// Paths in the Adj-RIB-In refused for this reason.
    pub count: u64,
}

/// Messages in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagesView {
    /// What the peer sent.
    pub received: MessageCountsView,
    /// What we sent.
    pub sent: MessageCountsView,
}

/// Messages by their type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageCountsView {
    /// OPENs.
    pub open: u64,
    /// UPDATEs.
    pub update: u64,
    /// NOTIFICATIONs.
    pub notification: u64,
    /// KEEPALIVEs.
    pub keepalive: u64,
    /// ROUTE-REFRESHes.
    pub route_refresh: u64,
}

impl MessageCountsView {
    /// Lists the counts with the names JSON gives them.
    #[must_use]
    pub fn by_name(self) -> [(&'static str, u64); 5] {
        [
            ("open", self.open),
            ("update", self.update),
            ("notification", self.notification),
            ("keepalive", self.keepalive),
            ("route_refresh", self.route_refresh),
        ]
    }

    /// Returns the number of all messages.
    #[must_use]
    pub fn total(self) -> u64 {
        self.by_name().iter().map(|(_, count)| count).sum()
    }
}

/// UPDATEs with mistakes that did not end the session (RFC 7606 §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MalformedView {
    /// UPDATEs whose announcements were taken as withdrawals.
    pub treat_as_withdraw: u64,
    /// UPDATEs that lost an attribute.
    pub attribute_discard: u64,
}

/// The timers of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimersView {
    /// The hold time we ask for; zero asks for none.
    pub hold_time_configured_seconds: u64,
    /// The smaller of both sides' hold times; zero means neither KEEPALIVEs nor expiry.
    pub hold_time_seconds: Option<u64>,
    /// What is left of it, with a fraction.
    pub hold_remaining_seconds: Option<f64>,
    /// How often we send a KEEPALIVE.
    pub keepalive_seconds: Option<u64>,
    /// How long until the next, with a fraction.
    pub keepalive_remaining_seconds: Option<f64>,
    /// How long until we dial again, with a fraction.
    pub next_retry_seconds: Option<f64>,
}

/// What both OPENs said, a line of text for each capability; empty before the OPEN.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilitiesView {
    /// What we sent.
    pub local: Vec<String>,
    /// What the peer sent.
    pub remote: Vec<String>,
}
