//! Jitter for timers, so that a hundred nodes do not all dial their switch at once.

use std::time::Duration;

/// A stream of factors between three quarters and one (RFC 4271 §10), the same for the same seed.
#[derive(Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Shortens a duration by up to a quarter.
    pub(crate) fn shorten(&mut self, duration: Duration) -> Duration {
        let share = u32::try_from(self.draw() >> 40).unwrap_or_default();
        let quarter = duration / 4;
        duration - quarter.mul_f64(f64::from(share) / f64::from(1_u32 << 24))
    }

    /// SplitMix64: a step and three mixes, enough to spread timers.
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_lies_between_three_quarters_and_the_whole_and_fills_the_span() {
        let mut jitter = Jitter::new(1);
        let whole = Duration::from_secs(100);
        let drawn: Vec<_> = (0..1000).map(|_| jitter.shorten(whole)).collect();
        assert!(drawn.iter().all(|&duration| duration > whole * 3 / 4 && duration <= whole));
        assert!(drawn.iter().any(|&duration| duration < whole * 77 / 100));
        assert!(drawn.iter().any(|&duration| duration > whole * 98 / 100));
    }

    #[test]
    fn the_same_seed_gives_the_same_stream() {
        let draw = |seed| Jitter::new(seed).shorten(Duration::from_secs(60));
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
