//! The history, as operators see it: one line of time for sessions, best paths and the node.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use control::{
    BestChangeView, BestFrom, ErrorView, HISTORY_LIMIT, HistoryEntryView, HistoryEvent, HistoryQuery,
    HistoryView, ReasonView,
};
use ipnet::IpNet;
use rib::{Cause, PeerId, Source, Standing};

use super::super::Speaker;
use super::{peers, words};
use crate::history::{Batch, Happening, History, Millis, Record, Transition};

/// The most paths shown of a batch.
const EXAMPLES: usize = 16;

/// Something that happened, before it is put into words.
enum Found<'a> {
    Session(&'a str, &'a Transition),
    Batch(usize, &'a Batch),
    Happening(&'a Happening),
}

impl Found<'_> {
    fn span(&self) -> (Millis, Millis) {
        match self {
            Self::Session(_, transition) => (transition.at, transition.until),
            Self::Batch(_, batch) => (batch.at, batch.until),
            Self::Happening(happening) => (happening.at, happening.at),
        }
    }
}

/// What of the best paths is asked for.
struct Wanted<'a> {
    prefix: Option<IpNet>,
    peer: Option<&'a str>,
}

impl Wanted<'_> {
    fn takes(&self, history: &History, record: &Record) -> bool {
        let named = |id: PeerId| Some(history.name_of(id)) == self.peer;
        let of_peer = [record.before(), record.after()].into_iter().flatten();
        self.prefix.is_none_or(|wanted| wanted.contains(&record.prefix))
            && (self.peer.is_none()
                || of_peer.into_iter().any(|source| matches!(source, Source::Peer(id) if named(id))))
    }
}

impl Speaker {
    /// Shows what has happened; `wall` is the time since 1970 that `now` is by the clock of the node.
    ///
    /// # Errors
    /// Nobody of the name asked for is or was known.
    pub fn history_view(
        &self,
        query: &HistoryQuery,
        now: Instant,
        wall: Duration,
    ) -> Result<HistoryView, ErrorView> {
        let history = &self.history;
        if let Some(peer) = &query.peer
            && !history.knows(peer)
            && !history.sessions().knows(peer)
        {
            return Err(self.no_such_peer(peer));
        }
        let here = history.millis(now);
        let since = query.since.map_or(0, |seconds| here.saturating_sub(seconds.saturating_mul(1000)));
        let mut found = found(history, query);
        found.retain(|found| found.span().1 >= since);
        found.sort_by_key(Found::span);
        let limit = usize::try_from(query.limit.unwrap_or(HISTORY_LIMIT)).unwrap_or(usize::MAX);
        let left_out = found.len().saturating_sub(limit);
        found.drain(..left_out);
        let mut paths = examples(history, query, &found);
        let at = |at: Millis| (wall.as_millis() as f64 - here.saturating_sub(at) as f64) / 1000.0;
        let entries = found.into_iter().map(|found| {
            let span = found.span();
            let event = event(history, found, &mut paths);
            HistoryEntryView { at: at(span.0), until: at(span.1), event }
        });
        let entries = entries.collect();
        Ok(HistoryView { enabled: history.is_on(), entries, left_out: left_out as u64 })
    }
}

/// Finds everything a query is about but for the time.
fn found<'a>(history: &'a History, query: &HistoryQuery) -> Vec<Found<'a>> {
    let peer = query.peer.as_deref();
    let wanted = Wanted { prefix: query.prefix, peer };
    let mut named = vec![false; history.routes().batches().count()];
    for (place, record) in history.routes().records() {
        named[place] |= wanted.takes(history, record);
    }
    let of_peer = |batch: &Batch| {
        peer.is_none_or(|peer| batch.cause.peer().is_some_and(|id| history.name_of(id) == peer))
    };
    let batches = history.routes().batches().filter(|&(place, batch)| {
        // A folded one may have had the prefix among those that are not named.
        let may_have = query.prefix.is_none() || batch.is_folded();
        named[place] || of_peer(batch) && may_have
    });
    let mut found: Vec<_> = batches.map(|(place, batch)| Found::Batch(place, batch)).collect();
    if query.prefix.is_none() {
        let asked = |name: Option<&str>| peer.is_none() || name == peer;
        let sessions = history.sessions().transitions().filter(|(name, _)| asked(Some(name)));
        found.extend(sessions.map(|(name, transition)| Found::Session(name, transition)));
        let happenings = history.happenings().filter(|happening| asked(happening.peer.as_deref()));
        found.extend(happenings.map(Found::Happening));
    }
    found
}

