//! What a restart has to remember, in one small file.
//!
//! The kernel keeps the routes and the peers keep theirs; what nobody keeps is who was there and what was said. So
//! each run writes it down: which peers had a session, the prefixes each announced, and what we advertised. The
//! next run reads from it that it is a restart, whom to wait for, and afterwards what has not come back.
//!
//! The surprise is what the file is *not*: no route is ever installed from it. It is bounded, carries a checksum,
//! and whatever is odd about it (age, another node, another boot of the machine, a single bit) makes it as good as
//! none: then we wait for everybody, which is slower and as right.

mod code;
mod file;
pub mod objects;
mod prefixes;
mod sealed;

use std::time::Duration;

use bgp::{Asn, BgpId, FamilySet};
use thiserror::Error;

use crate::intent::Intent;

pub use code::{decode, encode};
pub use file::{Recorder, load};
pub use prefixes::Prefixes;

/// How old a snapshot may be. Runs renew theirs every [`file::HEARTBEAT`] even when nothing changes.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// What was the case when it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose it is.
    pub node: Identity,
    /// When it was taken.
    pub taken: Moment,
    /// Whether it was the last thing its run did.
    pub farewell: bool,
    /// How many routes the kernel held for us.
    pub installed: u64,
    /// What we originated.
    pub originated: Prefixes,
    /// The peers.
    pub peers: Vec<PeerRecord>,
}

/// Who wrote a snapshot. Another identity is another speaker to the peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Our AS.
    pub asn: Asn,
    /// Our identifier.
    pub router_id: BgpId,
}

/// A moment that means the same to every process of one boot of a machine, whatever happens to the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The kernel's name for this boot: routes in the kernel never outlive it.
    pub boot: [u8; 16],
    /// The time since then.
    pub uptime: Duration,
}

/// What there was to know of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRecord {
    /// Its name.
    pub name: String,
    /// Whether it had a session, or was kept for one to come back.
    pub up: bool,
    /// The families of the session.
    pub families: FamilySet,
    /// What it announced.
    pub announced: Prefixes,
}

/// Why a snapshot is as good as none.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unusable {
    /// It is not a snapshot, or has been cut or changed.
    #[error("it is damaged")]
    Damaged,
    /// Another version of the program wrote it, in another way.
    #[error("it has format {0}, which this version does not read")]
    Format(u16),
    /// Another node wrote it.
    #[error("it is of AS {}, router ID {}", .0.asn, .0.router_id)]
    OtherNode(Identity),
    /// The machine has been started since.
    #[error("the machine was started since it was written")]
    OtherBoot,
    /// Whatever it says is history.
    #[error("it was written {} minutes ago", .0.as_secs() / 60)]
    TooOld(Duration),
}

impl Identity {
    /// Returns who a node with this intent is.
    #[must_use]
    pub fn of(intent: &Intent) -> Self {
        Self { asn: intent.node.asn, router_id: intent.node.router_id }
    }
}

impl Snapshot {
    /// Checks that the snapshot is about this node, and not about long ago. Returns its age.
    ///
    /// # Errors
    /// Why it is as good as none.
    pub fn judge(&self, node: Identity, now: Moment) -> Result<Duration, Unusable> {
        if self.node != node {
            return Err(Unusable::OtherNode(self.node));
        }
        if self.taken.boot != now.boot {
            return Err(Unusable::OtherBoot);
        }
        // From the future: no process of this boot wrote that.
        let age = now.uptime.checked_sub(self.taken.uptime).ok_or(Unusable::Damaged)?;
        if age > MAX_AGE { Err(Unusable::TooOld(age)) } else { Ok(age) }
    }
}

#[cfg(test)]
mod tests;
