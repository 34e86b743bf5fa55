//! What the end of a session leaves: the helper's side of graceful restart (RFC 4724 §4.2, RFC 8538, RFC 9494 §4.2).
//!
//! A peer that announced that it goes on forwarding loses its session and not its routes. They turn stale and stay
//! in use until the peer is back and has told everything anew, or until its time is up. Time is up after what the
//! peer asked for, and never later than we are willing to wait; with long-lived graceful restart the routes then
//! become the last resort for a longer while. Each family has a clock of its own, because the peer names each one.
//!
//! The surprise is BFD (RFC 5882 §4.3). Of a session that stands BFD's word is always the forwarding plane's:
//! nothing is kept, or a dead switch would swallow packets for its whole restart time. Once the session is gone
//! and the routes are kept, silence of a BFD that shares its fate with BGP (C bit clear) says only what is known,
//! that the control plane restarts; with the C bit set it says that packets are lost, and the routes go.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bgp::fsm::DownReason;
use bgp::{Family, FamilySet, Negotiated};
use rib::PeerId;

use super::{Notice, Output, Speaker};
use crate::intent::{GracefulRestart, RestartRole};

/// How long a peer that is back may take to say everything. It may wait for peers of its own first: BIRD does for
/// 240 seconds and FRR for 360, and all that time it forwards what it has not said yet.
const END_OF_RIB: Duration = Duration::from_secs(360);

/// What a session means for the time after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// The families the peer's routes are kept of.
    pub(super) kept: FamilySet,
    /// How long they are kept without a session.
    pub(super) restart_time: Duration,
    /// How long beyond that, by family.
    pub(super) long_lived: BTreeMap<Family, Duration>,
    /// Whether a NOTIFICATION does not change that (RFC 8538).
    pub(super) notification_keeps: bool,
    /// Whether the peer has just restarted itself and waits for others (the R bit).
    pub(super) restarted: bool,
    /// Whether both sides say anything of restarts, so that the peer sends End-of-RIB.
    pub(super) announced: bool,
    /// The families the peer forwards as if nothing had been (the F bits), after a short absence and a long one.
    preserved: FamilySet,
    preserved_long: FamilySet,
}

/// What is kept of a peer whose session was lost, until the peer has said everything again.
#[derive(Debug)]
pub(super) struct Grace {
    /// When the session was lost.
    pub(super) lost: Instant,
    /// Why.
    pub(super) reason: String,
    /// When the peer was back.
    pub(super) returned: Option<Instant>,
    /// How many paths were kept, and how many of those are gone without having been announced again.
    pub(super) kept: u32,
    pub(super) gone: u32,
    pub(super) clocks: BTreeMap<Family, Clock>,
}

/// How much longer the stale paths of a family stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    pub(super) stage: Stage,
    /// When the stage is over.
    pub(super) until: Instant,
    /// How long the paths are the last resort after that.
    long_lived: Duration,
    /// When their time as the last resort is over, once it has begun: another loss does not renew it.
    last_resort_until: Option<Instant>,
}

/// What the stale paths of a family wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The peer.
    Session,
    /// The peer, which is late: the paths are the last resort.
    LongLived,
    /// The peer's End-of-RIB.
    EndOfRib,
}

/// What has to be done with stale paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Sweep(Family),
    BeginLongLived(Family),
}

/// A restart of a peer that is over, one way or the other.
#[derive(Clone, Debug)]
pub(super) struct Absence {
    /// When the session was lost.
    pub(super) lost: Instant,
    /// How long the peer was away; `None` when it did not come back in time.
    pub(super) away: Option<Duration>,
    /// How many paths were kept, and how many of them it did not announce again.
    pub(super) kept: u32,
    pub(super) gone: u32,
}

