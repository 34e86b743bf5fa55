//! Peers, as operators see them.

use std::time::Instant;

use bgp::fsm::{self, State, Timer};
use bgp::{Family, FamilySet, Negotiated};
use control::{
    CapabilitiesView, ErrorCode, ErrorView, LastErrorView, MalformedView, MessageCountsView, MessagesView,
    PeerFamilyView, PeerState, PeerView, RejectedView, TimersView,
};
use rib::{PeerId, RejectReason, Standing};

use super::super::Speaker;
use super::super::peering::Peering;
use super::{capabilities, words};
use crate::transport::Key;

impl Speaker {
    /// Shows every peer, in the order of the names.
    #[must_use]
    pub fn peer_views(&self, now: Instant) -> Vec<PeerView> {
        self.by_name.keys().filter_map(|name| self.peer_view(name, now)).collect()
    }

    /// Shows a peer.
    #[must_use]
    pub fn peer_view(&self, name: &str, now: Instant) -> Option<PeerView> {
        let id = *self.by_name.get(name)?;
        let peering = self.peerings.get(&id)?;
        let intent = &peering.intent;
        let local_asn = self.intent.local_asn(intent);
        let stats = peering.machine.stats();
        let session = peering.machine.session();
        Some(PeerView {
            name: intent.name.clone(),
            description: intent.description.clone(),
            address: peering.whereabouts().address,
            interface: intent.interface.clone(),
            port: intent.port,
            asn: peering.asn(local_asn).map(|asn| asn.0),
            asn_rule: intent.asn.to_string(),
            range: intent.range.clone(),
            local_asn: local_asn.0,
            internal: intent.asn.is_internal(local_asn),
            state: state(peering.machine.state()),
            state_seconds: super::age(stats.last_transition.unwrap_or(self.epoch), now),
            administratively_down: !peering.is_wanted(),
            max_prefixes_exceeded: peering.excess.is_some(),
            router_id: session.map(|session| session.negotiated.peer_id.to_ipv4()),
            hostname: session
                .and_then(|session| capabilities::hostname(&session.negotiated.peer_capabilities)),
            software_version: session
                .and_then(|session| capabilities::software_version(&session.negotiated.peer_capabilities)),
            role: intent.role.map(|role| role.to_string()),
            local_address: peering
                .session
                .as_ref()
                .and_then(|session| session.end.towards(peering.whereabouts().address)),
            families: intent.families.iter().map(|family| self.family_view(id, peering, family)).collect(),
            messages: MessagesView { received: counts(&stats.received), sent: counts(&stats.sent) },
            malformed: MalformedView {
                treat_as_withdraw: peering.treated_as_withdraw,
                attribute_discard: peering.attributes_discarded,
            },
            timers: timers(peering, now),
            capabilities: session.map_or_else(CapabilitiesView::default, |session| CapabilitiesView {
                local: session.negotiated.local_capabilities.iter().map(capabilities::in_words).collect(),
                remote: session.negotiated.peer_capabilities.iter().map(capabilities::in_words).collect(),
            }),
            md5: intent.password.is_some(),
            tcp_ao: !intent.tcp_ao.is_empty(),
            ttl_security: intent.ttl_security.is_some(),
            passive: intent.passive,
            cluster_id: intent.client.then_some(self.intent.node.cluster_id),
            next_hop: intent.next_hop.to_string(),
            surplus_paths: peering.surplus_paths,
            import: intent.import.to_string(),
            export: intent.export.to_string(),
            flaps: stats.flaps,
            drain: peering.drained.map(super::drain::stage),
            bfd: self.bfd_view(peering, now),
            graceful_restart: self.peer_restart_view(id, peering, now),
            rtt_seconds: None,
            retransmissions: None,
            last_error: stats
                .last_error
                .as_ref()
                .map(|error| last_error(error, intent.password.is_some(), now)),
        })
    }

    /// Returns the connection a peer's session runs on.
    #[must_use]
    pub fn session_key(&self, name: &str) -> Option<Key> {
        let id = *self.by_name.get(name)?;
        Some((id, self.peerings.get(&id)?.machine.session()?.connection))
    }

