//! Wish and reality of every prefix, and what is left to write.
//!
//! A value without clock and socket: tell it what is wanted and what the kernel says, ask it for the next
//! writes, tell it how they went. The one surprise: a notification may be older than our last write. What it
//! claims is believed all the same; the write that follows is harmless, because [`Action::Add`] never
//! replaces and [`Action::Replace`] never makes a route.

mod entries;
mod targets;
mod troubles;

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use ipnet::IpNet;

use self::entries::{Entries, Entry};
use self::targets::{TargetId, Targets};
use self::troubles::{Cause, Trouble, Troubles};
use crate::error::WriteError;
use crate::handle::{Filter, RouteState, RouteStatus, Stats};
use crate::plan::{Action, Installed, Op, decide};
use crate::route::{FibRoute, FibSettings, Target};

/// A route as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelRoute {
    /// The destination.
    pub prefix: IpNet,
    /// The routing table it is in.
    pub table: u32,
    /// Whose it is.
    pub protocol: u8,
    /// Its metric.
    pub metric: u32,
    /// What it does; none if that is something we never write.
    pub target: Option<Target>,
}

/// What the kernel tells about a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelEvent {
    /// It is there, new or changed.
    Present {
        /// The route.
        route: KernelRoute,
        /// Whether it took the place of another one with the same key.
        replaced: bool,
    },
    /// It is not there any more.
    Gone(KernelRoute),
}

/// How reality left the wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drift {
    /// A route of ours is missing.
    Deleted(IpNet),
    /// A route of ours says something else.
    Changed(IpNet),
}

/// The kernel's answer to one [`Op`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Confirmed,
    /// Not done.
    Refused(WriteError),
    /// The answer was lost; only a resync can tell.
    Unknown,
}

/// Wanted against installed.
#[derive(Debug)]
pub struct Table {
    settings: FibSettings,
    entries: Entries,
    targets: Targets,
    troubles: Troubles,
    /// Routes of ours with a metric we do not use.
    strays: BTreeSet<(IpNet, u32)>,
    queue: VecDeque<IpNet>,
    converged: bool,
    /// A write met a route we did not know of.
    suspicious: bool,
    stats: Stats,
}

impl Table {
    /// Makes a table that wants nothing and believes the kernel empty.
    #[must_use]
    pub fn new(settings: FibSettings) -> Self {
        Self {
            settings,
            entries: Entries::default(),
            targets: Targets::default(),
            troubles: Troubles::default(),
            strays: BTreeSet::new(),
            queue: VecDeque::new(),
            converged: false,
            suspicious: false,
            stats: Stats::default(),
        }
    }

    /// Wants a route, instead of any other to the same prefix.
    pub fn want(&mut self, route: &FibRoute) {
        let prefix = route.prefix.trunc();
        let wanted = self.targets.intern(&route.target);
        let unchanged = self.entries.find(prefix).is_some_and(|entry| entry.wanted == wanted);
        if unchanged {
            self.targets.release(wanted);
            return;
        }
        self.troubles.release(prefix);
        self.edit(prefix, |entry| {
            entry.claimed = true;
            std::mem::replace(&mut entry.wanted, wanted)
        });
    }

    /// Wants no route to `prefix` any more.
    pub fn unwant(&mut self, prefix: IpNet) {
        let prefix = prefix.trunc();
        if self.entries.find(prefix).is_some_and(|entry| entry.is_wanted()) {
            self.troubles.clear(prefix);
            self.edit(prefix, |entry| {
                entry.drifted = false;
                std::mem::replace(&mut entry.wanted, TargetId::NONE)
            });
        }
    }

    /// Learns that everything wanted has been said once; returns how many leftovers are deleted therefore.
    pub fn converged(&mut self) -> usize {
        if std::mem::replace(&mut self.converged, true) {
            return 0;
        }
        let leftover = |(prefix, entry): (IpNet, Entry)| entry.is_leftover().then_some(prefix);
        let leftovers: Vec<IpNet> = self.entries.iter().filter_map(leftover).collect();
        self.stats.dirty += leftovers.len();
        for &prefix in &leftovers {
            self.enqueue(prefix);
        }
        leftovers.len() + self.strays.len()
    }

