//! Blocks of ours that somebody else announces, too.
//!
//! Two nodes with the same block get each other's packets, and neither can know by itself. But a router does not send a
//! path back to whom it had it from: a block of ours heard from a peer is either our own path on a way around, or
//! somebody else's claim. Our own path has our AS in it, or us as its originator (RFC 4271 §9.1.2, RFC 4456 §8). What has
//! neither raises the alarm, whatever import makes of it; the route itself was never to be used.
//!
//! Nodes that share our AS and are heard over eBGP look like ourselves in both, so they cannot be told apart; those inside
//! our AS can. Only the block as a whole counts: single addresses of it may rightly be elsewhere.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use control::DuplicateView;
use ipnet::IpNet;
use rib::{PathView, PeerId, RejectReason, Source, Standing};

use super::{Notice, Output, Speaker};
use crate::intent::Leftover;

/// How often it is looked for at most, however busy peers are.
const INTERVAL: Duration = Duration::from_secs(1);

/// What has been found.
#[derive(Default)]
pub(super) struct Duplicates {
    found: BTreeMap<(IpNet, PeerId), Duplicate>,
    /// When the last search was.
    searched: Option<Instant>,
    /// Whether something has changed since.
    is_due: bool,
}

#[derive(Clone, Debug)]
struct Duplicate {
    peer: String,
    as_path: String,
    next_hop: Option<IpAddr>,
    since: Instant,
}

impl Duplicates {
    /// Takes note that the answer may have become another.
    pub(super) fn touch(&mut self) {
        self.is_due = true;
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.searched.filter(|_| self.is_due).map(|searched| searched + INTERVAL)
    }

    fn is_time(&self, now: Instant) -> bool {
        self.is_due && self.searched.is_none_or(|searched| now >= searched + INTERVAL)
    }
}

impl Speaker {
    /// Looks for blocks of ours that peers announce, and tells what is new and what is over.
    pub(super) fn check_duplicates(&mut self, now: Instant, out: &mut Vec<Output>) {
        if !self.duplicates.is_time(now) {
            return;
        }
        self.duplicates.searched = Some(now);
        let mut found = self.find_duplicates(now);
        let before = std::mem::take(&mut self.duplicates.found);
        for ((prefix, id), gone) in before.iter().filter(|(key, _)| !found.contains_key(key)) {
            // A peer may be gone with its name.
            let peer = self.peerings.get(id).map_or_else(|| gone.peer.clone(), |peering| peering.name());
            out.push(Output::Notice(Notice::DuplicateGone { prefix: *prefix, peer }));
        }
        for ((prefix, id), one) in &mut found {
            match before.get(&(*prefix, *id)) {
                Some(known) => one.since = known.since,
                None => out.push(Output::Notice(Notice::Duplicate {
                    prefix: *prefix,
                    peer: one.peer.clone(),
                    as_path: one.as_path.clone(),
                    next_hop: one.next_hop,
                })),
            }
        }
        // While there is an alarm it is looked after: paths go in many ways.
        self.duplicates.is_due = !found.is_empty();
        self.duplicates.found = found;
    }

    fn find_duplicates(&self, now: Instant) -> BTreeMap<(IpNet, PeerId), Duplicate> {
        let of_cluster = self.intent.originated.iter().filter(|(_, one)| one.leftover == Leftover::Dropped);
        let blocks = self.intent.node.blocks.iter().chain(of_cluster.map(|(prefix, _)| prefix));
        let mut found = BTreeMap::new();
        for block in blocks {
            let Some(destination) = self.rib.destination(block) else { continue };
            for path in destination.paths() {
                let Source::Peer(id) = path.source() else { continue };
                let Some(peering) = self.peerings.get(&id).filter(|_| !self.is_our_own(&path, id)) else {
                    continue;
                };
                let received = path.received();
                let duplicate = Duplicate {
                    peer: peering.name(),
                    as_path: received.as_path.to_string(),
                    next_hop: Some(received.next_hop.address()),
                    since: now,
                };
                found.insert((*block, id), duplicate);
            }
        }
        found
    }

    /// Tells whether a path to a block of ours is the one we announced ourselves.
    fn is_our_own(&self, path: &PathView<'_>, from: PeerId) -> bool {
        let ours = matches!(
            path.standing(),
            Standing::Rejected(
                RejectReason::OwnAs | RejectReason::OwnOriginatorId | RejectReason::OwnClusterId
            )
        );
        let local = self.peerings.get(&from).map(|peering| self.intent.local_asn(&peering.intent));
        let path = &path.received().as_path;
        ours || path.contains(self.intent.node.asn) || local.is_some_and(|local| path.contains(local))
    }

    /// Shows what has been found.
    pub(super) fn duplicate_views(&self, now: Instant) -> Vec<DuplicateView> {
        let view = |((prefix, _), one): (&(IpNet, PeerId), &Duplicate)| DuplicateView {
            prefix: *prefix,
            peer: one.peer.clone(),
            as_path: one.as_path.clone(),
            next_hop: one.next_hop,
            seen_seconds: now.saturating_duration_since(one.since).as_secs(),
        };
        self.duplicates.found.iter().map(view).collect()
    }
}
