use bgp::{Family, FamilySet};
use control::{AttributesView, Standing};
use ipnet::IpNet;
use podbgpd::intent::{Export, Import, Leftover, Originated};

use crate::world::World;
use crate::{SOON, blocks, chain, net, node_with_peers, pair};

/// What one side keeps as told, and what the other has received, must be the same.
fn assert_same_record(world: &World, from: u8, to: u8) {
    let told: Vec<(IpNet, AttributesView)> =
        world.advertised(from, to).into_iter().map(|route| (route.prefix, route.attributes)).collect();
    let heard: Vec<(IpNet, AttributesView)> = world
        .received(to, from)
        .into_iter()
        .map(|mut route| (route.prefix, route.candidates.remove(0).attributes))
        .collect();
    assert_eq!(told, heard, "from node {from} to node {to}");
}

#[test]
fn blocks_arrive_with_the_sender_as_next_hop_and_reach_the_kernel() {
    let mut world = pair();
    assert_eq!(world.prefixes(1, 2), blocks(2));
    let routes = world.received(1, 2);
    let attributes: Vec<_> = routes.iter().map(|route| &route.candidates[0].attributes).collect();
    assert_eq!(attributes[0].as_path, "64502");
    assert_eq!(attributes[0].next_hop, Some("192.0.2.2".parse().unwrap()));
    assert_eq!(attributes[1].next_hop, Some("2001:db8::2".parse().unwrap()));
    assert_eq!(attributes[1].link_local_next_hop, Some("fe80::2".parse().unwrap()));
    assert_eq!(world.node(1).kernel.forwarded(), blocks(2));
    let own = blocks(1).map(|block| world.node(1).kernel.routes[&block].clone());
    assert_eq!(own, [fib::Target::Blackhole, fib::Target::Blackhole]);
}

#[test]
fn what_is_recorded_as_advertised_is_what_the_peer_has() {
    let mut world = chain();
    for (from, to) in [(1, 2), (2, 1), (2, 3), (3, 2)] {
        assert!(!world.advertised(from, to).is_empty());
        assert_same_record(&world, from, to);
    }
    // And after comings, goings and changes of mind.
    world.reload(1, |intent| intent.node.blocks = [net("10.99.0.0/24"), blocks(1)[1]].into()).unwrap();
    world.reload(3, |intent| intent.node.blocks.clear()).unwrap();
    world.run(SOON);
    world.reload(2, |intent| intent.peers["node1"].export.clone_into(&mut Export::None)).unwrap();
    world.reload(2, |intent| intent.peers.get_mut("node3").unwrap().export = Export::Originated).unwrap();
    world.run(SOON);
    for (from, to) in [(1, 2), (2, 1), (2, 3), (3, 2)] {
        assert_same_record(&world, from, to);
    }
    assert_eq!(world.prefixes(3, 2), blocks(2));
}

#[test]
fn a_middle_that_exports_all_prepends_itself() {
    let mut world = chain();
    let mut expected = [blocks(1), blocks(2)].concat();
    expected.sort();
    assert_eq!(world.prefixes(3, 2), expected);
    let route = world.received(3, 2).into_iter().find(|route| route.prefix == blocks(1)[0]).unwrap();
    let attributes = &route.candidates[0].attributes;
    assert_eq!(attributes.as_path, "64502 64501");
    assert_eq!(attributes.next_hop, Some("192.0.2.2".parse().unwrap()));
    assert_eq!(world.node(3).kernel.forwarded(), expected);
}

#[test]
fn a_node_is_no_transit_unless_told_to_be() {
    let mut world =
        World::new([node_with_peers(1, &[2]), node_with_peers(2, &[1, 3]), node_with_peers(3, &[2])]);
    world.run(SOON);
    assert_eq!(world.prefixes(2, 1), blocks(1));
    assert_eq!(world.prefixes(3, 2), blocks(2));
}

#[test]
fn the_loss_of_a_peer_is_passed_on() {
    let mut world = chain();
    world.act(1, |speaker, now, out| speaker.peer_down("node2", String::new(), now, out));
    world.run(SOON);
    assert_eq!(world.prefixes(3, 2), blocks(2));
    assert_eq!(world.node(3).kernel.forwarded(), blocks(2));
}

