//! Changes to one route, with counters, queue and pool kept right.

use ipnet::IpNet;

use super::Table;
use super::entries::{Entry, Place};
use super::targets::TargetId;

impl Table {
    /// Changes an entry; `change` returns the target it let go of. Keeps counters, queue and pool right.
    pub(super) fn edit(&mut self, prefix: IpNet, change: impl FnOnce(&mut Entry) -> TargetId) {
        let place = self.entries.place(prefix);
        let entry = self.entries.at(place);
        let before = *entry;
        let released = change(entry);
        if entry.wanted != before.wanted {
            self.regroup |= self.targets.wanted(entry.wanted) | self.targets.unwanted(before.wanted);
        }
        if entry.wanted != entry.installed
            && let Some(wanted) = self.targets.target(entry.wanted)
            && let Some(installed) = self.targets.target(entry.installed)
            && wanted.is_met_by(installed)
        {
            // Two spellings of one route: remember the one that was asked for.
            let spelling = self.targets.hold(entry.wanted);
            self.targets.release(std::mem::replace(&mut entry.installed, spelling));
        }
        self.let_go(released);
        self.recount(prefix, place, before);
    }

    /// Counts an entry anew and sees to it that what is to be done about it is done.
    pub(super) fn recount(&mut self, prefix: IpNet, place: Place, before: Entry) {
        let after = *self.entries.at(place);
        let right = self.is_right(after);
        let unfinished = self.is_unfinished(after, right);
        let adjust = |count: &mut usize, was: bool, is: bool| match (was, is) {
            (false, true) => *count += 1,
            (true, false) => *count -= 1,
            _ => {}
        };
        adjust(&mut self.stats.desired, before.is_wanted(), after.is_wanted());
        adjust(&mut self.stats.installed, before.right, right);
        adjust(&mut self.stats.leftovers, before.is_leftover(), after.is_leftover());
        adjust(&mut self.stats.dirty, before.unfinished, unfinished);
        let entry = self.entries.at(place);
        (entry.right, entry.unfinished) = (right, unfinished);
        if right {
            self.troubles.clear(prefix);
            self.supersede(prefix);
        } else if unfinished {
            if self.settings.install && !std::mem::replace(&mut entry.queued, true) {
                self.queue.push_back(prefix);
            }
        } else {
            self.forget_blank(prefix, after);
        }
    }

    pub(super) fn is_right(&self, entry: Entry) -> bool {
        match (self.targets.wish(entry.wanted), self.installed(entry)) {
            (Some(wish), Some(installed)) => wish.is_met_by(installed),
            _ => false,
        }
    }

    pub(super) fn is_disposable(&self, entry: Entry) -> bool {
        entry.claimed || self.converged
    }

    pub(super) fn is_unfinished(&self, entry: Entry, right: bool) -> bool {
        if entry.is_wanted() { !right } else { entry.is_installed() && self.is_disposable(entry) }
    }

    pub(super) fn enqueue(&mut self, prefix: IpNet) {
        if self.mark_queued(prefix) {
            self.queue.push_back(prefix);
        }
    }

    pub(super) fn enqueue_first(&mut self, prefix: IpNet) {
        if self.mark_queued(prefix) {
            self.queue.push_front(prefix);
        }
    }

    fn mark_queued(&mut self, prefix: IpNet) -> bool {
        self.settings.install
            && self.entries.find_mut(prefix).is_some_and(|entry| !std::mem::replace(&mut entry.queued, true))
    }

    pub(super) fn forget_blank(&mut self, prefix: IpNet, entry: Entry) {
        if !entry.is_wanted() && !entry.is_installed() && !entry.queued {
            self.entries.remove(prefix);
            self.forget_metric(prefix);
        }
    }
}
