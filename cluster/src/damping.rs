//! Addresses that come and go: gone at once, back after a while.
//!
//! An address that is withdrawn is not announced again before a while has passed since. The first time that is an eighth
//! of the setting; it doubles each time the address goes again soon after, up to the setting itself. So a pod that takes a
//! second to be replaced costs nothing beyond that second, and a pod that fails its probe every second costs routers two
//! UPDATEs each time the while is over, and no more. What stays for some time is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ipnet::IpNet;

/// The first while is the longest divided by two to this.
const FIRST: u32 = 3;
/// An address is forgotten that many times the longest while after it last went.
const MEMORY: u32 = 12;

/// What is remembered of addresses that went.
#[derive(Debug, Default)]
pub(crate) struct Damping {
    announced: BTreeSet<IpNet>,
    gone: BTreeMap<IpNet, Gone>,
    /// When an address may come back that wants to.
    next: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Gone {
    /// When it last went.
    at: Duration,
    /// How often in a row.
    times: u32,
}

impl Damping {
    /// Returns which of the addresses wanted are announced now. `longest` is how long one is held back at most.
    pub(crate) fn settle<T>(
        &mut self,
        wanted: BTreeMap<IpNet, T>,
        now: Duration,
        longest: Duration,
    ) -> BTreeMap<IpNet, T> {
        let memory = longest.saturating_mul(MEMORY);
        self.gone.retain(|prefix, gone| {
            wanted.contains_key(prefix) && !self.announced.contains(prefix)
                || now < gone.at.saturating_add(memory)
        });
        for prefix in self.announced.iter().filter(|prefix| !wanted.contains_key(*prefix)) {
            let gone = self.gone.entry(*prefix).or_insert(Gone { at: now, times: 0 });
            *gone = Gone { at: now, times: gone.times.saturating_add(1) };
        }
        self.next = None;
        let mut settled = wanted;
        settled.retain(|prefix, _| {
            let held = self.gone.get(prefix).map(|gone| gone.until(longest));
            let held = held.filter(|until| !self.announced.contains(prefix) && now < *until);
            self.next = [self.next, held].into_iter().flatten().min();
            held.is_none()
        });
        self.announced = settled.keys().copied().collect();
        settled
    }

    /// Returns when an address that is wanted may be announced again, the first of them.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.next
    }
}

impl Gone {
    fn until(self, longest: Duration) -> Duration {
        let halvings = FIRST.saturating_sub(self.times.saturating_sub(1));
        self.at.saturating_add(longest / 2_u32.saturating_pow(halvings))
    }
}

#[cfg(test)]
mod tests;
