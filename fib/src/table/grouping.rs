//! Which routes hang on a group, and what happens to all of them at once.

use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::entries::Entry;
use super::groups::{Aftermath, KernelNextHop, NextHopEvent};
use super::outages::{Hop, hop};
use super::targets::TargetId;
use super::{Drift, Footing, KernelRoute, Outcome, Table};
use crate::plan::{NextHopOp, Op, RouteOp};
use crate::route::{NextHop, NextHopGroups, NextHopSet, Target};

/// How long sets of next hops may become popular before their routes are moved.
const GATHERING: Duration = Duration::from_millis(200);

/// What befalls next hops.
impl Table {
    /// Takes next hops out of use, ahead of everything else: every wish does without them where something else
    /// is left. Lasts until [`lose_in_order`](Self::lose_in_order).
    pub fn lose(&mut self, lost: &[NextHop]) {
        let lost: Vec<Hop> = lost.iter().map(hop).collect();
        for &hop in &lost {
            self.outages.lose(hop);
        }
        self.urgent.extend(self.groups.lose(&lost));
        self.reassess();
    }

    /// Takes next hops away from all that has been wanted so far. Whoever wants them from now on gets them.
    pub fn lose_in_order(&mut self, lost: &[NextHop]) {
        let lost: Vec<Hop> = lost.iter().map(hop).collect();
        for &hop in &lost {
            self.targets.forsake(hop);
            self.outages.lost_in_order(hop);
        }
        self.urgent.extend(self.groups.lose(&lost));
        self.reassess();
    }

    /// Learns that every wish has been said anew since the last loss: what still names a lost next hop means it.
    pub fn settle(&mut self) {
        self.targets.unforsake();
        self.reassess();
    }

    /// Learns the state of an interface. With one that goes down the kernel drops all objects over it.
    pub fn interface(&mut self, index: u32, up: bool) -> Vec<Drift> {
        if self.outages.interface(index, up) {
            self.reassess();
        }
        if up { Vec::new() } else { self.interface_lost(index) }
    }

    /// Learns that an interface exists no more.
    pub fn interface_gone(&mut self, index: u32) -> Vec<Drift> {
        if self.targets.leave_by(index) {
            return self.interface(index, false);
        }
        self.outages.interface(index, true);
        self.interface_lost(index)
    }

    fn interface_lost(&mut self, index: u32) -> Vec<Drift> {
        let aftermath = self.groups.interface_lost(index);
        self.suffer(aftermath)
    }

    /// Learns what the kernel tells about a nexthop object by itself.
    pub fn observe_next_hop(&mut self, event: &NextHopEvent) -> Vec<Drift> {
        let aftermath = match event {
            NextHopEvent::Present(found) => {
                self.groups.present(found, found.protocol == self.settings.protocol)
            }
            NextHopEvent::Gone { id } => self.groups.gone(*id),
        };
        self.suffer_theft(aftermath)
    }

    /// Learns of all nexthop objects there are; to be told in a resync before the routes.
    pub fn learn_next_hops(&mut self, all: &[KernelNextHop]) -> Vec<Drift> {
        let aftermath = self.groups.replace_all(all, self.settings.protocol);
        self.suffer_theft(aftermath)
    }

    /// Does without groups from now on: this kernel has none.
    pub fn forgo_groups(&mut self) {
        self.stats.no_groups = true;
    }

    pub(super) fn reassess(&mut self) {
        self.disturbed |= self.targets.reassess(&self.outages);
    }

    fn suffer_theft(&mut self, aftermath: Aftermath) -> Vec<Drift> {
        self.stats.drift_groups += aftermath.spoilt.len() as u64;
        for content in &aftermath.spoilt {
            self.groups.miss(content);
        }
        self.suffer(aftermath)
    }

    fn suffer(&mut self, aftermath: Aftermath) -> Vec<Drift> {
        self.disturbed |= !aftermath.spoilt.is_empty();
        let mut drifts = Vec::new();
        for slot in aftermath.vanished {
            let group = TargetId::group(slot);
            let hangs = |(prefix, entry): (IpNet, Entry)| (entry.installed == group).then_some(prefix);
            let fallen: Vec<IpNet> = self.entries.iter().filter_map(hangs).collect();
            drifts.extend(fallen.into_iter().filter_map(|prefix| self.learn(prefix, TargetId::NONE)));
            self.groups.forget(slot);
        }
        drifts
    }
}