#[test]
fn the_safe_import_keeps_what_it_refuses_with_the_reason() {
    let mut liar = node_with_peers(2, &[1]);
    let lies = [net("10.1.0.128/25"), net("127.1.0.0/16"), net("10.2.0.0/24"), net("10.3.0.0/30")];
    liar.node.blocks = lies.into();
    let mut careful = node_with_peers(1, &[2]);
    careful.peers.values_mut().for_each(|peer| peer.max_length_ipv4 = 28);
    let mut world = World::new([careful, liar]);
    world.run(SOON);
    let refused: Vec<_> = world
        .rejected(1, 2)
        .into_iter()
        .map(|mut route| (route.prefix, route.candidates.remove(0)))
        .map(|(prefix, path)| {
            assert_eq!(path.standing, Standing::Rejected);
            (prefix, path.reason.map(|reason| reason.code).unwrap_or_default())
        })
        .collect();
    let expected = [(lies[0], "own_block"), (lies[3], "too_long"), (lies[1], "martian")];
    assert_eq!(refused, expected.map(|(prefix, code)| (prefix, code.to_owned())));
    assert_eq!(world.node(1).kernel.forwarded(), [lies[2]]);
    let family = &world.peer(1, 2).families[0];
    assert_eq!((family.received, family.accepted), (4, 1));
    let codes: Vec<_> = family.rejected.iter().map(|rejected| rejected.code.as_str()).collect();
    assert_eq!(codes, ["own_block", "martian", "too_long"]);
}

#[test]
fn a_new_block_of_ours_drives_out_what_peers_say_inside_it() {
    let mut world = pair();
    let inside = blocks(2)[0];
    world.reload(1, |intent| intent.node.blocks.extend([net("10.2.0.0/16")])).unwrap();
    assert_eq!(world.rejected(1, 2)[0].prefix, inside);
    assert!(!world.node(1).kernel.forwarded().contains(&inside));
}

#[test]
fn nothing_is_let_in_that_is_not_wanted() {
    let mut world = pair();
    world.reload(1, |intent| intent.peers.get_mut("node2").unwrap().import = Import::None).unwrap();
    assert_eq!(world.rejected(1, 2).len(), 2);
    assert_eq!(world.node(1).kernel.forwarded(), []);
}

#[test]
fn only_families_both_sides_offer_are_exchanged() {
    let mut one = node_with_peers(1, &[2]);
    let ipv4 = [Family::Ipv4].into_iter().collect::<FamilySet>();
    one.peers.values_mut().for_each(|peer| peer.families = ipv4);
    let mut world = World::new([one, node_with_peers(2, &[1])]);
    world.run(SOON);
    assert_eq!(world.prefixes(2, 1), [blocks(1)[0]]);
    assert_eq!(world.prefixes(1, 2), [blocks(2)[0]]);
}

#[test]
fn more_prefixes_than_agreed_end_the_session_until_an_operator_lets_it_up() {
    let mut world = pair();
    world.reload(1, |intent| intent.peers.get_mut("node2").unwrap().max_prefixes = Some(1)).unwrap();
    world.run(SOON);
    assert_eq!(world.peer(1, 2).flaps, 0, "one of each family is no excess");
    world.reload(2, |intent| intent.node.blocks.extend([net("10.22.0.0/24")])).unwrap();
    world.run(SOON * 100);
    let view = world.peer(1, 2);
    assert_eq!(view.state, control::PeerState::Idle);
    assert_eq!(view.last_error.map(|error| error.code).as_deref(), Some("max_prefixes"));
    assert_eq!(view.flaps, 1);
    let told = |notice: &&podbgpd::speaker::Notice| {
        matches!(notice, podbgpd::speaker::Notice::MaxPrefixes { limit: 1, .. })
    };
    assert_eq!(world.node(1).notices.iter().filter(told).count(), 1);

    world.reload(2, |intent| intent.node.blocks.retain(|block| *block != net("10.22.0.0/24"))).unwrap();
    world.act(1, |speaker, now, out| speaker.peer_up("node2", now, out));
    world.run(SOON * 10);
    assert_eq!(world.prefixes(1, 2), blocks(2));
}

#[test]
fn what_the_cluster_has_a_node_originate_says_for_whom() {
    let mut world = pair();
    let web = net("10.96.0.7/32");
    let service = Originated::new("Service shop/web".to_owned(), Leftover::DroppedInTransit);
    world.reload(1, |intent| drop(intent.originated.insert(web, service))).unwrap();
    world.run(SOON);
    assert_eq!(world.route(1, web).cause.as_deref(), Some("Service shop/web"));
    assert_eq!(world.route(1, blocks(1)[0]).cause, None);
    assert!(world.prefixes(2, 1).contains(&web));
    // What passes is dropped elsewhere than in the table the node itself looks at.
    assert!(!world.node(1).kernel.routes.contains_key(&web));
    world.reload(1, |intent| intent.originated.clear()).unwrap();
    world.run(SOON);
    assert!(!world.prefixes(2, 1).contains(&web));
}
