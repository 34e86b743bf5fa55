//! The timers of RFC 4271 §8.1.3, as moments rather than as things that run.

use std::time::{Duration, Instant};

/// A timer of a peer or of one of its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timer {
    /// Until we connect again, or give up connecting.
    ConnectRetry,
    /// Until we leave Idle after a failure.
    IdleHold,
    /// Until the peer has been silent for too long.
    Hold,
    /// Until we must say something.
    Keepalive,
    /// Until the peer has read nothing for too long (RFC 9687).
    SendHold,
}

impl Timer {
    const COUNT: usize = 5;

    /// Every timer.
    pub const ALL: [Self; Self::COUNT] =
        [Self::ConnectRetry, Self::IdleHold, Self::Hold, Self::Keepalive, Self::SendHold];
}

/// When each timer fires, if it runs.
#[derive(Debug, Default)]
pub(super) struct Deadlines([Option<Instant>; Timer::COUNT]);

impl Deadlines {
    /// Starts a timer, or starts it again. One that would fire beyond the end of time never does.
    pub(super) fn start(&mut self, timer: Timer, now: Instant, after: Duration) {
        self.set(timer, now.checked_add(after));
    }

    pub(super) fn stop(&mut self, timer: Timer) {
        self.set(timer, None);
    }

    pub(super) fn when(&self, timer: Timer) -> Option<Instant> {
        self.0.get(timer as usize).copied().flatten()
    }

    /// Returns the earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    /// Stops and returns a timer that is due, the earliest first.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Timer> {
        let due = Timer::ALL.into_iter().filter_map(|timer| Some((self.when(timer)?, timer)));
        let (_, timer) = due.filter(|&(when, _)| when <= now).min_by_key(|&(when, _)| when)?;
        self.stop(timer);
        Some(timer)
    }

    fn set(&mut self, timer: Timer, when: Option<Instant>) {
        if let Some(deadline) = self.0.get_mut(timer as usize) {
            *deadline = when;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsm::tests::start_of_time;

    #[test]
    fn timers_that_are_due_fire_in_their_order_and_once() {
        let now = start_of_time();
        let mut deadlines = Deadlines::default();
        deadlines.start(Timer::Hold, now, Duration::from_secs(2));
        deadlines.start(Timer::SendHold, now, Duration::from_secs(1));
        deadlines.start(Timer::Keepalive, now, Duration::from_secs(3));
        let then = now + Duration::from_secs(2);
        assert_eq!(deadlines.expire(then), Some(Timer::SendHold));
        assert_eq!(deadlines.expire(then), Some(Timer::Hold));
        assert_eq!(deadlines.expire(then), None);
        assert_eq!(deadlines.next(), Some(now + Duration::from_secs(3)));
    }

    #[test]
    fn a_timer_beyond_the_end_of_time_never_fires() {
        let mut deadlines = Deadlines::default();
        deadlines.start(Timer::ConnectRetry, start_of_time(), Duration::MAX);
        assert_eq!(deadlines.next(), None);
    }
}