/// How writes about next hops went.
impl Table {
    pub(super) fn next_hop_done(&mut self, op: &NextHopOp, outcome: Outcome, now: Instant) {
        let error = match outcome {
            Outcome::Confirmed => return self.next_hop_confirmed(op),
            // The resync that follows tells.
            Outcome::Unknown => return,
            Outcome::Refused(error) => error,
        };
        match op {
            NextHopOp::Delete { .. } if error.is_gone() => return self.next_hop_confirmed(op),
            // The next resync finds it again.
            NextHopOp::Delete { .. } => {}
            NextHopOp::ReplaceGroup { id, .. } if error.is_gone() => {
                self.observe_next_hop(&NextHopEvent::Gone { id: *id });
            }
            _ if error.is_unsupported() => self.forgo_groups(),
            NextHopOp::AddObject { id, .. } | NextHopOp::AddGroup { id, .. } if error.is_taken() => {
                self.groups.taken(*id);
            }
            NextHopOp::AddObject { next_hop, .. } => {
                self.outages.bar(hop(next_hop), now);
                self.reassess();
            }
            NextHopOp::AddGroup { members, .. } | NextHopOp::ReplaceGroup { members, .. } => {
                if self.groups.has_objects(members) {
                    self.groups.refused(members);
                    self.suspicious = true;
                }
            }
        }
        self.stats.failures += 1;
    }

    fn next_hop_confirmed(&mut self, op: &NextHopOp) {
        self.stats.writes += 1;
        if let NextHopOp::AddObject { next_hop, .. } = op {
            self.outages.accepted(hop(next_hop));
        }
        let (aftermath, repaired) = self.groups.confirmed(op);
        self.stats.group_repairs += u64::from(repaired);
        // What was written was meant: no route can have drifted by it.
        self.suffer(aftermath);
    }

    /// A route was to hang on a group that is not there.
    pub(super) fn group_was_gone(&mut self, op: &RouteOp) {
        if let Some(id) = op.group {
            self.observe_next_hop(&NextHopEvent::Gone { id });
        }
        self.enqueue(op.prefix);
    }
}

/// What routes stand on.
impl Table {
    /// Returns what the kernel makes of a route, as far as we know.
    pub(super) fn installed(&self, entry: Entry) -> Option<&Target> {
        match entry.installed.slot() {
            Some(slot) => self.groups.content(slot),
            None => self.targets.target(entry.installed),
        }
    }

    /// Returns what a route of ours in the kernel stands for, held once more.
    pub(super) fn recognise(&mut self, route: &KernelRoute) -> TargetId {
        match (route.group, &route.target) {
            (Some(id), _) => self.hang(id),
            (None, Some(target)) => self.targets.intern(target, &self.outages),
            (None, None) => TargetId::ODD,
        }
    }

    /// Returns what a route stands for that has just been written, held once more.
    pub(super) fn stands(&mut self, target: &Target, group: Option<u32>) -> TargetId {
        match group {
            Some(id) => self.hang(id),
            None => self.targets.intern(target, &self.outages),
        }
    }

    fn hang(&mut self, id: u32) -> TargetId {
        let Some(slot) = self.groups.slot(id) else { return TargetId::ODD };
        self.groups.join(slot);
        TargetId::group(slot)
    }

    pub(super) fn let_go(&mut self, id: TargetId) {
        match id.slot() {
            Some(slot) => self.groups.leave(slot),
            None => self.targets.release(id),
        }
    }

    /// Tells whether a route that does what is wanted does so in the way it should.
    ///
    /// A route left on a group that has shrunk to one next hop stays there, and so does what an earlier run has
    /// grouped, until everything has been said that may make a group worth it.
    pub(super) fn is_in_shape(&self, prefix: IpNet, entry: Entry, wish: &Target) -> bool {
        match (entry.installed.slot(), self.may_group(prefix, entry.wanted, wish)) {
            (None, worth) => !worth,
            (Some(_), true) => true,
            (Some(_), false) => {
                let unworthy = is_several(wish) && !self.is_worth_a_group(entry.wanted);
                let forbidden = self.settings.next_hop_groups == NextHopGroups::Never;
                !self.converged || !(unworthy || forbidden)
            }
        }
    }

    /// Finds what a route should stand on to do what is wanted.
    pub(super) fn footing(&mut self, prefix: IpNet, entry: Entry, wish: &Target) -> Footing {
        if let Some(slot) = entry.installed.slot()
            && !self.is_right(entry)
            && self.groups.find(wish).is_none()
            && let Target::Forward(next_hops) = wish
            && self.may_reshape(slot, wish)
        {
            return Footing::Missing(self.groups.reshape(slot, next_hops));
        }
        if !self.may_group(prefix, entry.wanted, wish) {
            return Footing::Own;
        }
        match (self.groups.find(wish), wish) {
            (Some(id), _) => Footing::Group(id),
            (None, Target::Forward(next_hops)) => Footing::Missing(self.groups.make(next_hops)),
            (None, Target::Blackhole) => Footing::Own,
        }
    }

