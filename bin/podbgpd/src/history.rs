//! What has happened, and why, in bounded memory: sessions, best paths, and what the node as a whole went through.
//!
//! Nothing here decides anything. Changes of best paths come by the hundred thousand at a time, so they are folded:
//! those of one cause that follow each other closely are one batch, which counts them all and keeps the first few
//! in detail. A full table costs as much room as a batch of some hundred prefixes, and does not wash out what was
//! before. The surprise: a batch that is full cannot say any more whether a certain prefix was in it, and says so.

mod routes;
mod sessions;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bgp::fsm::State;
use rib::{BestChange, PeerId, Source};

use crate::speaker::{Ending, Notice};

pub use routes::{Batch, Record, Routes};
pub use sessions::{Sessions, Transition};

/// The most happenings kept.
const HAPPENINGS: usize = 256;
/// A foreign text is cut behind so many octets.
const TEXT: usize = 240;
/// Below so many names nobody looks for those that are no longer needed.
const FEW_NAMES: usize = 256;

/// A moment, in milliseconds since the history began.
pub type Millis = u64;

/// What has happened, the latest of each kind.
pub struct History {
    began: Instant,
    /// The most changes of best paths kept in detail; nothing is kept at all if zero.
    records: usize,
    sessions: Sessions,
    routes: Routes,
    happenings: VecDeque<Happening>,
    /// The names of those the routes are from, gone or not.
    names: BTreeMap<PeerId, String>,
    /// How many names there may be before some are forgotten.
    many_names: usize,
}

/// Something that happened to the node, or to a peer beyond the state of its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: Millis,
    /// What, in one word for programs.
    pub code: &'static str,
    /// The peer, if it is about one.
    pub peer: Option<String>,
    /// What, for people.
    pub text: String,
}

impl History {
    /// Makes an empty history that keeps so many changes of best paths in detail.
    #[must_use]
    pub fn new(records: usize, now: Instant) -> Self {
        Self {
            began: now,
            records,
            sessions: Sessions::default(),
            routes: Routes::new(records),
            happenings: VecDeque::new(),
            names: BTreeMap::new(),
            many_names: FEW_NAMES,
        }
    }

    /// Keeps more or less from now on. What no longer fits goes, the oldest first.
    pub fn resize(&mut self, records: usize) {
        self.records = records;
        self.routes.resize(records);
        if records == 0 {
            *self = Self { names: std::mem::take(&mut self.names), ..Self::new(0, self.began) };
        }
    }

    /// Tells whether anything is kept.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.records > 0
    }

    /// Learns what a peer is called.
    pub fn name(&mut self, peer: PeerId, name: String) {
        self.names.insert(peer, name);
        if self.names.len() > self.many_names {
            let routes = &self.routes;
            let used = routes.peers();
            // The latest is not in any route yet.
            self.names.retain(|id, _| *id == peer || used.contains(id));
            self.many_names = self.names.len() * 2 + FEW_NAMES;
        }
    }

    /// Remembers that a best path changed.
    pub fn best_changed(&mut self, change: &BestChange, now: Instant) {
        if self.is_on() {
            let at = self.millis(now);
            self.routes.note(change, at);
        }
    }

    /// Remembers what people are told. What a peer or a stranger can cause as often as it likes is only counted
    /// elsewhere.
    pub fn remember(&mut self, notice: &Notice, now: Instant) {
        if !self.is_on() {
            return;
        }
        let at = self.millis(now);
        if let Notice::State { peer, from, to, cause } = notice {
            return self.sessions.note(peer, *from, *to, cut(cause.to_string()), at);
        }
        if let Some((code, peer, text)) = words(notice) {
            self.happened(code, peer, text, now);
        }
    }

    /// Remembers something that no notice says.
    pub fn happened(&mut self, code: &'static str, peer: Option<String>, text: String, now: Instant) {
        if !self.is_on() {
            return;
        }
        if self.happenings.len() == HAPPENINGS {
            self.happenings.pop_front();
        }
        self.happenings.push_back(Happening { at: self.millis(now), code, peer, text: cut(text) });
    }

    /// Returns the moment of the history's clock.
    #[must_use]
    pub fn millis(&self, now: Instant) -> Millis {
        now.saturating_duration_since(self.began).as_millis().try_into().unwrap_or(Millis::MAX)
    }

    /// Returns what happened to sessions.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Returns what happened to best paths.
    #[must_use]
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Walks what happened otherwise, the oldest first.
    pub fn happenings(&self) -> impl Iterator<Item = &Happening> {
        self.happenings.iter()
    }

    /// Returns what a peer is or was called.
    #[must_use]
    pub fn name_of(&self, peer: PeerId) -> &str {
        self.names.get(&peer).map_or("a peer long gone", String::as_str)
    }

    /// Tells whether anybody of this name is or was known.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.names.values().any(|known| known == name)
    }
}

