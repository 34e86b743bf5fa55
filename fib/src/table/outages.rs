//! Which next hops are out of use for the moment, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::route::NextHop;

/// The first pause before the kernel is asked again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A next hop without its weight.
pub(super) type Hop = (Option<IpAddr>, Option<u32>);

pub(super) fn hop(next_hop: &NextHop) -> Hop {
    (next_hop.address, next_hop.interface)
}

/// What keeps next hops from being used.
#[derive(Debug, Default)]
pub(super) struct Outages {
    /// Interfaces that are down.
    down: BTreeSet<u32>,
    /// What the daemon has said to be lost, and how often the word is still to come in its order.
    lost: BTreeMap<Hop, u32>,
    /// What the kernel would not make an object of.
    barred: BTreeMap<Hop, Bar>,
}

#[derive(Clone, Copy, Debug)]
struct Bar {
    until: Option<Instant>,
    pause: Duration,
}

impl Outages {
    pub(super) fn is_usable(&self, next_hop: &NextHop) -> bool {
        !next_hop.interface.is_some_and(|index| self.down.contains(&index))
            && !self.lost.contains_key(&hop(next_hop))
            && !self.is_barred(next_hop)
    }

    pub(super) fn is_barred(&self, next_hop: &NextHop) -> bool {
        self.barred.get(&hop(next_hop)).is_some_and(|bar| bar.until.is_some())
    }

    /// Tells whether anything at all is out of use.
    pub(super) fn is_empty(&self) -> bool {
        self.down.is_empty() && self.lost.is_empty() && self.barred.is_empty()
    }

    /// Notes the state of an interface; `true` if that is news.
    pub(super) fn interface(&mut self, index: u32, up: bool) -> bool {
        if up { self.down.remove(&index) } else { self.down.insert(index) }
    }

    /// Notes that a next hop is lost before the word for it has come in its order.
    pub(super) fn lose(&mut self, lost: Hop) {
        *self.lost.entry(lost).or_default() += 1;
    }

    /// Notes that the word has come in its order.
    pub(super) fn lost_in_order(&mut self, lost: Hop) {
        if let Some(count) = self.lost.get_mut(&lost) {
            *count -= 1;
            if *count == 0 {
                self.lost.remove(&lost);
            }
        }
    }

    /// Leaves a next hop alone for a while that the kernel refused.
    pub(super) fn bar(&mut self, refused: Hop, now: Instant) {
        let fresh = Bar { until: None, pause: FIRST_PAUSE };
        let bar = self.barred.entry(refused).or_insert(fresh);
        bar.until = Some(now + bar.pause);
        bar.pause = (bar.pause * 2).min(LONGEST_PAUSE);
    }

    /// Forgets that the kernel refused a next hop.
    pub(super) fn accepted(&mut self, next_hop: Hop) {
        self.barred.remove(&next_hop);
    }

    /// Lets everything be tried again; `true` if there was anything.
    pub(super) fn release(&mut self) -> bool {
        self.release_if(|_| true)
    }

    /// Lets those be tried again whose time has come; `true` if there were any.
    pub(super) fn release_due(&mut self, now: Instant) -> bool {
        self.release_if(|until| until <= now)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.barred.values().filter_map(|bar| bar.until).min()
    }

    fn release_if(&mut self, due: impl Fn(Instant) -> bool) -> bool {
        let mut released = false;
        for bar in self.barred.values_mut() {
            released |= bar.until.take_if(|until| due(*until)).is_some();
        }
        released
    }
}
