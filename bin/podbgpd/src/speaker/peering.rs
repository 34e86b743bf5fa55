//! One peer: what is intended of it, its state machine, and what its session has come to.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use bgp::fsm::{ConnId, Peer, PeerSettings};
use bgp::wire::{CodecContext, Disposition, Offence};
use bgp::{Asn, Family, FamilySet, Negotiated, NextHop};
use rib::{NextHopSelf, PeerInfo, RibSettings};

use super::graceful::{Absence, Grace, Terms};
use super::limits::Excess;
use super::opening::capabilities;
use crate::addresses::LocalEnd;
use crate::drain::Stage;
use crate::intent::{Export, Import, Intent, PeerIntent, Weights};
use crate::transport::{Endpoint, Place, Signing};

/// A configured peer.
pub(super) struct Peering {
    pub(super) intent: PeerIntent,
    pub(super) machine: Peer,
    /// Where the peer is, once that is known, and when its link last told.
    pub(super) place: Option<Place>,
    pub(super) heard: Option<Instant>,
    /// Our end of each connection.
    pub(super) ends: BTreeMap<ConnId, LocalEnd>,
    pub(super) session: Option<Session>,
    /// What is kept of it since its last session was lost, and what came of that the last time.
    pub(super) grace: Option<Grace>,
    pub(super) last_absence: Option<Absence>,
    /// How often it came back while its routes were kept.
    pub(super) restarts: u64,
    /// The AS its OPEN named last.
    pub(super) learned_asn: Option<Asn>,
    /// Families with nearly as many prefixes as allowed, and what follows once there were more.
    pub(super) near_limit: FamilySet,
    pub(super) excess: Option<Excess>,
    /// Whether an operator holds the peer down, beyond what the intent says.
    pub(super) held_down: bool,
    /// How far the peer is drained.
    pub(super) drained: Option<Stage>,
    /// UPDATEs that were treated as withdrawals, and attributes that were discarded (RFC 7606 §2).
    pub(super) treated_as_withdraw: u64,
    pub(super) attributes_discarded: u64,
    /// Paths that were not taken in, since the peer has as many of their prefixes as it may (RFC 7911).
    pub(super) surplus_paths: u64,
}

/// What is known while the session is up.
pub(super) struct Session {
    pub(super) end: LocalEnd,
    pub(super) end_of_rib_received: FamilySet,
    pub(super) end_of_rib_sent: FamilySet,
    /// What becomes of its routes when it ends.
    pub(super) terms: Terms,
    /// The families the peer is saying everything of again, and until when it may (RFC 7313).
    pub(super) refreshing: BTreeMap<Family, Instant>,
}

/// What our OPEN says of our own restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether we have restarted and have not heard everything yet (the R bit).
    pub(super) restarted: bool,
    /// Whether packets were forwarded all the while (the F bits).
    pub(super) forwarding: bool,
}

impl Peering {
    pub(super) fn new(intent: PeerIntent, node: &Intent, standing: Standing) -> Self {
        Self {
            machine: Peer::new(settings(&intent, node, standing)),
            place: intent.interface.is_none().then(|| intent.address.into()),
            heard: None,
            ends: BTreeMap::new(),
            session: None,
            grace: None,
            last_absence: None,
            restarts: 0,
            learned_asn: None,
            near_limit: FamilySet::NONE,
            excess: None,
            held_down: false,
            drained: None,
            treated_as_withdraw: 0,
            attributes_discarded: 0,
            surplus_paths: 0,
            intent,
        }
    }

    pub(super) fn name(&self) -> String {
        self.intent.name.clone()
    }

    /// Returns where the peer is; while that is not known, what the intent says of it.
    pub(super) fn whereabouts(&self) -> Place {
        self.place.unwrap_or(self.intent.address.into())
    }

    /// Says how connections with the peer are made.
    pub(super) fn endpoint(&self, node: &Intent) -> Endpoint {
        let peer = &self.intent;
        Endpoint {
            remote: self.whereabouts().with_port(peer.port),
            local: peer.local_address,
            send_ttl: node.ttl(peer),
            minimum_ttl: peer.min_ttl().unwrap_or(0),
            signing: Signing::of(peer),
        }
    }

    /// Returns the peer's AS, towards which we are `local`, if its OPEN or the file says it.
    pub(super) fn asn(&self, local: Asn) -> Option<Asn> {
        let learned = self.learned_asn.filter(|&asn| self.intent.asn.admits(asn, local));
        learned.or(self.intent.asn.known(local))
    }

