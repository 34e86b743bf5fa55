//! What a peer wants done, and why a session ended.

use std::fmt;

use bytes::Bytes;

use super::{ConnId, State, StopReason};
use crate::message::{MessageKind, RouteRefresh};
use crate::notification::{Cease, NotificationError, StateMachineError};
use crate::wire::Offence;
use crate::{Negotiated, Notification, Update};

/// Something the driver must do, or should know. All of them, in their order.
#[derive(Clone, Debug)]
pub enum Action {
    /// Open a TCP connection to the peer; answer with [`Event::Connected`](super::Event::Connected) or
    /// [`Event::ConnectFailed`](super::Event::ConnectFailed).
    Connect(ConnId),
    /// Take the incoming connection and call it this.
    Accept(ConnId),
    /// Close the incoming connection without a byte.
    Refuse,
    /// Write these octets; report them with [`Event::Written`](super::Event::Written) once the connection took
    /// them.
    Transmit(ConnId, Bytes),
    /// Close the connection, or give up opening it, once what was handed over before is written. No event of
    /// this connection matters any more.
    Close(ConnId),
    /// The connection brought this message, as it was on the wire; what follows from it comes next. OPEN and
    /// NOTIFICATION are always told, the others while [`Peer::listen`](super::Peer::listen) asks for them.
    Heard(ConnId, Bytes),
    /// The session is up. Routes may be sent.
    Established(Box<Negotiated>),
    /// The peer's routes changed.
    Update(Update),
    /// An UPDATE had faults that do not end the session (RFC 7606); its `Update` follows.
    Offences(Vec<Offence>),
    /// The peer asks for our routes, or brackets its own (RFC 2918, RFC 7313).
    Refresh(RouteRefresh),
    /// The session is over. Follows each `Established` once, before another can.
    Down(DownReason),
    /// The state as [`Peer::state`](super::Peer::state) tells it is another.
    State {
        /// What it was.
        from: State,
        /// What it is.
        to: State,
        /// What moved it.
        cause: Cause,
    },
}

/// Why a session, or an attempt at one, ended.
///
/// One value from the cause to the NOTIFICATION ([`DownReason::notification`]), the metric
/// ([`DownReason::label`]) and the log (its `Display`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownReason {
    /// We stopped it.
    Stopped(StopReason),
    /// The peer ended it with a NOTIFICATION, which is never answered (RFC 4271 §6.4).
    NotificationReceived(Notification),
    /// The peer sent a NOTIFICATION that makes no sense; not answered either.
    NotificationUnreadable,
    /// The connection did not come about.
    ConnectFailed(String),
    /// The connection closed or broke.
    ConnectionLost(String),
    /// Neither KEEPALIVE nor UPDATE for the hold time (RFC 4271 §6.5).
    HoldTimerExpired,
    /// The peer took no octets for the send hold time (RFC 9687).
    SendHoldTimerExpired,
    /// The peer sent something malformed or unacceptable.
    ProtocolError {
        /// What it is told.
        notification: Notification,
        /// What an operator is told.
        detail: String,
    },
    /// The peer sent a message out of turn (RFC 6608).
    UnexpectedMessage {
        /// The state the connection was in.
        state: State,
        /// What came.
        kind: MessageKind,
    },
    /// Another connection to the same peer is kept (RFC 4271 §6.8).
    Collision,
    /// The peer, which restarts gracefully, has opened a new connection: it knows nothing of this one any
    /// more (RFC 4724 §5). Ends without a word.
    Superseded,
}

impl DownReason {
    /// Returns what the peer is told, if anything.
    #[must_use]
    pub fn notification(&self) -> Option<Notification> {
        match self {
            Self::Stopped(reason) => reason.notification(),
            Self::NotificationReceived(_)
            | Self::NotificationUnreadable
            | Self::ConnectFailed(_)
            | Self::ConnectionLost(_)
            | Self::Superseded => None,
            Self::HoldTimerExpired => Some(NotificationError::HoldTimerExpired.into()),
            Self::SendHoldTimerExpired => Some(NotificationError::SendHoldTimerExpired.into()),
            Self::ProtocolError { notification, .. } => Some(notification.clone()),
            Self::UnexpectedMessage { state, kind } => Some(out_of_turn(*state, *kind)),
            Self::Collision => Some(NotificationError::Cease(Cease::ConnectionCollision).into()),
        }
    }

    /// Tells whether the peer did what it would do again, so that it is worth resting from it (RFC 4271 §8.1.1,
    /// DampPeerOscillations). A peer that went away and comes back is not.
    pub(super) fn is_peers_fault(&self) -> bool {
        match self {
            Self::ProtocolError { .. } | Self::UnexpectedMessage { .. } | Self::NotificationUnreadable => {
                true
            }
            Self::Stopped(_)
            | Self::NotificationReceived(_)
            | Self::ConnectFailed(_)
            | Self::ConnectionLost(_)
            | Self::HoldTimerExpired
            | Self::SendHoldTimerExpired
            | Self::Collision
            | Self::Superseded => false,
        }
    }

