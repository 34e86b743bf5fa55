//! The five messages, as meaning rather than octets.

use std::fmt;

use ipnet::IpNet;

use crate::family::AfiSafi;
use crate::{Asn, BgpId, Capability, Family, HoldTime, Notification, PathAttributes};

/// A BGP message (RFC 4271 §4.1, RFC 2918).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Who I am and what I can do.
    Open(Open),
    /// What is reachable now, and what no longer.
    Update(Update),
    /// What went wrong; the last message of a connection.
    Notification(Notification),
    /// I am alive.
    Keepalive,
    /// Please say it all again.
    RouteRefresh(RouteRefresh),
}

/// An OPEN (RFC 4271 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The sender's AS: of the 4-octet capability where it was sent, else of the 2-octet field (RFC 6793).
    pub asn: Asn,
    /// The hold time the sender offers.
    pub hold_time: HoldTime,
    /// The sender's identifier.
    pub bgp_id: BgpId,
    /// What the sender can do, in the order it said so.
    pub capabilities: Vec<Capability>,
}

/// A prefix as a peer names it: with the path identifier that tells its several paths apart (RFC 7911).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nlri {
    /// The prefix; its host bits are zero.
    pub prefix: IpNet,
    /// The path identifier, 0 where ADD-PATH was not negotiated.
    pub path_id: u32,
}

impl From<IpNet> for Nlri {
    fn from(prefix: IpNet) -> Self {
        Self { prefix: prefix.trunc(), path_id: 0 }
    }
}

/// Prefixes that became reachable with the same attributes; all of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// What they share.
    pub attributes: PathAttributes,
    /// The prefixes; never empty.
    pub nlri: Vec<Nlri>,
}

/// An UPDATE after everything RFC 7606 asks has been done to it.
///
/// What had to be treated as withdrawn already is in `withdrawn`; nobody downstream need know why. A prefix
/// both withdrawn and announced in one UPDATE is only announced (RFC 4271 §4.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// What is no longer reachable, of any family.
    pub withdrawn: Vec<Nlri>,
    /// What is reachable: at most two announcements, since one message has two places for routes, each with a
    /// next hop of its own. A sound sender uses one of them (RFC 7606 §5.1).
    pub announced: Vec<Announcement>,
    /// The family whose initial routes all have been sent (RFC 4724 §2).
    pub end_of_rib: Option<Family>,
}

/// A ROUTE-REFRESH (RFC 2918, RFC 7313).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteRefresh {
    /// The family, known to us or not.
    pub family: AfiSafi,
    /// The message subtype: [`RouteRefresh::REQUEST`], or one of the two that bracket an answer, or none we know.
    pub subtype: u8,
}

impl RouteRefresh {
    /// Asks for all routes of the family (RFC 2918).
    pub const REQUEST: u8 = 0;
    /// BoRR: all routes of the family follow (RFC 7313 §3.2).
    pub const BEGINNING: u8 = 1;
    /// EoRR: these were all (RFC 7313 §3.2).
    pub const END: u8 = 2;
}

/// The kind of a message, as its header says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageKind {
    /// Type 1.
    Open,
    /// Type 2.
    Update,
    /// Type 3.
    Notification,
    /// Type 4.
    Keepalive,
    /// Type 5.
    RouteRefresh,
}

impl Message {
    /// Returns the kind of the message.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        match self {
            Self::Open(_) => MessageKind::Open,
            Self::Update(_) => MessageKind::Update,
            Self::Notification(_) => MessageKind::Notification,
            Self::Keepalive => MessageKind::Keepalive,
            Self::RouteRefresh(_) => MessageKind::RouteRefresh,
        }
    }
}

impl MessageKind {
    /// Returns the type octet of the header.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Open => 1,
            Self::Update => 2,
            Self::Notification => 3,
            Self::Keepalive => 4,
            Self::RouteRefresh => 5,
        }
    }

    /// Returns the kind of a type octet, if there is one.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        let kinds = [Self::Open, Self::Update, Self::Notification, Self::Keepalive, Self::RouteRefresh];
        kinds.into_iter().find(|kind| kind.code() == code)
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "OPEN",
            Self::Update => "UPDATE",
            Self::Notification => "NOTIFICATION",
            Self::Keepalive => "KEEPALIVE",
            Self::RouteRefresh => "ROUTE-REFRESH",
        })
    }
}