    /// Tells whether the group in this slot can be made to hold what all of its routes want.
    fn may_reshape(&mut self, slot: u32, wish: &Target) -> bool {
        let possible = self.settings.next_hop_groups != NextHopGroups::Never
            && self.groups.may_agree(slot)
            && self.is_groupable(wish);
        if !possible {
            return false;
        }
        let group = TargetId::group(slot);
        let mut agreed = TargetId::NONE;
        let agrees = |entry: &Entry| {
            if entry.installed != group || entry.wanted == agreed {
                return true;
            }
            let agrees = self.targets.wish(entry.wanted) == Some(wish);
            if agrees {
                agreed = entry.wanted;
            }
            agrees
        };
        let unanimous = self.entries.records().iter().all(agrees);
        if !unanimous {
            self.groups.divide(slot);
        }
        unanimous
    }

    fn may_group(&self, prefix: IpNet, wanted: TargetId, wish: &Target) -> bool {
        is_several(wish)
            && self.is_worth_a_group(wanted)
            && self.is_groupable(wish)
            && (matches!(prefix, IpNet::V4(_)) || is_ipv6(wish))
    }

    fn is_worth_a_group(&self, wanted: TargetId) -> bool {
        match self.settings.next_hop_groups {
            _ if self.stats.no_groups => false,
            NextHopGroups::Never => false,
            NextHopGroups::Auto => self.targets.is_crowded(wanted),
            NextHopGroups::Always => true,
        }
    }

    /// Tells whether the kernel would make a group of it, as far as we know.
    fn is_groupable(&self, wish: &Target) -> bool {
        let Target::Forward(next_hops) = wish else { return false };
        let is_object = |next_hop: &NextHop| {
            next_hop.address.is_some() && next_hop.interface.is_some() && !self.outages.is_barred(next_hop)
        };
        !self.stats.no_groups && next_hops.as_slice().iter().all(is_object) && !self.groups.is_refused(wish)
    }
}

/// What is looked after now and then.
impl Table {
    /// Sees what changes of wishes and groups mean to each route.
    pub(super) fn take_stock(&mut self, now: Instant) {
        if self.outages.release_due(now) {
            self.reassess();
        }
        if std::mem::take(&mut self.regroup) {
            self.regroup_at = Some(now + GATHERING);
        }
        if std::mem::take(&mut self.disturbed) {
            self.groups.reconcile();
            let affected = |(prefix, entry): (IpNet, Entry)| {
                let right = self.is_right(entry);
                let counted = right == entry.right && self.is_unfinished(entry, right) == entry.unfinished;
                (!counted || (entry.is_wanted() && !right)).then_some((prefix, entry))
            };
            let affected: Vec<(IpNet, Entry)> = self.entries.iter().filter_map(affected).collect();
            for (prefix, entry) in affected {
                if let Some(place) = self.entries.find_place(prefix) {
                    self.recount(prefix, place, entry);
                }
            }
        }
        if self.queue.is_empty() && self.regroup_at.take_if(|due| *due <= now).is_some() {
            let misshapen = |(prefix, entry): (IpNet, Entry)| {
                let wish = self.targets.wish(entry.wanted)?;
                (entry.right && !self.is_in_shape(prefix, entry, wish)).then_some(prefix)
            };
            let misshapen: Vec<IpNet> = self.entries.iter().filter_map(misshapen).collect();
            for prefix in misshapen {
                self.enqueue(prefix);
            }
        }
    }

    /// Deletes what an earlier run left under another metric, and then what no route hangs on.
    pub(super) fn tidy(&mut self, limit: usize) -> Vec<Op> {
        let mut ops = Vec::new();
        while ops.len() < limit
            && let Some(((prefix, metric), installed)) = self.strays.pop_first()
        {
            self.let_go(installed);
            ops.push(Op::Route(RouteOp::delete_stray(prefix, metric)));
        }
        if ops.is_empty() && self.groups.is_untidy() {
            ops.extend(self.groups.tidy().into_iter().map(Op::NextHop));
        }
        ops
    }
}

fn is_several(wish: &Target) -> bool {
    matches!(wish, Target::Forward(next_hops) if next_hops.as_slice().len() > 1)
}

fn is_ipv6(wish: &Target) -> bool {
    let by_ipv6 = |next_hops: &NextHopSet| {
        next_hops.as_slice().iter().all(|hop| hop.address.is_some_and(|address| address.is_ipv6()))
    };
    matches!(wish, Target::Forward(next_hops) if by_ipv6(next_hops))
}

#[cfg(test)]
mod tests;