    /// Tells whether there should be a session.
    pub(super) fn is_wanted(&self) -> bool {
        !(self.intent.shutdown || self.held_down || self.drained == Some(Stage::Closed))
    }

    /// Tells whether the peer has sent End-of-RIB for every family of the session.
    pub(super) fn has_told_all(&self) -> bool {
        let negotiated = self.machine.session().map(|session| session.negotiated.families);
        match (&self.session, negotiated) {
            (Some(session), Some(families)) => {
                families.iter().all(|family| session.end_of_rib_received.contains(family))
            }
            _ => false,
        }
    }

    /// Counts an offence.
    pub(super) fn offend(&mut self, offence: &Offence) {
        match offence.disposition {
            Disposition::TreatAsWithdraw => self.treated_as_withdraw += 1,
            Disposition::DiscardAttribute => self.attributes_discarded += 1,
            // Nothing was lost, or the session is and says so itself.
            Disposition::Accept | Disposition::Reset => {}
        }
    }

    /// Tells whether AIGP is said and heard: by default within our AS only (RFC 7311 §3.3).
    pub(super) fn says_aigp(&self, internal: bool) -> bool {
        self.intent.aigp.unwrap_or(internal)
    }

    /// Begins a session and returns what the tables must know of it.
    pub(super) fn established(&mut self, negotiated: &Negotiated, node: &Intent) -> PeerInfo {
        let connection = self.machine.session().map(|session| session.connection);
        let end = connection.and_then(|conn| self.ends.get(&conn)).copied().unwrap_or_default();
        let role = node.restart_role(&self.intent);
        self.learned_asn = Some(negotiated.peer_asn);
        self.near_limit = FamilySet::NONE;
        let place = self.whereabouts();
        self.session = Some(Session {
            end,
            end_of_rib_received: FamilySet::NONE,
            end_of_rib_sent: FamilySet::NONE,
            terms: Terms::agreed(negotiated, role, &node.graceful_restart),
            refreshing: BTreeMap::new(),
        });
        PeerInfo {
            asn: negotiated.peer_asn,
            local_asn: negotiated.local_asn,
            bgp_id: negotiated.peer_id,
            role: negotiated.role,
            families: negotiated.families,
            next_hop_self: next_hop_self(&end, place, negotiated),
            extended_next_hop: negotiated.extended_next_hop,
            add_path: self.intent.add_path.of_tables(negotiated.add_path_send),
            long_lived: negotiated
                .long_lived
                .iter()
                .filter_map(|entry| Family::from_code(entry.family))
                .collect(),
            aigp: self.says_aigp(negotiated.is_internal()),
            codec: negotiated.into(),
            ..self.intended(node)
        }
    }

    /// Returns what the tables would know of the peer, as far as that can be told before there is a session: its
    /// identifier, our own address, and an AS the file does not name, which only a session tells, are stood in for.
    pub(super) fn intended(&self, node: &Intent) -> PeerInfo {
        let (peer, place) = (&self.intent, self.whereabouts());
        let local_asn = node.local_asn(peer);
        PeerInfo {
            // An external peer is in any AS but ours: in none will do.
            asn: self.asn(local_asn).unwrap_or_default(),
            local_asn,
            own_as: node.own_as(peer),
            bgp_id: node.node.router_id,
            address: place.address,
            interface: place.interface,
            link: peer.interface.as_deref().map(Arc::from),
            families: peer.families,
            next_hop_self: NextHopSelf {
                ipv4: Some(NextHop::V4(Ipv4Addr::UNSPECIFIED)),
                ipv6: Some(NextHop::from(IpAddr::from(Ipv6Addr::UNSPECIFIED))),
            },
            extended_next_hop: FamilySet::NONE,
            import: Arc::new(import(peer)),
            export: Arc::new(export(peer)),
            max_prefixes: peer.max_prefixes,
            role: peer.role,
            client: peer.client,
            next_hop: peer.next_hop,
            add_path: rib::AddPath::default(),
            long_lived: FamilySet::NONE,
            enforce_first_as: true,
            graceful_shutdown: peer.graceful_shutdown,
            drain: None,
            blackhole: peer.blackhole,
            link_bandwidth: peer.link_bandwidth,
            aigp: self.says_aigp(self.asn(local_asn) == Some(local_asn)),
            codec: CodecContext::before_open(),
        }
    }
}

