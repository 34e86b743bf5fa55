//! What the two OPENs must agree on beyond the AS: roles, and what a ROUTE-REFRESH may say.

use super::*;
use crate::Role;

fn with(settings: PeerSettings, capabilities: &[Capability]) -> PeerSettings {
    let capabilities = [&settings.capabilities[..], capabilities].concat();
    PeerSettings { capabilities, ..settings }
}

/// What becomes of a connection on which both sides say these.
fn outcome(ours: &[Capability], strict: bool, theirs: &[Capability]) -> (String, Stage) {
    let mut stage = Stage::new();
    let settings = PeerSettings { role_strict: strict, ..settings(US, THEM, 1) };
    stage.peer = Peer::new(with(settings, ours));
    stage.handle(Event::Start);
    stage.handle(Event::Connected(stage.id));
    let actions = stage.receive(&Message::Open(with(super::settings(THEM, US, 2), theirs).open()));
    (told(stage.peer.state(), &actions), stage)
}

#[test]
fn roles_that_do_not_go_together_are_refused() {
    let role = |role: Role| Capability::Role(role.code());
    let met = |ours: &[Capability], strict, theirs: &[Capability]| outcome(ours, strict, theirs).0;
    let (fine, refused) = ("OpenConfirm KEEPALIVE", "Idle 2/11 close");
    assert_eq!(met(&[role(Role::Customer)], false, &[role(Role::Provider)]), fine);
    assert_eq!(met(&[role(Role::Customer)], false, &[role(Role::Customer)]), refused);
    assert_eq!(met(&[role(Role::Peer)], false, &[Capability::Role(77)]), refused);
    assert_eq!(met(&[role(Role::Customer)], false, &[]), fine);
    assert_eq!(met(&[role(Role::Customer)], true, &[]), refused);
    // Who says none of its own cannot tell.
    assert_eq!(met(&[], true, &[role(Role::Customer)]), fine);
    assert_eq!(met(&[], true, &[role(Role::Peer), role(Role::Customer)]), fine);
}

#[test]
fn brackets_are_heard_only_where_both_sides_know_them() {
    let enhanced = [Capability::EnhancedRouteRefresh];
    let heard = |ours: &[Capability], theirs: &[Capability], subtype| {
        let (_, mut stage) = outcome(ours, false, theirs);
        stage.receive(&Message::Keepalive);
        let refresh = RouteRefresh { family: Family::Ipv4.code(), subtype };
        let actions = stage.receive(&Message::RouteRefresh(refresh));
        assert_eq!(stage.peer.state(), State::Established);
        told(stage.peer.state(), &actions) == "Established asked"
    };
    for subtype in [RouteRefresh::BEGINNING, RouteRefresh::END] {
        assert!(heard(&enhanced, &enhanced, subtype));
        assert!(!heard(&enhanced, &[], subtype));
        assert!(!heard(&[], &enhanced, subtype));
    }
    assert!(heard(&[], &[], RouteRefresh::REQUEST));
    assert!(!heard(&enhanced, &enhanced, 3), "nobody knows subtype 3 (RFC 7313 §5)");
}
