//! What BFD has to do with sessions: which peers it watches, and what its word costs them.

use std::time::Instant;

use bgp::fsm::{Event, StopReason};
use rib::PeerId;

use super::peering::Peering;
use super::{Output, Speaker};
use crate::bfd::{Report, SessionReport, Wanted};

impl Speaker {
    /// Asks for the BFD sessions that should be there, when they are others than before.
    pub(super) fn want_bfd(&mut self, out: &mut Vec<Output>) {
        let wanted: Vec<Wanted> =
            self.peerings.values().filter_map(|peering| self.wanted_bfd(peering)).collect();
        if wanted != self.bfd_wanted {
            out.push(Output::Bfd(wanted.clone()));
            self.bfd_wanted = wanted;
        }
    }

    /// A peer that is held down is not watched: it is told that this is the operator's will.
    fn wanted_bfd(&self, peering: &Peering) -> Option<Wanted> {
        let intent = &peering.intent;
        let settings = self.intent.bfd_settings(intent).filter(|_| peering.is_wanted())?;
        let hops = self.intent.bfd_hops(intent);
        let authentication = intent.bfd.and_then(|own| own.authentication);
        Some(Wanted { remote: intent.address, local: intent.local_address, hops, settings, authentication })
    }

    /// Ends the sessions whose path has failed, at once; their peers are looked for again.
    pub(super) fn follow_bfd(&mut self, report: Report, now: Instant, out: &mut Vec<Output>) {
        let before = std::mem::replace(&mut self.bfd, report);
        let failed = self.bfd.sessions.iter().filter_map(|(address, session)| {
            let known =
                before.sessions.get(address).filter(|known| known.discriminator == session.discriminator);
            let is_new = session.stats.failures > known.map_or(0, |known| known.stats.failures);
            let id = *self.by_address.get(address).filter(|_| is_new)?;
            self.concerns(id, session).then_some(id)
        });
        let failed: Vec<_> = failed.collect();
        for id in self.failed_in_grace(&before) {
            self.forget_kept(id, now, out);
        }
        for id in failed {
            self.peer_event(id, Event::Stop { reason: StopReason::BfdDown }, now, out);
            self.peer_event(id, Event::Start, now, out);
        }
    }

    /// Finds the peers whose routes are kept and whose forwarding plane has failed: BFD went on after the session
    /// was lost, so it does not share BGP's fate, and has fallen silent now (RFC 5882 §4.3.1).
    fn failed_in_grace(&self, before: &Report) -> Vec<PeerId> {
        let failed = self.bfd.sessions.iter().filter_map(|(address, session)| {
            let known = before.sessions.get(address)?;
            let same = known.discriminator == session.discriminator;
            let is_new = same && session.stats.failures > known.stats.failures;
            let remote = session.remote.or(known.remote)?;
            let id = *self.by_address.get(address)?;
            self.peerings.get(&id)?.grace.as_ref()?;
            (is_new && remote.said.control_plane_independent).then_some(id)
        });
        failed.collect()
    }

    /// Tells whether the last failure is one of the session there is now. BFD must have heard the peer since
    /// the session came up: a peer that is restarted is silent for BFD while its new session is fine.
    fn concerns(&self, id: PeerId, bfd: &SessionReport) -> bool {
        let session = self.peerings.get(&id).and_then(|peering| peering.machine.session());
        match (session, bfd.last_failure) {
            (Some(session), Some(failure)) => failure.heard >= session.since,
            _ => false,
        }
    }
}
