//! How many prefixes a peer may announce (RFC 4486).

use std::time::Duration;

use control::PeerState;
use podbgpd::intent::PeerIntent;
use podbgpd::speaker::Notice;

use crate::world::World;
use crate::{SOON, blocks, net, node_with_peers, pair};

/// Three IPv4 prefixes announced to somebody who limits them like this.
fn limited(edit: impl FnOnce(&mut PeerIntent)) -> World {
    let mut one = node_with_peers(1, &[2]);
    one.peers.values_mut().for_each(|peer| peer.max_prefixes = Some(2));
    edit(one.peers.get_mut("node2").unwrap());
    let mut two = node_with_peers(2, &[1]);
    two.node.blocks.extend([net("10.22.0.0/24"), net("10.23.0.0/24")]);
    let mut world = World::new([one, two]);
    world.run(SOON);
    world
}

#[test]
fn a_peer_with_too_much_comes_back_after_its_time() {
    let mut world = limited(|peer| peer.max_prefixes_restart = Some(Duration::from_secs(30)));
    let view = world.peer(1, 2);
    assert_eq!((view.state, view.flaps), (PeerState::Idle, 1));
    assert!(view.max_prefixes_exceeded);
    assert!(view.timers.next_retry_seconds.is_some());

    world.run(Duration::from_secs(40));
    assert_eq!(world.peer(1, 2).flaps, 2, "it came back, and still had too much");
    world.reload(2, |intent| intent.node.blocks.retain(|block| *block != net("10.22.0.0/24"))).unwrap();
    world.run(Duration::from_secs(60));
    let view = world.peer(1, 2);
    assert_eq!(view.state, PeerState::Established);
    assert!(!view.max_prefixes_exceeded);
}

#[test]
fn a_higher_limit_lets_the_peer_back() {
    let mut world = limited(|_| ());
    world.run(SOON * 10);
    assert_eq!(world.peer(1, 2).state, PeerState::Idle);
    world.reload(1, |intent| intent.peers.get_mut("node2").unwrap().max_prefixes = Some(3)).unwrap();
    world.run(SOON * 10);
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
}

#[test]
fn a_peer_near_its_limit_is_told_of_once() {
    let mut world = pair();
    world
        .reload(1, |intent| {
            let peer = intent.peers.get_mut("node2").unwrap();
            (peer.max_prefixes, peer.max_prefixes_warning) = (Some(4), Some(50));
        })
        .unwrap();
    let warned = |world: &mut World| {
        let near = |notice: &&Notice| matches!(notice, Notice::NearMaxPrefixes { limit: 4, .. });
        world.node(1).notices.iter().filter(near).count()
    };
    world.run(SOON);
    assert_eq!(warned(&mut world), 0);
    world.reload(2, |intent| intent.node.blocks.extend([net("10.22.0.0/24")])).unwrap();
    world.run(SOON);
    assert_eq!(warned(&mut world), 1);
    assert!(world.peer(1, 2).families.iter().any(|family| family.max_prefixes_warning));
    world.reload(2, |intent| intent.node.blocks.extend([net("10.23.0.0/24")])).unwrap();
    world.run(SOON);
    assert_eq!(warned(&mut world), 1, "it has been said");
    world.reload(2, |intent| intent.node.blocks = blocks(2).into()).unwrap();
    world.run(SOON);
    assert!(!world.peer(1, 2).families.iter().any(|family| family.max_prefixes_warning));
}
