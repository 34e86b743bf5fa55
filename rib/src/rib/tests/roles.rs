//! Roles: what comes in, what goes out, and with which mark (RFC 9234 §5).

use bgp::Role;

use super::*;

const ROLES: [Role; 5] =
    [Role::Provider, Role::Customer, Role::Peer, Role::RouteServer, Role::RouteServerClient];

fn as_role(id: PeerId, role: Role) -> PeerInfo {
    PeerInfo { role: Some(role), ..peer(id) }
}

fn marked(asn: Option<u32>) -> PathAttributes {
    let mut said = attributes(&[65001], "192.0.2.1");
    said.rare.edit(|rare| rare.only_to_customer = asn.map(Asn));
    said
}

/// What TOR A's path becomes, as a peer to which we are this.
fn accepted(info: PeerInfo, said: PathAttributes) -> Result<Option<u32>, Standing> {
    let mut rib = rib();
    rib.peer_up(TOR_A, info);
    rib.update(TOR_A, announce(said, &["10.1.0.0/16"]), 1);
    rib.settle();
    let destination = rib.destination(&prefix("10.1.0.0/16")).unwrap();
    let path = destination.paths().next().unwrap();
    path.accepted().map(|path| path.rare.only_to_customer.map(|asn| asn.0)).ok_or(path.standing())
}

/// What an external peer is told of TOR A's path, or of our own block.
fn told(info: PeerInfo, said: Option<PathAttributes>) -> Result<Option<u32>, Withheld> {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.peer_up(TOR_B, info);
    match said {
        Some(said) => drop(rib.update(TOR_A, announce(said, &["10.1.0.0/16"]), 1)),
        None => rib.originate([Origination::of(prefix("10.1.0.0/16"))], 1),
    }
    rib.settle();
    rib.pull(TOR_B, 100);
    let told = rib.explain_export(TOR_B, &prefix("10.1.0.0/16"))?;
    Ok(told.rare.only_to_customer.map(|asn| asn.0))
}

#[test]
fn what_comes_down_or_across_is_marked_and_what_comes_up_marked_has_leaked() {
    let leak = Err(Standing::Rejected(RejectReason::RouteLeak));
    for ours in ROLES {
        let of = |mark| accepted(as_role(TOR_A, ours), marked(mark));
        let (plain, own, foreign) = (of(None), of(Some(65001)), of(Some(65099)));
        match ours.counterpart() {
            Role::Provider | Role::RouteServer => {
                assert_eq!(
                    (plain, own, foreign),
                    (Ok(Some(65001)), Ok(Some(65001)), Ok(Some(65099))),
                    "{ours}"
                );
            }
            Role::Peer => {
                assert_eq!((plain, own, foreign), (Ok(Some(65001)), Ok(Some(65001)), leak), "{ours}")
            }
            Role::Customer | Role::RouteServerClient => {
                assert_eq!((plain, own, foreign), (Ok(None), leak, leak), "{ours}");
            }
        }
    }
}

#[test]
fn what_is_marked_goes_down_only_and_what_goes_down_or_across_is_marked() {
    for ours in ROLES {
        let of = |said| told(as_role(TOR_B, ours), said);
        let (plain, own, already) = (of(Some(marked(None))), of(None), of(Some(marked(Some(65001)))));
        let withheld = Err(Withheld::OnlyToCustomer);
        match ours.counterpart() {
            Role::Customer | Role::RouteServerClient => {
                assert_eq!(
                    (plain, own, already),
                    (Ok(Some(65000)), Ok(Some(65000)), Ok(Some(65001))),
                    "{ours}"
                );
            }
            Role::Peer => {
                assert_eq!((plain, own, already), (Ok(Some(65000)), Ok(Some(65000)), withheld), "{ours}")
            }
            Role::Provider | Role::RouteServer => {
                assert_eq!((plain, own, already), (Ok(None), Ok(None), withheld), "{ours}");
            }
        }
    }
}

#[test]
fn without_a_role_and_inside_our_as_the_mark_only_travels() {
    assert_eq!(accepted(peer(TOR_A), marked(None)), Ok(None));
    assert_eq!(accepted(peer(TOR_A), marked(Some(65099))), Ok(Some(65099)));
    assert_eq!(told(peer(TOR_B), Some(marked(Some(65099)))), Ok(Some(65099)));
    let internal = PeerInfo { role: Some(Role::Customer), ..peer(INSIDE) };
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.peer_up(INSIDE, internal);
    rib.update(TOR_A, announce(marked(Some(65099)), &["10.1.0.0/16"]), 1);
    rib.settle();
    rib.pull(INSIDE, 100);
    let told = rib.explain_export(INSIDE, &prefix("10.1.0.0/16")).unwrap();
    assert_eq!(told.rare.only_to_customer, Some(Asn(65099)));
}
