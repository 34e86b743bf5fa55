//! Capabilities, and what two speakers make of each other's.

use std::time::Duration;

use bytes::Bytes;

use crate::family::AfiSafi;
use crate::{Asn, BgpId, Family, FamilySet, HoldTime, Open};

/// Something a speaker can do (RFC 5492).
///
/// <https://www.iana.org/assignments/capability-codes>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    /// Carries routes of a family (code 1, RFC 4760 §8).
    Multiprotocol(AfiSafi),
    /// Answers ROUTE-REFRESH (code 2, RFC 2918).
    RouteRefresh,
    /// Takes next hops of another family than the routes (code 5, RFC 8950 §4).
    ExtendedNextHop(Vec<ExtendedNextHop>),
    /// Takes messages of up to 65535 octets (code 6, RFC 8654).
    ExtendedMessage,
    /// Preserves forwarding over a restart, and sends End-of-RIB (code 64, RFC 4724 §3).
    GracefulRestart(GracefulRestart),
    /// Has its routes kept for long after a loss, as the least preferred (code 71, RFC 9494 §3.1).
    LongLivedGracefulRestart(Vec<LongLived>),
    /// Speaks 4-octet AS numbers; this is its own (code 65, RFC 6793 §3).
    FourOctetAsn(Asn),
    /// Anything else, kept as it came.
    Unknown {
        /// The capability code.
        code: u8,
        /// The capability value.
        value: Bytes,
    },
}

/// One entry of the Extended Next Hop Encoding capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExtendedNextHop {
    /// The family of the routes. Its SAFI is two octets in this capability; no known value needs them.
    pub family: AfiSafi,
    /// The address family of their next hop.
    pub next_hop_afi: u16,
}

/// The Graceful Restart capability. Without families it says only that End-of-RIB will be sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GracefulRestart {
    /// The sender has restarted and not yet heard everything (the R bit).
    pub restarted: bool,
    /// The sender keeps forwarding through a NOTIFICATION too (the N bit, RFC 8538).
    pub notification: bool,
    /// How long to wait for the session to come back, in seconds: 12 bits.
    pub restart_time: u16,
    /// For each family kept over a restart, whether forwarding really was preserved (the F bit).
    pub families: Vec<(AfiSafi, bool)>,
}

/// One family of the Long-Lived Graceful Restart capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LongLived {
    /// The family kept.
    pub family: AfiSafi,
    /// Whether forwarding really was preserved (the F bit).
    pub forwarding: bool,
    /// How long its routes are kept once the restart time has run out, in seconds: 24 bits.
    pub stale_time: u32,
}

/// What a session is, once each side has seen the other's OPEN.
///
/// Exists only after both OPENs, so nobody can ask for the peer's AS before the peer has said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Our AS as this peer sees it.
    pub local_asn: Asn,
    /// The peer's AS.
    pub peer_asn: Asn,
    /// Our identifier.
    pub local_id: BgpId,
    /// The peer's identifier.
    pub peer_id: BgpId,
    /// The smaller of the two hold times.
    pub hold_time: HoldTime,
    /// The families both carry.
    pub families: FamilySet,
    /// Whether AS numbers take four octets on this session.
    pub four_octet_asn: bool,
    /// Whether messages may be 65535 octets long; both must say so (RFC 8654 §4).
    pub extended_messages: bool,
    /// Whether the peer answers ROUTE-REFRESH and expects us to.
    pub route_refresh: bool,
    /// The families whose routes may have an IPv6 next hop where IPv4 would be usual (RFC 8950).
    pub extended_next_hop: FamilySet,
    /// What the peer says about restarts, if it says anything.
    pub graceful_restart: Option<GracefulRestart>,
    /// How long the peer wants its routes kept beyond a restart. Nothing unless it speaks of restarts too
    /// (RFC 9494 §4.1).
    pub long_lived: Vec<LongLived>,
    /// Whether routes survive a NOTIFICATION and a silence, other than a Hard Reset: both sides set the N bit
    /// (RFC 8538 §4).
    pub notification_keeps: bool,
    /// All we offered.
    pub local_capabilities: Vec<Capability>,
    /// All the peer offered.
    pub peer_capabilities: Vec<Capability>,
}

impl Negotiated {
    /// Finds the common ground of two OPENs.
    ///
    /// A speaker that names no family at all carries IPv4 (RFC 4760 §8).
    #[must_use]
    pub fn between(ours: &Open, theirs: &Open) -> Self {
        let both = |capability: &Capability| {
            ours.capabilities.contains(capability) && theirs.capabilities.contains(capability)
        };
        let speaks_four_octets = |open: &Open| {
            open.capabilities.iter().any(|capability| matches!(capability, Capability::FourOctetAsn(_)))
        };
        let graceful_restart = graceful_restart(theirs);
        let keeps = |restart: Option<&GracefulRestart>| restart.is_some_and(|restart| restart.notification);
        Self {
            local_asn: ours.asn,
            peer_asn: theirs.asn,
            local_id: ours.bgp_id,
            peer_id: theirs.bgp_id,
            hold_time: ours.hold_time.negotiate(theirs.hold_time),
            families: families(ours).intersection(families(theirs)),
            four_octet_asn: speaks_four_octets(ours) && speaks_four_octets(theirs),
            extended_messages: both(&Capability::ExtendedMessage),
            route_refresh: both(&Capability::RouteRefresh),
            extended_next_hop: extended_next_hop(ours).intersection(extended_next_hop(theirs)),
            long_lived: if graceful_restart.is_some() { long_lived(theirs) } else { Vec::new() },
            notification_keeps: keeps(self::graceful_restart(ours).as_ref())
                && keeps(graceful_restart.as_ref()),
            graceful_restart,
            local_capabilities: ours.capabilities.clone(),
            peer_capabilities: theirs.capabilities.clone(),
        }
    }

