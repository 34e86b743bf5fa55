//! Sessions that came, went, and tried to come.

use std::collections::{BTreeMap, VecDeque};

use bgp::fsm::State;

use super::{Millis, is_news};

/// The most transitions kept of one peer, half of them news.
const OF_A_PEER: usize = 64;
/// The most transitions kept of all peers.
const OF_ALL: usize = 4096;

/// The latest transitions of every peer.
///
/// The steps of trying have a place of their own: a peer that is away for a week does not wash out why it went.
#[derive(Default)]
pub struct Sessions {
    peers: BTreeMap<String, Course>,
    kept: usize,
}

#[derive(Default)]
struct Course {
    news: VecDeque<Transition>,
    steps: VecDeque<Transition>,
}

/// A change of a state machine, or several that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When the first was.
    pub at: Millis,
    /// When the last was.
    pub until: Millis,
    /// How many.
    pub times: u32,
    /// Whence.
    pub from: State,
    /// Whither.
    pub to: State,
    /// Why.
    pub cause: String,
}

impl Course {
    fn oldest(&self) -> Option<Millis> {
        [&self.news, &self.steps].into_iter().filter_map(|ring| Some(ring.front()?.at)).min()
    }

    fn forget_oldest(&mut self) {
        let steps_first = match (self.news.front(), self.steps.front()) {
            (Some(news), Some(step)) => step.at <= news.at,
            (news, _) => news.is_none(),
        };
        if steps_first {
            self.steps.pop_front()
        } else {
            self.news.pop_front()
        };
    }

    fn len(&self) -> usize {
        self.news.len() + self.steps.len()
    }
}

impl Sessions {
    pub(super) fn note(&mut self, peer: &str, from: State, to: State, cause: String, at: Millis) {
        if !self.peers.contains_key(peer) {
            self.peers.insert(peer.to_owned(), Course::default());
        }
        let Some(course) = self.peers.get_mut(peer) else { return };
        let before = course.len();
        let ring = if is_news(from, to) { &mut course.news } else { &mut course.steps };
        match ring.back_mut().filter(|last| (last.from, last.to, &last.cause) == (from, to, &cause)) {
            Some(alike) => {
                alike.until = at;
                alike.times = alike.times.saturating_add(1);
            }
            None => {
                if ring.len() == OF_A_PEER / 2 {
                    ring.pop_front();
                }
                ring.push_back(Transition { at, until: at, times: 1, from, to, cause });
            }
        }
        self.kept = self.kept + course.len() - before;
        if self.kept > OF_ALL {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let courses = self.peers.iter().filter_map(|(peer, course)| Some((course.oldest()?, peer)));
        let Some(peer) = courses.min().map(|(_, peer)| peer.clone()) else { return };
        if let Some(course) = self.peers.get_mut(&peer) {
            course.forget_oldest();
            self.kept -= 1;
            if course.len() == 0 {
                self.peers.remove(&peer);
            }
        }
    }

    /// Walks all transitions with the names of their peers, in no order of time.
    pub fn transitions(&self) -> impl Iterator<Item = (&str, &Transition)> {
        self.peers.iter().flat_map(|(peer, course)| {
            course.news.iter().chain(&course.steps).map(move |transition| (peer.as_str(), transition))
        })
    }

    /// Tells whether anything of a peer is kept.
    #[must_use]
    pub fn knows(&self, peer: &str) -> bool {
        self.peers.contains_key(peer)
    }
}
