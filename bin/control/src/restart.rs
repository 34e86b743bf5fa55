//! Graceful restart: ours, and that of each peer.

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::Family;

/// How this run of the daemon began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RestartView {
    /// Whether it went on where an earlier run ended.
    pub restarted: bool,
    /// How long nobody ran, with a fraction; less than that if the earlier run ended without a last word. `null`
    /// when nothing was written down.
    pub away_seconds: Option<f64>,
    /// Whether packets were forwarded all the while: its routes were still in the kernel, or it had none.
    pub forwarding_kept: bool,
    /// How long after the start routes were chosen again and the kernel followed, with a fraction. `null` while
    /// that is deferred, and when it never was.
    pub selected_seconds: Option<f64>,
    /// Whether time was up before every peer that matters had told all its routes.
    pub selected_by_deadline: bool,
    /// Those who had not, if so; while routes are not chosen yet, those waited for.
    pub waiting_for: Vec<String>,
    /// How long after the start everything had been said and the kernel been told, with a fraction; from then on
    /// what an earlier run left is gone. `null` until then.
    pub converged_seconds: Option<f64>,
}

/// What graceful restart means to the session with a peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerRestartView {
    /// What is going on.
    pub role: RestartNow,
    /// What would become of the peer's routes if its session were lost now; `null` without a session.
    pub agreed: Option<RestartTermsView>,
    /// The peer's routes that are kept since its session was lost; `null` when none are.
    pub waiting: Option<RestartWaitView>,
    /// How often the peer came back while its routes were kept, since the daemon started.
    pub peer_restarts: u64,
    /// How the last wait for the peer went; `null` before the first.
    pub last_absence: Option<AbsenceView>,
    /// After our own restart, what has come back of what the peer had announced; `null` until that is known.
    pub returned: Option<ReturnedView>,
}

/// What is going on between us and a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartNow {
    /// Nobody restarts.
    Idle,
    /// We have restarted, and wait for the peer to tell all its routes.
    Restarting,
    /// The peer is gone, and its routes are kept.
    Helping,
    /// The peer is late; its routes are kept as the last resort (RFC 9494).
    LongLived,
    /// The peer is back and has not told all its routes yet.
    Returning,
}

/// What becomes of a peer's routes when its session is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartTermsView {
    /// The families whose routes are kept.
    pub families: Vec<Family>,
    /// How long: what the peer asks for, or the most we grant.
    pub restart_time_seconds: u64,
    /// How long beyond that as the last resort, at most; zero for not at all.
    pub long_lived_seconds: u64,
    /// Whether a NOTIFICATION does not change that (RFC 8538).
    pub notification_keeps: bool,
}

/// A wait for a peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestartWaitView {
    /// How long ago the session was lost, with a fraction.
    pub lost_seconds: f64,
    /// Why.
    pub reason: String,
    /// How many paths were kept then.
    pub kept: u64,
    /// How many of them are still stale.
    pub stale: u64,
    /// How much longer they stay, with a fraction.
    pub remaining_seconds: f64,
}

/// A wait for a peer that is over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AbsenceView {
    /// How long ago the session was lost.
    pub lost_age_seconds: u64,
    /// How long there was none, with a fraction; `null` when the peer did not come back in time.
    pub away_seconds: Option<f64>,
    /// How many paths were kept.
    pub kept: u64,
    /// How many of those the peer did not announce again.
    pub gone: u64,
}

/// What a peer announced before our restart, held against what it announces now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnedView {
    /// Prefixes announced before.
    pub announced_before: u64,
    /// Prefixes of those that are not announced any more.
    pub missing: u64,
    /// A few of the missing ones.
    pub examples: Vec<IpNet>,
}

/// Why a path is in use though its peer has not said it on this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Staleness {
    /// Kept over a restart of the peer (RFC 4724).
    Stale,
    /// Kept beyond that, as the last resort (RFC 9494).
    LongLived,
}

impl fmt::Display for Staleness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stale => "stale",
            Self::LongLived => "long-lived stale",
        })
    }
}