    /// Tells whether the peer may still be forwarding and come back, as far as the reason tells, so that its
    /// routes may be kept as stale; whether they are is also a matter of what it announced.
    ///
    /// `notification_keeps` is [`Negotiated::notification_keeps`]: without it only a connection that ends
    /// without a word is graceful (RFC 4724 §4.2), with it so is every NOTIFICATION, ours or the peer's, and
    /// the silence that ends in one, but for a Hard Reset (RFC 8538 §4).
    #[must_use]
    pub fn keeps_routes(&self, notification_keeps: bool) -> bool {
        match self {
            Self::ConnectionLost(_) | Self::Superseded => true,
            // Nothing was up that could end.
            Self::ConnectFailed(_) => true,
            Self::Stopped(reason) => reason.keeps_routes(notification_keeps),
            Self::NotificationReceived(notification) => notification_keeps && !notification.is_hard_reset(),
            // It may have been a Hard Reset.
            Self::NotificationUnreadable => false,
            // Silence and disagreement are the control plane's; whether the peer forwards is for BFD to say
            // (RFC 8538 §4). Taking nothing from us is silence in the other direction (RFC 9687).
            Self::HoldTimerExpired
            | Self::SendHoldTimerExpired
            | Self::ProtocolError { .. }
            | Self::UnexpectedMessage { .. }
            | Self::Collision => notification_keeps,
        }
    }

    /// Tells whether what the peer is told becomes a Hard Reset where the N bit was negotiated: the peer
    /// would keep our routes otherwise.
    pub(super) fn is_hard(&self) -> bool {
        matches!(self, Self::Stopped(reason) if !reason.keeps_routes(true))
    }

    /// Returns the reason in one word, for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Stopped(reason) => reason.label(),
            Self::NotificationReceived(_) | Self::NotificationUnreadable => "notification_received",
            Self::ConnectFailed(_) => "connect_failed",
            Self::ConnectionLost(_) => "connection_lost",
            Self::HoldTimerExpired => "hold_timer_expired",
            Self::SendHoldTimerExpired => "send_hold_timer_expired",
            Self::ProtocolError { .. } => "protocol_error",
            Self::UnexpectedMessage { .. } => "unexpected_message",
            Self::Collision => "collision",
            Self::Superseded => "superseded",
        }
    }
}

fn out_of_turn(state: State, kind: MessageKind) -> Notification {
    let subcode = match state {
        State::OpenSent => StateMachineError::InOpenSent,
        State::OpenConfirm => StateMachineError::InOpenConfirm,
        State::Established => StateMachineError::InEstablished,
        State::Idle | State::Connect | State::Active => StateMachineError::Unspecific,
    };
    Notification {
        error: NotificationError::StateMachine(subcode),
        data: Bytes::copy_from_slice(&[kind.code()]),
    }
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped(reason) => write!(f, "stopped: {reason}"),
            Self::NotificationReceived(notification) => write!(f, "peer said: {notification}"),
            Self::NotificationUnreadable => f.write_str("peer sent a malformed NOTIFICATION"),
            Self::ConnectFailed(why) => write!(f, "connect failed: {why}"),
            Self::ConnectionLost(why) => write!(f, "connection lost: {why}"),
            Self::HoldTimerExpired => f.write_str("hold timer expired: nothing heard from the peer"),
            Self::SendHoldTimerExpired => f.write_str("send hold timer expired: the peer reads nothing"),
            Self::ProtocolError { notification, detail } => {
                let (code, subcode) = notification.error.codes();
                write!(f, "{detail} (sent {code}/{subcode})")
            }
            Self::UnexpectedMessage { state, kind } => write!(f, "unexpected {kind} in {state}"),
            Self::Collision => f.write_str("another connection to the peer is kept"),
            Self::Superseded => f.write_str("the peer restarted: it has opened a new connection"),
        }
    }
}

/// What moved a peer from one state to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// [`Event::Start`](super::Event::Start).
    Started,
    /// What was a peer to wait for is one to dial: [`Peer::configure`](super::Peer::configure).
    Configured,
    /// [`Event::PathUp`](super::Event::PathUp).
    PathUp,
    /// The wait after a failure is over.
    IdleHoldExpired,
    /// It is time to connect again.
    ConnectRetryExpired,
    /// Our connection stands, and our OPEN is out.
    Connected,
    /// The peer's connection is accepted, and our OPEN is out.
    Accepted,
    /// The peer's OPEN is agreeable.
    OpenReceived,
    /// The peer's KEEPALIVE confirms our OPEN.
    KeepaliveReceived,
    /// A connection ended, or did not come about.
    Down(DownReason),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("started"),
            Self::Configured => f.write_str("no longer passive"),
            Self::PathUp => f.write_str("the way to the peer is there again"),
            Self::IdleHoldExpired => f.write_str("idle hold timer expired"),
            Self::ConnectRetryExpired => f.write_str("connect retry timer expired"),
            Self::Connected => f.write_str("connected"),
            Self::Accepted => f.write_str("connection accepted"),
            Self::OpenReceived => f.write_str("OPEN received"),
            Self::KeepaliveReceived => f.write_str("KEEPALIVE received"),
            Self::Down(reason) => reason.fmt(f),
        }
    }
}