/// Makes the settings of a peer's state machine.
pub(super) fn settings(peer: &PeerIntent, node: &Intent, standing: Standing) -> PeerSettings {
    PeerSettings {
        local_asn: node.local_asn(peer),
        peer_asn: peer.asn,
        bgp_id: node.node.router_id,
        hold_time: peer.hold_time,
        keepalive: peer.keepalive,
        connect_retry: peer.connect_retry,
        passive: peer.passive,
        send_hold: peer.send_hold,
        capabilities: capabilities(peer, node, standing),
        role_strict: peer.role_strict,
        jitter_seed: jitter_seed(node, peer),
    }
}

/// Makes the settings of the tables.
pub(super) fn rib_settings(intent: &Intent) -> RibSettings {
    RibSettings {
        max_paths: intent.fib.max_paths.into(),
        multipath_relax: intent.decision.multipath_relax,
        always_compare_med: intent.decision.always_compare_med,
        resolve: intent.fib.install,
        cluster_id: intent.node.cluster_id,
        weigh: intent.fib.weights == Weights::LinkBandwidth,
        ..RibSettings::new(intent.node.router_id)
    }
}

/// Says what import means to the tables.
pub(super) fn import(peer: &PeerIntent) -> rib::Import {
    let (longest_ipv4, longest_ipv6) = (peer.max_length_ipv4, peer.max_length_ipv6);
    let safe = rib::import::Safe { longest_ipv4, longest_ipv6 };
    match &peer.import {
        Import::Safe => rib::Import::Safe(safe),
        Import::All => rib::Import::All,
        Import::None => rib::Import::None,
        Import::Policy(policy) => rib::Import::Policy(policy.as_ref().clone()),
        Import::Guarded(policy) => rib::Import::Guarded(safe, policy.as_ref().clone()),
    }
}

/// Says what export means to the tables.
pub(super) fn export(peer: &PeerIntent) -> rib::Export {
    match &peer.export {
        Export::Originated => rib::Export::Originated,
        Export::All => rib::Export::All,
        Export::None => rib::Export::None,
        Export::Policy(policy) => rib::Export::Policy(policy.as_ref().clone()),
    }
}

/// Says what the kernel's word on a next hop means to the tables.
pub(super) fn resolution(resolution: &fib::Resolution) -> rib::Resolution {
    match resolution {
        fib::Resolution::OnLink { interface } => rib::Resolution::OnLink { interface: Some(*interface) },
        fib::Resolution::Via { gateways } => {
            let gateway = |gateway: &fib::Gateway| rib::Gateway {
                address: gateway.address,
                interface: Some(gateway.interface),
                onlink: false,
            };
            rib::Resolution::Via { gateways: gateways.iter().map(gateway).collect(), metric: 1 }
        }
        // A route whose next hop is this very node leads nowhere.
        fib::Resolution::Local | fib::Resolution::Unreachable { .. } => rib::Resolution::Unreachable,
    }
}

/// What a kernel route has to be, for what the tables decided.
pub(super) fn target(forwarding: rib::Forwarding) -> Option<fib::Target> {
    match forwarding {
        rib::Forwarding::Blackhole => Some(fib::Target::Blackhole),
        rib::Forwarding::Via(gateways) => {
            fib::NextHopSet::new(gateways.into_iter().map(next_hop)).map(fib::Target::Forward)
        }
        rib::Forwarding::Weighted(shares) => {
            let share =
                |share: rib::Weighted| fib::NextHop { weight: share.weight, ..next_hop(share.gateway) };
            fib::NextHopSet::new(shares.into_iter().map(share)).map(fib::Target::Forward)
        }
    }
}

/// Says what a gateway is to the kernel.
pub(super) fn next_hop(gateway: rib::Gateway) -> fib::NextHop {
    match gateway.interface {
        Some(interface) if gateway.onlink => fib::NextHop::onlink(gateway.address, interface),
        Some(interface) => fib::NextHop::via_interface(gateway.address, interface),
        None => fib::NextHop::via(gateway.address),
    }
}

/// Spreads the timers of a rack's nodes, which all see their TOR come back at the same moment.
fn jitter_seed(node: &Intent, peer: &PeerIntent) -> u64 {
    let address = match peer.address {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits() as u64,
    };
    let link = peer.interface.iter().flat_map(|name| name.bytes());
    let address = link.fold(address, |seed, octet| seed.rotate_left(7) ^ u64::from(octet));
    u64::from(node.node.router_id.to_ipv4().to_bits()) << 32 ^ address
}