/// Picks the paths to show of the batches that are shown.
fn examples(
    history: &History,
    query: &HistoryQuery,
    found: &[Found<'_>],
) -> BTreeMap<usize, Vec<BestChangeView>> {
    let places = found.iter().filter_map(|found| match found {
        Found::Batch(place, _) => Some((*place, Vec::new())),
        Found::Session(..) | Found::Happening(_) => None,
    });
    let mut paths: BTreeMap<usize, Vec<BestChangeView>> = places.collect();
    let wanted = Wanted { prefix: query.prefix, peer: None };
    for (place, record) in history.routes().records() {
        if let Some(paths) = paths.get_mut(&place)
            && paths.len() < EXAMPLES
            && wanted.takes(history, record)
        {
            paths.push(best_change(history, record));
        }
    }
    paths
}

fn event(
    history: &History,
    found: Found<'_>,
    paths: &mut BTreeMap<usize, Vec<BestChangeView>>,
) -> HistoryEvent {
    match found {
        Found::Session(peer, transition) => HistoryEvent::Session {
            peer: peer.to_owned(),
            from: peers::state(transition.from),
            to: peers::state(transition.to),
            cause: transition.cause.clone(),
            times: transition.times.into(),
        },
        Found::Batch(place, batch) => HistoryEvent::Routes {
            cause: cause(history, batch.cause),
            peer: batch.cause.peer().map(|peer| history.name_of(peer).to_owned()),
            changes: batch.changes.into(),
            folded: batch.is_folded(),
            paths: paths.remove(&place).unwrap_or_default(),
        },
        Found::Happening(happening) => HistoryEvent::Node {
            code: happening.code.to_owned(),
            peer: happening.peer.clone(),
            text: happening.text.clone(),
        },
    }
}

fn best_change(history: &History, record: &Record) -> BestChangeView {
    let from = |source| match source {
        None => BestFrom::None,
        Some(Source::Local) => BestFrom::Originated,
        Some(Source::Peer(peer)) => BestFrom::Peer { peer: history.name_of(peer).to_owned() },
    };
    BestChangeView {
        prefix: record.prefix,
        before: from(record.before()),
        after: from(record.after()),
        former: record.former.map(former),
    }
}

fn former(standing: Standing) -> ReasonView {
    match standing {
        Standing::Lost(reason) => ReasonView::new(reason.code(), reason.to_string()),
        Standing::Rejected(reason) => words::rejected(reason),
        Standing::Unreachable => ReasonView::new("unreachable", "its next hop leads nowhere"),
        Standing::Multipath => ReasonView::new("multipath", "still used together with the best"),
        Standing::Best => ReasonView::new("best", "the best"),
        Standing::Undecided => ReasonView::new("undecided", "not decided upon"),
    }
}

fn cause(history: &History, cause: Cause) -> ReasonView {
    let (code, text) = match cause {
        Cause::Announced(_) => ("announced", "{} announced"),
        Cause::Withdrawn(_) => ("withdrawn", "{} withdrew"),
        Cause::SessionLost(_) => ("session_lost", "the session with {} was lost"),
        Cause::SessionBack(_) => ("session_back", "{} is back, and its routes are judged by its new session"),
        Cause::StaleSwept(_) => ("stale_swept", "{} had not announced again what was kept of it"),
        Cause::LongLived(_) => ("long_lived", "{} is late, and its routes are the last resort"),
        Cause::Import(_) => ("import", "what is let in from {} changed"),
        Cause::Drained(_) => ("drained", "the drain of {} began or ended"),
        Cause::NextHop => ("next_hop", "a next hop leads elsewhere, or nowhere"),
        Cause::Originated => ("originated", "what we originate changed"),
        Cause::Settings => ("settings", "how routes are chosen changed"),
    };
    let peer = cause.peer().map(|peer| history.name_of(peer)).unwrap_or_default();
    ReasonView::new(code, text.replace("{}", peer))
}
