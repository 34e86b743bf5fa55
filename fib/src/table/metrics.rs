//! Routes with metrics of their own.
//!
//! The kernel knows a route by prefix and metric, we know it by its prefix. So a route whose metric changes becomes two
//! for a moment: the new one is written, and only once it is there the old one goes, as a stray.

use ipnet::IpNet;

use super::targets::TargetId;
use super::{KernelRoute, Table};
use crate::plan::{Op, RouteOp};
use crate::route::FibRoute;

impl Table {
    /// Returns the metric a prefix's route has, or is to have.
    pub(super) fn metric(&self, prefix: IpNet) -> u32 {
        // Most have none of their own, and mostly nobody has.
        let own = if self.metrics.is_empty() { None } else { self.metrics.get(&prefix).copied() };
        own.unwrap_or_else(|| self.settings.metric_of(prefix))
    }

    /// Returns the route that is wanted of a prefix.
    pub(crate) fn wanted(&self, prefix: IpNet) -> Option<FibRoute> {
        let target = self.targets.target(self.entries.find(prefix)?.wanted)?.clone();
        Some(FibRoute { prefix, metric: self.metrics.get(&prefix).copied(), target })
    }

    /// Wants the route of a prefix under a metric, `None` for that of the settings. What is there under another is a
    /// stray from now on.
    pub(super) fn want_metric(&mut self, prefix: IpNet, metric: Option<u32>) {
        let common = self.settings.metric_of(prefix);
        let (before, after) = (self.metric(prefix), metric.unwrap_or(common));
        if before == after {
            return;
        }
        let found = self.strays.remove(&(prefix, after)).unwrap_or(TargetId::NONE);
        let installed = self.entries.find(prefix).map_or(TargetId::NONE, |entry| entry.installed);
        if installed != TargetId::NONE {
            // Held on by the stray, as it was by the entry.
            self.strays.insert((prefix, before), installed);
        }
        self.troubles.clear(prefix);
        if installed != found {
            self.edit(prefix, |entry| {
                entry.installed = found;
                TargetId::NONE
            });
        }
        self.set_metric(prefix, after);
        if found != TargetId::NONE {
            self.supersede(prefix);
        }
    }

    /// Tells whether a route of ours with an unusual metric is the one of its prefix: an earlier run left it, and
    /// nobody has said anything else.
    pub(super) fn adopts_metric(&mut self, route: &KernelRoute) -> bool {
        let vacant =
            self.entries.find(route.prefix).is_none_or(|entry| !entry.is_wanted() && !entry.is_installed());
        let adopted = !self.converged && vacant;
        if adopted {
            self.set_metric(route.prefix, route.metric);
        }
        adopted
    }

    /// Remembers a stray; `installed` is held already.
    pub(super) fn remember_stray(&mut self, stray: (IpNet, u32), installed: TargetId) {
        if let Some(before) = self.strays.insert(stray, installed) {
            self.let_go(before);
        }
        self.supersede(stray.0);
    }

    pub(super) fn forget_stray(&mut self, stray: (IpNet, u32)) {
        if let Some(installed) = self.strays.remove(&stray) {
            self.let_go(installed);
        }
    }

    pub(super) fn forget_strays(&mut self) {
        for (_, installed) in std::mem::take(&mut self.strays) {
            self.let_go(installed);
        }
        self.superseded.clear();
    }

    /// Has the strays of a prefix deleted if it does without them.
    pub(super) fn supersede(&mut self, prefix: IpNet) {
        if self.strays.is_empty() || !self.entries.find(prefix).is_some_and(|entry| entry.right) {
            return;
        }
        let strays = self.strays.range((prefix, 0)..=(prefix, u32::MAX)).map(|(stray, _)| *stray);
        self.superseded.extend(strays);
    }

    /// Returns what deletes strays that are superseded still.
    pub(super) fn delete_superseded(&mut self, limit: usize) -> Vec<Op> {
        let mut ops = Vec::new();
        while ops.len() < limit
            && self.settings.install
            && let Some((prefix, metric)) = self.superseded.pop()
        {
            let right = self.entries.find(prefix).is_some_and(|entry| entry.right);
            if right && let Some(installed) = self.strays.remove(&(prefix, metric)) {
                self.let_go(installed);
                ops.push(Op::Route(RouteOp::delete_stray(prefix, metric)));
            }
        }
        ops
    }

    /// Forgets the metric of a prefix of which nothing is left.
    pub(super) fn forget_metric(&mut self, prefix: IpNet) {
        if !self.metrics.is_empty() {
            self.metrics.remove(&prefix);
        }
    }

    fn set_metric(&mut self, prefix: IpNet, metric: u32) {
        if metric == self.settings.metric_of(prefix) {
            self.forget_metric(prefix);
        } else {
            self.metrics.insert(prefix, metric);
        }
    }
}
