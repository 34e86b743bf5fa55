use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::*;
use crate::message::RouteRefresh;
use crate::notification::{Cease, NotificationError};
use crate::wire::{self, CodecContext};
use crate::{Asn, BgpId, Capability, Family, HoldTime, Message, Update};

mod agreement;
mod grace;
mod pairs;

const US: Asn = Asn(65_001);
const THEM: Asn = Asn(65_002);

#[allow(clippy::disallowed_methods, reason = "virtual time must begin somewhere, and Instant knows no zero")]
pub(super) fn start_of_time() -> Instant {
    Instant::now()
}

fn settings(asn: Asn, peer_asn: Asn, id: u8) -> PeerSettings {
    PeerSettings {
        local_asn: asn,
        peer_asn: peer_asn.into(),
        bgp_id: BgpId::new(Ipv4Addr::new(10, 0, 0, id)).unwrap(),
        hold_time: HoldTime::default(),
        keepalive: None,
        connect_retry: Duration::from_secs(60),
        passive: false,
        send_hold: None,
        capabilities: vec![Capability::Multiprotocol(Family::Ipv4.code()), Capability::RouteRefresh],
        role_strict: false,
        jitter_seed: u64::from(id),
    }
}

fn octets(message: &Message) -> Bytes {
    let mut octets = BytesMut::new();
    wire::encode(message, &CodecContext::before_open(), &mut octets).unwrap();
    octets.freeze()
}

/// A peer, its clock, and the connection that was named last.
struct Stage {
    peer: Peer,
    now: Instant,
    id: ConnId,
}

impl Stage {
    fn new() -> Self {
        Self { peer: Peer::new(settings(US, THEM, 1)), now: start_of_time(), id: ConnId(1) }
    }

    fn handle(&mut self, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        self.peer.handle(event, self.now, &mut out);
        out
    }

    fn receive(&mut self, message: &Message) -> Vec<Action> {
        self.handle(Event::Received(self.id, octets(message)))
    }

    /// Goes where a row of the table starts.
    fn in_row(row: Row) -> Self {
        let mut stage = Self::new();
        if row != Row::Stopped {
            stage.handle(Event::Start);
        }
        match row {
            Row::Stopped | Row::Connect => {}
            Row::Resting => {
                stage.handle(Event::Connected(stage.id));
                stage.receive(&Message::Keepalive);
            }
            Row::Active => drop(stage.handle(Event::ConnectFailed(stage.id, String::from("refused")))),
            Row::OpenSent => drop(stage.handle(Event::Connected(stage.id))),
            Row::Lost | Row::OpenConfirm | Row::Established => {
                stage.handle(Event::Connected(stage.id));
                stage.receive(&open());
            }
        }
        if row == Row::Established {
            stage.receive(&Message::Keepalive);
        } else if row == Row::Lost {
            stage.handle(Event::Closed(stage.id, String::from("reset")));
        }
        stage
    }

    fn tick_at(&mut self, timer: Timer) -> Vec<Action> {
        let Some(deadline) = self.peer.deadline(timer) else { return Vec::new() };
        self.now = deadline;
        // The hold timer is given what it waits for: the peer speaks but does not read.
        if timer == Timer::SendHold {
            while let Some(hold) = self.peer.deadline(Timer::Hold).filter(|&hold| hold <= deadline) {
                let mut ignored = Vec::new();
                let just_before = hold - Duration::from_secs(1);
                self.peer.handle(
                    Event::Received(self.id, octets(&Message::Keepalive)),
                    just_before,
                    &mut ignored,
                );
            }
        }
        self.handle(Event::Tick)
    }
}

fn open() -> Message {
    let theirs = settings(THEM, US, 2);
    Message::Open(theirs.open())
}

fn end_of_rib() -> Message {
    Message::Update(Update { end_of_rib: Some(Family::Ipv4), ..Update::default() })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    Stopped,
    /// Idle after an error of the peer's.
    Resting,
    /// Idle after the loss of a connection.
    Lost,
    Connect,
    Active,
    OpenSent,
    OpenConfirm,
    Established,
}

