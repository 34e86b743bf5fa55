//! BFD sessions, as operators see them.

use std::time::{Duration, Instant};

use bgp::bfd::{Diagnostic, Discard, Discards, Remote, State, Why};
use control::{BfdRemoteView, BfdState, BfdSummaryView, BfdView, DiscardedView, LastErrorView};

use super::super::Speaker;
use super::super::peering::Peering;
use crate::bfd::{Failure, SessionReport};

impl Speaker {
    /// Shows the BFD session with a peer, if its path is watched.
    pub(super) fn bfd_view(&self, peering: &Peering, now: Instant) -> Option<BfdView> {
        let intent = &peering.intent;
        let settings = self.intent.bfd_settings(intent)?;
        let multihop = matches!(self.intent.bfd_hops(intent), bgp::bfd::Hops::Multi(_));
        let session = self.bfd.sessions.get(&intent.address).filter(|_| peering.is_wanted());
        let Some(session) = session else {
            let state = if peering.is_wanted() { BfdState::Down } else { BfdState::AdminDown };
            let interval = settings.min_tx.max(Duration::from_secs(1));
            return Some(nothing_yet(state, multihop, interval, settings.multiplier.get()));
        };
        Some(BfdView {
            state: state(session.state),
            state_seconds: super::age(session.since, now),
            diagnostic: session.diagnostic.to_string(),
            multihop,
            transmit_interval_seconds: session.negotiated.transmit.as_secs_f64(),
            receive_interval_seconds: session.negotiated.receive.map(|interval| interval.as_secs_f64()),
            detection_time_seconds: session.negotiated.detection_time.map(|time| time.as_secs_f64()),
            multiplier: settings.multiplier.get(),
            remote: session.remote.as_ref().map(remote),
            received: session.stats.received,
            sent: session.stats.sent,
            failures: session.stats.failures,
            last_failure: last_failure(session, now),
        })
    }

    /// Shows all BFD sessions in numbers.
    pub(super) fn bfd_summary(&self) -> BfdSummaryView {
        let up = self.bfd.sessions.values().filter(|session| session.state == State::Up);
        BfdSummaryView {
            sessions: self.bfd_wanted.len() as u64,
            up: up.count() as u64,
            send_failures: self.bfd.send_failures,
            discarded: discarded(&self.bfd.discards),
        }
    }
}

fn nothing_yet(state: BfdState, multihop: bool, interval: Duration, multiplier: u8) -> BfdView {
    BfdView {
        state,
        state_seconds: 0,
        diagnostic: Diagnostic::None.to_string(),
        multihop,
        transmit_interval_seconds: interval.as_secs_f64(),
        receive_interval_seconds: None,
        detection_time_seconds: None,
        multiplier,
        remote: None,
        received: 0,
        sent: 0,
        failures: 0,
        last_failure: None,
    }
}

fn remote(remote: &Remote) -> BfdRemoteView {
    let said = &remote.said;
    BfdRemoteView {
        state: state(said.state),
        diagnostic: said.diagnostic.to_string(),
        multiplier: said.multiplier.get(),
        min_tx_seconds: said.desired_min_tx.as_secs_f64(),
        min_rx_seconds: said.required_min_rx.as_secs_f64(),
        control_plane_independent: said.control_plane_independent,
    }
}

fn last_failure(session: &SessionReport, now: Instant) -> Option<LastErrorView> {
    let Failure { at, why, .. } = session.last_failure?;
    let code = match why {
        Why::Heard(..) => "neighbor_signaled_down",
        Why::Silence(_) => "detection_time_expired",
        Why::Operator => "administratively_down",
    };
    Some(LastErrorView { code: code.to_owned(), text: why.to_string(), age_seconds: super::age(at, now) })
}

fn discarded(discards: &Discards) -> Vec<DiscardedView> {
    let view = |reason: Discard| DiscardedView {
        code: reason.label().to_owned(),
        text: reason.to_string(),
        count: discards.of(reason),
    };
    Discard::ALL.into_iter().map(view).filter(|view| view.count > 0).collect()
}

fn state(state: State) -> BfdState {
    match state {
        State::AdminDown => BfdState::AdminDown,
        State::Down => BfdState::Down,
        State::Init => BfdState::Init,
        State::Up => BfdState::Up,
    }
}
