//! Telling of wrong hands: once in the log for each that appears or goes, and all of them to whoever asks.

use std::io;
use std::time::{Duration, Instant};

use control::WrongHandView;
use tracing::{info, warn};

use super::Node;
use crate::hands::{Facts, Reader, Stance, judge};

/// How long routes that somebody wrote with our mark are held against them.
const MEMORY: Duration = Duration::from_secs(600);

/// What was found, and what finds it.
pub(super) struct Hands {
    pub(super) reader: Reader,
    pub(super) found: Vec<WrongHandView>,
    /// The interfaces whose settings are read.
    uplinks: Vec<String>,
    intruders: Intruders,
}

/// Routes with our mark that are not ours.
#[derive(Default)]
struct Intruders {
    /// How many were known when this was begun to be counted.
    base: u64,
    total: u64,
    last: Option<Instant>,
}

impl Hands {
    pub(super) fn open() -> io::Result<Self> {
        let (found, uplinks) = (Vec::new(), Vec::new());
        Ok(Self { reader: Reader::spawn()?, found, uplinks, intruders: Intruders::default() })
    }
}

impl Intruders {
    /// Takes note of how many there have been, and returns how many of them matter still.
    fn lately(&mut self, total: u64, now: Instant) -> u64 {
        if total > self.total {
            self.last = Some(now);
        } else if self.last.is_some_and(|last| now.saturating_duration_since(last) >= MEMORY) {
            (self.base, self.last) = (total, None);
        }
        self.total = total;
        total - self.base.min(total)
    }
}

impl Node {
    /// Has the machine looked at again when sessions are over other interfaces than before.
    pub(super) fn follow_uplinks(&mut self) {
        let uplinks = self.speaker.uplinks();
        if uplinks != self.hands.uplinks {
            self.hands.uplinks = uplinks;
            self.look_at_hands();
        }
    }

    /// Has the machine looked at now.
    pub(super) fn look_at_hands(&self) {
        self.hands.reader.ask(self.hands.uplinks.clone());
    }

    pub(super) fn hands_seen(&mut self, facts: Facts) {
        let total = self.kernel.as_ref().map_or(0, |kernel| kernel.handle.stats().intruders);
        let intruders = self.hands.intruders.lately(total, Instant::now());
        let stance = Stance::of(self.speaker.intent(), self.hands.uplinks.clone(), intruders);
        let before = std::mem::replace(&mut self.hands.found, judge(&facts, &stance));
        let is_in = |all: &[WrongHandView], one: &WrongHandView| {
            all.iter().any(|other| (&other.kind, &other.place) == (&one.kind, &one.place))
        };
        for hand in self.hands.found.iter().filter(|hand| !is_in(&before, hand)) {
            let WrongHandView { kind, place, why, remedy } = hand;
            warn!(target: "hands", kind, place, remedy, "{why}");
        }
        for hand in before.iter().filter(|hand| !is_in(&self.hands.found, hand)) {
            info!(target: "hands", kind = hand.kind, place = hand.place, "no longer so");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intruders_are_forgiven_after_a_while_of_peace() {
        let (mut intruders, start) = (Intruders::default(), Instant::now());
        assert_eq!(intruders.lately(0, start), 0);
        assert_eq!(intruders.lately(2, start), 2);
        assert_eq!(intruders.lately(3, start + MEMORY / 2), 3);
        assert_eq!(intruders.lately(3, start + MEMORY), 3);
        assert_eq!(intruders.lately(3, start + MEMORY * 2), 0);
        assert_eq!(intruders.lately(4, start + MEMORY * 2), 1);
    }
}
