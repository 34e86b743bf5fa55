//! A peer: when to dial, which of two connections survives, how long to rest after a failure.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::collision::{Opener, Rival, Standing};
use super::connection::{Connection, Ended, Scope, Step};
use super::deadlines::Deadlines;
use super::{
    Action, Cause, ConnId, DownReason, Event, LastError, PeerSettings, Session, State, Stats, StopReason,
    Timer,
};
use crate::jitter::Jitter;
use crate::wire::{self, CodecContext};
use crate::{Message, Notification};

/// The wait after the first failure; it doubles with each further one.
const FIRST_REST: Duration = Duration::from_secs(1);
/// The longest wait after a failure.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// A session that lived this long makes earlier failures forgotten.
const STABLE: Duration = Duration::from_secs(60);
/// How many octets may be on their way to the peer before routes wait.
const WINDOW: usize = 256 * 1024;

/// One configured peer, with all its connections.
///
/// At most one connection is past its OPEN; at most one more of each opener waits for its own.
#[derive(Debug)]
pub struct Peer {
    settings: PeerSettings,
    mode: Mode,
    /// The connection being dialled.
    dial: Option<ConnId>,
    connections: Vec<Connection>,
    /// The timers that belong to no connection: ConnectRetry and IdleHold.
    deadlines: Deadlines,
    /// Failures since a session was last stable.
    failures: u32,
    listening: bool,
    /// The last connection identifier given out.
    allocated: u32,
    jitter: Jitter,
    stats: Stats,
    /// The state last reported.
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Idle until started.
    Stopped,
    /// Idle until the idle hold timer expires.
    Resting {
        /// Whether the peer is not to connect meanwhile either.
        damped: bool,
    },
    /// Looking for a session, or having one.
    Running,
}

impl Peer {
    /// Makes a peer that is stopped.
    #[must_use]
    pub fn new(settings: PeerSettings) -> Self {
        Self {
            jitter: Jitter::new(settings.jitter_seed),
            settings,
            mode: Mode::Stopped,
            dial: None,
            connections: Vec::new(),
            deadlines: Deadlines::default(),
            failures: 0,
            listening: false,
            allocated: 0,
            stats: Stats::default(),
            state: State::Idle,
        }
    }

    /// Handles an event and appends what must be done to `out`. Time never runs backwards.
    pub fn handle(&mut self, event: Event, now: Instant, out: &mut Vec<Action>) {
        match event {
            Event::Start => self.start(now, out),
            Event::Stop { reason } => self.stop(reason, now, out),
            Event::PathUp => self.path_up(now, out),
            Event::Incoming => self.accept(now, out),
            Event::Connected(id) => self.connected(id, now, out),
            Event::ConnectFailed(id, why) | Event::Closed(id, why) => self.lost(id, why, now, out),
            Event::Received(id, octets) => self.receive(id, octets, now, out),
            Event::Written(id, octets) => self.written(id, octets, now),
            Event::Tick => self.tick(now, out),
        }
    }

    /// Has every message of the peer told as it was, or only OPEN and NOTIFICATION: see [`Action::Heard`].
    pub fn listen(&mut self, whether: bool) {
        self.listening = whether;
    }

