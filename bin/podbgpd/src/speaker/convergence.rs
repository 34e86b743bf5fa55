//! Our own restart, from the start to the moment when everything has been said once (RFC 4724 §4.1).
//!
//! After a restart the kernel forwards as the run before left it, and that is right until somebody says otherwise.
//! So the first thing is to do nothing: as long as peers tell their routes one after the other, each choice made
//! on the way would be a wrong one. *Selection is deferred* until every peer that matters has sent End-of-RIB, or
//! until time is up: nothing is written to the kernel, and what others' routes decide is not advertised. Our own
//! blocks do not depend on others; they and their End-of-RIB go out at once.
//!
//! Who matters? Who may still tell something soon. Not a peer that announced nothing of restarts (it promised no
//! End-of-RIB), not one that restarts itself (it may be waiting for ours), and not one that is dead: a peer that
//! had no session before is not waited for at all, one that had is for [`RETURN`]. Meanwhile the kernel follows
//! nobody, so that is short; it is long enough for four attempts to connect.
//!
//! Then the kernel hears what is wanted. What is there already is claimed by being wanted and not touched; the
//! rest of what was left may go when nobody has anything left to say. Removing is the one thing that cannot be
//! mended, so it waits for all, also for those who were not waited for before, until the same time is up.
//!
//! A route counts as wanted only once the kernel's side has said where its next hop leads, and that answer comes
//! after the question: until it has, not everything is said either.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::peering::{Peering, Standing};
use super::{Notice, Output, Speaker};
use crate::drain::Drained;
use crate::intent::Export;
use crate::snapshot::Snapshot;

/// How long a peer that had a session before our restart has to have one again before it counts as dead.
const RETURN: Duration = Duration::from_secs(10);

/// What an earlier run left.
#[derive(Debug, Default)]
pub struct Past {
    /// What it wrote down, if that was not long ago.
    pub snapshot: Option<Snapshot>,
    /// How long it has been gone, as far as that is known.
    pub away: Option<Duration>,
    /// How many of its routes are in the kernel.
    pub adopted: usize,
    /// What an operator drained and has not called off.
    pub drained: Drained,
}

/// How far the first exchange with all peers has come.
pub(super) struct Convergence {
    began: Instant,
    deadline: Instant,
    stage: Stage,
    pub(super) past: Past,
    /// What [`Past`] says, which is forgotten in time.
    pub(super) restarted: bool,
    pub(super) kept_forwarding: bool,
    /// Whether each peer had a session before; those not named are new.
    had_session: Option<BTreeMap<String, bool>>,
    /// Whether [`RETURN`] is over.
    dead_are_known: bool,
    /// How the deferral ended, after how long.
    pub(super) deferred: Option<(Duration, Ending)>,
    /// How long it took until the kernel had been told everything.
    pub(super) took: Option<Duration>,
}

/// What happens now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Selection is deferred.
    Deferring,
    /// The kernel follows, but what an earlier run left stays.
    Waiting,
    /// Everything has been said; the kernel has not been told all of it.
    Draining,
    /// The kernel has been told.
    Done,
}

/// What ended the deferral.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every peer that matters sent End-of-RIB.
    EndOfRib,
    /// Time was up; these had not.
    Deadline(Vec<String>),
}

impl Past {
    /// Tells whether this start is a restart.
    #[must_use]
    pub fn is_restart(&self) -> bool {
        self.adopted > 0 || self.snapshot.is_some()
    }

    /// Tells whether packets were forwarded all the while: the routes are still there, or there were none.
    #[must_use]
    pub fn kept_forwarding(&self) -> bool {
        self.adopted > 0 || self.snapshot.as_ref().is_some_and(|snapshot| snapshot.installed == 0)
    }
}

impl Convergence {
    pub(super) fn new(past: Past, patience: Duration, now: Instant) -> Self {
        let had_session = past
            .snapshot
            .as_ref()
            .map(|snapshot| snapshot.peers.iter().map(|peer| (peer.name.clone(), peer.up)).collect());
        Self {
            began: now,
            deadline: now + patience,
            stage: if past.is_restart() { Stage::Deferring } else { Stage::Waiting },
            restarted: past.is_restart(),
            kept_forwarding: past.kept_forwarding(),
            past,
            had_session,
            dead_are_known: false,
            deferred: None,
            took: None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Deferring if !self.dead_are_known => Some(self.deadline.min(self.began + RETURN)),
            Stage::Deferring | Stage::Waiting => Some(self.deadline),
            Stage::Draining | Stage::Done => None,
        }
    }

    pub(super) fn is_deferring(&self) -> bool {
        self.stage == Stage::Deferring
    }

    /// Says what our OPEN should say of our own restarts. A daemon that has come as far as to have told the kernel
    /// everything keeps forwarding whatever becomes of a session; before that only what it found counts.
    pub(super) fn standing(&self) -> Standing {
        match self.stage {
            Stage::Deferring | Stage::Waiting => {
                Standing { restarted: self.restarted, forwarding: self.kept_forwarding }
            }
            Stage::Draining | Stage::Done => Standing { restarted: false, forwarding: true },
        }
    }

    /// Lists who had a session before our restart.
    pub(super) fn had_sessions(&self) -> Vec<String> {
        let known = self.had_session.iter().flatten();
        known.filter(|(_, up)| **up).map(|(name, _)| name.clone()).collect()
    }

