//! What can happen to a peer.

use std::fmt;
use std::net::IpAddr;

use bytes::{BufMut, Bytes, BytesMut};

use super::ConnId;
use crate::family::AfiSafi;
use crate::notification::{Cease, NotificationError};
use crate::{Family, Notification};

/// Something the driver tells a [`Peer`](super::Peer), with the events of RFC 4271 §8.1 it stands for.
///
/// The timers (events 9 to 13) are all behind [`Event::Tick`], and the messages (events 19 to 28) behind
/// [`Event::Received`]. An event for a connection that is no more is ignored: it was on its way when the
/// connection was closed.
#[derive(Clone, Debug)]
pub enum Event {
    /// Have a session (events 1 and 3 to 7). Also ends the wait after a failure, and forgets the failures.
    Start,
    /// Have no session until the next [`Event::Start`] (events 2 and 8).
    Stop {
        /// Why, which is also what the peer is told.
        reason: StopReason,
    },
    /// What stood in the way of a session is gone: dial now, not when the timer says so. No event of the RFC,
    /// which leaves it to the implementation when to restart the ConnectRetry timer; nothing happens to a peer that is
    /// stopped, is resting from what it did, or has a connection.
    PathUp,
    /// A TCP connection from the peer's address waits to be accepted (events 14 and 15). Answered at once by
    /// [`Action::Accept`](super::Action::Accept) or [`Action::Refuse`](super::Action::Refuse).
    Incoming,
    /// The connection asked for stands (events 16 and 17).
    Connected(ConnId),
    /// The connection asked for does not come about, and why (event 18).
    ConnectFailed(ConnId, String),
    /// The peer closed the connection, or it broke, and why (event 18).
    Closed(ConnId, String),
    /// Octets came in, cut anywhere.
    Received(ConnId, Bytes),
    /// So many of the octets handed over have been taken by the connection.
    Written(ConnId, usize),
    /// A deadline may have passed.
    Tick,
}

/// Why a session is stopped from this side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// An operator wants no session (6/2); the message is for the operator at the other end (RFC 9003).
    AdminDown {
        /// Up to 255 octets of text; may be empty.
        message: String,
    },
    /// An operator wants the session anew (6/4): a [`Event::Start`] follows.
    AdminReset {
        /// Up to 255 octets of text; may be empty.
        message: String,
    },
    /// The peer is no longer configured (6/3).
    Deconfigured,
    /// A change that needs a new session (6/6).
    OtherConfigurationChange,
    /// The peer announced more prefixes of a family than agreed (6/1).
    MaxPrefixes {
        /// The family.
        family: Family,
        /// How many were agreed.
        limit: u32,
    },
    /// BFD saw the path to the peer go down (6/10, RFC 9384): a [`Event::Start`] follows.
    BfdDown,
    /// The interface of the session went down, and this is its name: a [`Event::Start`] follows.
    InterfaceDown(String),
    /// The session's own address is no longer ours: a [`Event::Start`] follows.
    AddressGone(IpAddr),
    /// The kernel found nobody at the peer's address on this interface: a [`Event::Start`] follows.
    NeighbourFailed(String),
    /// We restart and mean to be back soon: the connection ends without a word, which is what tells a peer
    /// with graceful restart to keep our routes (RFC 4724 §3).
    Restart,
}

impl StopReason {
    /// Returns what the peer is told, if anything.
    ///
    /// Where the path is known to be dead nothing is said: it could only arrive once the path is back. A peer that
    /// noticed nothing then finds the connection closed, which it may take for a graceful restart (RFC 4724 §4.2).
    #[must_use]
    pub fn notification(&self) -> Option<Notification> {
        match self {
            Self::AdminDown { message } => {
                Some(Notification::shutdown(Cease::AdministrativeShutdown, message))
            }
            Self::AdminReset { message } => Some(Notification::shutdown(Cease::AdministrativeReset, message)),
            Self::Deconfigured => Some(Notification::shutdown(Cease::PeerDeconfigured, "")),
            Self::OtherConfigurationChange => {
                Some(Notification::shutdown(Cease::OtherConfigurationChange, ""))
            }
            Self::MaxPrefixes { family, limit } => {
                let data = excess(*family, *limit);
                Some(Notification { error: NotificationError::Cease(Cease::MaximumPrefixes), data })
            }
            Self::BfdDown => Some(Notification::shutdown(Cease::BfdDown, "")),
            Self::InterfaceDown(_) | Self::AddressGone(_) | Self::NeighbourFailed(_) | Self::Restart => None,
        }
    }

    /// Tells whether both sides keep each other's routes over a stop for this reason; see
    /// [`DownReason::keeps_routes`](super::DownReason::keeps_routes). What does not is said as a Hard Reset.
    ///
    /// RFC 8538 §5.1 advises Hard Reset for 6/1, 6/2 and 6/3, which are meant to last, and leaves 6/4 to the
    /// user. An administrative reset is hard here: who asks for a session anew distrusts what the old one left,
    /// and who only wants routes again asks for a refresh. A change of configuration is over in a moment and
    /// should cost no packet; what it makes wrong (a family gone, another AS) does not survive the new OPEN.
    pub(super) fn keeps_routes(&self, notification_keeps: bool) -> bool {
        match self {
            Self::AdminDown { .. }
            | Self::AdminReset { .. }
            | Self::Deconfigured
            | Self::MaxPrefixes { .. } => false,
            // The path is dead and both sides know (RFC 9384). That BFD may have died with the control plane
            // only (the C bit, RFC 5882 §4.3) is for the caller to know.
            Self::BfdDown => false,
            // So is the path without its link, our address or the peer's.
            Self::InterfaceDown(_) | Self::AddressGone(_) | Self::NeighbourFailed(_) => false,
            Self::OtherConfigurationChange => notification_keeps,
            Self::Restart => true,
        }
    }

    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::AdminDown { .. } => "admin_down",
            Self::AdminReset { .. } => "admin_reset",
            Self::Deconfigured => "deconfigured",
            Self::OtherConfigurationChange => "configuration_change",
            Self::MaxPrefixes { .. } => "max_prefixes",
            Self::BfdDown => "bfd_down",
            Self::InterfaceDown(_) => "interface_down",
            Self::AddressGone(_) => "address_gone",
            Self::NeighbourFailed(_) => "neighbour_failed",
            Self::Restart => "restart",
        }
    }
}

/// Says which family had too many prefixes, and how many it may have (RFC 4486 §4).
fn excess(family: Family, limit: u32) -> Bytes {
    let AfiSafi { afi, safi } = family.code();
    let mut data = BytesMut::with_capacity(7);
    data.put_u16(afi);
    data.put_u8(safi);
    data.put_u32(limit);
    data.freeze()
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, message) = match self {
            Self::AdminDown { message } => ("administrative shutdown", message.as_str()),
            Self::AdminReset { message } => ("administrative reset", message.as_str()),
            Self::Deconfigured => ("peer de-configured", ""),
            Self::OtherConfigurationChange => ("configuration change", ""),
            Self::MaxPrefixes { family, limit } => {
                return write!(f, "maximum number of prefixes reached: more than {limit} of {family}");
            }
            Self::BfdDown => ("BFD down", ""),
            Self::InterfaceDown(name) => return write!(f, "interface {name} went down"),
            Self::AddressGone(address) => return write!(f, "our address {address} is gone"),
            Self::NeighbourFailed(interface) => return write!(f, "the peer does not answer on {interface}"),
            Self::Restart => ("restart", ""),
        };
        f.write_str(what)?;
        if message.is_empty() { Ok(()) } else { write!(f, " (\"{message}\")") }
    }
}
