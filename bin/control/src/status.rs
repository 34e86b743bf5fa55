//! The node as a whole: is it well, and if not, why.

use std::net::Ipv4Addr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    BfdSummaryView, ClusterView, DrainView, DuplicateView, Family, LastErrorView, MrtView, RestartView,
    StationView,
};

/// The answer to `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusView {
    /// Whether everything configured works.
    pub verdict: Verdict,
    /// Why the verdict is not `ok`; empty when it is.
    pub reasons: Vec<ReasonView>,
    /// Whether the node can carry traffic: what it originates is known, some session is up for each family of it, the
    /// peers' End-of-RIB came, ours and what is ours has been sent, and the kernel holds the routes. A node with one of two
    /// TORs gone is degraded but ready.
    pub ready: bool,
    /// What readiness waits for; empty when ready.
    pub not_ready_reasons: Vec<ReasonView>,
    /// Who this node is.
    pub node: NodeView,
    /// The version of the daemon.
    pub version: String,
    /// How long the daemon has run.
    pub uptime_seconds: u64,
    /// How many peers there are, and how many sessions.
    pub peers: PeersView,
    /// What was written for peers, and sent to them.
    #[serde(default)]
    pub updates: UpdatesView,
    /// The Loc-RIB, a row for each family.
    pub routes: Vec<RoutesView>,
    /// The kernel's side.
    pub fib: FibView,
    /// How this run of the daemon began.
    pub restart: RestartView,
    /// All BFD sessions.
    pub bfd: BfdSummaryView,
    /// The drain of the whole node; `null` if there is none. A node that is drained is not ready.
    pub drain: Option<DrainView>,
    /// The configuration in force.
    pub config: ConfigView,
    /// What on this machine fights with the daemon or drops what it attracts; has no part in the verdict.
    #[serde(default)]
    pub wrong_hands: Vec<WrongHandView>,
    /// The monitoring stations; they have no part in the verdict.
    #[serde(default)]
    pub stations: Vec<StationView>,
    /// The files every message is written to; `null` when there are none.
    #[serde(default)]
    pub mrt: Option<MrtView>,
    /// The cluster; `null` for a node that is in none.
    #[serde(default)]
    pub cluster: Option<Box<ClusterView>>,
    /// Blocks of ours that peers announce as somebody else's.
    #[serde(default)]
    pub duplicates: Vec<DuplicateView>,
}

/// UPDATEs: peers that are told the same share one computation and one encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdatesView {
    /// How many groups of peers that are told the same there are now.
    pub groups: u64,
    /// How many UPDATEs were written, once for each group or for a peer that catches up.
    pub encoded: u64,
    /// How many UPDATEs were sent, each time to each peer.
    pub sent: u64,
}

/// Something on this machine that fights with the daemon, or drops what it attracts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrongHandView {
    /// The stable code, in snake_case, such as `ip_forward`.
    pub kind: String,
    /// Where it is: a kernel setting, a file.
    pub place: String,
    /// Why it matters.
    pub why: String,
    /// What to do about it.
    pub remedy: String,
}

/// One word on the state of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything configured works.
    Ok,
    /// Something configured does not work; the reasons say what.
    Degraded,
}

/// A reason twice: a stable code for programs, words for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReasonView {
    /// The stable code, in snake_case, such as `peer_down` or `as_path_length`.
    pub code: String,
    /// The same for people, with the facts of the case: `longer AS path (3 > 2)`.
    pub text: String,
}

/// Who this node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// The name of the node.
    pub name: String,
    /// The node's AS number.
    pub asn: u32,
    /// The BGP identifier.
    pub router_id: Ipv4Addr,
    /// The pod blocks the node originates.
    pub blocks: Vec<IpNet>,
}

/// How many peers there are, and how many sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeersView {
    /// Peers in the configuration.
    pub configured: u64,
    /// Peers whose session is Established.
    pub established: u64,
    /// Peers held down by the operator; they do not make the node degraded.
    pub administratively_down: u64,
}