    /// Learns what the kernel tells by itself.
    pub fn observe(&mut self, event: &KernelEvent, now: Instant) -> Option<Drift> {
        let (KernelEvent::Present { route, .. } | KernelEvent::Gone(route)) = event;
        if route.table != self.settings.table {
            return None;
        }
        let ours = route.protocol == self.settings.protocol;
        let key = route.metric == self.settings.metric_of(route.prefix);
        match (event, ours, key) {
            (KernelEvent::Present { .. }, true, true) => {
                let installed =
                    route.target.as_ref().map_or(TargetId::ODD, |target| self.targets.intern(target));
                self.learn(route.prefix, installed)
            }
            (KernelEvent::Gone(_), true, true) => self.learn(route.prefix, TargetId::NONE),
            (KernelEvent::Present { .. }, true, false) => {
                self.strays.insert((route.prefix, route.metric));
                None
            }
            (KernelEvent::Gone(_), true, false) => {
                self.strays.remove(&(route.prefix, route.metric));
                None
            }
            (KernelEvent::Present { replaced, .. }, false, true) => self.intruded(route, *replaced, now),
            (KernelEvent::Gone(_), false, true) => {
                if self.troubles.is_taken(route.prefix) {
                    self.retry(route.prefix);
                }
                None
            }
            (_, false, false) => None,
        }
    }

    /// Starts to compare with all the kernel has; [`observe`](Self::observe) each route, then
    /// [`end_resync`](Self::end_resync).
    pub fn begin_resync(&mut self) {
        self.entries.forget_seen();
        self.strays.clear();
        self.suspicious = false;
        self.stats.resyncs += 1;
    }

    /// Learns that the kernel has told all it has; returns what is missing.
    pub fn end_resync(&mut self) -> Vec<Drift> {
        let missing =
            |(prefix, entry): (IpNet, Entry)| (entry.is_installed() && !entry.seen).then_some(prefix);
        let missing: Vec<IpNet> = self.entries.iter().filter_map(missing).collect();
        missing.into_iter().filter_map(|prefix| self.learn(prefix, TargetId::NONE)).collect()
    }

    /// Tells whether only a look at everybody's routes can say what is in the way of ours.
    #[must_use]
    pub fn is_suspicious(&self) -> bool {
        self.suspicious
    }

    /// Returns the next writes, at most `limit`; each must be answered by [`done`](Self::done).
    pub fn plan(&mut self, now: Instant, limit: usize) -> Vec<Op> {
        for prefix in self.troubles.release_due(now) {
            self.enqueue(prefix);
        }
        let mut ops = Vec::new();
        while ops.len() < limit
            && let Some(prefix) = self.queue.pop_front()
        {
            ops.extend(self.plan_one(prefix));
        }
        if self.queue.is_empty() {
            // A burst is over: its memory is better spent elsewhere.
            self.queue.shrink_to_fit();
        }
        if self.settings.install && self.converged {
            while ops.len() < limit
                && let Some((prefix, metric)) = self.strays.pop_first()
            {
                ops.push(Op { prefix, action: Action::DeleteStray { metric } });
            }
        }
        ops
    }

    /// Learns how a write went.
    pub fn done(&mut self, op: &Op, outcome: Outcome, now: Instant) {
        let deletes = matches!(op.action, Action::Delete | Action::DeleteStray { .. });
        match outcome {
            Outcome::Confirmed => self.confirmed(op),
            Outcome::Refused(error) if deletes && error.is_gone() => self.confirmed(op),
            Outcome::Refused(error) => self.refused(op, error, now),
            Outcome::Unknown => self.enqueue(op.prefix),
        }
    }

    /// Lets everything be tried at once that failed before: the surroundings have changed.
    pub fn retry_troubled(&mut self) {
        for prefix in self.troubles.prefixes() {
            self.retry(prefix);
        }
    }

