//! Roles: which routes may go on to whom, by ONLY_TO_CUSTOMER (RFC 9234 §5).
//!
//! Once a route has gone down to a customer or across to a peer it may only go further down. The attribute says so,
//! put there by whichever side of the border knows its role; a route that carries it and still comes from below has
//! leaked. The RFC limits this to IPv4 and IPv6 unicast, the only families there are here. No policy has a say in it.

use bgp::{Asn, PathAttributes, Role};

use crate::export::Withheld;
use crate::import::RejectReason;
use crate::peer::PeerInfo;
use crate::update_group::ExportView;

/// Judges a route that comes in, and returns the attribute it has to have but lacks.
pub(crate) fn ingress(peer: &PeerInfo, attributes: &PathAttributes) -> Result<Option<Asn>, RejectReason> {
    let Some(role) = role(peer) else { return Ok(None) };
    match (role.counterpart(), attributes.rare.only_to_customer) {
        (Role::Customer | Role::RouteServerClient, Some(_)) => Err(RejectReason::RouteLeak),
        (Role::Peer, Some(asn)) if asn != peer.asn => Err(RejectReason::RouteLeak),
        (Role::Provider | Role::Peer | Role::RouteServer, None) => Ok(Some(peer.asn)),
        _ => Ok(None),
    }
}

/// Tells whether a route may go out.
pub(crate) fn may_go(peer: &ExportView, attributes: &PathAttributes) -> Result<(), Withheld> {
    let upwards = peer
        .role
        .is_some_and(|role| matches!(role.counterpart(), Role::Provider | Role::Peer | Role::RouteServer));
    if upwards && attributes.rare.only_to_customer.is_some() { Err(Withheld::OnlyToCustomer) } else { Ok(()) }
}

/// Gives a route that goes out the attribute it has to have, if it lacks it.
pub(crate) fn egress(peer: &ExportView, attributes: &mut PathAttributes) {
    let marks = peer.role.is_some_and(|role| {
        matches!(role.counterpart(), Role::Customer | Role::Peer | Role::RouteServerClient)
    });
    if marks && attributes.rare.only_to_customer.is_none() {
        attributes.rare.edit(|rare| rare.only_to_customer = Some(peer.local_asn));
    }
}

/// Roles are between ASes.
fn role(peer: &PeerInfo) -> Option<Role> {
    peer.role.filter(|_| peer.is_external())
}
