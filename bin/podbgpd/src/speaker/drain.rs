//! Drains in force: who starts and calls them off, and what each stage means to a peer.
//!
//! The surprise is at the end of a drain of the whole node. Its sessions are closed and its tables empty, and yet the
//! kernel keeps what it has: nobody sends the node traffic any more, but the node itself, which is to be looked after
//! or upgraded, still has to get out. The kernel hears of the tables again once peers have said everything anew.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bgp::fsm::{Event, StopReason};
use control::{ErrorCode, ErrorView};
use rib::PeerId;

use super::convergence::{Convergence, Past};
use super::{Notice, Output, Speaker};
use crate::drain::{Cause, Drain, Drained, Heard, Stage};
use crate::intent;

/// Drains of the node and of single peers.
#[derive(Default)]
pub(super) struct Drains {
    node: Option<Drain>,
    /// By the peer's name: a peer that is reset is the same peer.
    peers: BTreeMap<String, Drain>,
    /// Whether an operator called off what the cluster wants, until it wants it anew.
    overruled: bool,
    /// Whether the kernel keeps what it has, whatever the tables say.
    keeps_kernel: bool,
    /// What an operator began and has not called off, whatever came on top of it.
    kept: Drained,
}

impl Drains {
    /// Takes up what an operator drained in an earlier run. Those drains are at their end: there is no session yet that
    /// could be left in stages.
    pub(super) fn taken_up(kept: Drained, now: Instant) -> Self {
        let closed = |message: &String| Drain::at_once(Cause::Operator, message.clone(), now);
        let node = kept.node.as_ref().map(closed);
        let peers = kept.peers.iter().map(|(peer, message)| (peer.clone(), closed(message))).collect();
        Self { keeps_kernel: node.is_some(), node, peers, kept, overruled: false }
    }

    /// Returns how far a peer is drained, by itself or with the node.
    pub(super) fn stage(&self, peer: &str) -> Option<Stage> {
        self.node.iter().chain(self.peers.get(peer)).map(Drain::stage).max()
    }

    /// Returns the drain of the node.
    pub(super) fn node(&self) -> Option<&Drain> {
        self.node.as_ref()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.node.iter().chain(self.peers.values()).filter_map(Drain::next_deadline).min()
    }

    /// Forgets the drain of a peer there is no more.
    pub(super) fn forget(&mut self, peer: &str) {
        self.peers.remove(peer);
        self.kept.peers.remove(peer);
    }

    /// Returns what a peer is told with its last message.
    fn message(&self, peer: &str) -> String {
        let closed =
            self.peers.get(peer).into_iter().chain(&self.node).find(|drain| drain.stage() == Stage::Closed);
        closed.map(|drain| drain.message.clone()).unwrap_or_default()
    }
}

/// Says what a stage means to the tables.
pub(super) fn of_tables(stage: Option<Stage>, wanted: &intent::Drain) -> Option<rib::Drain> {
    stage.map(|stage| match stage {
        Stage::Announced => rib::Drain::Announced(wanted.marks()),
        Stage::Withdrawn | Stage::Closed => rib::Drain::Withdrawn,
    })
}