const ROWS: [Row; 8] = [
    Row::Stopped,
    Row::Resting,
    Row::Lost,
    Row::Connect,
    Row::Active,
    Row::OpenSent,
    Row::OpenConfirm,
    Row::Established,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stimulus {
    Start,
    Stop,
    Restart,
    Incoming,
    Connected,
    ConnectFailed,
    Closed,
    Open,
    BadOpen,
    Update,
    BadUpdate,
    Keepalive,
    Notification,
    RouteRefresh,
    BadHeader,
    Stale,
    Written,
    Expired(Timer),
}

impl Stimulus {
    fn apply(self, stage: &mut Stage) -> Vec<Action> {
        let id = stage.id;
        let why = || String::from("reset");
        let raw = |kind: u8, body: &[u8]| {
            let length = u8::try_from(19 + body.len()).unwrap();
            Event::Received(id, [&[0xFF; 16][..], &[0, length, kind], body].concat().into())
        };
        match self {
            Self::Start => stage.handle(Event::Start),
            Self::Stop => stage.handle(Event::Stop { reason: StopReason::Deconfigured }),
            Self::Restart => stage.handle(Event::Stop { reason: StopReason::Restart }),
            Self::Incoming => stage.handle(Event::Incoming),
            Self::Connected => stage.handle(Event::Connected(id)),
            Self::ConnectFailed => stage.handle(Event::ConnectFailed(id, why())),
            Self::Closed => stage.handle(Event::Closed(id, why())),
            Self::Open => stage.receive(&open()),
            Self::BadOpen => stage.handle(raw(1, &[3; 10])),
            Self::Update => stage.receive(&end_of_rib()),
            Self::BadUpdate => stage.handle(raw(2, &[0xFF; 4])),
            Self::Keepalive => stage.receive(&Message::Keepalive),
            Self::Notification => {
                let error = NotificationError::Cease(Cease::AdministrativeShutdown);
                stage.receive(&Message::Notification(error.into()))
            }
            Self::RouteRefresh => {
                let refresh = RouteRefresh { family: Family::Ipv4.code(), subtype: 0 };
                stage.receive(&Message::RouteRefresh(refresh))
            }
            Self::BadHeader => stage.handle(raw(9, &[])),
            Self::Stale => stage.handle(Event::Received(ConnId(99), octets(&Message::Keepalive))),
            Self::Written => stage.handle(Event::Written(id, 1)),
            Self::Expired(timer) => stage.tick_at(timer),
        }
    }
}

/// Says the state and what was done: `dial`, `accept`, `refuse`, `close`, `up`, `down`, `routes`, `asked`, the
/// name of a message, or the codes of a NOTIFICATION.
fn told(state: State, actions: &[Action]) -> String {
    let words = actions.iter().filter_map(|action| match action {
        Action::Connect(_) => Some(String::from("dial")),
        Action::Accept(_) => Some(String::from("accept")),
        Action::Refuse => Some(String::from("refuse")),
        Action::Transmit(_, octets) => Some(said(octets)),
        Action::Close(_) => Some(String::from("close")),
        Action::Established(_) => Some(String::from("up")),
        Action::Update(_) => Some(String::from("routes")),
        Action::Offences(_) => Some(String::from("offences")),
        Action::Refresh(_) => Some(String::from("asked")),
        Action::Down(_) => Some(String::from("down")),
        Action::Heard(..) | Action::State { .. } => None,
    });
    std::iter::once(state.to_string()).chain(words).collect::<Vec<_>>().join(" ")
}

fn said(octets: &Bytes) -> String {
    let context = CodecContext::before_open();
    let frame = wire::next_frame(&mut BytesMut::from(&octets[..]), &context).unwrap().unwrap();
    match wire::decode(frame, &context).unwrap().message {
        Message::Notification(notification) => {
            let (code, subcode) = notification.error.codes();
            format!("{code}/{subcode}")
        }
        message => message.kind().to_string(),
    }
}

/// What each event does in each state, in the order of [`ROWS`].
#[rustfmt::skip]
const TABLE: &[(Stimulus, [&str; 8])] = &[
    (Stimulus::Start, ["Connect dial", "Connect dial", "Connect dial", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"]),
    (Stimulus::Stop, ["Idle", "Idle", "Idle", "Idle close", "Idle", "Idle 6/3 close", "Idle 6/3 close", "Idle 6/3 close down"]),
    (Stimulus::Restart, ["Idle", "Idle", "Idle", "Idle close", "Idle", "Idle close", "Idle close", "Idle close down"]),
    (Stimulus::Incoming, ["Idle refuse", "Idle refuse", "OpenSent accept OPEN", "OpenSent accept OPEN", "OpenSent accept OPEN", "OpenSent accept OPEN", "OpenConfirm accept OPEN", "Established accept OPEN"]),
    (Stimulus::Connected, ["Idle", "Idle", "Idle", "OpenSent OPEN", "Active", "OpenSent", "OpenConfirm", "Established"]),
    (Stimulus::ConnectFailed, ["Idle", "Idle", "Idle", "Active", "Active", "Active", "Idle", "Idle down"]),
    (Stimulus::Closed, ["Idle", "Idle", "Idle", "Active", "Active", "Active", "Idle", "Idle down"]),
    (Stimulus::Open, ["Idle", "Idle", "Idle", "Connect", "Active", "OpenConfirm KEEPALIVE", "Idle 5/2 close", "Idle 5/3 close down"]),
    (Stimulus::BadOpen, ["Idle", "Idle", "Idle", "Connect", "Active", "Idle 2/1 close", "Idle 5/2 close", "Idle 5/3 close down"]),
    (Stimulus::Update, ["Idle", "Idle", "Idle", "Connect", "Active", "Idle 5/1 close", "Idle 5/2 close", "Established routes"]),
    (Stimulus::BadUpdate, ["Idle", "Idle", "Idle", "Connect", "Active", "Idle 5/1 close", "Idle 5/2 close", "Idle 3/1 close down"]),
    (Stimulus::Keepalive, ["Idle", "Idle", "Idle", "Connect", "Active", "Idle 5/1 close", "Established up", "Established"]),
    (Stimulus::Notification, ["Idle", "Idle", "Idle", "Connect", "Active", "Idle close", "Idle close", "Idle close down"]),
    (Stimulus::RouteRefresh, ["Idle", "Idle", "Idle", "Connect", "Active", "Idle 5/1 close", "Idle 5/2 close", "Established asked"]),
    (Stimulus::BadHeader, ["Idle", "Idle", "Idle", "Connect", "Active", "Idle 1/3 close", "Idle 1/3 close", "Idle 1/3 close down"]),
    (Stimulus::Stale, ["Idle", "Idle", "Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"]),
    (Stimulus::Written, ["Idle", "Idle", "Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"]),
    (Stimulus::Expired(Timer::ConnectRetry), ["Idle", "Idle", "Idle", "Connect close dial", "Connect dial", "OpenSent", "OpenConfirm", "Established"]),
    (Stimulus::Expired(Timer::IdleHold), ["Idle", "Connect dial", "Connect dial", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"]),
    (Stimulus::Expired(Timer::Hold), ["Idle", "Idle", "Idle", "Connect", "Active", "Idle 4/0 close", "Idle KEEPALIVE 4/0 close", "Idle KEEPALIVE 4/0 close down"]),
    (Stimulus::Expired(Timer::Keepalive), ["Idle", "Idle", "Idle", "Connect", "Active", "OpenSent", "OpenConfirm KEEPALIVE", "Established KEEPALIVE"]),
    (Stimulus::Expired(Timer::SendHold), ["Idle", "Idle", "Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Idle KEEPALIVE 8/0 close down"]),
];

#[test]
fn every_event_in_every_state_does_what_the_table_says() {
    let mut wrong = Vec::new();
    for &(stimulus, expected) in TABLE {
        for (row, expected) in ROWS.into_iter().zip(expected) {
            let mut stage = Stage::in_row(row);
            let actions = stimulus.apply(&mut stage);
            let seen = told(stage.peer.state(), &actions);
            if seen != expected {
                wrong.push(format!("{stimulus:?} in {row:?}: {seen}, expected {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_timer_that_is_not_in_the_table_would_be_missed() {
    for timer in Timer::ALL {
        assert!(TABLE.iter().any(|&(stimulus, _)| stimulus == Stimulus::Expired(timer)), "{timer:?}");
    }
}

#[test]
fn nothing_is_taken_for_the_peer_without_a_session() {
    let mut stage = Stage::in_row(Row::OpenConfirm);
    let mut out = Vec::new();
    assert_eq!(stage.peer.room(), 0);
    stage.peer.transmit(octets(&end_of_rib()), stage.now, &mut out);
    assert!(out.is_empty());
}

#[test]
fn room_shrinks_with_what_is_handed_over_and_grows_with_what_is_written() {
    let mut stage = Stage::in_row(Row::Established);
    let (whole, update) = (stage.peer.room(), octets(&end_of_rib()));
    stage.peer.transmit(update.clone(), stage.now, &mut Vec::new());
    assert_eq!(stage.peer.room(), whole - update.len());
    stage.handle(Event::Written(stage.id, update.len()));
    assert_eq!(stage.peer.room(), whole);
    // More than was handed over cannot have been written; the OPEN and the KEEPALIVE still were on their way.
    stage.handle(Event::Written(stage.id, usize::MAX));
    assert!(stage.peer.room() > whole);
    assert!(stage.peer.stats().octets_written < 200);
}

#[test]
fn messages_are_counted_by_kind_and_the_last_error_is_kept() {
    let mut stage = Stage::in_row(Row::Established);
    let update = octets(&end_of_rib());
    stage.peer.transmit([&update[..], &update[..]].concat().into(), stage.now, &mut Vec::new());
    stage.receive(&Message::Keepalive);
    stage.receive(&open());
    let stats = stage.peer.stats();
    let sent = MessageCounts { open: 1, update: 2, notification: 1, keepalive: 1, route_refresh: 0 };
    let received = MessageCounts { open: 2, keepalive: 2, ..MessageCounts::default() };
    assert_eq!((stats.sent, stats.received), (sent, received));
    assert_eq!((stats.established, stats.flaps, stats.dials), (1, 1, 1));
    let error = stats.last_error.as_ref().map(|error| (error.at, error.reason.label()));
    assert_eq!(error, Some((stage.now, "unexpected_message")));
}

#[test]
fn a_peer_that_need_not_be_waited_for_any_more_is_dialled() {
    let mut stage = Stage::new();
    stage.peer = Peer::new(PeerSettings { passive: true, ..settings(US, THEM, 1) });
    stage.handle(Event::Start);
    let mut out = Vec::new();
    stage.peer.configure(settings(US, THEM, 1), stage.now, &mut out);
    assert_eq!(told(stage.peer.state(), &out), "Connect dial");
    stage.peer.configure(settings(US, THEM, 1), stage.now, &mut out);
    assert_eq!(stage.peer.stats().dials, 1);
}

#[test]
fn a_failed_attempt_is_forgotten_when_a_session_comes_up_but_a_lost_session_is_not() {
    let label = |stage: &Stage| stage.peer.stats().last_error.as_ref().map(|error| error.reason.label());
    let mut stage = Stage::in_row(Row::Active);
    assert_eq!(label(&stage), Some("connect_failed"));
    establish(&mut stage);
    assert_eq!(label(&stage), None);

    stage.handle(Event::Closed(stage.id, String::from("reset")));
    assert_eq!(label(&stage), Some("connection_lost"));
    let lost_at = stage.now;
    stage.tick_at(Timer::IdleHold);
    stage.handle(Event::ConnectFailed(ConnId(stage.id.0 + 1), String::from("refused")));
    assert_eq!(label(&stage), Some("connect_failed"));
    establish(&mut stage);
    assert_eq!(label(&stage), Some("connection_lost"));
    assert_eq!(stage.peer.stats().last_error.as_ref().map(|error| error.at), Some(lost_at));
}

/// From Active, by a new dial.
fn establish(stage: &mut Stage) {
    let dialled = stage.tick_at(Timer::ConnectRetry);
    stage.id = dialled
        .iter()
        .find_map(|action| match action {
            Action::Connect(id) => Some(*id),
            _ => None,
        })
        .unwrap();
    stage.handle(Event::Connected(stage.id));
    stage.receive(&open());
    stage.receive(&Message::Keepalive);
    assert_eq!(stage.peer.state(), State::Established);
}

#[test]
fn keepalives_come_as_often_as_wanted_and_never_more_than_a_third_of_the_hold_time_apart() {
    for (wanted, longest) in [(None, 30), (Some(5), 5), (Some(60), 30)] {
        let keepalive = wanted.map(Duration::from_secs);
        let mut stage = Stage::in_row(Row::Established);
        stage.peer.configure(PeerSettings { keepalive, ..settings(US, THEM, 1) }, stage.now, &mut Vec::new());
        stage.tick_at(Timer::Keepalive);
        let due = stage.peer.deadline(Timer::Keepalive).unwrap().duration_since(stage.now);
        let longest = Duration::from_secs(longest);
        assert!(due <= longest && due >= longest * 3 / 4, "{wanted:?}: {due:?}");
    }
}
