//! Wish and reality of every prefix, and what is left to write.
//!
//! A value without clock and socket: tell it what is wanted and what the kernel says, ask it for the next
//! writes, tell it how they went. The one surprise: a notification may be older than our last write. What it
//! claims is believed all the same; the write that follows is harmless, because [`Action::Add`] never
//! replaces and [`Action::Replace`] never makes a route.
//!
//! Map: `targets` holds what is asked for, and what is left of it while next hops are out of use (`outages`);
//! `groups` is what the kernel has for routes to hang on; `grouping` decides which hang on what; `ledger` keeps
//! the counters and the queue; `troubles` are the refused.

mod entries;
mod grouping;
mod groups;
mod ledger;
mod metrics;
mod outages;
mod targets;
mod troubles;
mod views;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use ipnet::IpNet;

use self::entries::{Entries, Entry};
use self::groups::Groups;
use self::outages::Outages;
use self::targets::{TargetId, Targets};
use self::troubles::{Cause, Trouble, Troubles};
use crate::error::WriteError;
use crate::handle::Stats;
use crate::plan::{Action, NextHopOp, Op, RouteOp};
use crate::route::{FibRoute, FibSettings, Target};

pub use self::groups::{KernelNextHop, NextHopEvent, NextHopKind};

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
    /// What it does; none if that is something we never write, or said by a nexthop object.
    pub target: Option<Target>,
    /// The number of the nexthop object it hangs on, if it does.
    pub group: Option<u32>,
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
    groups: Groups,
    outages: Outages,
    troubles: Troubles,
    /// What has to be written before anything else.
    urgent: Vec<NextHopOp>,
    /// The metrics of those prefixes whose routes have one of their own.
    metrics: HashMap<IpNet, u32>,
    /// Routes of ours with another metric than that of their prefix, and what they do, held.
    strays: BTreeMap<(IpNet, u32), TargetId>,
    /// Those of them whose prefix has what it wants without them.
    superseded: Vec<(IpNet, u32)>,
    queue: VecDeque<IpNet>,
    converged: bool,
    /// A write met a route we did not know of.
    suspicious: bool,
    /// Wishes or groups have changed under the routes.
    disturbed: bool,
    /// Sets of next hops have become worth a group, or not worth one any more.
    regroup: bool,
    /// When to move their routes.
    regroup_at: Option<Instant>,
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
            groups: Groups::default(),
            outages: Outages::default(),
            urgent: Vec::new(),
            troubles: Troubles::default(),
            metrics: HashMap::new(),
            strays: BTreeMap::new(),
            superseded: Vec::new(),
            queue: VecDeque::new(),
            converged: false,
            suspicious: false,
            disturbed: false,
            regroup: false,
            regroup_at: None,
            stats: Stats::default(),
        }
    }

    /// Wants a route, instead of any other to the same prefix.
    pub fn want(&mut self, route: &FibRoute) {
        let prefix = route.prefix.trunc();
        self.want_metric(prefix, route.metric);
        let wanted = self.targets.intern(&route.target, &self.outages);
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
        for &prefix in &leftovers {
            self.edit(prefix, |_| TargetId::NONE);
        }
        self.regroup = true;
        leftovers.len() + self.strays.len()
    }

    /// Learns what the kernel tells by itself.
    pub fn observe(&mut self, event: &KernelEvent, now: Instant) -> Option<Drift> {
        let (KernelEvent::Present { route, .. } | KernelEvent::Gone(route)) = event;
        if route.table != self.settings.table {
            return None;
        }
        let ours = route.protocol == self.settings.protocol;
        let ours_alone = ours && matches!(event, KernelEvent::Present { .. });
        let key = route.metric == self.metric(route.prefix) || ours_alone && self.adopts_metric(route);
        match (event, ours, key) {
            (KernelEvent::Present { .. }, true, true) => {
                let installed = self.recognise(route);
                self.learn(route.prefix, installed)
            }
            (KernelEvent::Gone(_), true, true) => self.learn(route.prefix, TargetId::NONE),
            (KernelEvent::Present { .. }, true, false) => {
                let installed = self.recognise(route);
                self.remember_stray((route.prefix, route.metric), installed);
                None
            }
            (KernelEvent::Gone(_), true, false) => {
                self.forget_stray((route.prefix, route.metric));
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
        self.forget_strays();
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

    /// Returns the next writes, at most `limit` about routes; each must be answered by [`done`](Self::done)
    /// before the next are asked for.
    pub fn plan(&mut self, now: Instant, limit: usize) -> Vec<Op> {
        if !self.urgent.is_empty() {
            return std::mem::take(&mut self.urgent).into_iter().map(Op::NextHop).collect();
        }
        self.take_stock(now);
        let superseded = self.delete_superseded(limit);
        if !superseded.is_empty() {
            return superseded;
        }
        for prefix in self.troubles.release_due(now) {
            self.enqueue(prefix);
        }
        let mut ops = Vec::new();
        while ops.len() < limit
            && let Some(prefix) = self.queue.pop_front()
        {
            match self.plan_one(prefix) {
                Step::Nothing => {}
                Step::Write(op) => ops.push(Op::Route(op)),
                Step::First(needed) => {
                    // Whether the kernel makes what the route needs decides how the route is written.
                    self.enqueue_first(prefix);
                    ops.extend(needed.into_iter().map(Op::NextHop));
                    return ops;
                }
            }
        }
        if self.queue.is_empty() {
            // A burst is over: its memory is better spent elsewhere.
            self.queue.shrink_to_fit();
        }
        // What is under way may hang a route on what looks idle.
        if ops.is_empty() && self.settings.install && self.converged {
            return self.tidy(limit);
        }
        ops
    }

    /// Learns how a write went.
    pub fn done(&mut self, op: &Op, outcome: Outcome, now: Instant) {
        let op = match op {
            Op::Route(op) => op,
            Op::NextHop(op) => return self.next_hop_done(op, outcome, now),
        };
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
        if self.outages.release() {
            self.reassess();
        }
        self.regroup |= self.groups.retry();
        for prefix in self.troubles.prefixes() {
            self.retry(prefix);
        }
    }

    /// Tells whether [`plan`](Self::plan) has something to do right now.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        let untidy = self.converged && (!self.strays.is_empty() || self.groups.is_untidy());
        !self.queue.is_empty()
            || (self.settings.install && !self.superseded.is_empty())
            || !self.urgent.is_empty()
            || self.disturbed
            || self.regroup
            || (self.settings.install && untidy)
    }

    /// Returns when [`plan`](Self::plan) will have something to do if nothing else happens.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [self.troubles.next_deadline(), self.outages.next_deadline(), self.regroup_at];
        deadlines.into_iter().flatten().min()
    }

    /// Returns what brings one route to the wish.
    ///
    /// A route nobody wants is deleted only if it is disposable: it was ours in this run, or everybody has said
    /// what they want.
    fn plan_one(&mut self, prefix: IpNet) -> Step {
        let Some(entry) = self.entries.find_mut(prefix) else { return Step::Nothing };
        entry.queued = false;
        let entry = *entry;
        if self.troubles.is_waiting(prefix) {
            return Step::Nothing;
        }
        let Some(wish) = self.targets.wish(entry.wanted) else {
            if entry.is_installed() && self.is_disposable(entry) {
                let metric = self.metrics.get(&prefix).copied();
                return Step::Write(RouteOp { prefix, action: Action::Delete, metric, group: None });
            }
            self.forget_blank(prefix, entry);
            return Step::Nothing;
        };
        let wish = wish.clone();
        if self.is_right(entry) && self.is_in_shape(prefix, entry, &wish) {
            return Step::Nothing;
        }
        let group = match self.footing(prefix, entry, &wish) {
            Footing::Own => None,
            Footing::Group(id) => Some(id),
            Footing::Missing(needed) => return Step::First(needed),
        };
        let action = if entry.is_installed() { Action::Replace(wish) } else { Action::Add(wish) };
        let metric = self.metrics.get(&prefix).copied();
        Step::Write(RouteOp { prefix, action, metric, group })
    }

    fn confirmed(&mut self, op: &RouteOp) {
        self.stats.writes += 1;
        let installed = match &op.action {
            Action::Add(target) | Action::Replace(target) => self.stands(target, op.group),
            Action::Delete => TargetId::NONE,
            Action::DeleteStray { .. } => return,
        };
        self.troubles.clear(op.prefix);
        let mut repaired = false;
        self.edit(op.prefix, |entry| {
            repaired = std::mem::take(&mut entry.drifted);
            std::mem::replace(&mut entry.installed, installed)
        });
        self.stats.repairs += u64::from(repaired);
    }

    fn refused(&mut self, op: &RouteOp, error: WriteError, now: Instant) {
        match op.action {
            _ if op.group.is_some() && error.names_no_next_hop() => {
                self.group_was_gone(op);
                return;
            }
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
        // Before convergence it is what an earlier run left.
        self.stats.intruders += u64::from(self.converged && before.is_none());
        if self.troubles.is_taken(prefix) && installed != TargetId::NONE {
            // What was in the way is our own.
            self.troubles.clear(prefix);
        }
        let was_right = before.is_some_and(|entry| entry.right);
        self.edit(prefix, |entry| {
            entry.seen = true;
            std::mem::replace(&mut entry.installed, installed)
        });
        let entry = self.entries.find_mut(prefix)?;
        if !was_right || entry.right {
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
}

/// What to do next about one route.
enum Step {
    Nothing,
    Write(RouteOp),
    /// These have to be written first.
    First(Vec<NextHopOp>),
}

/// What a route is to stand on.
enum Footing {
    /// It names its next hops.
    Own,
    /// It hangs on this group.
    Group(u32),
    /// It hangs on a group these writes will make.
    Missing(Vec<NextHopOp>),
}

#[cfg(test)]
mod tests;
