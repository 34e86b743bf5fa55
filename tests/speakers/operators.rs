use control::PeerState;
use podbgpd::speaker::Acted;

use crate::{SOON, blocks, name, pair};

#[test]
fn a_peer_taken_down_hears_why_and_stays_down_until_let_up() {
    let mut world = pair();
    let acted =
        world.act(1, |speaker, now, out| speaker.peer_down(&name(2), "rack 12 moves".into(), now, out));
    assert_eq!(acted, Some(Acted::Stopped));
    world.run(SOON * 20);
    let view = world.peer(1, 2);
    assert_eq!((view.state, view.administratively_down, view.flaps), (PeerState::Idle, true, 1));
    let there = world.peer(2, 1).messages.received.notification;
    assert_eq!(there, 1);
    assert_eq!(
        world.act(1, |speaker, now, out| speaker.peer_reset(&name(2), String::new(), now, out)),
        Some(Acted::HeldDown)
    );
    assert_eq!(world.act(1, |speaker, now, out| speaker.peer_up(&name(2), now, out)), Some(Acted::Started));
    world.run(SOON * 10);
    assert_eq!(world.prefixes(1, 2), blocks(2));
}

#[test]
fn the_words_of_an_operator_arrive() {
    let mut world = pair();
    world.act(1, |speaker, now, out| speaker.peer_reset(&name(2), "new optics".into(), now, out));
    world.run(crate::world::DELAY * 2);
    let error = world.peer(2, 1).last_error.expect("the session was reset");
    assert!(error.text.contains("new optics"), "{}", error.text);
    world.run(SOON * 10);
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
}

#[test]
fn a_refresh_sends_everything_again_on_the_same_session() {
    let mut world = pair();
    let received = world.peer(1, 2).messages.received.update;
    let acted = world.act(1, |speaker, now, out| speaker.peer_refresh(&name(2), now, out));
    assert_eq!(acted, Some(Acted::Refreshed));
    world.run(SOON);
    let view = world.peer(1, 2);
    assert!(view.messages.received.update >= received + 2, "one a family");
    assert_eq!((view.state, view.flaps), (PeerState::Established, 0));
    // A question a family, and brackets around what comes again of each (RFC 7313).
    assert_eq!(world.peer(2, 1).messages.received.route_refresh, 6);
}

#[test]
fn what_cannot_be_done_is_said() {
    let mut world = pair();
    assert_eq!(world.act(1, |speaker, now, out| speaker.peer_up("nobody", now, out)), None);
    world.reload(1, |intent| intent.peers.get_mut("node2").unwrap().shutdown = true).unwrap();
    assert_eq!(
        world.act(1, |speaker, now, out| speaker.peer_up(&name(2), now, out)),
        Some(Acted::ShutDownByIntent)
    );
    assert_eq!(
        world.act(1, |speaker, now, out| speaker.peer_refresh(&name(2), now, out)),
        Some(Acted::NoSession)
    );
}
