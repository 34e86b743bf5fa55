//! Which ends are graceful, and how those that are not are said.

use super::*;
use crate::Notification;
use crate::capability::GracefulRestart;
use crate::notification::UpdateError;

fn restart(notification: bool, families: Vec<(crate::family::AfiSafi, bool)>) -> Capability {
    Capability::GracefulRestart(GracefulRestart {
        restarted: false,
        notification,
        restart_time: 120,
        families,
    })
}

fn restartable(notification: bool) -> Capability {
    restart(notification, vec![(Family::Ipv4.code(), true)])
}

fn with(settings: PeerSettings, capability: Capability) -> PeerSettings {
    let mut capabilities = settings.capabilities;
    capabilities.push(capability);
    PeerSettings { capabilities, ..settings }
}

/// A session on which we and the peer have announced these.
fn session(ours: Capability, theirs: Capability) -> Stage {
    let mut stage = Stage::new();
    stage.peer = Peer::new(with(settings(US, THEM, 1), ours));
    stage.handle(Event::Start);
    stage.handle(Event::Connected(stage.id));
    stage.receive(&their_open(theirs));
    stage.receive(&Message::Keepalive);
    assert_eq!(stage.peer.state(), State::Established);
    stage
}

fn their_open(capability: Capability) -> Message {
    Message::Open(with(settings(THEM, US, 2), capability).open())
}

/// Has the peer open another connection, and says what its OPEN does.
fn peer_comes_again(stage: &mut Stage, capability: Capability) -> Vec<Action> {
    let accepted = stage.handle(Event::Incoming);
    let [Action::Accept(id), ..] = accepted[..] else { panic!("{accepted:?}") };
    stage.id = id;
    stage.receive(&their_open(capability))
}

fn message() -> String {
    String::from("bye")
}

/// Every reason: kept without the N bit, kept with it.
fn reasons() -> Vec<(DownReason, bool, bool)> {
    let hard = Notification::hard_reset(&Notification::new(NotificationError::HoldTimerExpired));
    let update = Notification::new(NotificationError::Update(UpdateError::Unspecific));
    let stopped = DownReason::Stopped;
    vec![
        (DownReason::ConnectionLost(message()), true, true),
        (DownReason::Superseded, true, true),
        (DownReason::HoldTimerExpired, false, true),
        (DownReason::SendHoldTimerExpired, false, true),
        (DownReason::NotificationReceived(update.clone()), false, true),
        (DownReason::NotificationReceived(hard), false, false),
        (DownReason::NotificationUnreadable, false, false),
        (DownReason::ProtocolError { notification: update, detail: message() }, false, true),
        (stopped(StopReason::OtherConfigurationChange), false, true),
        (stopped(StopReason::AdminDown { message: message() }), false, false),
        (stopped(StopReason::AdminReset { message: message() }), false, false),
        (stopped(StopReason::Deconfigured), false, false),
        (stopped(StopReason::MaxPrefixes { family: Family::Ipv4, limit: 7 }), false, false),
        (stopped(StopReason::BfdDown), false, false),
        (stopped(StopReason::Restart), true, true),
    ]
}

#[test]
fn too_many_prefixes_are_told_with_the_family_and_the_limit() {
    let reason = StopReason::MaxPrefixes { family: Family::Ipv6, limit: 1000 };
    assert_eq!(&*reason.notification().unwrap().data, [0, 2, 1, 0, 0, 3, 232]);
}

#[test]
fn a_reason_keeps_routes_as_its_rfc_says() {
    for (reason, without, with) in reasons() {
        assert_eq!((reason.keeps_routes(false), reason.keeps_routes(true)), (without, with), "{reason}");
    }
}

#[test]
fn a_stop_that_keeps_no_routes_is_a_hard_reset_where_the_n_bit_was_exchanged() {
    for (reason, _, keeps) in reasons() {
        let DownReason::Stopped(reason) = reason else { continue };
        let Some(plain) = reason.notification() else { continue };
        let stop = |stage: &mut Stage| {
            let actions = stage.handle(Event::Stop { reason: reason.clone() });
            let [Action::Transmit(_, said), ..] = &actions[..] else { panic!("{actions:?}") };
            said.clone()
        };
        let last_words = |notification| octets(&Message::Notification(notification));
        let hard = if keeps { plain.clone() } else { Notification::hard_reset(&plain) };
        let mut both = session(restartable(true), restartable(true));
        assert_eq!(stop(&mut both), last_words(hard), "{reason}");
        let mut one = session(restartable(true), restartable(false));
        assert_eq!(stop(&mut one), last_words(plain), "{reason}");
    }
}

#[test]
fn an_error_is_never_a_hard_reset() {
    let mut stage = session(restartable(true), restartable(true));
    let actions = stage.tick_at(Timer::Hold);
    assert_eq!(told(stage.peer.state(), &actions), "Idle KEEPALIVE 4/0 close down");
}

#[test]
fn a_stop_before_the_keepalive_ends_grace_too() {
    let mut stage = Stage::new();
    stage.peer = Peer::new(with(settings(US, THEM, 1), restartable(true)));
    stage.handle(Event::Start);
    stage.handle(Event::Connected(stage.id));
    stage.receive(&their_open(restartable(true)));
    let actions = stage.handle(Event::Stop { reason: StopReason::Deconfigured });
    assert_eq!(told(stage.peer.state(), &actions), "Idle 6/9 close");
}

#[test]
fn a_peer_that_restarts_supersedes_its_session_without_a_word() {
    let mut stage = session(restartable(false), restartable(false));
    let old = stage.id;
    let actions = peer_comes_again(&mut stage, restartable(false));
    assert_eq!(told(stage.peer.state(), &actions), "OpenConfirm KEEPALIVE close down");
    let is_old = |action: &Action| matches!(action, Action::Close(id) if *id == old);
    let superseded = |action: &Action| matches!(action, Action::Down(DownReason::Superseded));
    assert!(actions.iter().any(is_old) && actions.iter().any(superseded), "{actions:?}");
    // What the old connection still has to say is nobody's.
    assert!(stage.handle(Event::Closed(old, message())).is_empty());
    let actions = stage.receive(&Message::Keepalive);
    assert_eq!(told(stage.peer.state(), &actions), "Established up");
    assert_eq!((stage.peer.stats().established, stage.peer.stats().flaps), (2, 1));
}

#[test]
fn an_open_that_is_not_agreeable_supersedes_nothing() {
    let mut stage = session(restartable(false), restartable(false));
    let accepted = stage.handle(Event::Incoming);
    let [Action::Accept(id), ..] = accepted[..] else { panic!("{accepted:?}") };
    stage.id = id;
    let actions = stage.receive(&Message::Open(settings(Asn(65_009), US, 2).open()));
    assert_eq!(told(stage.peer.state(), &actions), "Established 2/2 close");
}

#[test]
fn a_session_whose_peer_promised_no_family_is_not_superseded() {
    for theirs in [Capability::ExtendedMessage, restart(true, vec![])] {
        let mut stage = session(restartable(true), theirs);
        // What counts is what was said on the session that stands, not what the newcomer says.
        let actions = peer_comes_again(&mut stage, restartable(true));
        assert_eq!(told(stage.peer.state(), &actions), "Established 6/7 close");
    }
}