impl Speaker {
    /// Drains these peers, or the node if none is named.
    ///
    /// # Errors
    /// There is no such peer, or it is drained already; nothing has been started then.
    pub fn start_drain(
        &mut self,
        peers: &[String],
        message: String,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Result<(), ErrorView> {
        let already = |whom: &str| {
            let error = ErrorView::new(ErrorCode::Conflict, format!("{whom} is drained already"));
            error.with_hint("see `bgpctl drain status`; `bgpctl drain cancel` undoes it")
        };
        if self.drains.node.is_some() {
            return Err(already("the node"));
        }
        for peer in peers {
            if !self.by_name.contains_key(peer) {
                return Err(self.no_such_peer(peer));
            }
            if self.drains.peers.contains_key(peer) {
                return Err(already(&format!("peer {peer}")));
            }
        }
        let drain = Drain::start(&self.intent.drain, Cause::Operator, message.clone(), None, now);
        if peers.is_empty() {
            self.drains.node = Some(drain);
            self.drains.kept.node = Some(message);
        } else {
            self.drains.kept.peers.extend(peers.iter().map(|peer| (peer.clone(), message.clone())));
            self.drains.peers.extend(peers.iter().map(|peer| (peer.clone(), drain.clone())));
        }
        self.follow_drains(now, out);
        Ok(())
    }

    /// Undoes the drains of these peers, or all of them if none is named.
    ///
    /// # Errors
    /// There is nothing to undo; nothing has been undone then.
    pub fn cancel_drain(
        &mut self,
        peers: &[String],
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Result<(), ErrorView> {
        let conflict = |text: String| ErrorView::new(ErrorCode::Conflict, text);
        for peer in peers {
            if !self.by_name.contains_key(peer) {
                return Err(self.no_such_peer(peer));
            }
            if !self.drains.peers.contains_key(peer) {
                let error = conflict(format!("peer {peer} is not drained by itself"));
                return Err(error.with_hint("`bgpctl drain cancel` alone undoes the drain of the node"));
            }
        }
        if peers.is_empty() && self.drains.node.is_none() && self.drains.peers.is_empty() {
            return Err(conflict("nobody is drained".to_owned()));
        }
        match peers {
            [] => {
                self.drains.peers.clear();
                self.drains.kept = Drained::default();
                self.drains.overruled = self.intent.leave.is_some();
                self.undrain_node(now);
            }
            peers => peers.iter().for_each(|peer| self.drains.forget(peer)),
        }
        self.follow_drains(now, out);
        Ok(())
    }

    /// Returns what an operator began and has not called off: the next run has to know.
    #[must_use]
    pub fn drained(&self) -> &Drained {
        &self.drains.kept
    }

    /// Drains the node in order to end the daemon: [`Speaker::has_left`] says when. `at_once` leaves out the drain.
    pub fn leave(&mut self, message: Option<String>, at_once: bool, now: Instant, out: &mut Vec<Output>) {
        let before = self.drains.node.take();
        let message =
            message.or_else(|| before.as_ref().map(|drain| drain.message.clone())).unwrap_or_default();
        self.drains.node = Some(match before {
            _ if at_once => Drain::at_once(Cause::Leave, message, now),
            Some(mut drain) => {
                (drain.cause, drain.message) = (Cause::Leave, message);
                drain
            }
            None => Drain::start(&self.intent.drain, Cause::Leave, message, None, now),
        });
        self.follow_drains(now, out);
    }

    /// Drains the node because the machine shuts down within `limit`.
    pub fn host_goes(&mut self, limit: Duration, now: Instant, out: &mut Vec<Output>) {
        let wanted = &self.intent.drain;
        let drain =
            || Drain::start(wanted, Cause::Host, "the machine shuts down".to_owned(), Some(limit), now);
        self.drains.node.get_or_insert_with(drain).hasten(limit, now);
        self.follow_drains(now, out);
    }

    /// Undoes that: the machine stays after all. What an operator drained stays drained.
    pub fn host_stays(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.drains.node.as_ref().is_some_and(|drain| drain.cause == Cause::Host) {
            self.undrain_node(now);
            self.follow_drains(now, out);
        }
    }

    /// Drains the node because the cluster wants it, or stops doing so. What others drain is theirs.
    pub(super) fn follow_cluster(&mut self, now: Instant, out: &mut Vec<Output>) {
        let ours = self.drains.node.as_ref().is_some_and(|drain| drain.cause == Cause::Cluster);
        self.drains.overruled &= self.intent.leave.is_some();
        match (self.intent.leave.clone(), &mut self.drains.node) {
            (Some(why), Some(drain)) if ours => drain.message = why,
            (Some(why), None) if !self.drains.overruled => {
                let drain = Drain::start(&self.intent.drain, Cause::Cluster, why, None, now);
                self.drains.node = Some(drain);
            }
            (None, Some(_)) if ours => self.undrain_node(now),
            (Some(_) | None, _) => return,
        }
        self.follow_drains(now, out);
    }

    /// Tells whether the node is being drained and there is still something to wait for.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drains.node.is_some() && !self.is_drained()
    }

    /// Tells whether the node has been drained to the end.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.drains.node.as_ref().is_some_and(|drain| drain.stage() == Stage::Closed)
    }