    /// Tells whether a peer may have had a session before.
    fn may_return(&self, peering: &Peering) -> bool {
        match &self.had_session {
            Some(known) => known.get(&peering.intent.name).copied().unwrap_or(false),
            None => true,
        }
    }

    /// Tells whether selection waits for a peer.
    fn matters(&self, peering: &Peering, now: Instant) -> bool {
        match &peering.session {
            None => self.may_return(peering) && now < self.began + RETURN,
            Some(session) => session.terms.announced && !session.terms.restarted && !peering.has_told_all(),
        }
    }

    /// Tells whether what an earlier run left stays for a peer's sake.
    fn may_speak(&self, peering: &Peering) -> bool {
        match &peering.session {
            None => self.may_return(peering) || !self.restarted,
            Some(_) => !peering.has_told_all(),
        }
    }
}

impl Speaker {
    /// Tells whether every peer has said all it had to say, or is waited for no longer.
    #[must_use]
    pub fn has_converged(&self) -> bool {
        matches!(self.convergence.stage, Stage::Draining | Stage::Done)
    }

    /// Tells whether a peer's adverts have to wait for what others say.
    pub(super) fn is_held_back(&self, peering: &Peering) -> bool {
        self.convergence.is_deferring() && !matches!(peering.intent.export, Export::Originated | Export::None)
    }

    /// Walks the peers that selection waits for.
    pub(super) fn waited_for(&self, now: Instant) -> impl Iterator<Item = &Peering> {
        let convergence = &self.convergence;
        let waited_for = move |peering: &&Peering| {
            convergence.is_deferring() && peering.is_wanted() && convergence.matters(peering, now)
        };
        self.peerings.values().filter(waited_for)
    }

    pub(super) fn check_convergence(&mut self, now: Instant, out: &mut Vec<Output>) {
        let stage = self.convergence.stage;
        if stage == Stage::Deferring {
            self.end_deferral(now, out);
        }
        if self.convergence.stage == Stage::Waiting {
            self.end_waiting(now, out);
        }
        if stage != self.convergence.stage {
            self.announce_restarts(now);
        }
    }

    fn end_deferral(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.convergence.dead_are_known = now >= self.convergence.began + RETURN;
        let convergence = &self.convergence;
        let missing: Vec<String> = self.waited_for(now).map(Peering::name).collect();
        let ending = match now >= convergence.deadline {
            true => Ending::Deadline(missing),
            false if missing.is_empty() && !self.rib.awaits_next_hops() => Ending::EndOfRib,
            false => return,
        };
        let took = now.duration_since(convergence.began);
        out.push(Output::Notice(Notice::Selected { took, ending: ending.clone() }));
        self.convergence.deferred = Some((took, ending));
        self.convergence.stage = Stage::Waiting;
        // What was held back goes out now.
        self.advertise(now, out);
    }

    fn end_waiting(&mut self, now: Instant, out: &mut Vec<Output>) {
        let convergence = &self.convergence;
        let mut wanted = self.peerings.values().filter(|peering| peering.is_wanted());
        let over = now >= convergence.deadline;
        let mut all_said =
            || !wanted.any(|peering| convergence.may_speak(peering)) && !self.rib.awaits_next_hops();
        if over || all_said() {
            self.convergence.stage = Stage::Draining;
            self.convergence.took = Some(now.duration_since(self.convergence.began));
            self.roll_call = super::RollCall::of(self.convergence.past.snapshot.take());
            out.push(Output::Notice(Notice::Converged { deadline: over }));
        }
    }

    /// Returns what the kernel's side should be told next: which next hops are lost, which to look after, then at most
    /// `limit` changes, and after the last of them that leftovers may go. `None` when there is nothing to tell.
    pub fn kernel_command(&mut self, limit: usize) -> Option<fib::Command> {
        if let Some(command) = self.losses.before_changes() {
            return Some(command);
        }
        if !std::mem::replace(&mut self.transit_told, true) {
            return Some(fib::Command::Transit(self.transit.clone()));
        }
        if !std::mem::replace(&mut self.hosts_told, true) {
            return Some(fib::Command::HostRoutes(self.intent.host_routes.clone()));
        }
        if self.tracking.is_empty() {
            let changes = self.rib.tracked_next_hops();
            let (gone, new) = (fib::Command::Untrack(changes.removed), fib::Command::Track(changes.added));
            self.tracking.extend([gone, new].into_iter().filter(names_somebody));
        }
        if let Some(command) = self.tracking.pop_front() {
            return Some(command);
        }
        if self.convergence.is_deferring() && self.convergence.past.adopted > 0 || self.keeps_kernel() {
            return None;
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
        if self.convergence.stage == Stage::Draining {
            self.convergence.stage = Stage::Done;
            return Some(fib::Command::Converged);
        }
        None
    }
}

/// Says what changes mean to the kernel. Most of them lead the same way and share the words for it.
fn kernel_changes(changes: Vec<rib::ForwardingChange>) -> Vec<fib::Change> {
    let mut last: (Option<rib::Forwarding>, Option<fib::Target>) = (None, None);
    let change = |rib::ForwardingChange { prefix, forwarding, metric }| {
        if forwarding != last.0 {
            last = (forwarding.clone(), forwarding.and_then(super::peering::target));
        }
        fib::Change { prefix, target: last.1.clone(), metric }
    };
    changes.into_iter().map(change).collect()
}

fn names_somebody(command: &fib::Command) -> bool {
    matches!(command, fib::Command::Track(addresses) | fib::Command::Untrack(addresses) if !addresses.is_empty())
}
