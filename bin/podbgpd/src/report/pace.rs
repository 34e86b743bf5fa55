//! When something is written, and how much.

use std::time::{Duration, Instant};

/// The least time between two writes of the status: what flaps is written as it stands, not each time.
const SPACING: Duration = Duration::from_secs(5);
/// How often it is written although nothing has changed. Five thousand nodes make eight writes a second of it.
const HEARTBEAT: Duration = Duration::from_secs(600);
/// The wait after a first failure; it doubles with each more.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// The longest wait.
const LAST_RETRY: Duration = Duration::from_secs(300);

/// When the status is to be written.
#[derive(Debug, Default)]
pub struct Pace {
    /// The last attempt, and how many have failed in a row by then.
    last: Option<Instant>,
    failures: u32,
}

impl Pace {
    /// Returns when to write, if there is news or if there is none; `None` for at once. `jitter`, from 0 to 1, spreads
    /// nodes that do the same together.
    #[must_use]
    pub fn due(&self, news: bool, jitter: f64) -> Option<Instant> {
        let last = self.last?;
        let wait = match (self.failures, news) {
            (0, true) => SPACING,
            (0, false) => HEARTBEAT.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 4.0),
            (failures, _) => {
                let wait = FIRST_RETRY * 2_u32.saturating_pow(failures - 1).min(1 << 10);
                wait.min(LAST_RETRY).mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 2.0)
            }
        };
        Some(last + wait)
    }

    /// Takes note that what there was has been written.
    pub fn wrote(&mut self, now: Instant) {
        *self = Self { last: Some(now), failures: 0 };
    }

    /// Takes note that writing it has failed.
    pub fn failed(&mut self, now: Instant) {
        (self.last, self.failures) = (Some(now), self.failures.saturating_add(1));
    }
}

/// How many of something may be written: a few at once, and few in the long run.
#[derive(Debug)]
pub struct Budget {
    left: u32,
    since: Instant,
}

impl Budget {
    /// The most at once.
    const MOST: u32 = 10;
    /// How long it takes to have one more.
    const ONE_MORE: Duration = Duration::from_secs(30);

    /// Makes one that is full.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { left: Self::MOST, since: now }
    }

    /// Takes one, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.since).as_secs() / Self::ONE_MORE.as_secs();
        if gained > 0 {
            let gained = u32::try_from(gained).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(gained).min(Self::MOST);
            self.since += Self::ONE_MORE * gained.min(1 << 20);
        }
        let taken = self.left > 0;
        self.left -= u32::from(taken);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_word_goes_at_once_and_changes_at_most_every_five_seconds() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert_eq!(pace.due(true, 0.0), None);
        pace.wrote(start);
        assert_eq!(pace.due(true, 0.5), Some(start + 5 * SECOND));
        pace.wrote(start + 5 * SECOND);
        assert_eq!(pace.due(false, 0.0), Some(start + 605 * SECOND));
        assert_eq!(pace.due(false, 1.0), Some(start + 755 * SECOND));
    }

    #[test]
    fn failures_slow_it_down_up_to_a_bound_whatever_changes() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..20 {
            pace.failed(start);
            waits.push(pace.due(true, 0.0).unwrap().duration_since(start).as_secs());
        }
        assert_eq!(waits[..8], [5, 10, 20, 40, 80, 160, 300, 300]);
        assert!(waits[8..].iter().all(|wait| *wait == 300));
        pace.wrote(start);
        assert_eq!(pace.due(false, 0.0), Some(start + HEARTBEAT));
    }

    #[test]
    fn a_budget_is_ten_at_once_and_one_more_each_half_minute() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        assert_eq!((0..50).filter(|_| budget.take(start)).count(), 10);
        assert!(!budget.take(start + 29 * SECOND));
        assert!(budget.take(start + 30 * SECOND));
        assert!(!budget.take(start + 59 * SECOND));
        assert!(budget.take(start + 60 * SECOND));
        assert_eq!((0..50).filter(|_| budget.take(start + 86_400 * SECOND)).count(), 10);
    }
}