    /// Tells whether [`plan`](Self::plan) has something to do right now.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.queue.is_empty() || (self.settings.install && self.converged && !self.strays.is_empty())
    }

    /// Returns when [`plan`](Self::plan) will have something to do if nothing else happens.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.troubles.next_deadline()
    }

    fn plan_one(&mut self, prefix: IpNet) -> Option<Op> {
        let entry = self.entries.find_mut(prefix)?;
        entry.queued = false;
        let entry = *entry;
        if self.troubles.is_waiting(prefix) {
            return None;
        }
        let installed = match self.targets.target(entry.installed) {
            Some(target) => Installed::Known(target),
            None if entry.is_installed() => Installed::Odd,
            None => Installed::Nothing,
        };
        let action = decide(self.targets.target(entry.wanted), installed, self.is_disposable(entry));
        if action.is_none() {
            self.forget_blank(prefix, entry);
        }
        action.map(|action| Op { prefix, action })
    }

    fn confirmed(&mut self, op: &Op) {
        self.stats.writes += 1;
        let installed = match &op.action {
            Action::Add(target) | Action::Replace(target) => self.targets.intern(target),
            Action::Delete => TargetId::NONE,
            Action::DeleteStray { .. } => return,
        };
        if self.entries.find(op.prefix).is_some_and(|entry| entry.drifted) {
            self.stats.repairs += 1;
        }
        self.troubles.clear(op.prefix);
        self.edit(op.prefix, |entry| {
            entry.drifted = false;
            std::mem::replace(&mut entry.installed, installed)
        });
    }

    fn refused(&mut self, op: &Op, error: WriteError, now: Instant) {
        match op.action {
            Action::Replace(_) if error.is_gone() => {
                self.learn(op.prefix, TargetId::NONE);
                return;
            }
            // The next resync finds it again.
            Action::DeleteStray { .. } => {}
            Action::Add(_) if error.is_taken() => {
                self.troubles.failed(op.prefix, Cause::Taken { protocol: None }, now);
                self.suspicious |= self.troubles.find(op.prefix).is_some_and(Trouble::is_riddle);
            }
            _ => self.troubles.failed(op.prefix, Cause::Refused(error), now),
        }
        self.stats.failures += 1;
    }

    /// Notes what the kernel has under our mark for `prefix`; `installed` is held already.
    fn learn(&mut self, prefix: IpNet, installed: TargetId) -> Option<Drift> {
        let before = self.entries.find(prefix);
        if before.is_none() && installed == TargetId::NONE {
            return None;
        }
        if self.troubles.is_taken(prefix) && installed != TargetId::NONE {
            // What was in the way is our own.
            self.troubles.clear(prefix);
        }
        let was_right = before.is_some_and(|entry| entry.is_right());
        self.edit(prefix, |entry| {
            entry.seen = true;
            std::mem::replace(&mut entry.installed, installed)
        });
        let entry = self.entries.find_mut(prefix)?;
        if !was_right || entry.is_right() {
            return None;
        }
        entry.drifted = true;
        Some(if installed == TargetId::NONE {
            self.stats.drift_deleted += 1;
            Drift::Deleted(prefix)
        } else {
            self.stats.drift_changed += 1;
            Drift::Changed(prefix)
        })
    }

    /// Learns that somebody else has a route with our table, prefix and metric.
    fn intruded(&mut self, route: &KernelRoute, replaced: bool, now: Instant) -> Option<Drift> {
        let prefix = route.prefix;
        let entry = self.entries.find(prefix)?;
        let mut drift = None;
        if replaced && entry.is_installed() {
            drift = self.learn(prefix, TargetId::NONE);
            if entry.is_wanted() {
                self.troubles.failed(prefix, Cause::Taken { protocol: None }, now);
            }
        }
        self.troubles.blame(prefix, Some(route.protocol));
        drift
    }

    fn retry(&mut self, prefix: IpNet) {
        self.troubles.release(prefix);
        self.enqueue(prefix);
    }

    /// Changes an entry; `change` returns the target it let go of. Keeps counters, queue and pool right.
    fn edit(&mut self, prefix: IpNet, change: impl FnOnce(&mut Entry) -> TargetId) {
        let entry = self.entries.find_or_insert(prefix);
        let before = *entry;
        self.targets.release(change(entry));
        if entry.wanted != entry.installed
            && let Some(wanted) = self.targets.target(entry.wanted)
            && let Some(installed) = self.targets.target(entry.installed)
            && wanted.is_met_by(installed)
        {
            // Two spellings of one route: remember the one that was asked for.
            let spelling = self.targets.hold(entry.wanted);
            self.targets.release(std::mem::replace(&mut entry.installed, spelling));
        }
        let after = *entry;
        self.recount(before, after);
        if after.is_right() {
            self.troubles.clear(prefix);
        } else if self.is_unfinished(after) {
            self.enqueue(prefix);
        } else {
            self.forget_blank(prefix, after);
        }
    }

    fn is_disposable(&self, entry: Entry) -> bool {
        entry.claimed || self.converged
    }

    fn is_unfinished(&self, entry: Entry) -> bool {
        if entry.is_wanted() { !entry.is_right() } else { entry.is_installed() && self.is_disposable(entry) }
    }

    fn enqueue(&mut self, prefix: IpNet) {
        if self.settings.install
            && let Some(entry) = self.entries.find_mut(prefix)
            && !std::mem::replace(&mut entry.queued, true)
        {
            self.queue.push_back(prefix);
        }
    }

    fn forget_blank(&mut self, prefix: IpNet, entry: Entry) {
        if !entry.is_wanted() && !entry.is_installed() && !entry.queued {
            self.entries.remove(prefix);
        }
    }

    fn recount(&mut self, before: Entry, after: Entry) {
        let adjust = |count: &mut usize, was: bool, is: bool| match (was, is) {
            (false, true) => *count += 1,
            (true, false) => *count -= 1,
            _ => {}
        };
        adjust(&mut self.stats.desired, before.is_wanted(), after.is_wanted());
        adjust(&mut self.stats.installed, before.is_right(), after.is_right());
        adjust(&mut self.stats.leftovers, before.is_leftover(), after.is_leftover());
        let (was, is) = (self.is_unfinished(before), self.is_unfinished(after));
        adjust(&mut self.stats.dirty, was, is);
    }
}

