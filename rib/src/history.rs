//! What became of best paths, and which input brought it about.
//!
//! The tables remember none of it: [`Rib::settle_and_tell`](crate::Rib::settle_and_tell) hands each change to
//! whoever keeps a history.

use ipnet::IpNet;

use crate::path::{PeerId, Source, Standing};

/// The input that had a destination decided upon anew: the first one, where several came before the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A peer announced.
    Announced(PeerId),
    /// A peer withdrew.
    Withdrawn(PeerId),
    /// A peer's session is over: its paths went, or turned stale.
    SessionLost(PeerId),
    /// A peer whose paths were kept is back, and they are judged by what its new session is.
    SessionBack(PeerId),
    /// What a peer had not announced again in time went (RFC 4724 §4.2, RFC 7313 §4.2).
    StaleSwept(PeerId),
    /// A peer is late, and its paths are the last resort (RFC 9494 §4.2).
    LongLived(PeerId),
    /// What is let in from a peer changed.
    Import(PeerId),
    /// A peer is drained, or no longer.
    Drained(PeerId),
    /// A next hop leads elsewhere, or nowhere.
    NextHop,
    /// What we originate changed.
    Originated,
    /// The settings for all peers changed, or whose routes are reflected.
    Settings,
}

impl Cause {
    /// Returns the peer that brought it about, or that it was about.
    #[must_use]
    pub fn peer(self) -> Option<PeerId> {
        match self {
            Self::Announced(peer)
            | Self::Withdrawn(peer)
            | Self::SessionLost(peer)
            | Self::SessionBack(peer)
            | Self::StaleSwept(peer)
            | Self::LongLived(peer)
            | Self::Import(peer)
            | Self::Drained(peer) => Some(peer),
            Self::NextHop | Self::Originated | Self::Settings => None,
        }
    }
}

/// The best path of a destination is another, or not what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BestChange {
    /// The destination.
    pub prefix: IpNet,
    /// What brought it about.
    pub cause: Cause,
    /// Where the best path was from; `None` when there was none.
    pub before: Option<Source>,
    /// Where it is from now; the same source when the path itself changed.
    pub after: Option<Source>,
    /// How the path of the former source stands now, if it is another; `None` when that path is gone.
    pub former: Option<Standing>,
}

/// A destination that waits for the decision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dirty {
    pub(crate) id: u32,
    pub(crate) cause: Cause,
    /// Where the best path of the last decision was from.
    pub(crate) before: Option<Source>,
}
