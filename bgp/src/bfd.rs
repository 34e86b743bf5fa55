//! Bidirectional Forwarding Detection: whether packets still get through to a peer, told in fractions of a
//! second (RFC 5880 asynchronous mode, over one hop by RFC 5881 and over several by RFC 5883).
//!
//! ```text
//!                    ┌──────┐  the peer says Down     ┌──────┐
//!                    │ Down │ ──────────────────────▶ │ Init │
//!                    └──────┘                         └──────┘
//!                     ▲    ▲ │                         │    │
//!                     │    │ │   nothing heard, or     │    │
//!                     │    └─┼── the peer's AdminDown ─┘    │
//!     nothing heard,  │      │                              │ the peer says Init or Up
//!     or the peer says│      │ the peer says Init           │
//!     Down, AdminDown │      ▼                              │
//!                     │   ┌──────┐                          │
//!                     └── │  Up  │ ◀────────────────────────┘
//!                         └──────┘
//! ```
//!
//! It is a protocol of its own: nothing in [`fsm`](crate::fsm) knows of it. A [`Session`] is the machine above
//! with its timers, [`Sessions`] finds the one an octet string belongs to and drops whatever is wrong, silently
//! as the RFC asks, but counted by [`Discard`].
//!
//! The surprise is that nobody chooses an interval alone. We send as fast as we want to or as the peer can
//! bear, whichever is slower, and wait for the peer as many of *its* intervals as *it* says ([`Session`]).
//!
//! # Contract
//!
//! Hand over packets that have come before a tick that is due: one of them may be what the detection timer
//! waits for. Carry out every [`Output`] in its order, and call `tick` at `next_deadline`.
//!
//! Packets may be authenticated by keyed SHA1, meticulous or not ([`Authentication`]); simple passwords and MD5
//! are not offered. The echo function and demand mode of our own are not offered; a peer's demand mode is honoured.

mod authentication;
mod discard;
mod packet;
mod session;
mod sessions;

pub use authentication::{Authentication, Key};
pub use discard::{Discard, Discards};
pub use packet::{ControlPacket, Diagnostic, Discriminator, State};
pub use session::{Output, Remote, Session, Settings, Stats, Why};
pub use sessions::{Arrival, Hops, Sessions};

/// The port of sessions over one hop (RFC 5881 §4).
pub const PORT_SINGLE_HOP: u16 = 3784;
/// The port of sessions over several hops (RFC 5883 §5).
pub const PORT_MULTIHOP: u16 = 4784;
/// The ports we may send from (RFC 5881 §4).
pub const SOURCE_PORTS: std::ops::RangeInclusive<u16> = 49152..=65535;
