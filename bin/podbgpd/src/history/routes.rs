//! Best paths that changed: batches of one cause, and their first prefixes in detail.

use std::collections::{BTreeSet, VecDeque};

use ipnet::IpNet;
use rib::{BestChange, Cause, PeerId, Source, Standing};

use super::Millis;

/// What follows within this time for the same cause belongs to the batch.
const PAUSE: Millis = 1000;
/// A batch that never pauses ends after this time.
const LONGEST: Millis = 60_000;
/// Among so many of the latest batches a change looks for its own: causes alternate.
const ABREAST: usize = 64;
/// One batch takes no more than this part of all records.
const SHARE: usize = 64;
/// A batch always has room for some, and there is room for some batches.
const LEAST: usize = 16;

/// The latest changes of best paths.
pub struct Routes {
    capacity: usize,
    records: VecDeque<Record>,
    batches: VecDeque<Batch>,
    /// The number of the first batch that is kept.
    first: u32,
}

/// Changes of best paths of one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// What brought them about.
    pub cause: Cause,
    /// When the first was.
    pub at: Millis,
    /// When the last was.
    pub until: Millis,
    /// How many there were.
    pub changes: u32,
    /// How many of them were written down in detail; the record of old ones is gone before the batch is.
    pub detailed: u32,
}

/// One of them in detail: 32 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    batch: u32,
    before: Packed,
    after: Packed,
    /// The destination.
    pub prefix: IpNet,
    /// How the former path stood then; `None` when it was gone or none.
    pub former: Option<Standing>,
}

const _: () = assert!(size_of::<Record>() == 32 && size_of::<Batch>() == 32);

/// The source of a best path, or that there is none, in four octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packed(u32);

impl Packed {
    const NONE: u32 = u32::MAX;
    const LOCAL: u32 = u32::MAX - 1;

    fn pack(source: Option<Source>) -> Self {
        Self(match source {
            None => Self::NONE,
            Some(Source::Local) => Self::LOCAL,
            Some(Source::Peer(PeerId(number))) => number,
        })
    }

    fn unpack(self) -> Option<Source> {
        match self.0 {
            Self::NONE => None,
            Self::LOCAL => Some(Source::Local),
            number => Some(Source::Peer(PeerId(number))),
        }
    }
}

impl Record {
    /// Returns where the best path was from; `None` when there was none.
    #[must_use]
    pub fn before(&self) -> Option<Source> {
        self.before.unpack()
    }

    /// Returns where it was from afterwards.
    #[must_use]
    pub fn after(&self) -> Option<Source> {
        self.after.unpack()
    }

    /// Tells whether a path of this peer was or became the best.
    #[must_use]
    pub fn concerns(&self, peer: PeerId) -> bool {
        [self.before(), self.after()].contains(&Some(Source::Peer(peer)))
    }
}

impl Batch {
    /// Tells whether there were more changes than were written down.
    #[must_use]
    pub fn is_folded(&self) -> bool {
        self.changes > self.detailed
    }

    fn takes(&self, cause: Cause, at: Millis) -> bool {
        self.cause == cause && at.saturating_sub(self.until) <= PAUSE && at.saturating_sub(self.at) < LONGEST
    }
}

impl Routes {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, records: VecDeque::new(), batches: VecDeque::new(), first: 0 }
    }

    pub(super) fn resize(&mut self, capacity: usize) {
        self.capacity = capacity;
        let spare = self.records.len().saturating_sub(capacity);
        self.records.drain(..spare);
        self.records.shrink_to(capacity);
        while self.batches.len() > self.most_batches() {
            self.forget_batch();
        }
        self.batches.shrink_to(self.most_batches());
    }

    /// Writes a change down, or counts it where its batch has enough of them.
    pub(super) fn note(&mut self, change: &BestChange, at: Millis) {
        let share = (self.capacity / SHARE).max(LEAST) as u32;
        let place = self.batch(change.cause, at);
        let batch = &mut self.batches[place];
        batch.until = at;
        batch.changes = batch.changes.saturating_add(1);
        if batch.detailed == share {
            return;
        }
        batch.detailed += 1;
        if self.records.len() >= self.capacity {
            self.records.pop_front();
        }
        self.records.push_back(Record {
            batch: self.first.wrapping_add(place as u32),
            before: Packed::pack(change.before),
            after: Packed::pack(change.after),
            prefix: change.prefix,
            former: change.former,
        });
    }

    /// Returns the place of the batch a change belongs to, opened if need be.
    fn batch(&mut self, cause: Cause, at: Millis) -> usize {
        let latest = self.batches.iter().rev().take(ABREAST);
        if let Some(back) = latest.into_iter().position(|batch| batch.takes(cause, at)) {
            return self.batches.len() - 1 - back;
        }
        if self.batches.len() >= self.most_batches() {
            self.forget_batch();
        }
        self.batches.push_back(Batch { cause, at, until: at, changes: 0, detailed: 0 });
        self.batches.len() - 1
    }

    fn most_batches(&self) -> usize {
        (self.capacity / LEAST).max(LEAST)
    }

    fn forget_batch(&mut self) {
        if self.batches.pop_front().is_some() {
            self.first = self.first.wrapping_add(1);
        }
    }

    /// Walks the batches with their places, the oldest first.
    pub fn batches(&self) -> impl Iterator<Item = (usize, &Batch)> {
        self.batches.iter().enumerate()
    }

    /// Walks what is left of the details with the places of their batches, the oldest first.
    pub fn records(&self) -> impl Iterator<Item = (usize, &Record)> {
        let placed = |record: &'_ Record| record.batch.wrapping_sub(self.first) as usize;
        let all = self.records.iter().map(move |record| (placed(record), record));
        all.filter(|(place, _)| *place < self.batches.len())
    }

    /// Returns everybody who is named anywhere.
    pub(super) fn peers(&self) -> BTreeSet<PeerId> {
        let causes = self.batches.iter().filter_map(|batch| batch.cause.peer());
        let paths = self.records.iter().flat_map(|record| [record.before(), record.after()]);
        causes.chain(paths.filter_map(super::peer)).collect()
    }
}
