//! The blast-radius guard: what a cluster suddenly no longer wants stays in force until somebody has looked.
//!
//! A deleted pool, a datastore restored from the wrong day, a relist that comes out empty: to a daemon all of them
//! look like orders. The guard compares what is in force with what the cluster wants and holds back the part that
//! takes away too much; the rest of the change goes through at once. What is held is let go when an operator
//! approves it, when it has been wanted for `hold`, or when the cluster no longer wants it.
//!
//! # What is guarded
//!
//! Blocks of pods and ranges of Services, since dropping them cuts off what only this node answers for. The
//! address of a single Service and the route of a single pod are not: they go when there is nothing behind them, at
//! once, and holding them would attract packets nobody takes. So a prefix is guarded by its [`Leftover`]:
//!
//! | leftover packets | is | guarded |
//! |---|---|---|
//! | are dropped | a block of pods | yes |
//! | are dropped in transit | a range of Services, or the address of one (a host prefix) | the range |
//! | follow what routes there are | somebody else's route, such as that of a pod | no |
//!
//! # What is too much
//!
//! Each class in each family counts by itself, since IPv4 may be wiped out while IPv6 is not. *Lost* is what the change
//! withdraws, with what has been withdrawn in the last ten minutes and not come back: what goes one by one
//! goes all the same. (What had come and gone within ten minutes was never there.) *Total* is lost and left. A change is
//! held that leaves nothing, or loses more than `max-withdraw` percent of the total. But one prefix alone is no mass:
//! blocks are given back when their last pod goes. With the default of 50 percent:
//!
//! | total | lost | |
//! |---|---|---|
//! | 1 | 1 | passes |
//! | 1 and 1 in the other family | both | held: nothing is left |
//! | 2 | 1 | passes |
//! | 2 | 2 | held |
//! | 4 | 2 | passes |
//! | 4 | 3 | held |
//! | 2 now, 2 withdrawn just before | 1 more | held: three of four |
//!
//! What the cluster gives as [`Evidence`] weighs more: where our Node object itself is gone, even one prefix is held; a block
//! that another node has now is never held, since two nodes that announce it are worse than none.
//!
//! Peers are counted together: the cluster's last one is not taken away. While they are held, so is what their sessions
//! are made of (our AS and identifiers, where we listen, whose routes are whose): an empty list of objects has
//! defaults for those, too.
//!
//! A `max-withdraw` of 100 holds nothing. What a change *adds* is never held.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use bgp::Family;
use ipnet::IpNet;

use crate::intent::{Intent, Leftover, Originated, PeerIntent};

/// How long a prefix that was withdrawn counts among the lost.
const MEMORY: Duration = Duration::from_secs(600);
/// How many prefixes a text names.
const NAMED: usize = 3;

/// The guard, between what is in force and what the cluster wants.
#[derive(Debug, Default)]
pub struct Blast {
    held: Option<Held>,
    /// What an operator has approved and is still to come.
    approved: Option<Losses>,
    /// What has been withdrawn lately, and when.
    recent: BTreeMap<IpNet, (Class, Instant)>,
    /// What has not been announced for long, and since when.
    young: BTreeMap<IpNet, Instant>,
}

/// What the cluster says of what it no longer wants.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Whether our Node object itself is gone.
    pub node_is_gone: bool,
    /// The blocks that another node has now.
    pub elsewhere: &'a BTreeSet<IpNet>,
}

/// What the cluster says, laid over the operator's file.
#[derive(Clone, Copy, Debug)]
pub struct Laid<'a, T> {
    /// What the file says by itself.
    pub over: &'a Intent,
    /// What comes of both.
    pub result: T,
}

/// A change that is not made for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What the change would take away.
    pub losses: Losses,
    /// Since when exactly that has been wanted.
    pub since: Instant,
    /// When it is made all the same; never if `None`.
    pub until: Option<Instant>,
}

/// What a change would take away beyond what it may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Prefixes, by what they are.
    pub prefixes: BTreeMap<Class, Lost>,
    /// The peers of the cluster, all of them; empty if some would stay.
    pub peers: BTreeSet<String>,
}

/// The prefixes of one class that a change would withdraw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// The prefixes, each with the object that wanted it.
    pub withdrawn: BTreeMap<IpNet, String>,
    /// How many were withdrawn shortly before.
    pub before: usize,
    /// How many would be left.
    pub left: usize,
}

/// What is counted by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// What the prefixes are.
    pub of: Guarded,
    /// Their family.
    pub family: Family,
}

/// What prefixes are guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guarded {
    /// Blocks of pods.
    Blocks,
    /// Ranges of Services.
    Ranges,
}