impl Terms {
    /// Finds what a session means for the time after it, by what the peer announced and what we are willing to do.
    pub(super) fn agreed(negotiated: &Negotiated, role: RestartRole, node: &GracefulRestart) -> Self {
        let Some(restart) = negotiated.graceful_restart.as_ref().filter(|_| role != RestartRole::Off) else {
            return Self::default();
        };
        let carried = |code| Family::from_code(code).filter(|&family| negotiated.families.contains(family));
        let named: FamilySet = restart.families.iter().filter_map(|&(code, _)| carried(code)).collect();
        let long_lived = negotiated.long_lived.iter().filter_map(|entry| {
            let seconds = entry.stale_time.min(node.long_lived_stale_time);
            let family = carried(entry.family).filter(|&family| seconds > 0 && named.contains(family))?;
            Some((family, Duration::from_secs(seconds.into())))
        });
        let long_lived: BTreeMap<_, _> = long_lived.collect();
        let restart_time = Duration::from_secs(restart.restart_time.into()).min(node.max_peer_restart_time);
        let stays = |family: &Family| !restart_time.is_zero() || long_lived.contains_key(family);
        let forwarding = |&(code, forwarding): &_| carried(code).filter(|_| forwarding);
        let long_forwarding =
            |entry: &bgp::capability::LongLived| carried(entry.family).filter(|_| entry.forwarding);
        Self {
            kept: named.iter().filter(stays).collect(),
            restart_time,
            notification_keeps: negotiated.notification_keeps,
            restarted: restart.restarted,
            announced: true,
            preserved: restart.families.iter().filter_map(forwarding).collect(),
            preserved_long: negotiated.long_lived.iter().filter_map(long_forwarding).collect(),
            long_lived,
        }
    }

    /// Tells whether routes stay when a session like this ends.
    fn survive(&self, reason: &DownReason) -> bool {
        !self.kept.is_empty() && reason.keeps_routes(self.notification_keeps)
    }
}

impl Grace {
    /// Starts the clocks. What was the last resort already stays so for no longer than before.
    fn begin(terms: &Terms, before: Option<&Self>, reason: String, kept: u32, now: Instant) -> Self {
        let clock = |family: Family| {
            let earlier = before.and_then(|before| before.clocks.get(&family));
            let clock = Clock {
                stage: Stage::Session,
                until: now + terms.restart_time,
                long_lived: terms.long_lived.get(&family).copied().unwrap_or_default(),
                last_resort_until: earlier.and_then(|clock| clock.last_resort_until),
            };
            (family, clock)
        };
        let clocks = terms.kept.iter().map(clock).collect();
        Self { lost: now, reason, returned: None, kept, gone: 0, clocks }
    }

    /// Takes note that the peer is back, and returns the families it no longer keeps or has lost.
    fn peer_returned(&mut self, terms: &Terms, now: Instant) -> FamilySet {
        self.returned = Some(now);
        let mut lost = FamilySet::NONE;
        self.clocks.retain(|&family, clock| {
            let preserved = match clock.stage {
                Stage::Session | Stage::EndOfRib => terms.preserved,
                Stage::LongLived => terms.preserved_long,
            };
            if !preserved.contains(family) {
                lost.insert(family);
                return false;
            }
            clock.until = (now + END_OF_RIB).min(clock.last_resort_until.unwrap_or(now + END_OF_RIB));
            clock.stage = Stage::EndOfRib;
            true
        });
        lost
    }

    /// Takes the clocks that have run out, and returns what that means.
    fn expire(&mut self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        for (&family, clock) in self.clocks.iter_mut().filter(|(_, clock)| clock.until <= now) {
            let last_resort_until = clock.last_resort_until.unwrap_or(now + clock.long_lived);
            if clock.stage == Stage::Session && last_resort_until > now {
                (clock.stage, clock.until) = (Stage::LongLived, last_resort_until);
                clock.last_resort_until = Some(last_resort_until);
                due.push(Due::BeginLongLived(family));
            } else {
                due.push(Due::Sweep(family));
            }
        }
        self.clocks.retain(|_, clock| clock.until > now);
        due
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.clocks.values().map(|clock| clock.until).min()
    }

    fn over(&self) -> Absence {
        let away = self.returned.map(|returned| returned.saturating_duration_since(self.lost));
        Absence { lost: self.lost, away, kept: self.kept, gone: self.gone }
    }
}

