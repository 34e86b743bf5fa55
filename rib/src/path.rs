//! A path: one peer's word about one destination, from its receipt to its standing.

use std::fmt;

use crate::decision::Reason;
use crate::import::RejectReason;
use crate::pool::AttrId;

/// A peer, as the owner of the tables numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u32);

/// Where a path comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// We originate it.
    Local,
    /// A peer announced it.
    Peer(PeerId),
}

/// How a path stands among those of its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Accepted, and not yet decided upon: until the next settle.
    Undecided,
    /// The best path.
    Best,
    /// As good as the best up to the router identifier, and used together with it.
    Multipath,
    /// Its next hop leads nowhere.
    Unreachable,
    /// Another is better, for this reason.
    Lost(Reason),
    /// Never a candidate, for this reason; kept as received.
    Rejected(RejectReason),
}

impl Standing {
    /// The number of values of a standing; each has a code below it.
    pub(crate) const CODES: usize = 4 + Reason::ALL.len() + RejectReason::ALL.len();

    const LOST: usize = 4;
    const REJECTED: usize = Self::LOST + Reason::ALL.len();

    /// Returns the small number that stands for this in a path and in a peer's counts.
    pub(crate) fn code(self) -> usize {
        match self {
            Self::Undecided => 0,
            Self::Best => 1,
            Self::Multipath => 2,
            Self::Unreachable => 3,
            Self::Lost(reason) => Self::LOST + reason as usize,
            Self::Rejected(reason) => Self::REJECTED + reason as usize,
        }
    }

    fn from_code(code: usize) -> Self {
        match code {
            0 => Self::Undecided,
            1 => Self::Best,
            2 => Self::Multipath,
            3 => Self::Unreachable,
            code if code < Self::REJECTED => Self::Lost(Reason::ALL[code - Self::LOST]),
            code => Self::Rejected(RejectReason::ALL[code - Self::REJECTED]),
        }
    }

    /// Tells whether packets may take the path.
    #[must_use]
    pub fn forwards(self) -> bool {
        matches!(self, Self::Best | Self::Multipath)
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undecided => f.write_str("undecided"),
            Self::Best => f.write_str("best"),
            Self::Multipath => f.write_str("multipath"),
            Self::Unreachable => f.write_str("unreachable next hop"),
            Self::Lost(reason) => write!(f, "lost: {reason}"),
            Self::Rejected(reason) => write!(f, "rejected: {reason}"),
        }
    }
}

/// How a path stands with time: its peer's session was lost, and it has not been announced again since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Staleness {
    /// The peer is restarting; the path is as good as any (RFC 4724 §4.2).
    Stale,
    /// The peer should long be back; the path is for want of better only (RFC 9494 §4.2).
    LongLived,
}

/// The place of a peer in the table of peers, or [`Slot::LOCAL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(pub(crate) u16);

impl Slot {
    /// Stands for ourselves.
    pub(crate) const LOCAL: Self = Self(u16::MAX);
}

/// One path of a destination; a destination has at most one of a source and path identifier.
///
/// Twenty octets, because there are millions of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// The path identifier its peer gave it (RFC 7911).
    pub(crate) path_id: u32,
    /// The attributes as received: with the source, this is the Adj-RIB-In.
    pub(crate) received: AttrId,
    /// The attributes after import; [`AttrId::NONE`] exactly when the path is rejected.
    pub(crate) accepted: AttrId,
    /// When it was received in this shape, in seconds since the owner's epoch.
    pub(crate) since: u32,
    /// Who it is from.
    pub(crate) source: Slot,
    /// Whether its peer has yet to say it again since its session was lost.
    pub(crate) staleness: Option<Staleness>,
    standing: u8,
}

const _: () = assert!(size_of::<Path>() == 20 && Standing::CODES <= 256);

impl Path {
    /// Makes a path nobody has decided upon.
    pub(crate) fn new(source: Slot, path_id: u32, received: AttrId, since: u32) -> Self {
        let standing = Standing::Undecided.code() as u8;
        Self { path_id, received, accepted: AttrId::NONE, since, source, staleness: None, standing }
    }

    pub(crate) fn standing(&self) -> Standing {
        Standing::from_code(usize::from(self.standing))
    }

    pub(crate) fn is_long_lived(&self) -> bool {
        self.staleness == Some(Staleness::LongLived)
    }

    /// Changes the standing. Counting is the caller's business: see `Rib::restand`.
    pub(crate) fn set_standing(&mut self, standing: Standing) {
        // Codes fit an octet: asserted beside the type.
        self.standing = standing.code() as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standing_survives_its_code() {
        for code in 0..Standing::CODES {
            assert_eq!(Standing::from_code(code).code(), code);
        }
    }
}