/// What the table can tell about itself.
impl Table {
    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let conflicts = self.troubles.conflicts();
        Stats { failed: self.troubles.len() - conflicts, conflicts, ..self.stats }
    }

    /// Lists the routes that `filter` asks for.
    #[must_use]
    pub fn routes(&self, filter: &Filter) -> Vec<RouteStatus> {
        let find = |prefix: IpNet| self.entries.find(prefix).map(|entry| self.status(prefix, entry));
        match filter {
            Filter::Stats => Vec::new(),
            Filter::All => self.entries.iter().map(|(prefix, entry)| self.status(prefix, entry)).collect(),
            Filter::Prefixes(prefixes) => prefixes.iter().map(IpNet::trunc).filter_map(find).collect(),
            Filter::Page(after, limit) => {
                let page = self.entries.iter_after(*after).take(*limit);
                page.map(|(prefix, entry)| self.status(prefix, entry)).collect()
            }
            Filter::Address(address) => {
                self.entries.covering(*address).into_iter().filter_map(find).collect()
            }
        }
    }

    fn status(&self, prefix: IpNet, entry: Entry) -> RouteStatus {
        let state = match self.troubles.find(prefix) {
            _ if entry.is_right() => RouteState::Installed,
            _ if entry.is_leftover() => RouteState::Adopted,
            Some(trouble) => match &trouble.cause {
                Cause::Refused(error) => RouteState::Failed {
                    error: error.clone(),
                    since: trouble.since,
                    retries: trouble.retries,
                },
                Cause::Taken { protocol } => {
                    RouteState::Conflict { protocol: *protocol, since: trouble.since }
                }
            },
            None => RouteState::Pending,
        };
        RouteStatus {
            prefix,
            target: self.targets.target(entry.wanted).cloned(),
            installed: self.targets.target(entry.installed).cloned(),
            state,
        }
    }
}

#[cfg(test)]
mod tests;
