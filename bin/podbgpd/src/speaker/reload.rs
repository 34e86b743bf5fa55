//! From one intent to the next, and what operators ask of single peers.

use std::time::Instant;

use bgp::fsm::{Event, StopReason};
use rib::PeerId;

use super::peering::{self, Peering};
use super::{Output, Speaker};
use crate::drain::Stage;
use crate::intent::{Change, Effect, Intent, PeerIntent, reconcile};

impl Speaker {
    /// Goes over to another intent by the least change, and returns the changes made.
    ///
    /// # Errors
    /// The changes that need a new start of the daemon; nothing has been changed then.
    pub fn reload(
        &mut self,
        intent: Intent,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Result<Vec<Change>, Vec<Change>> {
        let mut intent = intent;
        self.keep_members(&mut intent);
        let changes = reconcile(&self.intent, &intent);
        if changes.iter().any(|change| change.effect() == Effect::Restart) {
            return Err(changes.into_iter().filter(|change| change.effect() == Effect::Restart).collect());
        }
        self.intent = intent;
        for change in &changes {
            self.change(change, now, out);
        }
        self.sign(out);
        self.history.resize(self.intent.history.records as usize);
        for change in &changes {
            self.history.happened(
                "reload",
                change.peer().map(str::to_owned),
                format!("reload: {}", change.difference()),
                now,
            );
        }
        Ok(changes)
    }

    fn change(&mut self, change: &Change, now: Instant, out: &mut Vec<Output>) {
        match change {
            Change::RemovePeer { peer } => self.remove_peer(peer, now, out),
            Change::AddPeer { peer } => {
                if let Some(intent) = self.intent.peers.get(peer).cloned() {
                    self.add_peer(intent, now, out);
                }
            }
            Change::ResetPeer { peer, .. } => self.reset_peer(peer, now, out),
            Change::PeerPolicy { peer, .. }
            | Change::PeerSettings { peer, .. }
            | Change::Password { peer, .. } => self.adjust_peer(peer, now, out),
            Change::Blocks { .. } | Change::Originated { .. } => self.originate(now),
            Change::Drain { .. } => self.mark_again(),
            Change::Decision { .. } => {
                self.rib.set_settings(peering::rib_settings(&self.intent));
                self.rib.set_guard(&self.intent.guard);
                self.rib.set_ownership(&self.intent.ownership);
                self.hosts_told = false;
            }
            Change::Leave(_) => self.follow_cluster(now, out),
            // A node's name is part of its OPENs.
            Change::GracefulRestart { .. } | Change::Capabilities { .. } | Change::Setting(_) => {
                self.announce_restarts(now);
            }
            // The sockets are not ours, and the new value is in the intent.
            Change::Bfd { .. }
            | Change::Listen { .. }
            // Its peers have changes of their own.
            | Change::Range { .. }
            | Change::Metrics(_)
            | Change::Kubernetes { .. }
            | Change::Monitoring { .. }
            | Change::Restart(_) => {}
        }
    }

    pub(super) fn add_peer(&mut self, intent: PeerIntent, now: Instant, out: &mut Vec<Output>) -> PeerId {
        let id = PeerId(self.next_id);
        self.next_id += 1;
        self.by_name.insert(intent.name.clone(), id);
        self.history.name(id, intent.name.clone());
        let mut peering = Peering::new(intent, &self.intent, self.convergence.standing());
        peering.drained = self.drains.stage(&peering.intent.name);
        let wanted = peering.is_wanted();
        self.peerings.insert(id, peering);
        self.place_anew(id);
        if wanted {
            self.peer_event(id, Event::Start, now, out);
        }
        id
    }

    pub(super) fn remove_peer(&mut self, name: &str, now: Instant, out: &mut Vec<Output>) {
        let Some(id) = self.by_name.remove(name) else { return };
        self.peer_event(id, Event::Stop { reason: StopReason::Deconfigured }, now, out);
        self.forget_kept(id, now, out);
        self.peerings.remove(&id);
        self.drains.forget(name);
        self.by_place.retain(|_, &mut owner| owner != id);
    }

    /// Gives a peer what only a new session can have. Its counters go on.
    fn reset_peer(&mut self, name: &str, now: Instant, out: &mut Vec<Output>) {
        let Some((id, intent)) = self.intended(name) else { return };
        let reason = match intent.shutdown {
            true => StopReason::AdminDown { message: String::new() },
            false => StopReason::OtherConfigurationChange,
        };
        self.peer_event(id, Event::Stop { reason }, now, out);
        let who = |intent: &PeerIntent| (intent.address, intent.interface.clone(), intent.asn);
        let before = self.peerings.get(&id).map(|peering| who(&peering.intent));
        if intent.shutdown || before != Some(who(&intent)) {
            self.forget_kept(id, now, out);
        }
        let standing = self.convergence.standing();
        let Some(peering) = self.peerings.get_mut(&id) else { return };
        // The machine is stopped: it does nothing about this before it is started.
        peering.machine.configure(peering::settings(&intent, &self.intent, standing), now, &mut Vec::new());
        peering.intent = intent;
        let wanted = peering.is_wanted();
        self.place_anew(id);
        if wanted {
            self.peer_event(id, Event::Start, now, out);
        }
    }

    /// Gives a peer what its session need not notice.
    fn adjust_peer(&mut self, name: &str, now: Instant, out: &mut Vec<Output>) {
        let Some((id, intent)) = self.intended(name) else { return };
        let standing = self.convergence.standing();
        let Some(peering) = self.peerings.get_mut(&id) else { return };
        let mut actions = Vec::new();
        peering.machine.configure(peering::settings(&intent, &self.intent, standing), now, &mut actions);
        let before = std::mem::replace(&mut peering.intent, intent);
        self.rib.set_policy(
            id,
            peering::import(&peering.intent).into(),
            peering::export(&peering.intent).into(),
        );
        self.rib.set_graceful_shutdown(id, peering.intent.graceful_shutdown);
        self.rib.set_blackhole(id, peering.intent.blackhole);
        self.rib.allow_own_as(id, peering.intent.allow_own_as);
        self.rib.set_link_bandwidth(id, peering.intent.link_bandwidth);
        let internal = self.rib.peer_info(id).is_some_and(|info| !info.is_external());
        self.rib.set_aigp(id, peering.says_aigp(internal));
        self.rib.set_max_prefixes(id, peering.intent.max_prefixes);
        self.rib.set_client(id, peering.intent.client);
        self.rib.set_next_hop(id, peering.intent.next_hop);
        for action in actions {
            self.act(id, action, now, out);
        }
        self.limit_changed(id, &before, now, out);
    }

    /// Has the next OPEN to each peer say what we can do, and how we stand with restarts now.
    pub(super) fn announce_restarts(&mut self, now: Instant) {
        let standing = self.convergence.standing();
        for peering in self.peerings.values_mut() {
            let settings = peering::settings(&peering.intent, &self.intent, standing);
            // Nothing but the capabilities is another: nobody is dialled for that.
            peering.machine.configure(settings, now, &mut Vec::new());
        }
    }

    fn intended(&self, name: &str) -> Option<(PeerId, PeerIntent)> {
        Some((*self.by_name.get(name)?, self.intent.peers.get(name)?.clone()))
    }

    /// Lets a peer come up that was held down.
    pub fn peer_up(&mut self, name: &str, now: Instant, out: &mut Vec<Output>) -> Option<Acted> {
        let (id, peering) = self.peering_mut(name)?;
        if peering.intent.shutdown {
            return Some(Acted::ShutDownByIntent);
        }
        peering.held_down = false;
        if !peering.is_wanted() {
            return Some(Acted::Drained);
        }
        self.peer_event(id, Event::Start, now, out);
        Some(Acted::Started)
    }

    /// Ends a peer's session and has none until the peer is let up again.
    pub fn peer_down(
        &mut self,
        name: &str,
        message: String,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Option<Acted> {
        let (id, peering) = self.peering_mut(name)?;
        peering.held_down = true;
        self.peer_event(id, Event::Stop { reason: StopReason::AdminDown { message } }, now, out);
        self.forget_kept(id, now, out);
        Some(Acted::Stopped)
    }

    /// Ends a peer's session and has another.
    pub fn peer_reset(
        &mut self,
        name: &str,
        message: String,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Option<Acted> {
        let (id, peering) = self.peering_mut(name)?;
        if peering.drained == Some(Stage::Closed) {
            return Some(Acted::Drained);
        }
        if !peering.is_wanted() {
            return Some(Acted::HeldDown);
        }
        self.peer_event(id, Event::Stop { reason: StopReason::AdminReset { message } }, now, out);
        self.peer_event(id, Event::Start, now, out);
        Some(Acted::Started)
    }

    pub(super) fn peering_mut(&mut self, name: &str) -> Option<(PeerId, &mut Peering)> {
        let id = *self.by_name.get(name)?;
        Some((id, self.peerings.get_mut(&id)?))
    }
}

/// What came of an operator's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acted {
    /// The peer looks for a session.
    Started,
    /// The peer has no session and will have none.
    Stopped,
    /// The peer was asked for its routes, and ours go out again.
    Refreshed,
    /// Ours go out again; the peer does not take requests for its own.
    SentAgain,
    /// There is no session to do it on.
    NoSession,
    /// The peer is held down, by an operator.
    HeldDown,
    /// The peer is drained to the end.
    Drained,
    /// The file says `shutdown = true`, and the file is changed in the file.
    ShutDownByIntent,
}
