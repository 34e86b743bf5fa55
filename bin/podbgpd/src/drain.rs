//! Leaving peers without losing a packet, as a state machine without clock and without sockets (RFC 8326).
//!
//! ```text
//!   announced ──────────────────► withdrawn ──────────────────► closed
//!   routes say that they go;      nothing is advertised;        Cease with the operator's words;
//!   traffic takes other paths     packets under way arrive      no session until called off
//! ```
//!
//! A stage lasts for its hold from the moment on when the peers have been told everything, so a large table and a
//! slow peer are waited for; whatever they do, the whole of it is over at its end. Whether packets still come cannot
//! be known from BGP, and an interface that carries a node's own traffic is never silent: the hold is what peers get
//! to choose other paths, and nothing here claims to have seen it.
//!
//! To call a drain off is to forget it: what a peer is told follows from its [`Stage`] and from nothing else.

mod memory;

use std::fmt;
use std::time::{Duration, Instant};

use crate::intent;

pub use memory::{Drained, Memory};

/// How far a drain is; the later ones leave less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// What goes out carries GRACEFUL_SHUTDOWN, and what came in is the last resort.
    Announced,
    /// Nothing is advertised any more.
    Withdrawn,
    /// There is no session.
    Closed,
}

/// Why there is a drain, and what comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An operator drains; what comes next is the operator's business.
    Operator,
    /// The machine shuts down.
    Host,
    /// The cluster wants the node drained.
    Cluster,
    /// An operator wants the daemon to leave; it ends when nobody is left.
    Leave,
}

/// What the peers have heard of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// There is no session, hence nobody to wait for.
    Nobody,
    /// Some of it is still on its way out.
    Some,
    /// Everything was sent, and the connections took it.
    All,
}

/// A drain of the node, or of one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Why.
    pub cause: Cause,
    /// What the peers are told with the Cease (RFC 9003).
    pub message: String,
    hold: [Duration; 2],
    stage: Stage,
    since: Instant,
    start: Instant,
    end: Instant,
    /// When the peers had heard all of the stage.
    heard: Option<Instant>,
}

impl Drain {
    /// Starts a drain that is over within `limit`, or what the intent has for it.
    #[must_use]
    pub fn start(
        wanted: &intent::Drain,
        cause: Cause,
        message: String,
        limit: Option<Duration>,
        now: Instant,
    ) -> Self {
        let end = now + limit.map_or(wanted.deadline, |limit| limit.min(wanted.deadline));
        let hold = [wanted.announce, wanted.withdraw];
        Self { cause, message, hold, stage: Stage::Announced, since: now, start: now, end, heard: None }
    }

    /// Returns a drain that goes straight to its last stage.
    #[must_use]
    pub fn at_once(cause: Cause, message: String, now: Instant) -> Self {
        let (hold, stage) = ([Duration::ZERO; 2], Stage::Closed);
        Self { cause, message, hold, stage, since: now, start: now, end: now, heard: None }
    }

    /// Returns the stage.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Returns since when it is in this stage.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Has it over within `limit`, if it would not be.
    pub fn hasten(&mut self, limit: Duration, now: Instant) {
        self.end = self.end.min(now + limit);
    }

    /// Takes in what the peers have heard, and says whether that or the time brought the next stage.
    pub fn observe(&mut self, heard: Heard, now: Instant) -> bool {
        match heard {
            Heard::All => _ = self.heard.get_or_insert(now),
            // A session that comes up late is told too; the hold that runs is not begun again for it.
            Heard::Some => {}
            Heard::Nobody => return self.enter(Stage::Closed, now),
        }
        match self.next_deadline() {
            Some(deadline) if deadline <= now => self.enter(self.next_stage(), now),
            _ => false,
        }
    }

    /// Returns when the next stage is due, as far as is known; the last one has none.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let (hold, limit) = match self.stage {
            Stage::Announced => (self.hold[0], self.end - self.withdrawing()),
            Stage::Withdrawn => (self.hold[1], self.end),
            Stage::Closed => return None,
        };
        Some(self.heard.map_or(limit, |heard| limit.min(heard + hold)))
    }

    /// The part of the time that is kept for the withdrawals: a third of it at most.
    fn withdrawing(&self) -> Duration {
        self.hold[1].min((self.end - self.start) / 3)
    }

    fn next_stage(&self) -> Stage {
        match self.stage {
            Stage::Announced => Stage::Withdrawn,
            Stage::Withdrawn | Stage::Closed => Stage::Closed,
        }
    }

    fn enter(&mut self, stage: Stage, now: Instant) -> bool {
        let is_new = self.stage != stage;
        if is_new {
            (self.stage, self.since, self.heard) = (stage, now, None);
        }
        is_new
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Announced => "announced",
            Self::Withdrawn => "withdrawn",
            Self::Closed => "closed",
        })
    }
}

#[cfg(test)]
mod tests;
