//! What is different about ranges of peers.

use std::collections::BTreeMap;

use super::{Change, Effect, Key, KeyChange, PEER_KEYS, changed, seconds, without};
use crate::ListenRange;

/// What is different about a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeChange {
    /// It is new; nobody is in it yet.
    Added,
    /// It is gone, and its peers with it.
    Removed,
    /// It is another, or its peers are.
    Changed {
        /// What that costs the peers there are.
        effect: Effect,
        /// What is different.
        why: Vec<KeyChange>,
    },
}

impl RangeChange {
    pub(super) fn effect(&self) -> Effect {
        match self {
            Self::Added => Effect::Soft,
            Self::Removed => Effect::SessionReset,
            Self::Changed { effect, .. } => *effect,
        }
    }
}

/// The settings of a range; those of its peers are [`PEER_KEYS`].
pub const RANGE_KEYS: &[Key<ListenRange>] = &[
    key!("listen-range.prefix", SessionReset, prefix),
    key!("listen-range.limit", Soft, limit),
    key!("listen-range.linger", Soft, linger, seconds),
];

/// Lists the ranges that came, went or changed, what goes first.
pub(super) fn range_changes(
    old: &BTreeMap<String, ListenRange>,
    new: &BTreeMap<String, ListenRange>,
) -> Vec<Change> {
    let change = |range: &str, change| Change::Range { range: range.to_owned(), change };
    let mut changes: Vec<Change> =
        without(old, new).map(|range| change(&range, RangeChange::Removed)).collect();
    for (name, range) in new {
        let Some(before) = old.get(name) else {
            changes.push(change(name, RangeChange::Added));
            continue;
        };
        let mut different = changed(RANGE_KEYS, before, range);
        different.extend(changed(PEER_KEYS, &before.peer, &range.peer));
        let effect = different.iter().map(|(effect, _)| *effect).max();
        if let Some(effect) = effect {
            let why = different.into_iter().map(|(_, change)| change).collect();
            changes.push(change(name, RangeChange::Changed { effect, why }));
        }
    }
    changes
}