    /// Tells whether every peer has been left and the daemon is to end.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.is_drained() && self.drains.node.as_ref().is_some_and(|drain| drain.cause == Cause::Leave)
    }

    /// Tells whether the kernel's routes are to stay as they are for now.
    pub(super) fn keeps_kernel(&mut self) -> bool {
        self.drains.keeps_kernel &= self.is_drained() || !self.has_converged();
        self.drains.keeps_kernel
    }

    /// Goes on to the stages that are due, and says whether there were any.
    pub(super) fn check_drains(&mut self, now: Instant, out: &mut Vec<Output>) -> bool {
        if self.drains.next_deadline().is_none() {
            return false;
        }
        let heard: BTreeMap<String, Heard> =
            self.by_name.iter().map(|(name, &id)| (name.clone(), self.heard(id))).collect();
        let before = out.len();
        let mut tell = |peer: Option<&String>, drain: &Drain| {
            out.push(Output::Notice(Notice::Drain { peer: peer.cloned(), stage: drain.stage() }));
        };
        if let Some(drain) = &mut self.drains.node
            && drain.observe(together(heard.values()), now)
        {
            tell(None, drain);
        }
        for (name, drain) in &mut self.drains.peers {
            if drain.observe(together(heard.get(name)), now) {
                tell(Some(name), drain);
            }
        }
        let is_new = out.len() > before;
        if is_new {
            self.follow_drains(now, out);
        }
        is_new
    }

    /// Says what a peer has heard of all there is to say.
    pub(super) fn heard(&self, id: PeerId) -> Heard {
        let machine = self.peerings.get(&id).map(|peering| &peering.machine);
        match machine.filter(|machine| machine.session().is_some()) {
            None => Heard::Nobody,
            Some(machine) if machine.unwritten() > 0 || self.rib.has_pending(id) => Heard::Some,
            Some(_) => Heard::All,
        }
    }

    /// Gives the tables the marks of the intent there is now.
    pub(super) fn mark_again(&mut self) {
        for (&id, peering) in &self.peerings {
            self.rib.set_drain(id, of_tables(peering.drained, &self.intent.drain));
        }
    }

    /// Brings every peer to the stage its drains are in.
    fn follow_drains(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.is_drained() {
            self.drains.keeps_kernel = true;
        }
        for (name, id) in self.by_name.clone() {
            let stage = self.drains.stage(&name);
            let Some(peering) = self.peerings.get_mut(&id).filter(|peering| peering.drained != stage) else {
                continue;
            };
            let was_wanted = peering.is_wanted();
            peering.drained = stage;
            let is_wanted = peering.is_wanted();
            self.rib.set_drain(id, of_tables(stage, &self.intent.drain));
            if was_wanted && !is_wanted {
                let reason = StopReason::AdminDown { message: self.drains.message(&name) };
                self.peer_event(id, Event::Stop { reason }, now, out);
            } else if is_wanted && !was_wanted {
                self.peer_event(id, Event::Start, now, out);
            }
        }
    }

    fn undrain_node(&mut self, now: Instant) {
        if self.is_drained() {
            // The kernel has routes that no table has; they wait for their peers as after a start.
            let patience = self.intent.graceful_restart.selection_deferral;
            self.convergence = Convergence::new(Past::default(), patience, now);
        }
        self.drains.node = None;
    }
}

/// Says what several peers together have heard.
fn together<'a>(heard: impl IntoIterator<Item = &'a Heard>) -> Heard {
    heard.into_iter().fold(Heard::Nobody, |all, &one| match (all, one) {
        (Heard::Nobody, one) => one,
        (all, Heard::Nobody) => all,
        (Heard::All, Heard::All) => Heard::All,
        _ => Heard::Some,
    })
}
