//! What is counted about a peer.

use std::time::Instant;

use super::DownReason;
use crate::message::MessageKind;

/// Counters of one peer, from its making; plain numbers to be rendered by others.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Messages from the peer.
    pub received: MessageCounts,
    /// Messages to the peer, handed over but not necessarily written.
    pub sent: MessageCounts,
    /// Octets from the peer.
    pub octets_received: u64,
    /// Octets to the peer that the connection took.
    pub octets_written: u64,
    /// Changes of state.
    pub transitions: u64,
    /// Sessions that came up.
    pub established: u64,
    /// Sessions that went down again.
    pub flaps: u64,
    /// Faults in UPDATEs that did not end the session (RFC 7606).
    pub offences: u64,
    /// Incoming connections refused because the peer is stopped, or rested from after an error.
    pub refused: u64,
    /// Attempts to connect.
    pub dials: u64,
    /// What stands in the way of a session now; while there is one, how the last one ended. Attempts that
    /// failed before a session came up are forgotten with it.
    pub last_error: Option<LastError>,
    /// How the last session ended.
    pub last_loss: Option<LastError>,
    /// When octets last came.
    pub last_read: Option<Instant>,
    /// When the connection last took octets.
    pub last_written: Option<Instant>,
    /// When the state last changed.
    pub last_transition: Option<Instant>,
}

/// Why something ended, and when.
#[derive(Clone, Debug)]
pub struct LastError {
    /// When it ended.
    pub at: Instant,
    /// Why; holds the NOTIFICATION sent or received.
    pub reason: DownReason,
}

/// Messages by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageCounts {
    /// OPEN.
    pub open: u64,
    /// UPDATE.
    pub update: u64,
    /// NOTIFICATION.
    pub notification: u64,
    /// KEEPALIVE.
    pub keepalive: u64,
    /// ROUTE-REFRESH.
    pub route_refresh: u64,
}

impl MessageCounts {
    /// Returns the number of messages of all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.open + self.update + self.notification + self.keepalive + self.route_refresh
    }

    pub(super) fn count(&mut self, kind: MessageKind) {
        let counter = match kind {
            MessageKind::Open => &mut self.open,
            MessageKind::Update => &mut self.update,
            MessageKind::Notification => &mut self.notification,
            MessageKind::Keepalive => &mut self.keepalive,
            MessageKind::RouteRefresh => &mut self.route_refresh,
        };
        *counter += 1;
    }
}
