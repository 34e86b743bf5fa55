//! Peers, as operators see them.

use std::net::IpAddr;
use std::time::Instant;

use bgp::fsm::{self, State, Timer};
use bgp::{Capability, Family};
use control::{
    CapabilitiesView, ErrorCode, ErrorView, LastErrorView, MalformedView, MessageCountsView, MessagesView,
    PeerFamilyView, PeerState, PeerView, RejectedView, TimersView,
};
use rib::{PeerId, RejectReason, Standing};

use super::super::Speaker;
use super::super::peering::{Peering, Session};
use super::words;

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
        let stats = peering.machine.stats();
        let session = peering.machine.session();
        Some(PeerView {
            name: intent.name.clone(),
            description: intent.description.clone(),
            address: intent.address,
            interface: None,
            port: intent.port,
            asn: intent.asn.0,
            local_asn: self.intent.local_asn(intent).0,
            state: state(peering.machine.state()),
            state_seconds: super::age(stats.last_transition.unwrap_or(self.epoch), now),
            administratively_down: !peering.is_wanted(),
            router_id: session.map(|session| session.negotiated.peer_id.to_ipv4()),
            local_address: peering
                .session
                .as_ref()
                .and_then(|session| local_address(session, intent.address)),
            families: intent.families.iter().map(|family| self.family_view(id, peering, family)).collect(),
            messages: MessagesView { received: counts(&stats.received), sent: counts(&stats.sent) },
            malformed: MalformedView {
                treat_as_withdraw: peering.treated_as_withdraw,
                attribute_discard: peering.attributes_discarded,
            },
            timers: timers(peering, now),
            capabilities: session.map_or_else(CapabilitiesView::default, |session| CapabilitiesView {
                local: session.negotiated.local_capabilities.iter().map(capability).collect(),
                remote: session.negotiated.peer_capabilities.iter().map(capability).collect(),
            }),
            md5: intent.password.is_some(),
            ttl_security: intent.ttl_security.is_some(),
            passive: intent.passive,
            import: intent.import.to_string(),
            export: intent.export.to_string(),
            flaps: stats.flaps,
            drain: peering.drained.map(super::drain::stage),
            bfd: self.bfd_view(peering, now),
            graceful_restart: self.peer_restart_view(id, peering, now),
            rtt_seconds: None,
            last_error: stats
                .last_error
                .as_ref()
                .map(|error| last_error(error, intent.password.is_some(), now)),
        })
    }

    /// Says that nobody has this name, and which names there are.
    #[must_use]
    pub fn no_such_peer(&self, name: &str) -> ErrorView {
        let known: Vec<_> = self.by_name.keys().map(String::as_str).collect();
        ErrorView::new(ErrorCode::NotFound, format!("there is no peer '{name}'"))
            .with_hint(format!("the peers are: {}", known.join(", ")))
    }

    fn family_view(&self, id: PeerId, peering: &Peering, family: Family) -> PeerFamilyView {
        let counts = self.rib.counts(id, family).copied().unwrap_or_default();
        let session = peering.session.as_ref();
        let negotiated = peering.machine.session().map(|session| session.negotiated.families);
        let rejected = RejectReason::ALL.into_iter().filter_map(|reason| {
            let count = counts.standing(Standing::Rejected(reason));
            let words = words::rejected(reason);
            let view = RejectedView { code: words.code, text: words.text, count: count.into() };
            (count > 0).then_some(view)
        });
        PeerFamilyView {
            family: super::family(family),
            negotiated: negotiated.is_some_and(|families| families.contains(family)),
            end_of_rib_received: session.is_some_and(|session| session.end_of_rib_received.contains(family)),
            end_of_rib_sent: session.is_some_and(|session| session.end_of_rib_sent.contains(family)),
            received: counts.received().into(),
            accepted: counts.accepted().into(),
            best: (counts.standing(Standing::Best) + counts.standing(Standing::Multipath)).into(),
            advertised: counts.advertised.into(),
            stale: self.rib.stale(id)[family as usize].into(),
            rejected: rejected.collect(),
            max_prefixes: peering.intent.max_prefixes.map(Into::into),
        }
    }
}

fn local_address(session: &Session, peer: IpAddr) -> Option<IpAddr> {
    match peer {
        IpAddr::V4(_) => session.end.ipv4.map(IpAddr::V4),
        IpAddr::V6(address) if address.is_unicast_link_local() => session.end.link_local.map(IpAddr::V6),
        IpAddr::V6(_) => session.end.ipv6.map(IpAddr::V6),
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
    let retry = machine.deadline(Timer::IdleHold).or_else(|| machine.deadline(Timer::ConnectRetry));
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

fn capability(capability: &Capability) -> String {
    let code = |code: bgp::family::AfiSafi| match Family::from_code(code) {
        Some(family) => family.to_string(),
        None => format!("afi {} safi {}", code.afi, code.safi),
    };
    match capability {
        Capability::Multiprotocol(family) => format!("multiprotocol {}", code(*family)),
        Capability::RouteRefresh => "route refresh".to_owned(),
        Capability::ExtendedNextHop(entries) => {
            let entry = |entry: &bgp::capability::ExtendedNextHop| {
                format!("{} over afi {}", code(entry.family), entry.next_hop_afi)
            };
            format!("extended next hop {}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Capability::ExtendedMessage => "extended message".to_owned(),
        Capability::GracefulRestart(restart) => {
            let kept = restart.families.iter().map(|&(family, forwarding)| match forwarding {
                true => format!("{} (forwarding kept)", code(family)),
                false => code(family),
            });
            let kept: Vec<_> = kept.collect();
            match kept.is_empty() {
                true => "graceful restart: End-of-RIB only".to_owned(),
                false => {
                    let restarted = if restart.restarted { ", just restarted" } else { "" };
                    format!("graceful restart {} s{restarted}: {}", restart.restart_time, kept.join(", "))
                }
            }
        }
        Capability::LongLivedGracefulRestart(families) => {
            let kept = families.iter().map(|kept| format!("{} {} s", code(kept.family), kept.stale_time));
            match families.is_empty() {
                true => "long-lived graceful restart: helper only".to_owned(),
                false => format!("long-lived graceful restart: {}", kept.collect::<Vec<_>>().join(", ")),
            }
        }
        Capability::FourOctetAsn(asn) => format!("4-octet AS {asn}"),
        Capability::Unknown { code, value } => format!("code {code}, {} octets", value.len()),
    }
}
