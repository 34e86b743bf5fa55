use bgp::Role;
use control::PeerState;
use podbgpd::intent::{Export, Intent};

use crate::world::World;
use crate::{SOON, blocks, name, node_with_peers};

fn role(intent: &mut Intent, peer: u8, role: Role) {
    intent.peers.get_mut(&name(peer)).expect("a peer").role = Some(role);
}

/// A node between two that exports all it has, with a role to each.
fn middle(to_first: Role, to_third: Role) -> World {
    let (mut first, mut third) = (node_with_peers(1, &[2]), node_with_peers(3, &[2]));
    role(&mut first, 2, to_first.counterpart());
    role(&mut third, 2, to_third.counterpart());
    let mut middle = node_with_peers(2, &[1, 3]);
    middle.peers.values_mut().for_each(|peer| peer.export = Export::All);
    role(&mut middle, 1, to_first);
    role(&mut middle, 3, to_third);
    let mut world = World::new([first, middle, third]);
    world.run(SOON);
    world
}

#[test]
fn a_customer_of_two_providers_is_no_way_between_them() {
    let world = middle(Role::Customer, Role::Customer);
    assert_eq!(world.prefixes(3, 2), blocks(2));
    let route = world.route(2, blocks(1)[0]);
    assert_eq!(route.candidates[0].attributes.only_to_customer, Some(64_501));
    let told = route.told.expect("who was told");
    let third = told.iter().find(|told| told.peer == name(3)).expect("node 3");
    assert_eq!(third.reason.as_ref().map(|reason| reason.code.as_str()), Some("only_to_customer"));
}

#[test]
fn a_provider_goes_between_its_customers_and_marks_what_it_says() {
    let world = middle(Role::Provider, Role::Provider);
    let mut expected = [blocks(1), blocks(2)].concat();
    expected.sort();
    assert_eq!(world.prefixes(3, 2), expected);
    let route = world.route(3, blocks(1)[0]);
    assert_eq!(route.candidates[0].attributes.only_to_customer, Some(64_502));
}

#[test]
fn a_route_that_leaks_from_a_customer_is_refused() {
    // Node 2 knows its provider, node 1, and does not know that node 3 is another; node 3 does.
    let mut world = middle(Role::Customer, Role::Customer);
    world.reload(2, |intent| intent.peers.get_mut(&name(3)).expect("a peer").role = None).unwrap();
    world.run(SOON);
    assert_eq!(world.peer(3, 2).state, PeerState::Established);
    let leaked = world.rejected(3, 2);
    assert_eq!(leaked.iter().map(|route| route.prefix).collect::<Vec<_>>(), blocks(1));
    let reason = leaked[0].candidates[0].reason.as_ref().expect("a reason");
    assert_eq!(reason.code, "route_leak");
}

#[test]
fn two_customers_have_no_session_and_say_why() {
    let (mut one, mut two) = (node_with_peers(1, &[2]), node_with_peers(2, &[1]));
    role(&mut one, 2, Role::Customer);
    role(&mut two, 1, Role::Customer);
    let mut world = World::new([one, two]);
    world.run(SOON);
    assert_ne!(world.peer(1, 2).state, PeerState::Established);
    let said = [world.peer(1, 2), world.peer(2, 1)].map(|peer| peer.last_error.expect("an error").text);
    assert!(said.iter().any(|text| text.contains("so the peer must be provider")), "{said:?}");
}
