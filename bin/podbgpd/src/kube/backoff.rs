//! Waits that grow, with jitter: five thousand nodes lose their server in the same second.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// Waits between attempts: the first is `first`, each is twice the one before up to `most`, and every one is shortened
/// by up to a half at random.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// Something good came: the next wait is short again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Returns how long to wait now.
    pub(super) fn next(&mut self) -> Duration {
        let whole = self.first.saturating_mul(1 << self.failures.min(16)).min(self.most);
        self.failures += 1;
        whole.mul_f64(0.5 + share() / 2.0)
    }
}

/// Returns a duration between this and a third more of it, at random.
pub(super) fn somewhat_more(than: Duration) -> Duration {
    than.mul_f64(1.0 + share() / 3.0)
}

/// A number from 0 to 1, another each time.
pub(super) fn share() -> f64 {
    let drawn = RandomState::new().build_hasher().finish();
    f64::from((drawn >> 32) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_a_limit_and_begin_anew_after_something_good() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, second * 10);
        for whole in [1, 2, 4, 8, 10, 10, 10] {
            let (wait, whole) = (backoff.next(), second * whole);
            assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= second);
    }

    #[test]
    fn not_everybody_waits_as_long() {
        let waits: Vec<_> =
            (0..20).map(|_| Backoff::new(Duration::from_secs(1), Duration::MAX).next()).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }

    #[test]
    fn a_back_off_never_overflows() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        assert!((0..1000).all(|_| backoff.next() <= Duration::from_secs(30)));
    }
}