/// Returns the code, the peer and the words of a notice that is worth a line among the others.
fn words(notice: &Notice) -> Option<(&'static str, Option<String>, String)> {
    let seconds = |time: &Duration| format!("{:.1} s", time.as_secs_f64());
    Some(match notice {
        Notice::State { .. }
        | Notice::Offence { .. }
        | Notice::Oversized { .. }
        | Notice::Surplus { .. }
        | Notice::Stranger(_)
        | Notice::RangeFull { .. }
        | Notice::PeerRefreshed { late: false, .. } => return None,
        Notice::MaxPrefixes { peer, limit, .. } => {
            ("max_prefixes", Some(peer.clone()), format!("announced more than the {limit} prefixes it may"))
        }
        Notice::NearMaxPrefixes { peer, family, prefixes, limit } => {
            let text = format!("announced {prefixes} {family} prefixes of the {limit} it may");
            ("near_max_prefixes", Some(peer.clone()), text)
        }
        Notice::Found { peer, address, interface } => {
            ("found", Some(peer.clone()), format!("found at {address} on {interface}"))
        }
        Notice::PeerRestarts { peer, routes, wait } => {
            let text = format!("session lost; {routes} routes are kept for {}", seconds(wait));
            ("peer_restarts", Some(peer.clone()), text)
        }
        Notice::PeerIsLate { peer, family, routes, wait } => {
            let wait = seconds(wait);
            let text = format!("not back in time; {routes} {family} routes are the last resort for {wait}");
            ("peer_is_late", Some(peer.clone()), text)
        }
        Notice::PeerRestarted { peer, away, kept, gone } => {
            let text = match away {
                Some(away) => format!("back after {}; {gone} of {kept} routes kept are gone", seconds(away)),
                None => format!("did not come back; {gone} of {kept} routes kept are gone"),
            };
            ("peer_restarted", Some(peer.clone()), text)
        }
        Notice::PeerRefreshed { peer, family, gone, late: true } => {
            let text = format!("did not say all its {family} routes again in time; {gone} are gone");
            ("peer_refreshed", Some(peer.clone()), text)
        }
        Notice::Selected { took, ending } => {
            let text = match ending {
                Ending::EndOfRib => {
                    format!(
                        "routes are chosen, after {}: every peer that matters has told its",
                        seconds(took)
                    )
                }
                Ending::Deadline(missing) if missing.is_empty() => {
                    format!("routes are chosen, after {}: time is up", seconds(took))
                }
                Ending::Deadline(missing) => {
                    format!("routes are chosen, after {}, without {}", seconds(took), missing.join(", "))
                }
            };
            ("selected", None, text)
        }
        Notice::Returned { peer, before, missing, .. } => {
            let text = format!("after our restart {missing} of {before} prefixes are not back");
            ("returned", Some(peer.clone()), text)
        }
        Notice::Duplicate { prefix, peer, as_path, .. } => {
            let text = format!("announces our block {prefix}, by AS path [{as_path}]");
            ("duplicate_block", Some(peer.clone()), text)
        }
        Notice::DuplicateGone { prefix, peer } => {
            ("duplicate_block", Some(peer.clone()), format!("no longer announces our block {prefix}"))
        }
        Notice::Drain { peer, stage } => ("drain", peer.clone(), format!("drain: {stage}")),
        Notice::Converged { deadline: false } => {
            ("converged", None, "converged: every peer has told everything".to_owned())
        }
        Notice::Converged { deadline: true } => {
            ("converged", None, "converged: time was up for those who had not told everything".to_owned())
        }
    })
}

/// Tells whether a change of state is news, and not a step on the way to one.
fn is_news(from: State, to: State) -> bool {
    let refused = to == State::Idle && from > State::Active;
    from == State::Established || to == State::Established || refused
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT));
    text
}

/// Returns the peer of a source, unless that is ourselves.
fn peer(source: Option<Source>) -> Option<PeerId> {
    match source {
        Some(Source::Peer(peer)) => Some(peer),
        Some(Source::Local) | None => None,
    }
}