/// The Loc-RIB of one family in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutesView {
    /// The family counted.
    pub family: Family,
    /// Prefixes with a best path.
    pub prefixes: u64,
    /// Paths received and accepted, and our own.
    pub paths: u64,
    /// Paths in use beside the best ones.
    pub multipath: u64,
    /// Prefixes this node originates.
    pub originated: u64,
    /// Paths refused by policy or loop check.
    pub rejected: u64,
}

/// What is wanted of the kernel, and what it holds.
///
/// The first group counts routes now, the second what happened since the daemon started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FibView {
    /// Whether routes are written to the kernel at all (`[fib] install`).
    pub enabled: bool,
    /// Whether the kernel holds exactly what is wanted.
    pub synced: bool,
    /// The kernel's routing table written to.
    pub table: u32,
    /// The protocol number that marks our routes.
    pub protocol: u8,
    /// The metric of our routes.
    pub metric: u32,
    /// Routes wanted.
    pub desired: u64,
    /// Routes wanted and held by the kernel.
    pub installed: u64,
    /// Routes waiting to be written or removed.
    pub pending: u64,
    /// Routes the kernel refused; they are retried.
    pub failed: u64,
    /// Routes not written because another owner's route stands in their place.
    pub conflicts: u64,
    /// Routes of an earlier run not claimed yet.
    pub leftovers: u64,
    /// Routes of an earlier run taken over unchanged.
    pub adopted: u64,
    /// Leftovers removed.
    pub swept: u64,
    /// Routes put back after somebody removed or changed them, or a link returned.
    pub repairs: u64,
    /// Nexthop groups of ours in the kernel now.
    pub groups: u64,
    /// Nexthops of ours in the kernel now.
    pub next_hops: u64,
    /// Nexthop groups put right after somebody or a link removed or changed them.
    pub group_repairs: u64,
    /// Write requests sent to the kernel.
    pub messages: u64,
    /// Writes the kernel refused.
    pub write_errors: u64,
    /// The last refusal.
    pub last_error: Option<LastErrorView>,
}

/// The configuration in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigView {
    /// The file it was read from.
    pub file: String,
    /// When it was taken over, in seconds since 1970-01-01 UTC.
    pub loaded_at: u64,
    /// How long ago that was.
    pub loaded_age_seconds: u64,
    /// Reloads that were taken over.
    pub reloads: u64,
    /// Reloads refused for mistakes in the file.
    pub reload_failures: u64,
    /// The mistake that made the last reload fail; `null` once a reload succeeds.
    pub last_reload_error: Option<LastErrorView>,
}

/// The body of every answer that is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorView {
    /// What kind of failure it is; decides the HTTP status.
    pub code: ErrorCode,
    /// What went wrong, and where.
    pub error: String,
    /// What to do about it, if that is known.
    pub hint: Option<String>,
}

/// Kinds of failure, each with its HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 400: the request makes no sense.
    BadRequest,
    /// 403: the caller may look but not act.
    Forbidden,
    /// 404: no such path or peer.
    NotFound,
    /// 405: the path is right, the method is not.
    MethodNotAllowed,
    /// 409: it cannot be done in the present state.
    Conflict,
    /// 413: the request is longer than any sensible one.
    TooLarge,
    /// 500: a mistake in the daemon.
    Internal,
    /// 503: too busy, or not (or no longer) able to answer.
    Unavailable,
}

impl ErrorCode {
    /// Returns the HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }
}

impl ErrorView {
    /// Creates an error without a hint.
    #[must_use]
    pub fn new(code: ErrorCode, error: impl Into<String>) -> Self {
        Self { code, error: error.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl ReasonView {
    /// Creates a reason from its code and its words.
    #[must_use]
    pub fn new(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code: code.into(), text: text.into() }
    }
}
