//! BFD: whether packets get through to a peer.

use serde::{Deserialize, Serialize};

use crate::LastErrorView;

/// The BFD session with a peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BfdView {
    /// The state of RFC 5880 §6.2.
    pub state: BfdState,
    /// How long the session has been in this state.
    pub state_seconds: u64,
    /// Why the state last changed, as we tell the peer (RFC 5880 §4.1).
    pub diagnostic: String,
    /// Whether the session may cross routers (RFC 5883).
    pub multihop: bool,
    /// The interval we send at, with a fraction; packets are sent up to a quarter sooner.
    pub transmit_interval_seconds: f64,
    /// The interval the peer sends at, with a fraction; unknown while nothing is heard.
    pub receive_interval_seconds: Option<f64>,
    /// How long the peer may be silent, with a fraction; unknown while nothing is heard.
    pub detection_time_seconds: Option<f64>,
    /// How many of our intervals the peer waits for.
    pub multiplier: u8,
    /// What the peer said last; `null` while nothing is heard.
    pub remote: Option<BfdRemoteView>,
    /// Packets taken.
    pub received: u64,
    /// Packets sent.
    pub sent: u64,
    /// Times the session was up and failed. What an operator did at either end is no failure.
    pub failures: u64,
    /// The last of them.
    pub last_failure: Option<LastErrorView>,
}

/// The other end of a BFD session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BfdRemoteView {
    /// Its state.
    pub state: BfdState,
    /// Why its state last changed.
    pub diagnostic: String,
    /// How many of its intervals we wait for.
    pub multiplier: u8,
    /// The interval it would like to send at, with a fraction.
    pub min_tx_seconds: f64,
    /// The least interval it can bear to receive at, with a fraction.
    pub min_rx_seconds: f64,
    /// Whether its BFD lives on when its control plane does not (the C bit).
    pub control_plane_independent: bool,
}

/// The states of RFC 5880 §6.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BfdState {
    /// An operator wants no session.
    AdminDown,
    /// Nothing heard, or just gone down.
    Down,
    /// The peer is heard, but does not hear us yet.
    Init,
    /// Packets get through both ways.
    Up,
}

impl BfdState {
    /// Every state, in the order of the RFC.
    pub const ALL: [Self; 4] = [Self::AdminDown, Self::Down, Self::Init, Self::Up];

    /// Returns the state as JSON spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AdminDown => "admin_down",
            Self::Down => "down",
            Self::Init => "init",
            Self::Up => "up",
        }
    }
}

/// All BFD sessions in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BfdSummaryView {
    /// Sessions that should be there.
    pub sessions: u64,
    /// Those that are up.
    pub up: u64,
    /// Packets the kernel did not take.
    pub send_failures: u64,
    /// Packets dropped, by reason. Reasons that dropped nothing are left out.
    pub discarded: Vec<DiscardedView>,
}

/// How many packets were dropped for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscardedView {
    /// The stable code, in snake_case, such as `hop_limit`.
    pub code: String,
    /// The same for people.
    pub text: String,
    /// Packets dropped for this reason.
    pub count: u64,
}
