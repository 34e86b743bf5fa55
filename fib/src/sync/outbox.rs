//! Events that wait for the daemon, merged so that they never pile up.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::handle::{Event, Link};
use crate::resolve::Resolution;
use crate::table::Drift;

/// At most one event of each kind; the latest word on each next hop and each interface.
///
/// The thread must not wait for the daemon, which may be waiting for the thread.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    ready: Option<usize>,
    links: BTreeMap<u32, Link>,
    resolved: BTreeMap<IpAddr, Resolution>,
    drift_deleted: u64,
    drift_changed: u64,
    swept: Option<usize>,
    applied: u64,
}

impl Outbox {
    pub(super) fn ready(&mut self, adopted: usize) {
        self.ready = Some(adopted);
    }

    pub(super) fn link(&mut self, link: Link) {
        self.links.insert(link.index, link);
    }

    pub(super) fn resolved(&mut self, address: IpAddr, resolution: Resolution) {
        self.resolved.insert(address, resolution);
    }

    pub(super) fn unresolved(&mut self, address: IpAddr) {
        self.resolved.remove(&address);
    }

    pub(super) fn drift(&mut self, drifts: &[Drift]) {
        let deleted = drifts.iter().filter(|drift| matches!(drift, Drift::Deleted(_))).count() as u64;
        self.drift_deleted += deleted;
        self.drift_changed += drifts.len() as u64 - deleted;
    }

    pub(super) fn swept(&mut self, leftovers: usize) {
        self.swept = Some(self.swept.unwrap_or_default() + leftovers);
    }

    pub(super) fn applied(&mut self, count: u64) {
        self.applied += count;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_none()
            && self.links.is_empty()
            && self.resolved.is_empty()
            && self.drift_deleted + self.drift_changed == 0
            && self.swept.is_none()
            && self.applied == 0
    }

    /// Takes the most urgent event; `dirty` is how many routes are still to be written.
    pub(super) fn next(&mut self, dirty: usize) -> Option<Event> {
        if let Some(adopted) = self.ready.take() {
            return Some(Event::Ready { adopted });
        }
        if !self.resolved.is_empty() {
            return Some(Event::Resolved(std::mem::take(&mut self.resolved).into_iter().collect()));
        }
        if !self.links.is_empty() {
            return Some(Event::Links(std::mem::take(&mut self.links).into_values().collect()));
        }
        if self.drift_deleted + self.drift_changed > 0 {
            let deleted = std::mem::take(&mut self.drift_deleted);
            let changed = std::mem::take(&mut self.drift_changed);
            return Some(Event::Drift { deleted, changed });
        }
        if let Some(leftovers) = self.swept.take() {
            return Some(Event::Swept { leftovers });
        }
        let count = std::mem::take(&mut self.applied);
        (count > 0).then_some(Event::Applied { count, dirty })
    }
}
