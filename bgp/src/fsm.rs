//! The state machine of RFC 4271 §8.
//!
//! ```text
//!             Start, or the idle hold timer
//!   ┌──────┐ ─────────────────────────────▶ ┌─────────┐   connect fails    ┌────────┐
//!   │ Idle │                                │ Connect │ ─────────────────▶ │ Active │ ◀─┐ (a passive peer
//!   └──────┘ ◀──┐                           └─────────┘ ◀───────────────── └────────┘   │  starts here)
//!               │                                │         connect retry       │        │
//!      Stop, a  │                      connected │                    incoming │        │ connection lost
//!   NOTIFICATION│                                ▼                             ▼        │
//!    either way,│                           ┌──────────────────────────────────────┐    │
//!      a timer, ├────────────────────────── │ OpenSent: our OPEN is out            │ ───┘
//!   a connection│                           └──────────────────────────────────────┘
//!     lost after│                                │ OPEN, agreeable and not the loser of a collision
//!      its OPEN │                                ▼
//!               ├────────────────────────── ┌──────────────────────────────────────┐
//!               │                           │ OpenConfirm: our KEEPALIVE is out    │
//!               │                           └──────────────────────────────────────┘
//!               │                                │ KEEPALIVE
//!               │                                ▼
//!               │                           ┌──────────────────────────────────────┐
//!               └────────────────────────── │ Established: routes flow             │
//!                                           └──────────────────────────────────────┘
//! ```
//!
//! The surprise is that the RFC's machine is two here. A connection has a state from OpenSent on, each a type
//! of its own that knows no more than what has been said; a [`Peer`] stands above its connections (up to three
//! for a moment), decides when to dial and which survives, and its [`State`] is the furthest any part has got.
//!
//! # Contract
//!
//! Call [`Peer::handle`] whenever something happens, carry out every [`Action`] in its order, and call it with
//! [`Event::Tick`] at [`Peer::next_deadline`]. Hand over octets that have come before a tick that is due: they
//! may be what a timer waits for. Closing waits for what was transmitted, but not for ever: the driver bounds
//! it, since the peer may be closed for reading nothing. Routes are encoded by the driver with the session's
//! [`context`](Session::context), as many as there is [`room`](Peer::room) for, and handed to
//! [`Peer::transmit`]; what follows counts them, restarts the keepalive timer and watches that the peer reads.
//!
//! # What differs from RFC 4271, and why
//!
//! * ConnectRetry and IdleHold share one back-off: a second, doubled with each failure, at most
//!   [`connect_retry`](PeerSettings::connect_retry) and a minute. The RFC's constant 120 s would keep a node
//!   without network two minutes after its switch is back. A session that lived a minute ends the back-off.
//! * In Idle after a failure an incoming connection is refused only when the peer did something wrong, so that
//!   two speakers that disagree do not spin (DampPeerOscillations). After a loss, a silence or the peer's own
//!   NOTIFICATION it is taken: a switch that has rebooted is back when it dials, not when we would have
//!   dialled. FRR does so too; BIRD too rests only after protocol errors.
//! * The first attempt to connect is made at once. DelayOpen (§8.1.1) is not offered: the collision it avoids
//!   costs a round trip.
//! * A second incoming connection displaces a first that has not got its OPEN, and of two with an OPEN that
//!   the same speaker opened the newer stays. The RFC is silent; a speaker that dials again has given up the
//!   older, and we would wait for its hold timer.
//! * A session that is up survives every collision but one, which RFC 4724 §5 adds: a peer that announced
//!   graceful restart in it and opens another connection has restarted, and the session ends without a word.
//! * When a session comes up, an attempt to connect that is still going on is given up rather than left to
//!   become a collision.
//! * The send hold timer (RFC 9687) runs only while octets wait to be written, and any progress restarts it.
//! * A ROUTE-REFRESH for what was not negotiated is ignored.
//!
//! Later additions have their places: a reason to stop is a [`StopReason`], a reason to fail a [`DownReason`],
//! a timer a [`Timer`], a capability goes into the settings and shows in [`Negotiated`](crate::Negotiated). None
//! needs a new arm in a state that is not about it.

#![cfg_attr(not(test), deny(clippy::wildcard_enum_match_arm))]

mod action;
mod collision;
mod connection;
mod deadlines;
mod established;
mod event;
mod open_confirm;
mod open_sent;
mod peer;
mod peer_as;
mod settings;
mod stats;

use std::fmt;

pub use action::{Action, Cause, DownReason};
pub use deadlines::Timer;
pub use established::Session;
pub use event::{Event, StopReason};
pub use peer::Peer;
pub use peer_as::PeerAs;
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

#[cfg(test)]
mod tests;
