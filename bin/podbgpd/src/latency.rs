//! How long it takes from the arrival of an object's change to the UPDATE that says so.

use std::time::{Duration, Instant};

use control::{BucketView, LatencyView};

/// The bounds of the buckets, in microseconds; one more bucket has none.
const BOUNDS: [u64; 12] =
    [1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000];

/// What has been measured, and what is being measured.
///
/// A change counts from its arrival until everything it had to say is in the sockets of the peers that were up. One with
/// nothing to say does not count.
#[derive(Debug, Default)]
pub struct Latency {
    buckets: [u64; BOUNDS.len() + 1],
    sum: Duration,
    /// When the oldest change came that has not been said to everybody yet.
    unsaid: Option<Instant>,
}

impl Latency {
    /// Takes note of a change that arrived then and has something to say.
    pub fn begin(&mut self, arrived: Instant) {
        self.unsaid = Some(self.unsaid.map_or(arrived, |before| before.min(arrived)));
    }

    /// Tells whether something has been begun.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.unsaid.is_some()
    }

    /// Takes note that everything has been said.
    pub fn end(&mut self, now: Instant) {
        if let Some(arrived) = self.unsaid.take() {
            self.observe(now.saturating_duration_since(arrived));
        }
    }

    fn observe(&mut self, took: Duration) {
        let bucket = BOUNDS.iter().position(|bound| took <= Duration::from_micros(*bound));
        self.buckets[bucket.unwrap_or(BOUNDS.len())] += 1;
        self.sum += took;
    }

    /// Shows what has been measured.
    #[must_use]
    pub fn view(&self) -> LatencyView {
        let bounds =
            BOUNDS.iter().map(|bound| Some(Duration::from_micros(*bound).as_secs_f64())).chain([None]);
        let bucket = |(up_to_seconds, count)| BucketView { up_to_seconds, count };
        LatencyView {
            count: self.buckets.iter().sum(),
            sum_seconds: self.sum.as_secs_f64(),
            buckets: bounds.zip(self.buckets).map(bucket).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(latency: &Latency) -> Vec<u64> {
        latency.view().buckets.iter().map(|bucket| bucket.count).collect()
    }

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        let mut latency = Latency::default();
        for micros in [0, 1_000, 1_001, 5_000_000, 5_000_001] {
            latency.observe(Duration::from_micros(micros));
        }
        assert_eq!(counts(&latency), [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(latency.view().count, 5);
        assert!((latency.view().sum_seconds - 10.002_002).abs() < 1e-9);
    }

    #[test]
    fn changes_that_wait_together_count_from_the_first() {
        let (mut latency, start) = (Latency::default(), Instant::now());
        let after = |millis| start + Duration::from_millis(millis);
        latency.begin(after(5));
        latency.begin(start);
        assert!(latency.is_running());
        latency.end(after(20));
        latency.end(after(500));
        assert_eq!((latency.view().count, latency.is_running()), (1, false));
        assert_eq!(counts(&latency)[4], 1, "20 ms are within 25");
    }
}