    /// Returns when [`Event::Tick`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let connections = self.connections.iter().map(Connection::deadlines);
        connections.chain([&self.deadlines]).filter_map(Deadlines::next).min()
    }

    /// Returns when a timer fires, if it runs: of the session, or else of the connection that has got
    /// furthest.
    #[must_use]
    pub fn deadline(&self, timer: Timer) -> Option<Instant> {
        let furthest = self.connections.iter().max_by_key(|connection| connection.state());
        furthest.and_then(|connection| connection.deadlines().when(timer)).or(self.deadlines.when(timer))
    }

    /// Returns the state: the furthest any part of the peer has got.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns the session, while there is one.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.connections.iter().find_map(Connection::session)
    }

    /// Returns how many octets of routes may be handed to [`Peer::transmit`] before the peer must read.
    /// Zero without a session.
    #[must_use]
    pub fn room(&self) -> usize {
        let session = self.connections.iter().find(|connection| connection.session().is_some());
        session.map_or(0, |connection| WINDOW.saturating_sub(connection.unwritten()))
    }

    /// Returns how many octets of the session the kernel has not taken yet. Zero without a session.
    #[must_use]
    pub fn unwritten(&self) -> usize {
        let session = self.connections.iter().find(|connection| connection.session().is_some());
        session.map_or(0, Connection::unwritten)
    }

    /// Sends whole messages, already encoded with the session's context. Without a session they are dropped:
    /// nobody is there to hear them.
    pub fn transmit(&mut self, octets: Bytes, now: Instant, out: &mut Vec<Action>) {
        let Some(at) = self.connections.iter().position(|connection| connection.session().is_some()) else {
            return;
        };
        let mut connection = self.connections.swap_remove(at);
        connection.transmit(octets, &mut self.scope(now, out));
        self.connections.push(connection);
    }

    /// Returns what was counted.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Returns what is configured.
    #[must_use]
    pub fn settings(&self) -> &PeerSettings {
        &self.settings
    }

    /// Changes what is configured. Connections that stand keep to what their OPEN said; the rest counts from
    /// the next connection or timer on. A peer that was only waited for may have to be dialled now.
    pub fn configure(&mut self, settings: PeerSettings, now: Instant, out: &mut Vec<Action>) {
        let was_passive = self.settings.passive;
        self.settings = settings;
        let waits = self.mode == Mode::Running && self.dial.is_none() && self.connections.is_empty();
        if was_passive && !self.settings.passive && waits {
            self.dial(now, out);
            self.report(Cause::Configured, now, out);
        }
    }

    fn start(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.mode != Mode::Running {
            self.failures = 0;
            self.begin(Cause::Started, now, out);
        }
    }

    /// Dials anew, without waiting: what was sent meanwhile went nowhere.
    fn path_up(&mut self, now: Instant, out: &mut Vec<Action>) {
        let waits = match self.mode {
            Mode::Running => self.connections.is_empty(),
            Mode::Resting { damped } => !damped,
            Mode::Stopped => false,
        };
        if waits && !self.settings.passive {
            self.failures = 0;
            if let Some(dial) = self.dial.take() {
                out.push(Action::Close(dial));
            }
            self.begin(Cause::PathUp, now, out);
        }
    }

    /// Leaves Idle.
    fn begin(&mut self, cause: Cause, now: Instant, out: &mut Vec<Action>) {
        self.mode = Mode::Running;
        self.deadlines.stop(Timer::IdleHold);
        if !self.settings.passive {
            self.dial(now, out);
        }
        self.report(cause, now, out);
    }

    fn stop(&mut self, reason: StopReason, now: Instant, out: &mut Vec<Action>) {
        if self.mode == Mode::Stopped {
            return;
        }
        let reason = DownReason::Stopped(reason);
        while let Some(connection) = self.connections.pop() {
            self.bury(connection.end(reason.clone()), now, out);
        }
        self.become_idle(Mode::Stopped, reason, now, out);
    }

    /// Enters Idle, the only way there is. No connection is left by now.
    fn become_idle(&mut self, mode: Mode, reason: DownReason, now: Instant, out: &mut Vec<Action>) {
        self.mode = mode;
        self.deadlines.stop(Timer::ConnectRetry);
        if let Some(dial) = self.dial.take() {
            out.push(Action::Close(dial));
        }
        match mode {
            Mode::Stopped | Mode::Running => self.deadlines.stop(Timer::IdleHold),
            Mode::Resting { damped } => {
                let rest = self.next_rest(if damped { LONGEST_REST } else { self.connect_retry() });
                self.deadlines.start(Timer::IdleHold, now, rest);
            }
        }
        self.blame(&reason, now);
        self.report(Cause::Down(reason), now, out);
    }

    fn dial(&mut self, now: Instant, out: &mut Vec<Action>) {
        let id = self.allocate();
        let patience = self.jitter.shorten(self.connect_retry());
        self.deadlines.start(Timer::ConnectRetry, now, patience);
        self.dial = Some(id);
        self.stats.dials += 1;
        out.push(Action::Connect(id));
    }

    /// Counts a failure and dials again later, listening meanwhile.
    fn dial_later(&mut self, now: Instant) {
        if self.dial.is_none() && !self.settings.passive {
            let rest = self.next_rest(self.connect_retry());
            self.deadlines.start(Timer::ConnectRetry, now, rest);
        }
    }

    /// Gives up dialling if it still is, and dials unless somebody already speaks to us.
    fn dial_again(&mut self, now: Instant, out: &mut Vec<Action>) {
        if let Some(dial) = self.dial.take() {
            out.push(Action::Close(dial));
            self.blame(&DownReason::ConnectFailed(String::from("no answer")), now);
        }
        let ours = |connection: &Connection| connection.opener == Opener::Us;
        if !self.settings.passive && !self.connections.iter().any(|other| ours(other) || is_past_open(other))
        {
            self.dial(now, out);
        }
        self.report(Cause::ConnectRetryExpired, now, out);
    }

    fn connected(&mut self, id: ConnId, now: Instant, out: &mut Vec<Action>) {
        if self.dial == Some(id) {
            self.dial = None;
            self.deadlines.stop(Timer::ConnectRetry);
            self.open(id, Opener::Us, Cause::Connected, now, out);
        }
    }

    fn accept(&mut self, now: Instant, out: &mut Vec<Action>) {
        match self.mode {
            Mode::Running => {}
            Mode::Resting { damped: false } => self.rest_in_active(now),
            Mode::Stopped | Mode::Resting { damped: true } => {
                self.stats.refused += 1;
                out.push(Action::Refuse);
                return;
            }
        }
        let waiting = |other: &Connection| other.opener == Opener::Peer && !is_past_open(other);
        if let Some(at) = self.connections.iter().position(waiting) {
            // The peer dials one connection at a time: it has given up the older.
            let older = self.connections.swap_remove(at);
            self.bury(older.end(DownReason::Collision), now, out);
        }
        let id = self.allocate();
        out.push(Action::Accept(id));
        self.open(id, Opener::Peer, Cause::Accepted, now, out);
    }

    /// Leaves Idle because the peer is back: what is left of the rest only holds back our own dialling.
    fn rest_in_active(&mut self, now: Instant) {
        self.mode = Mode::Running;
        if let Some(end) = self.deadlines.when(Timer::IdleHold) {
            self.deadlines.stop(Timer::IdleHold);
            self.deadlines.start(Timer::ConnectRetry, now, end.saturating_duration_since(now));
        }
    }

    fn open(&mut self, id: ConnId, opener: Opener, cause: Cause, now: Instant, out: &mut Vec<Action>) {
        let connection = Connection::open(id, opener, &mut self.scope(now, out));
        self.connections.push(connection);
        self.report(cause, now, out);
    }

    fn lost(&mut self, id: ConnId, why: String, now: Instant, out: &mut Vec<Action>) {
        if self.dial == Some(id) {
            self.dial = None;
            let reason = DownReason::ConnectFailed(why);
            self.blame(&reason, now);
            self.dial_later(now);
            self.report(Cause::Down(reason), now, out);
        } else if let Some(connection) = self.take(id) {
            self.fail(connection.end(DownReason::ConnectionLost(why)), now, out);
        }
    }

    fn receive(&mut self, id: ConnId, octets: Bytes, now: Instant, out: &mut Vec<Action>) {
        let Some(mut connection) = self.take(id) else { return };
        self.stats.octets_received += octets.len() as u64;
        self.stats.last_read = Some(now);
        connection.buffer(octets);
        loop {
            let state = connection.state();
            connection = match connection.read(&mut self.scope(now, out)) {
                Step::Waiting(connection) => return self.connections.push(connection),
                Step::Ended(ended) => return self.fail(ended, now, out),
                Step::Taken(connection) if connection.state() == state => connection,
                Step::Taken(connection) => {
                    self.connections.push(connection);
                    self.advanced(id, now, out);
                    let Some(connection) = self.take(id) else { return };
                    connection
                }
            };
        }
    }

    /// Sees to what the progress of one connection means for the others.
    fn advanced(&mut self, id: ConnId, now: Instant, out: &mut Vec<Action>) {
        let rival = |other: &Connection| other.id() != id && is_past_open(other);
        if let Some(at) = self.connections.iter().position(rival) {
            let loser = self.connections.swap_remove(at);
            let over = if loser.session().is_some() { DownReason::Superseded } else { DownReason::Collision };
            self.bury(loser.end(over), now, out);
        }
        if self.reached() == State::Established {
            self.deadlines.stop(Timer::ConnectRetry);
            if let Some(dial) = self.dial.take() {
                out.push(Action::Close(dial));
            }
            self.report(Cause::KeepaliveReceived, now, out);
        } else {
            self.report(Cause::OpenReceived, now, out);
        }
    }

    fn written(&mut self, id: ConnId, octets: usize, now: Instant) {
        if let Some(connection) = self.connections.iter_mut().find(|connection| connection.id() == id) {
            let octets = octets.min(connection.unwritten());
            self.stats.octets_written += octets as u64;
            self.stats.last_written = Some(now);
            connection.line().written(octets, now);
        }
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Action>) {
        while let Some(timer) = self.deadlines.expire(now) {
            match timer {
                Timer::IdleHold => self.begin(Cause::IdleHoldExpired, now, out),
                Timer::ConnectRetry => self.dial_again(now, out),
                Timer::Hold | Timer::Keepalive | Timer::SendHold => {}
            }
        }
        let due = |connection: &Connection| connection.deadlines().next().is_some_and(|when| when <= now);
        while let Some(at) = self.connections.iter().position(due) {
            let connection = self.connections.swap_remove(at);
            match connection.expire(&mut self.scope(now, out)) {
                Step::Waiting(connection) | Step::Taken(connection) => self.connections.push(connection),
                Step::Ended(ended) => self.fail(ended, now, out),
            }
        }
    }

    /// Sees to the end of a connection, and to what follows for the peer.
    fn fail(&mut self, ended: Ended, now: Instant, out: &mut Vec<Action>) {
        let reason = ended.reason.clone();
        let silent = ended.state == State::OpenSent && matches!(reason, DownReason::ConnectionLost(_));
        self.bury(ended, now, out);
        if silent {
            if !self.connections.iter().any(is_past_open) {
                self.dial_later(now);
            }
            self.report(Cause::Down(reason), now, out);
        } else if self.connections.is_empty() {
            self.become_idle(Mode::Resting { damped: reason.is_peers_fault() }, reason, now, out);
        } else {
            self.report(Cause::Down(reason), now, out);
        }
    }

    /// Says the last word on a connection.
    fn bury(&mut self, ended: Ended, now: Instant, out: &mut Vec<Action>) {
        let Ended { id, since, notification_keeps, reason, .. } = ended;
        if let Some(mut notification) = reason.notification() {
            if notification_keeps && reason.is_hard() {
                notification = Notification::hard_reset(&notification);
            }
            self.stats.sent.notification += 1;
            out.push(Action::Transmit(id, last_words(notification)));
        }
        if !matches!(reason, DownReason::ConnectionLost(_)) {
            out.push(Action::Close(id));
        }
        if reason != DownReason::Collision {
            self.blame(&reason, now);
            if since.is_some() {
                self.stats.last_loss.clone_from(&self.stats.last_error);
            }
        }
        if let Some(since) = since {
            self.stats.flaps += 1;
            if now.saturating_duration_since(since) >= STABLE {
                self.failures = 0;
            }
            out.push(Action::Down(reason));
        }
    }

    /// Notes what stands in the way of a session. While there is one, nothing does.
    fn blame(&mut self, reason: &DownReason, now: Instant) {
        if self.session().is_none() {
            self.stats.last_error = Some(LastError { at: now, reason: reason.clone() });
        }
    }

    /// Counts a failure and returns how long to wait after it.
    fn next_rest(&mut self, longest: Duration) -> Duration {
        let doublings = self.failures.min(u32::from(u8::MAX));
        self.failures = self.failures.saturating_add(1);
        let rest = 2_u32.checked_pow(doublings).and_then(|factor| FIRST_REST.checked_mul(factor));
        self.jitter.shorten(rest.map_or(longest, |rest| rest.min(longest)))
    }

    fn connect_retry(&self) -> Duration {
        self.settings.connect_retry.max(FIRST_REST)
    }

    fn allocate(&mut self) -> ConnId {
        self.allocated = self.allocated.wrapping_add(1);
        ConnId(self.allocated)
    }

    fn take(&mut self, id: ConnId) -> Option<Connection> {
        let at = self.connections.iter().position(|connection| connection.id() == id)?;
        Some(self.connections.swap_remove(at))
    }

    fn scope<'a>(&'a mut self, now: Instant, out: &'a mut Vec<Action>) -> Scope<'a> {
        let rival = self.connections.iter().find(|connection| is_past_open(connection));
        Scope {
            settings: &self.settings,
            stats: &mut self.stats,
            jitter: &mut self.jitter,
            listening: self.listening,
            rival: rival.map(|rival| Rival { opener: rival.opener, standing: standing(rival) }),
            now,
            out,
        }
    }

    fn reached(&self) -> State {
        let furthest = self.connections.iter().map(Connection::state).max();
        match (self.mode, furthest, self.dial) {
            (Mode::Stopped | Mode::Resting { .. }, ..) => State::Idle,
            (Mode::Running, Some(state), _) => state,
            (Mode::Running, None, Some(_)) => State::Connect,
            (Mode::Running, None, None) => State::Active,
        }
    }

    fn report(&mut self, cause: Cause, now: Instant, out: &mut Vec<Action>) {
        let (from, to) = (self.state, self.reached());
        if from == to {
            return;
        }
        self.state = to;
        self.stats.transitions += 1;
        self.stats.last_transition = Some(now);
        if to == State::Established {
            self.stats.established += 1;
            self.stats.last_error.clone_from(&self.stats.last_loss);
        }
        out.push(Action::State { from, to, cause });
    }
}

fn is_past_open(connection: &Connection) -> bool {
    connection.state() > State::OpenSent
}

/// Tells what would be lost with a connection. A Graceful Restart capability without families promises only
/// End-of-RIB (RFC 4724 §3).
fn standing(connection: &Connection) -> Standing {
    let Some(session) = connection.session() else { return Standing::Confirming };
    let restart = session.negotiated.graceful_restart.as_ref();
    let preserves = restart.is_some_and(|restart| !restart.families.is_empty());
    if preserves { Standing::Restartable } else { Standing::Established }
}

/// Writes a NOTIFICATION. Data that does not fit the message is left out rather than the message.
fn last_words(notification: Notification) -> Bytes {
    let mut octets = BytesMut::new();
    let error = notification.error;
    let context = CodecContext::before_open();
    if wire::encode(&Message::Notification(notification), &context, &mut octets).is_err() {
        octets.clear();
        // Cannot fail: the message is 21 octets.
        let _ = wire::encode(&Message::Notification(error.into()), &context, &mut octets);
    }
    octets.freeze()
}