impl Blast {
    /// Returns what may be done now of what the cluster wants: `wanted`, less what is held.
    ///
    /// Each comes with what the operator's file says by itself: peers that are in it are no concern of the cluster's.
    #[must_use]
    pub fn pass(
        &mut self,
        in_force: Laid<'_, &Intent>,
        wanted: Laid<'_, Intent>,
        evidence: Evidence<'_>,
        now: Instant,
    ) -> Intent {
        let Laid { over: file, result: wanted } = wanted;
        let Some(limits) = wanted.kubernetes.as_ref().filter(|limits| limits.max_withdraw < 100) else {
            *self = Self::default();
            return wanted;
        };
        let hold = limits.hold;
        let percent = limits.max_withdraw;
        self.forget(&wanted, now);
        let losses = Losses {
            prefixes: self.lost_prefixes(in_force.result, &wanted, percent, evidence),
            peers: lost_peers(in_force, Laid { over: file, result: &wanted }),
        };
        if losses.is_empty() || self.is_let_go(&losses, now) {
            let let_go = self.held.take().is_some() && !losses.is_empty();
            self.approved = None;
            self.remember(in_force.result, &wanted, now);
            if let_go {
                // Somebody has said yes to it: it weighs on nothing that comes later.
                self.recent.retain(|_, (class, _)| !losses.prefixes.contains_key(class));
            }
            return wanted;
        }
        let since = match &self.held {
            Some(held) if losses.are_within(&held.losses) => held.since,
            _ => now,
        };
        let result = without_losses(&losses, in_force, wanted);
        self.remember(in_force.result, &result, now);
        self.held = Some(Held { losses, since, until: hold.map(|hold| since + hold) });
        result
    }

    /// Returns what is held.
    #[must_use]
    pub fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// Lets what is held now pass the next time it is asked for, and tells whether anything is held. A change that takes
    /// more than that is held anew.
    pub fn approve(&mut self) -> bool {
        self.approved = self.held.as_ref().map(|held| held.losses.clone());
        self.approved.is_some()
    }

    /// Returns when [`pass`](Self::pass) may say something else by itself.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.held.as_ref()?.until
    }

    fn is_let_go(&self, losses: &Losses, now: Instant) -> bool {
        let approved = self.approved.as_ref().is_some_and(|approved| losses.are_within(approved));
        let over =
            |held: &Held| held.until.is_some_and(|until| until <= now) && losses.are_within(&held.losses);
        approved || self.held.as_ref().is_some_and(over)
    }

    fn forget(&mut self, wanted: &Intent, now: Instant) {
        let is_fresh = |at: &Instant| now.saturating_duration_since(*at) < MEMORY;
        // What is held stays weighed by what made it heavy.
        if self.held.is_none() {
            self.recent.retain(|_, (_, at)| is_fresh(at));
        }
        self.recent.retain(|prefix, _| !announces(wanted, prefix));
        self.young.retain(|_, at| is_fresh(at));
    }

    fn lost_prefixes(
        &self,
        in_force: &Intent,
        wanted: &Intent,
        percent: u8,
        evidence: Evidence<'_>,
    ) -> BTreeMap<Class, Lost> {
        let mut prefixes: BTreeMap<Class, Lost> = BTreeMap::new();
        for (prefix, class, one) in
            guarded(in_force).filter(|(prefix, ..)| !evidence.elsewhere.contains(prefix))
        {
            let lost = prefixes.entry(class).or_default();
            match announces(wanted, prefix) {
                true => lost.left += 1,
                false => _ = lost.withdrawn.insert(*prefix, one.cause.clone()),
            }
        }
        for (_, class, _) in guarded(wanted).filter(|(prefix, ..)| !in_force.originated.contains_key(prefix))
        {
            prefixes.entry(class).or_default().left += 1;
        }
        for (prefix, (class, _)) in &self.recent {
            if !in_force.originated.contains_key(prefix) {
                prefixes.entry(*class).or_default().before += 1;
            }
        }
        let all: usize = prefixes.values().map(Lost::count).sum();
        let few = all <= 1 && !evidence.node_is_gone;
        prefixes.retain(|_, lost| !few && lost.is_too_much(percent));
        prefixes
    }

    fn remember(&mut self, in_force: &Intent, result: &Intent, now: Instant) {
        for (prefix, class, _) in guarded(in_force).filter(|(prefix, ..)| !announces(result, prefix)) {
            if self.young.remove(prefix).is_none() {
                self.recent.insert(*prefix, (class, now));
            }
        }
        let new = guarded(result).filter(|(prefix, ..)| !announces(in_force, prefix));
        self.young.extend(new.map(|(prefix, ..)| (*prefix, now)));
    }
}

impl Lost {
    fn count(&self) -> usize {
        self.withdrawn.len() + self.before
    }

    fn is_too_much(&self, percent: u8) -> bool {
        let (lost, total) = (self.count(), self.count() + self.left);
        !self.withdrawn.is_empty() && (self.left == 0 || lost * 100 > total * usize::from(percent))
    }
}

impl Losses {
    fn is_empty(&self) -> bool {
        self.prefixes.is_empty() && self.peers.is_empty()
    }