fn next_hop_self(end: &LocalEnd, peer: Place, negotiated: &Negotiated) -> NextHopSelf {
    let extended = negotiated.extended_next_hop;
    // A peer we know by a link-local address reaches that one of ours, and one of another interface perhaps.
    let global = end.ipv6.filter(|_| !(peer.interface.is_some() && end.ipv6_elsewhere));
    let ipv6 = match (global, end.link_local) {
        (Some(global), link_local) => Some(NextHop::V6 { global, link_local }),
        (None, Some(global)) if negotiated.link_local_next_hop => {
            Some(NextHop::V6 { global, link_local: None })
        }
        // Who does not say that 16 octets will do understands it twice (RFC 2545 §3 has no better word).
        (None, Some(global)) => Some(NextHop::V6 { global, link_local: Some(global) }),
        (None, None) => None,
    };
    let ipv4 = end.ipv4.map(NextHop::V4);
    let over_ipv6 = ipv6.filter(|_| extended.contains(Family::Ipv4));
    // The peer reaches the address of its session for sure, and one of another interface perhaps.
    let ipv4 = if end.ipv4_elsewhere { over_ipv6.or(ipv4) } else { ipv4.or(over_ipv6) };
    NextHopSelf { ipv4, ipv6 }
}

#[cfg(test)]
mod tests {
    use bgp::Asn;

    use super::*;

    fn end() -> LocalEnd {
        LocalEnd {
            ipv4: Some([10, 0, 0, 7].into()),
            ipv4_elsewhere: false,
            ipv6: Some("fd00::7".parse().unwrap()),
            ipv6_elsewhere: false,
            link_local: Some("fe80::7".parse().unwrap()),
        }
    }

    fn negotiated(extended_next_hop: FamilySet, link_local_next_hop: bool) -> Negotiated {
        let open = bgp::Open {
            asn: Asn(65001),
            hold_time: bgp::HoldTime::default(),
            bgp_id: bgp::BgpId::new([192, 0, 2, 1].into()).unwrap(),
            capabilities: Vec::new(),
        };
        Negotiated { extended_next_hop, link_local_next_hop, ..Negotiated::between(&open, &open) }
    }

    fn somewhere() -> Place {
        IpAddr::from([10, 0, 0, 1]).into()
    }

    fn on_link() -> Place {
        Place::on_link("fe80::1".parse().unwrap(), 3)
    }

    #[test]
    fn ipv4_routes_go_over_ipv6_where_ipv4_is_none_of_the_links() {
        let both = FamilySet::ALL;
        let of = |end: &LocalEnd, extended| {
            let next_hop = next_hop_self(end, somewhere(), &negotiated(extended, false));
            next_hop.ipv4.map(|hop| hop.address())
        };
        let (ipv4, ipv6) = (Some("10.0.0.7".parse().unwrap()), Some("fd00::7".parse().unwrap()));
        assert_eq!(of(&end(), both), ipv4);
        let elsewhere = LocalEnd { ipv4_elsewhere: true, ..end() };
        assert_eq!(of(&elsewhere, both), ipv6);
        assert_eq!(of(&elsewhere, FamilySet::NONE), ipv4);
        let without = LocalEnd { ipv4: None, ..end() };
        assert_eq!(of(&without, both), ipv6);
        assert_eq!(of(&without, FamilySet::NONE), None);
    }

    #[test]
    fn a_link_without_a_global_address_is_reached_by_its_link_local_one() {
        let end = LocalEnd { ipv6: None, ..end() };
        let next_hop = |alone| next_hop_self(&end, on_link(), &negotiated(FamilySet::NONE, alone)).ipv6;
        let global = "fe80::7".parse().unwrap();
        assert_eq!(next_hop(false), Some(NextHop::V6 { global, link_local: Some(global) }));
        assert_eq!(next_hop(true), Some(NextHop::V6 { global, link_local: None }));
    }

    #[test]
    fn a_peer_known_by_its_link_is_not_sent_to_another_one() {
        let end = LocalEnd { ipv6_elsewhere: true, ipv4_elsewhere: true, ..end() };
        let of = |place| next_hop_self(&end, place, &negotiated(FamilySet::ALL, true));
        let alone = NextHop::V6 { global: "fe80::7".parse().unwrap(), link_local: None };
        assert_eq!((of(on_link()).ipv4, of(on_link()).ipv6), (Some(alone), Some(alone)));
        assert_eq!(of(somewhere()).ipv6.map(|hop| hop.address()), Some("fd00::7".parse().unwrap()));
    }
}
