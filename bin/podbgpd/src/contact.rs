//! Which watches hear what happens in the cluster, and since when one does not.
//!
//! An outage withdraws nothing: what was heard last stays in force. So the age of it is all an operator has to tell a
//! quiet cluster from a deaf node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use cluster::{Kind, Scope, Watch};
use control::{WatchState, WatchView};

/// The watches and how they stand.
#[derive(Debug, Default)]
pub struct Contact {
    watches: BTreeMap<Watch, Standing>,
}

#[derive(Debug)]
struct Standing {
    state: WatchState,
    since: Instant,
    losses: u64,
    last_error: Option<String>,
    /// Whether it has ever heard everything, in this run.
    listed: bool,
}

impl Contact {
    /// Takes note of what is watched from now on; those that go on stay as they are.
    pub fn follow(&mut self, watches: &BTreeSet<Watch>, now: Instant) {
        self.watches.retain(|watch, _| watches.contains(watch));
        for watch in watches {
            if !self.watches.contains_key(watch) {
                self.watches.insert(watch.clone(), Standing::new(now));
            }
        }
    }

    /// Takes note that a watch has heard everything and goes on hearing.
    pub fn in_touch(&mut self, watch: &Watch, now: Instant) {
        if let Some(standing) = self.watches.get_mut(watch) {
            standing.listed = true;
            standing.go(WatchState::InTouch, now);
        }
    }

    /// Takes note that a watch hears nothing. Told again and again, it is still the first time that counts.
    pub fn out_of_touch(&mut self, watch: &Watch, why: String, now: Instant) {
        if let Some(standing) = self.watches.get_mut(watch) {
            standing.losses += u64::from(standing.state == WatchState::InTouch);
            standing.last_error = Some(why);
            standing.go(WatchState::Lost, now);
        }
    }

    /// Tells whether a watch hears nothing.
    #[must_use]
    pub fn is_lost(&self, watch: &Watch) -> bool {
        self.watches.get(watch).is_some_and(|standing| standing.state == WatchState::Lost)
    }

    /// Returns since when something is not heard of any more.
    #[must_use]
    pub fn stale_since(&self) -> Option<Instant> {
        let lost = self.watches.values().filter(|standing| standing.state == WatchState::Lost);
        lost.map(|standing| standing.since).min()
    }

    /// Tells whether something is known only from what an earlier run has written down, if that was restored at all.
    #[must_use]
    pub fn has_unlisted(&self) -> bool {
        self.watches.values().any(|standing| !standing.listed)
    }

    /// Shows the watches.
    #[must_use]
    pub fn views(&self, now: Instant) -> Vec<WatchView> {
        let view = |(watch, standing): (&Watch, &Standing)| WatchView {
            kind: kind(watch.kind),
            scope: scope(&watch.scope),
            state: standing.state,
            state_seconds: now.saturating_duration_since(standing.since).as_secs(),
            losses: standing.losses,
            last_error: standing.last_error.clone(),
        };
        self.watches.iter().map(view).collect()
    }
}

impl Standing {
    fn new(now: Instant) -> Self {
        Self { state: WatchState::Listing, since: now, losses: 0, last_error: None, listed: false }
    }

    fn go(&mut self, state: WatchState, now: Instant) {
        if self.state != state {
            (self.state, self.since) = (state, now);
        }
    }
}

/// Returns the name of a kind as people know it.
#[must_use]
pub fn kind(kind: Kind) -> String {
    format!("{kind:?}")
}

fn scope(scope: &Scope) -> String {
    match scope {
        Scope::All => "all".to_owned(),
        Scope::Named(name) => name.clone(),
        Scope::In { namespace, name } => format!("{namespace}/{name}"),
        Scope::Labelled(selector) => selector.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn watch(kind: Kind) -> Watch {
        Watch { kind, scope: Scope::All }
    }

    #[test]
    fn staleness_counts_from_the_first_failure_of_the_one_that_is_away_longest() {
        let (mut contact, start) = (Contact::default(), Instant::now());
        let (nodes, services) = (watch(Kind::Node), watch(Kind::Service));
        contact.follow(&[nodes.clone(), services.clone()].into(), start);
        assert_eq!((contact.stale_since(), contact.has_unlisted()), (None, true));
        contact.in_touch(&nodes, start);
        contact.in_touch(&services, start);
        assert!(!contact.has_unlisted());
        contact.out_of_touch(&services, "refused".to_owned(), start + MINUTE);
        contact.out_of_touch(&nodes, "refused".to_owned(), start + 2 * MINUTE);
        contact.out_of_touch(&services, "still refused".to_owned(), start + 3 * MINUTE);
        assert_eq!(contact.stale_since(), Some(start + MINUTE));
        let views = contact.views(start + 3 * MINUTE);
        let of =
            |views: &[WatchView], kind: &str| views.iter().find(|view| view.kind == kind).unwrap().clone();
        let services_view = of(&views, "Service");
        assert_eq!((services_view.losses, services_view.state_seconds), (1, 120));
        assert_eq!(services_view.last_error.as_deref(), Some("still refused"));
        contact.in_touch(&services, start + 4 * MINUTE);
        assert_eq!(contact.stale_since(), Some(start + 2 * MINUTE));
        assert!(!contact.has_unlisted(), "what was heard before is no snapshot");
        // What is not watched any more cannot be stale.
        contact.follow(&[services].into(), start + 5 * MINUTE);
        assert_eq!(contact.stale_since(), None);
    }

    #[test]
    fn a_watch_that_never_came_up_was_not_lost() {
        let (mut contact, start) = (Contact::default(), Instant::now());
        let nodes = watch(Kind::Node);
        contact.follow(&[nodes.clone()].into(), start);
        contact.out_of_touch(&nodes, "no route to host".to_owned(), start);
        assert_eq!(contact.views(start)[0].losses, 0);
        assert_eq!((contact.stale_since(), contact.has_unlisted()), (Some(start), true));
    }
}
