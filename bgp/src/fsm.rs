//! The state machine of RFC 4271 §8.

mod action;
mod collision;
mod connection;
mod deadlines;
mod established;
mod event;
mod jitter;
mod open_confirm;
mod open_sent;
mod peer;
mod settings;
mod stats;

use std::fmt;

pub use action::{Action, Cause, DownReason};
pub use deadlines::Timer;
pub use established::Session;
pub use event::{Event, StopReason};
pub use peer::Peer;
pub use settings::PeerSettings;
pub use stats::{LastError, MessageCounts, Stats};

/// A TCP connection, as a [`Peer`] names it; no name is given twice by one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u32);

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A state of RFC 4271 §8.2.2, in the order a session comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// No connection is wanted, or not yet.
    Idle,
    /// A connection is being opened.
    Connect,
    /// A connection is awaited, or will be opened later.
    Active,
    /// The peer's OPEN is awaited.
    OpenSent,
    /// The peer's KEEPALIVE is awaited.
    OpenConfirm,
    /// The session is up.
    Established,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "Idle",
            Self::Connect => "Connect",
            Self::Active => "Active",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
        })
    }
}
