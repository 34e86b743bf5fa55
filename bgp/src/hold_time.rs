//! The hold time and what follows from it.

use std::time::Duration;

/// How long a session lives without a word from the peer: never limited, or 3 to 65535 seconds
/// (RFC 4271 §4.2). One and two seconds cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldTime(u16);

impl HoldTime {
    /// No hold timer and no keepalives.
    pub const NEVER: Self = Self(0);

    /// Makes a hold time of seconds; `None` for 1 and 2 (RFC 4271 §6.2).
    #[must_use]
    pub const fn new(seconds: u16) -> Option<Self> {
        match seconds {
            1 | 2 => None,
            _ => Some(Self(seconds)),
        }
    }

    /// Returns what goes into an OPEN.
    #[must_use]
    pub const fn seconds(self) -> u16 {
        self.0
    }

    /// Returns the smaller of two offers, which is what a session uses (RFC 4271 §4.2). Zero wins over all.
    #[must_use]
    pub fn negotiate(self, theirs: Self) -> Self {
        self.min(theirs)
    }

    /// Returns the time until the session is lost; `None` when it never is.
    #[must_use]
    pub fn hold(self) -> Option<Duration> {
        (self.0 != 0).then(|| Duration::from_secs(self.0.into()))
    }

    /// Returns the interval between keepalives, a third of the hold time (RFC 4271 §10); `None` when none
    /// are sent.
    #[must_use]
    pub fn keepalive(self) -> Option<Duration> {
        self.hold().map(|hold| hold / 3)
    }
}

impl Default for HoldTime {
    /// 90 seconds, the value RFC 4271 §10 suggests.
    fn default() -> Self {
        Self(90)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_two_seconds_cannot_be_built() {
        assert_eq!(HoldTime::new(1), None);
        assert_eq!(HoldTime::new(2), None);
        assert_eq!(HoldTime::new(0), Some(HoldTime::NEVER));
        assert_eq!(HoldTime::new(3).map(HoldTime::seconds), Some(3));
    }

    #[test]
    fn the_smaller_offer_wins_and_zero_is_the_smallest() {
        let nine = HoldTime::new(9).unwrap();
        assert_eq!(HoldTime::default().negotiate(nine), nine);
        assert_eq!(nine.negotiate(HoldTime::NEVER).keepalive(), None);
        assert_eq!(nine.keepalive(), Some(Duration::from_secs(3)));
    }
}