    /// Tells whether the peer is in our own AS.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.local_asn == self.peer_asn
    }

    /// Returns how long the session lives without a word from the peer.
    #[must_use]
    pub fn hold(&self) -> Option<Duration> {
        self.hold_time.hold()
    }
}

fn families(open: &Open) -> FamilySet {
    let mut named = open.capabilities.iter().filter_map(|capability| match capability {
        Capability::Multiprotocol(code) => Some(*code),
        _ => None,
    });
    match named.next() {
        None => FamilySet::from_iter([Family::Ipv4]),
        Some(first) => std::iter::once(first).chain(named).filter_map(Family::from_code).collect(),
    }
}

/// Finds the capability; of several the last counts (RFC 4724 §3).
fn graceful_restart(open: &Open) -> Option<GracefulRestart> {
    open.capabilities.iter().rev().find_map(|capability| match capability {
        Capability::GracefulRestart(restart) => Some(restart.clone()),
        _ => None,
    })
}

fn long_lived(open: &Open) -> Vec<LongLived> {
    let found = open.capabilities.iter().rev().find_map(|capability| match capability {
        Capability::LongLivedGracefulRestart(families) => Some(families.clone()),
        _ => None,
    });
    found.unwrap_or_default()
}

fn extended_next_hop(open: &Open) -> FamilySet {
    open.capabilities
        .iter()
        .flat_map(|capability| match capability {
            Capability::ExtendedNextHop(entries) => entries.as_slice(),
            _ => &[],
        })
        .filter(|entry| entry.next_hop_afi == Family::Ipv6.code().afi)
        .filter_map(|entry| Family::from_code(entry.family))
        .filter(|&family| family == Family::Ipv4)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn open(asn: u32, capabilities: Vec<Capability>) -> Open {
        Open {
            asn: Asn(asn),
            hold_time: HoldTime::default(),
            bgp_id: BgpId::new(Ipv4Addr::from_bits(asn)).unwrap(),
            capabilities,
        }
    }

    #[test]
    fn a_speaker_that_names_no_family_carries_ipv4() {
        let ours = open(1, Family::ALL.map(|family| Capability::Multiprotocol(family.code())).to_vec());
        let negotiated = Negotiated::between(&ours, &open(2, vec![]));
        assert_eq!(negotiated.families, FamilySet::from_iter([Family::Ipv4]));
        assert!(!negotiated.four_octet_asn);
        assert!(!negotiated.is_internal());
    }

    #[test]
    fn a_speaker_that_names_only_families_we_do_not_know_shares_none_with_us() {
        let vpn = Capability::Multiprotocol(AfiSafi { afi: 1, safi: 128 });
        let negotiated = Negotiated::between(&open(1, vec![]), &open(2, vec![vpn]));
        assert!(negotiated.families.is_empty());
    }

    #[test]
    fn a_capability_counts_only_when_both_have_it() {
        let with = open(1, vec![Capability::ExtendedMessage, Capability::RouteRefresh]);
        let without = open(1, vec![Capability::RouteRefresh]);
        let negotiated = Negotiated::between(&with, &without);
        assert!(!negotiated.extended_messages);
        assert!(negotiated.route_refresh);
        assert!(negotiated.is_internal());
    }

    #[test]
    fn routes_survive_a_notification_only_when_both_set_the_n_bit() {
        let restart = |notification| {
            let (restarted, restart_time, families) = (false, 120, vec![]);
            Capability::GracefulRestart(GracefulRestart { restarted, notification, restart_time, families })
        };
        let keeps = |ours, theirs| Negotiated::between(&open(1, ours), &open(2, theirs)).notification_keeps;
        assert!(keeps(vec![restart(true)], vec![restart(true)]));
        assert!(!keeps(vec![restart(true)], vec![restart(false)]));
        assert!(!keeps(vec![restart(false)], vec![restart(true)]));
        assert!(!keeps(vec![restart(true)], vec![]));
        assert!(!keeps(vec![], vec![restart(true)]));
    }

    #[test]
    fn long_lived_restart_counts_only_beside_graceful_restart() {
        let kept = LongLived { family: Family::Ipv4.code(), forwarding: true, stale_time: 3600 };
        let long_lived = Capability::LongLivedGracefulRestart(vec![kept]);
        let restart = Capability::GracefulRestart(GracefulRestart {
            restarted: false,
            notification: false,
            restart_time: 0,
            families: vec![],
        });
        let of = |theirs| Negotiated::between(&open(1, vec![]), &open(2, theirs)).long_lived;
        assert_eq!(of(vec![long_lived.clone(), restart]), [kept]);
        assert_eq!(of(vec![long_lived]), []);
    }

    #[test]
    fn ipv4_over_ipv6_needs_both_sides() {
        let entry = ExtendedNextHop { family: Family::Ipv4.code(), next_hop_afi: 2 };
        let with = open(1, vec![Capability::ExtendedNextHop(vec![entry])]);
        assert!(Negotiated::between(&with, &with).extended_next_hop.contains(Family::Ipv4));
        assert!(Negotiated::between(&with, &open(2, vec![])).extended_next_hop.is_empty());
    }
}
