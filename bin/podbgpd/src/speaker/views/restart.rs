//! Restarts, as operators see them.

use std::time::{Duration, Instant};

use control::{
    AbsenceView, PeerRestartView, RestartNow, RestartTermsView, RestartView, RestartWaitView, ReturnedView,
};
use rib::PeerId;

use super::super::Speaker;
use super::super::convergence::Ending;
use super::super::graceful::{Absence, Grace, Stage, Terms};
use super::super::peering::Peering;
use crate::intent::RestartRole;

impl Speaker {
    /// Shows how this run began.
    pub(super) fn restart_view(&self, now: Instant) -> RestartView {
        let convergence = &self.convergence;
        let (selected, ending) = convergence.deferred.as_ref().map(|(took, ending)| (*took, ending)).unzip();
        let (selected_by_deadline, waiting_for) = match ending {
            Some(Ending::Deadline(missing)) => (true, missing.clone()),
            Some(Ending::EndOfRib) => (false, Vec::new()),
            None => (false, self.waited_for(now).map(Peering::name).collect()),
        };
        RestartView {
            restarted: convergence.restarted,
            away_seconds: convergence.past.away.as_ref().map(Duration::as_secs_f64),
            forwarding_kept: convergence.restarted && convergence.kept_forwarding,
            selected_seconds: selected.as_ref().map(Duration::as_secs_f64),
            selected_by_deadline,
            waiting_for,
            converged_seconds: convergence.took.as_ref().map(Duration::as_secs_f64),
        }
    }

    /// Shows what graceful restart means to the session with a peer; nothing where it is off.
    pub(super) fn peer_restart_view(
        &self,
        id: PeerId,
        peering: &Peering,
        now: Instant,
    ) -> Option<PeerRestartView> {
        if self.intent.restart_role(&peering.intent) == RestartRole::Off {
            return None;
        }
        let role = match &peering.grace {
            Some(grace) => waits_for(grace),
            None if self.waited_for(now).any(|other| other.intent.name == peering.intent.name) => {
                RestartNow::Restarting
            }
            None => RestartNow::Idle,
        };
        let stale = self.rib.stale(id).iter().sum::<u32>().into();
        let returned = self.returned.get(&peering.intent.name).map(|comparison| ReturnedView {
            announced_before: comparison.before as u64,
            missing: comparison.missing.into(),
            examples: comparison.named.clone(),
        });
        Some(PeerRestartView {
            role,
            agreed: peering.session.as_ref().map(|session| agreed(&session.terms)),
            waiting: peering.grace.as_ref().map(|grace| waiting(grace, stale, now)),
            peer_restarts: peering.restarts,
            last_absence: peering.last_absence.as_ref().map(|absence| last_absence(absence, now)),
            returned,
        })
    }
}

fn waits_for(grace: &Grace) -> RestartNow {
    if grace.returned.is_some() {
        return RestartNow::Returning;
    }
    match grace.clocks.values().all(|clock| clock.stage == Stage::LongLived) {
        true => RestartNow::LongLived,
        false => RestartNow::Helping,
    }
}

fn agreed(terms: &Terms) -> RestartTermsView {
    RestartTermsView {
        families: terms.kept.iter().map(super::family).collect(),
        restart_time_seconds: terms.restart_time.as_secs(),
        long_lived_seconds: terms.long_lived.values().max().map_or(0, Duration::as_secs),
        notification_keeps: terms.notification_keeps,
    }
}

fn waiting(grace: &Grace, stale: u64, now: Instant) -> RestartWaitView {
    RestartWaitView {
        lost_seconds: now.duration_since(grace.lost).as_secs_f64(),
        reason: grace.reason.clone(),
        kept: grace.kept.into(),
        stale,
        remaining_seconds: super::remaining(grace.next_deadline(), now).unwrap_or_default(),
    }
}

fn last_absence(absence: &Absence, now: Instant) -> AbsenceView {
    AbsenceView {
        lost_age_seconds: super::age(absence.lost, now),
        away_seconds: absence.away.as_ref().map(Duration::as_secs_f64),
        kept: absence.kept.into(),
        gone: absence.gone.into(),
    }
}
