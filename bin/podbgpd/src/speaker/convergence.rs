//! When everything has been said once.
//!
//! After a start the kernel may hold routes of an earlier run. Those that peers announce again are claimed by
//! being wanted; the others may go only when no peer has anything left to say, or they would be deleted and
//! written again. Peers say so with End-of-RIB (RFC 4724 §2); one that never comes up, or never says it, is
//! waited for until the deadline and no longer.
//!
//! A route counts as wanted only once the kernel's side has said where its next hop leads, and that answer comes
//! after the question: until it has, not everything is said either.

use std::time::{Duration, Instant};

use super::peering::Peering;
use super::{Notice, Output, Speaker};

/// How long leftovers of an earlier run wait for peers that do not finish.
const PATIENCE: Duration = Duration::from_secs(120);

/// How far the first exchange with all peers has come.
pub(super) enum Convergence {
    /// Some peer still has something to say.
    Waiting {
        /// When that no longer matters.
        deadline: Instant,
    },
    /// Everything has been said; the kernel has not been told all of it.
    Draining,
    /// The kernel has been told.
    Done,
}

impl Convergence {
    pub(super) fn new(now: Instant) -> Self {
        Self::Waiting { deadline: now + PATIENCE }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Waiting { deadline } => Some(*deadline),
            Self::Draining | Self::Done => None,
        }
    }
}

impl Speaker {
    /// Tells whether every peer has said all it had to say, or is waited for no longer.
    #[must_use]
    pub fn has_converged(&self) -> bool {
        !matches!(self.convergence, Convergence::Waiting { .. })
    }

    pub(super) fn check_convergence(&mut self, now: Instant, out: &mut Vec<Output>) {
        let Convergence::Waiting { deadline } = self.convergence else { return };
        let mut wanted = self.peerings.values().filter(|peering| peering.is_wanted());
        let over = now >= deadline;
        if over || (wanted.all(Peering::has_told_all) && !self.rib.awaits_next_hops()) {
            self.convergence = Convergence::Draining;
            out.push(Output::Notice(Notice::Converged { deadline: over }));
        }
    }

    /// Returns what the kernel's side should be told next: which next hops are lost, which to look after, then at most
    /// `limit` changes, and after the last of them that leftovers may go. `None` when there is nothing to tell.
    pub fn kernel_command(&mut self, limit: usize) -> Option<fib::Command> {
        if let Some(command) = self.losses.before_changes() {
            return Some(command);
        }
        if self.tracking.is_empty() {
            let changes = self.rib.tracked_next_hops();
            let (gone, new) = (fib::Command::Untrack(changes.removed), fib::Command::Track(changes.added));
            self.tracking.extend([gone, new].into_iter().filter(names_somebody));
        }
        if let Some(command) = self.tracking.pop_front() {
            return Some(command);
        }
        while self.rib.has_pending_forwarding() {
            // Of those that are pending, some may have come back to what the kernel has.
            let changes = self.rib.pull_forwarding(limit);
            if !changes.is_empty() {
                return Some(fib::Command::Apply(kernel_changes(changes)));
            }
        }
        if let Some(command) = self.losses.after_changes() {
            return Some(command);
        }
        if matches!(self.convergence, Convergence::Draining) {
            self.convergence = Convergence::Done;
            return Some(fib::Command::Converged);
        }
        None
    }
}

/// Says what changes mean to the kernel. Most of them lead the same way and share the words for it.
fn kernel_changes(changes: Vec<rib::ForwardingChange>) -> Vec<fib::Change> {
    let mut last: (Option<rib::Forwarding>, Option<fib::Target>) = (None, None);
    let change = |rib::ForwardingChange { prefix, forwarding }| {
        if forwarding != last.0 {
            last = (forwarding.clone(), forwarding.and_then(super::peering::target));
        }
        fib::Change { prefix, target: last.1.clone() }
    };
    changes.into_iter().map(change).collect()
}

fn names_somebody(command: &fib::Command) -> bool {
    matches!(command, fib::Command::Track(addresses) | fib::Command::Untrack(addresses) if !addresses.is_empty())
}