    /// Tells whether the other takes away all that this one does.
    fn are_within(&self, other: &Self) -> bool {
        let all = |(class, lost): (&Class, &Lost)| {
            let others = other.prefixes.get(class).map(|lost| &lost.withdrawn);
            others.is_some_and(|others| lost.withdrawn.keys().all(|prefix| others.contains_key(prefix)))
        };
        self.prefixes.iter().all(all) && self.peers.is_subset(&other.peers)
    }

    /// Lists the prefixes that would be withdrawn.
    pub fn withdrawn(&self) -> impl Iterator<Item = IpNet> {
        self.prefixes.values().flat_map(|lost| lost.withdrawn.keys().copied())
    }
}

impl Class {
    /// Returns what a prefix counts among, if it is guarded at all.
    fn of(prefix: &IpNet, originated: &Originated) -> Option<Self> {
        let of = match originated.leftover {
            Leftover::Dropped => Guarded::Blocks,
            Leftover::DroppedInTransit if prefix.prefix_len() < prefix.max_prefix_len() => Guarded::Ranges,
            Leftover::DroppedInTransit | Leftover::Followed => return None,
        };
        Some(Self { of, family: Family::of(prefix) })
    }
}

/// Lists what an intent originates for the cluster and is guarded.
fn guarded(intent: &Intent) -> impl Iterator<Item = (&IpNet, Class, &Originated)> {
    intent.originated.iter().filter_map(|(prefix, one)| Some((prefix, Class::of(prefix, one)?, one)))
}

/// Tells whether a prefix is announced, be it by the cluster's word or by the file's.
fn announces(intent: &Intent, prefix: &IpNet) -> bool {
    intent.originated.contains_key(prefix) || intent.node.blocks.contains(prefix)
}

/// Lists the peers that are there by the cluster's word.
fn cluster_peers<'a>(of: Laid<'a, &'a Intent>) -> impl Iterator<Item = &'a PeerIntent> {
    let peers = of.result.peers.values();
    peers.filter(move |peer| peer.range.is_none() && !of.over.peers.contains_key(&peer.name))
}

/// Names the peers the cluster would take away, if those are all it had. One that is there by another name, or that the
/// file names now, is not taken away.
fn lost_peers(in_force: Laid<'_, &Intent>, wanted: Laid<'_, &Intent>) -> BTreeSet<String> {
    if cluster_peers(wanted).next().is_some() {
        return BTreeSet::new();
    }
    let stays = |peer: &PeerIntent| wanted.result.peers.values().any(|other| is_at(peer, other));
    cluster_peers(in_force).filter(|peer| !stays(peer)).map(|peer| peer.name.clone()).collect()
}

fn is_at(one: &PeerIntent, other: &PeerIntent) -> bool {
    (one.address, &one.interface) == (other.address, &other.interface)
}

/// Puts back what is not to be lost.
fn without_losses(losses: &Losses, in_force: Laid<'_, &Intent>, mut wanted: Intent) -> Intent {
    for prefix in losses.withdrawn() {
        if let Some(one) = in_force.result.originated.get(&prefix) {
            wanted.originated.insert(prefix, one.clone());
        }
    }
    let kept = cluster_peers(in_force).filter(|peer| losses.peers.contains(&peer.name));
    for peer in kept {
        wanted.peers.entry(peer.name.clone()).or_insert_with(|| peer.clone());
    }
    if !losses.peers.is_empty() {
        let (node, before) = (&mut wanted.node, &in_force.result.node);
        (node.asn, node.router_id, node.cluster_id) = (before.asn, before.router_id, before.cluster_id);
        node.listen.clone_from(&before.listen);
        wanted.ownership.clone_from(&in_force.result.ownership);
        wanted.guard.clone_from(&in_force.result.guard);
    }
    wanted
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self.family {
            Family::Ipv4 => "IPv4",
            Family::Ipv6 => "IPv6",
        };
        let of = match self.of {
            Guarded::Blocks => "pod blocks",
            Guarded::Ranges => "Service ranges",
        };
        write!(f, "{family} {of}")
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (class, lost) in &self.prefixes {
            let (count, total) = (lost.withdrawn.len(), lost.withdrawn.len() + lost.left);
            let named =
                lost.withdrawn.iter().take(NAMED).map(|(prefix, cause)| format!("{prefix} ({cause})"));
            let named = named.collect::<Vec<_>>().join(", ");
            let more = if count > NAMED { ", …" } else { "" };
            let before = match lost.before {
                0 => String::new(),
                before => format!(", after {before} shortly before"),
            };
            parts.push(format!("withdraw {count} of {total} {class}{before}: {named}{more}"));
        }
        if !self.peers.is_empty() {
            let names = self.peers.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            let more = if self.peers.len() > NAMED { ", …" } else { "" };
            parts.push(format!("remove every peer of the cluster: {names}{more}"));
        }
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests;
