use std::time::Duration;

use bgp::message::RouteRefresh;
use bgp::wire::{CodecContext, encode};
use bgp::{Family, Message};
use bytes::BytesMut;
use control::{PeerState, Staleness};
use podbgpd::intent::Import;
use podbgpd::speaker::{Input, Notice};

use crate::world::World;
use crate::{SOON, blocks, name, pair};

/// Has node 1 hear a ROUTE-REFRESH from node 2 that node 2 has not sent.
fn hear(world: &mut World, subtype: u8) {
    let mut octets = BytesMut::new();
    let refresh = Message::RouteRefresh(RouteRefresh { family: Family::Ipv4.code(), subtype });
    encode(&refresh, &CodecContext::before_open(), &mut octets).unwrap();
    world.act(1, |speaker, now, out| {
        let key = speaker.session_key(&name(2)).expect("a session");
        speaker.handle(Input::Received(key, octets.freeze()), now, out);
    });
}

fn refreshed(world: &mut World) -> Vec<(usize, bool)> {
    let notices = world.node(1).notices.iter();
    let told = notices.filter_map(|notice| match notice {
        Notice::PeerRefreshed { gone, late, .. } => Some((*gone, *late)),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_refresh_goes_in_brackets_and_costs_no_route() {
    let mut world = pair();
    let before = (world.peer(1, 2).messages, world.node(1).kernel.changes);
    world.act(1, |speaker, now, out| speaker.peer_refresh(&name(2), now, out));
    world.run(SOON);
    let after = world.peer(1, 2).messages;
    assert_eq!(after.received.route_refresh - before.0.received.route_refresh, 4, "two brackets a family");
    assert_eq!(
        after.sent.route_refresh - before.0.sent.route_refresh,
        6,
        "a question and two brackets a family"
    );
    assert_eq!(after.received.update - before.0.received.update, 2);
    assert_eq!(world.prefixes(1, 2), blocks(2));
    assert_eq!(world.node(1).kernel.changes, before.1, "the kernel notices nothing");
    assert_eq!(refreshed(&mut world), []);
}

#[test]
fn what_the_peer_does_not_say_again_is_shown_and_goes() {
    let mut world = pair();
    hear(&mut world, RouteRefresh::BEGINNING);
    assert_eq!(world.peer(1, 2).families[0].unrefreshed, 1);
    assert_eq!(world.peer(1, 2).families[0].stale, 0);
    assert_eq!(world.route(1, blocks(2)[0]).candidates[0].stale, Some(Staleness::Unrefreshed));
    assert_eq!(world.node(1).kernel.forwarded(), blocks(2), "it is in use until then");
    hear(&mut world, RouteRefresh::END);
    world.run(SOON);
    assert_eq!(world.prefixes(1, 2), [blocks(2)[1]], "the other family was not refreshed");
    assert_eq!(refreshed(&mut world), [(1, false)]);
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
}

#[test]
fn a_last_bracket_without_a_first_means_nothing() {
    let mut world = pair();
    hear(&mut world, RouteRefresh::END);
    hear(&mut world, 3);
    world.run(SOON);
    assert_eq!(world.prefixes(1, 2), blocks(2));
}

#[test]
fn a_peer_that_comes_to_no_end_is_not_waited_for_for_ever() {
    let mut world = pair();
    hear(&mut world, RouteRefresh::BEGINNING);
    world.run(Duration::from_secs(359));
    assert_eq!(world.prefixes(1, 2), blocks(2));
    world.run(Duration::from_secs(2));
    assert_eq!(world.prefixes(1, 2), [blocks(2)[1]]);
    assert_eq!(refreshed(&mut world), [(1, true)]);
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
}

/// Soft reconfiguration: no message goes, for what a peer said is kept as it came.
#[test]
fn another_import_policy_asks_the_peer_for_nothing() {
    let mut world = pair();
    let before = world.peer(1, 2).messages;
    let import = |world: &mut World, import: Import| {
        world.reload(1, |intent| intent.peers.get_mut(&name(2)).unwrap().import = import).unwrap();
        world.run(Duration::from_secs(1));
    };
    import(&mut world, Import::None);
    assert_eq!(world.node(1).kernel.forwarded(), []);
    import(&mut world, Import::Safe);
    assert_eq!(world.node(1).kernel.forwarded(), blocks(2));
    let after = world.peer(1, 2).messages;
    assert_eq!(after.sent.route_refresh, before.sent.route_refresh);
    assert_eq!(after.received.update, before.received.update);
}
