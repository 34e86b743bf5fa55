use std::time::Duration;

use podbgpd::speaker::Notice;

use crate::world::World;
use crate::{SOON, blocks, node_with_peers};

fn converged(world: &mut World, number: u8) -> Option<bool> {
    world.node(number).notices.iter().find_map(|notice| match notice {
        Notice::Converged { deadline } => Some(*deadline),
        _ => None,
    })
}

#[test]
fn leftovers_may_go_once_every_peer_has_said_all() {
    let mut world =
        World::new([node_with_peers(1, &[2, 3]), node_with_peers(2, &[1]), node_with_peers(3, &[1])]);
    world.unplug(3);
    world.run(SOON);
    assert_eq!(converged(&mut world, 1), None, "node 3 has said nothing");
    assert!(!world.nodes[&1].speaker.has_converged());
    assert_eq!(converged(&mut world, 2), Some(false));

    world.act(1, |speaker, now, out| speaker.peer_down("node3", String::new(), now, out));
    assert_eq!(converged(&mut world, 1), Some(false), "nobody waits for a peer that is held down");
}

#[test]
fn a_peer_that_never_comes_is_waited_for_until_the_deadline() {
    let mut world = World::new([node_with_peers(1, &[2])]);
    world.run(Duration::from_secs(59));
    assert_eq!(converged(&mut world, 1), None);
    world.run(Duration::from_secs(1));
    assert_eq!(converged(&mut world, 1), Some(true));
    assert_eq!(world.node(1).kernel.commands.last(), Some(&"converged"));
}

#[test]
fn a_node_without_peers_has_nothing_to_wait_for() {
    let mut world = World::new([node_with_peers(1, &[])]);
    assert_eq!(converged(&mut world, 1), Some(false));
    assert_eq!(world.node(1).kernel.commands, ["apply", "converged"]);
}

#[test]
fn the_kernel_hears_every_route_before_that_leftovers_may_go() {
    let mut one = node_with_peers(1, &[2]);
    // More than the kernel takes at once.
    one.node.blocks = (0..250_u8).map(|third| crate::net(&format!("10.1.{third}.0/24"))).collect();
    let mut world = World::new([one, node_with_peers(2, &[1])]);
    world.run(SOON);
    let commands = &world.node(2).kernel.commands;
    assert_eq!(commands.iter().filter(|command| **command == "converged").count(), 1);
    let before = commands.iter().take_while(|command| **command != "converged");
    // Our own blocks, and 250 by the hundred.
    assert_eq!(before.filter(|command| **command == "apply").count(), 4);
    assert_eq!(commands.last(), Some(&"converged"));
}

#[test]
fn leftovers_wait_for_the_next_hops_of_what_was_announced() {
    let mut world = World::new([node_with_peers(1, &[2]), node_with_peers(2, &[1])]);
    world.node(1).kernel.resolves_after = Duration::from_secs(30);
    world.run(SOON);
    assert!(world.peer(1, 2).families.iter().all(|family| family.end_of_rib_received));
    assert_eq!(converged(&mut world, 1), None, "its routes are not wanted yet");
    world.run(Duration::from_secs(30));
    assert_eq!(converged(&mut world, 1), Some(false));
    assert_eq!(world.node(1).kernel.forwarded(), blocks(2));
    assert_eq!(world.node(1).kernel.commands, ["apply", "track", "apply", "converged"]);
}

#[test]
fn the_status_says_what_the_node_waits_for() {
    let mut world = World::new([node_with_peers(1, &[2]), node_with_peers(2, &[1])]);
    world.unplug(2);
    world.run(SOON);
    let status = world.status(1);
    let codes = |reasons: &[control::ReasonView]| -> Vec<String> {
        reasons.iter().map(|reason| reason.code.clone()).collect()
    };
    assert_eq!(status.verdict, control::Verdict::Degraded);
    assert_eq!(codes(&status.reasons), ["peer_down"]);
    assert!(!status.ready);
    assert_eq!(codes(&status.not_ready_reasons), ["no_session", "end_of_rib"]);

    let status = crate::pair().status(1);
    assert_eq!((status.verdict, status.ready), (control::Verdict::Ok, true), "{:?}", status.reasons);
    let routes = &status.routes[0];
    assert_eq!((routes.prefixes, routes.originated), (2, 1));
}