impl Speaker {
    /// Sees to the routes of a peer whose session is over: they stay as stale where that was agreed and the reason
    /// allows it, and go where not.
    pub(super) fn session_lost(
        &mut self,
        id: PeerId,
        reason: &DownReason,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let Some(peering) = self.peerings.get_mut(&id) else { return };
        let terms = peering.session.take().map(|session| session.terms).unwrap_or_default();
        let before = peering.grace.take();
        if !terms.survive(reason) {
            self.lose_gateways(id, out);
            self.rib.peer_down(id);
            return;
        }
        self.rib.peer_lost(id, terms.kept);
        let kept = self.rib.stale(id).iter().sum();
        let mut grace = Grace::begin(&terms, before.as_ref(), reason.to_string(), kept, now);
        let (peer, wait) = (peering.name(), terms.restart_time);
        out.push(Output::Notice(Notice::PeerRestarts { peer, routes: kept, wait }));
        // A peer without a restart time is late at once (RFC 9494 §4.2).
        let due = grace.expire(now);
        peering.grace = Some(grace);
        self.carry_out_due(id, due, now, out);
    }

    /// Compares what a peer that is back says of its restart with what was kept of it.
    pub(super) fn session_returned(&mut self, id: PeerId, now: Instant, out: &mut Vec<Output>) {
        let Some(peering) = self.peerings.get_mut(&id) else { return };
        let Some(terms) = peering.session.as_ref().map(|session| &session.terms) else { return };
        let Some(grace) = &mut peering.grace else { return };
        let lost = grace.peer_returned(terms, now);
        let due = lost.iter().map(Due::Sweep).collect();
        self.carry_out_due(id, due, now, out);
    }

    /// Lets go what a peer has not said again before its End-of-RIB.
    pub(super) fn session_complete(
        &mut self,
        id: PeerId,
        family: Family,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let grace = self.peerings.get_mut(&id).and_then(|peering| peering.grace.as_mut());
        if grace.is_some_and(|grace| grace.clocks.remove(&family).is_some()) {
            self.carry_out_due(id, vec![Due::Sweep(family)], now, out);
        }
    }

    /// Does what clocks that have run out ask for.
    pub(super) fn expire_stale(&mut self, now: Instant, out: &mut Vec<Output>) {
        let due = self.peerings.iter_mut().filter_map(|(&id, peering)| {
            let due = peering.grace.as_mut()?.expire(now);
            (!due.is_empty()).then_some((id, due))
        });
        for (id, due) in due.collect::<Vec<_>>() {
            self.carry_out_due(id, due, now, out);
        }
    }

    /// Forgets what was kept of a peer: nobody waits for it any more. Of a peer with a session nothing changes.
    pub(super) fn forget_kept(&mut self, id: PeerId, now: Instant, out: &mut Vec<Output>) {
        let Some(peering) = self.peerings.get_mut(&id).filter(|peering| peering.session.is_none()) else {
            return;
        };
        if let Some(grace) = &mut peering.grace {
            let due = std::mem::take(&mut grace.clocks).into_keys().map(Due::Sweep).collect();
            self.carry_out_due(id, due, now, out);
        }
    }

    fn carry_out_due(&mut self, id: PeerId, due: Vec<Due>, now: Instant, out: &mut Vec<Output>) {
        let Some(peering) = self.peerings.get_mut(&id) else { return };
        let Some(grace) = &mut peering.grace else { return };
        for due in due {
            match due {
                Due::Sweep(family) => {
                    grace.gone += u32::try_from(self.rib.sweep_stale(id, family)).unwrap_or(u32::MAX);
                }
                Due::BeginLongLived(family) => {
                    let before: u32 = self.rib.stale(id).iter().sum();
                    self.rib.begin_long_lived(id, family);
                    let after: u32 = self.rib.stale(id).iter().sum();
                    grace.gone += before - after;
                    let wait = grace.clocks.get(&family).map_or(Duration::ZERO, |clock| clock.until - now);
                    let notice =
                        Notice::PeerIsLate { peer: peering.intent.name.clone(), family, routes: after, wait };
                    out.push(Output::Notice(notice));
                }
            }
        }
        if grace.clocks.is_empty() {
            let absence = grace.over();
            let peer = peering.name();
            peering.grace = None;
            peering.restarts += u64::from(absence.away.is_some());
            peering.last_absence = Some(absence.clone());
            if peering.session.is_none() {
                self.rib.peer_down(id);
            }
            let Absence { away, kept, gone, .. } = absence;
            out.push(Output::Notice(Notice::PeerRestarted { peer, away, kept, gone }));
        }
    }
}

#[cfg(test)]
mod tests;
