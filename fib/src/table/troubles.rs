//! Routes the kernel would not take, and when to try them again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ipnet::IpNet;

use crate::error::WriteError;

/// The first pause; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Why a route is not in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The kernel said no.
    Refused(WriteError),
    /// Somebody else's route has our key.
    Taken { protocol: Option<u8> },
}

/// One route in trouble.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) cause: Cause,
    pub(super) since: Instant,
    pub(super) retries: u32,
    /// When to try again; none while it is being tried.
    due: Option<Instant>,
}

impl Trouble {
    /// Tells whether something is in the way and nobody knows what.
    pub(super) fn is_riddle(&self) -> bool {
        matches!(self.cause, Cause::Taken { protocol: None })
    }
}

/// All routes in trouble, found by prefix and by deadline.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    by_prefix: BTreeMap<IpNet, Trouble>,
    by_deadline: BTreeSet<(Instant, IpNet)>,
    /// How many of them are there because of somebody else's route.
    conflicts: usize,
}

impl Troubles {
    pub(super) fn find(&self, prefix: IpNet) -> Option<&Trouble> {
        self.by_prefix.get(&prefix)
    }

    pub(super) fn len(&self) -> usize {
        self.by_prefix.len()
    }

    /// Returns how many wait for somebody else's route to go.
    pub(super) fn conflicts(&self) -> usize {
        self.conflicts
    }

    pub(super) fn prefixes(&self) -> Vec<IpNet> {
        self.by_prefix.keys().copied().collect()
    }

    /// Tells whether `prefix` has to wait.
    pub(super) fn is_waiting(&self, prefix: IpNet) -> bool {
        self.find(prefix).is_some_and(|trouble| trouble.due.is_some())
    }

    /// Notes that a try was in vain, and when the next one is due.
    pub(super) fn failed(&mut self, prefix: IpNet, cause: Cause, now: Instant) {
        self.release(prefix);
        self.conflicts -= usize::from(self.is_taken(prefix));
        let fresh = Trouble { cause: cause.clone(), since: now, retries: 0, due: None };
        let trouble = self.by_prefix.entry(prefix).or_insert(fresh);
        let due = now + FIRST_PAUSE.saturating_mul(1 << trouble.retries.min(16)).min(LONGEST_PAUSE);
        // Who is in the way stays known over a try that only says that somebody is.
        if !matches!((&trouble.cause, &cause), (Cause::Taken { .. }, Cause::Taken { protocol: None })) {
            trouble.cause = cause;
        }
        self.conflicts += usize::from(matches!(trouble.cause, Cause::Taken { .. }));
        trouble.retries = trouble.retries.saturating_add(1);
        trouble.due = Some(due);
        self.by_deadline.insert((due, prefix));
    }

    /// Notes whose route is in the way of `prefix`, if one is.
    pub(super) fn blame(&mut self, prefix: IpNet, culprit: Option<u8>) {
        if let Some(Trouble { cause: Cause::Taken { protocol }, .. }) = self.by_prefix.get_mut(&prefix) {
            *protocol = culprit;
        }
    }

    /// Tells whether the only thing known against `prefix` is a route in its way.
    pub(super) fn is_taken(&self, prefix: IpNet) -> bool {
        matches!(self.find(prefix), Some(Trouble { cause: Cause::Taken { .. }, .. }))
    }

    /// Lets `prefix` be tried at once; the count of retries stays.
    pub(super) fn release(&mut self, prefix: IpNet) {
        if let Some(trouble) = self.by_prefix.get_mut(&prefix)
            && let Some(due) = trouble.due.take()
        {
            self.by_deadline.remove(&(due, prefix));
        }
    }

    /// Lets those be tried whose time has come, and returns them.
    pub(super) fn release_due(&mut self, now: Instant) -> Vec<IpNet> {
        let mut released = Vec::new();
        while let Some(&(due, prefix)) = self.by_deadline.first()
            && due <= now
        {
            self.release(prefix);
            released.push(prefix);
        }
        released
    }

    pub(super) fn clear(&mut self, prefix: IpNet) {
        if self.by_prefix.is_empty() {
            return;
        }
        self.release(prefix);
        self.conflicts -= usize::from(self.is_taken(prefix));
        self.by_prefix.remove(&prefix);
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(due, _)| *due)
    }
}