    /// Says that nobody has this name, and which names there are.
    #[must_use]
    pub fn no_such_peer(&self, name: &str) -> ErrorView {
        let known: Vec<_> = self.by_name.keys().map(String::as_str).collect();
        ErrorView::new(ErrorCode::NotFound, format!("there is no peer '{name}'"))
            .with_hint(format!("the peers are: {}", known.join(", ")))
    }

    fn family_view(&self, id: PeerId, peering: &Peering, family: Family) -> PeerFamilyView {
        let counts = self.rib.counts(id, family).unwrap_or_default();
        let session = peering.session.as_ref();
        let negotiated = peering.machine.session().map(|session| &session.negotiated);
        let has = |set: fn(&Negotiated) -> FamilySet| {
            negotiated.is_some_and(|negotiated| set(negotiated).contains(family))
        };
        let rejected = RejectReason::ALL.into_iter().filter_map(|reason| {
            let count = counts.standing(Standing::Rejected(reason));
            let words = words::rejected(reason);
            let view = RejectedView { code: words.code, text: words.text, count: count.into() };
            (count > 0).then_some(view)
        });
        PeerFamilyView {
            family: super::family(family),
            negotiated: has(|negotiated| negotiated.families),
            add_path_received: has(|negotiated| negotiated.add_path_receive),
            add_path_sent: has(|negotiated| negotiated.add_path_send),
            end_of_rib_received: session.is_some_and(|session| session.end_of_rib_received.contains(family)),
            end_of_rib_sent: session.is_some_and(|session| session.end_of_rib_sent.contains(family)),
            received: counts.received().into(),
            accepted: counts.accepted().into(),
            best: (counts.standing(Standing::Best) + counts.standing(Standing::Multipath)).into(),
            advertised: counts.advertised.into(),
            stale: self.rib.stale(id)[family as usize].into(),
            unrefreshed: self.rib.unrefreshed(id)[family as usize].into(),
            rejected: rejected.collect(),
            max_prefixes: peering.intent.max_prefixes.map(Into::into),
            max_prefixes_warning: peering.near_limit.contains(family),
        }
    }
}

pub(super) fn state(state: State) -> PeerState {
    match state {
        State::Idle => PeerState::Idle,
        State::Connect => PeerState::Connect,
        State::Active => PeerState::Active,
        State::OpenSent => PeerState::OpenSent,
        State::OpenConfirm => PeerState::OpenConfirm,
        State::Established => PeerState::Established,
    }
}

fn counts(counts: &fsm::MessageCounts) -> MessageCountsView {
    MessageCountsView {
        open: counts.open,
        update: counts.update,
        notification: counts.notification,
        keepalive: counts.keepalive,
        route_refresh: counts.route_refresh,
    }
}

fn timers(peering: &Peering, now: Instant) -> TimersView {
    let machine = &peering.machine;
    let hold_time = machine.session().map(|session| session.negotiated.hold_time);
    let kept_away = peering.excess.and_then(|excess| excess.until);
    let retry = kept_away
        .or_else(|| machine.deadline(Timer::IdleHold))
        .or_else(|| machine.deadline(Timer::ConnectRetry));
    TimersView {
        hold_time_configured_seconds: peering.intent.hold_time.seconds().into(),
        hold_time_seconds: hold_time.map(|time| time.seconds().into()),
        hold_remaining_seconds: super::remaining(machine.deadline(Timer::Hold), now),
        keepalive_seconds: hold_time.and_then(|time| time.keepalive()).map(|interval| interval.as_secs()),
        keepalive_remaining_seconds: super::remaining(machine.deadline(Timer::Keepalive), now),
        next_retry_seconds: super::remaining(retry, now),
    }
}

/// Words the last error; a signed connection nobody answers most often has the wrong password.
fn last_error(error: &fsm::LastError, signed: bool, now: Instant) -> LastErrorView {
    let mut view = super::last_error(error, now);
    if signed && matches!(&error.reason, fsm::DownReason::ConnectFailed(why) if why == "no answer") {
        view.text.push_str("; with TCP MD5, a wrong password is met with silence");
    }
    view
}
