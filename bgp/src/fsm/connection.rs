//! One TCP connection: octets in, messages to its state, the state's words out.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::collision::{Opener, Rival};
use super::deadlines::Deadlines;
use super::established::{Established, Session};
use super::open_confirm::OpenConfirm;
use super::open_sent::OpenSent;
use super::{Action, ConnId, DownReason, PeerSettings, State, Stats, Timer};
use crate::jitter::Jitter;
use crate::message::{MessageKind, RouteRefresh};
use crate::wire::{self, CodecContext, DecodeError, Decoded, HeaderFault, Offence};
use crate::{HoldTime, Message, Negotiated, Notification, Open, Update};

/// A connection that stands. It begins with our OPEN.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) opener: Opener,
    line: Line,
    buffer: BytesMut,
    phase: Phase,
}

/// How far a connection has got.
#[derive(Debug)]
pub(super) enum Phase {
    OpenSent(OpenSent),
    OpenConfirm(OpenConfirm),
    Established(Established),
}

/// What follows when a state has handled an input.
pub(super) type Next = Result<Phase, DownReason>;

/// What a state is given to handle. NOTIFICATIONs and broken headers end a connection in any state alike and
/// never get here.
#[derive(Debug)]
pub(super) enum Input {
    Open(Open),
    Update(Update, Vec<Offence>),
    Keepalive,
    RouteRefresh(RouteRefresh),
    /// A message of this kind that ends the connection for this reason, if it was due at all.
    Malformed(MessageKind, DownReason),
    Expired(Timer),
}

/// What became of a connection.
pub(super) enum Step {
    /// It has nothing more to do.
    Waiting(Connection),
    /// It has taken a message or a timer, and may have more to do.
    Taken(Connection),
    Ended(Ended),
}

/// A connection that is over.
pub(super) struct Ended {
    pub(super) id: ConnId,
    /// The state it was in.
    pub(super) state: State,
    /// Since when it was a session, if it was one.
    pub(super) since: Option<Instant>,
    /// Whether both OPENs had the N bit, so that only a Hard Reset ends the peer's patience (RFC 8538).
    pub(super) notification_keeps: bool,
    pub(super) reason: DownReason,
}

/// The sending side of a connection, and its timers.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: ConnId,
    pub(super) deadlines: Deadlines,
    /// Octets handed over that the connection has not taken.
    unwritten: usize,
    /// How long the peer may read nothing; only limited in a session.
    send_hold: Option<Duration>,
}

/// What the peer lends its connections while it handles an event.
pub(super) struct Scope<'a> {
    pub(super) settings: &'a PeerSettings,
    pub(super) stats: &'a mut Stats,
    pub(super) jitter: &'a mut Jitter,
    /// Whether somebody wants every message as it was.
    pub(super) listening: bool,
    /// The other connection that got its OPEN, if there is one.
    pub(super) rival: Option<Rival>,
    pub(super) now: Instant,
    pub(super) out: &'a mut Vec<Action>,
}

impl Connection {
    /// Begins with our OPEN.
    pub(super) fn open(id: ConnId, opener: Opener, scope: &mut Scope<'_>) -> Self {
        let mut line = Line { id, deadlines: Deadlines::default(), unwritten: 0, send_hold: None };
        let phase = Phase::OpenSent(OpenSent::enter(&mut line, scope));
        Self { opener, line, buffer: BytesMut::new(), phase }
    }

    pub(super) fn id(&self) -> ConnId {
        self.line.id
    }

    pub(super) fn state(&self) -> State {
        match self.phase {
            Phase::OpenSent(_) => State::OpenSent,
            Phase::OpenConfirm(_) => State::OpenConfirm,
            Phase::Established(_) => State::Established,
        }
    }

    pub(super) fn session(&self) -> Option<&Session> {
        match &self.phase {
            Phase::Established(established) => Some(established.session()),
            Phase::OpenSent(_) | Phase::OpenConfirm(_) => None,
        }
    }

    /// Returns what the two OPENs agree on, once both are known.
    fn negotiated(&self) -> Option<&Negotiated> {
        match &self.phase {
            Phase::OpenSent(_) => None,
            Phase::OpenConfirm(phase) => Some(phase.negotiated()),
            Phase::Established(phase) => Some(&phase.session().negotiated),
        }
    }

    pub(super) fn deadlines(&self) -> &Deadlines {
        &self.line.deadlines
    }

    pub(super) fn line(&mut self) -> &mut Line {
        &mut self.line
    }

    pub(super) fn unwritten(&self) -> usize {
        self.line.unwritten
    }

    /// Sends encoded messages of a session.
    pub(super) fn transmit(&mut self, octets: Bytes, scope: &mut Scope<'_>) {
        if let Phase::Established(established) = &self.phase {
            self.line.rest_keepalive(established.session().negotiated.hold_time, scope);
        }
        self.line.transmit(octets, scope);
    }

    /// Keeps octets until [`Connection::read`] takes them.
    pub(super) fn buffer(&mut self, octets: Bytes) {
        if self.buffer.is_empty() {
            self.buffer = octets.into();
        } else {
            self.buffer.extend_from_slice(&octets);
        }
    }

    /// Takes one message out of the buffer.
    pub(super) fn read(mut self, scope: &mut Scope<'_>) -> Step {
        match self.next_input(scope) {
            Ok(None) => Step::Waiting(self),
            Ok(Some(input)) => self.handle(input, scope),
            Err(reason) => Step::Ended(self.end(reason)),
        }
    }

    /// Fires one timer that is due.
    pub(super) fn expire(mut self, scope: &mut Scope<'_>) -> Step {
        match self.line.deadlines.expire(scope.now) {
            Some(timer) => self.handle(Input::Expired(timer), scope),
            None => Step::Waiting(self),
        }
    }

    pub(super) fn end(&self, reason: DownReason) -> Ended {
        Ended {
            id: self.line.id,
            state: self.state(),
            since: self.session().map(|session| session.since),
            notification_keeps: self.notification_keeps(),
            reason,
        }
    }

    fn handle(mut self, input: Input, scope: &mut Scope<'_>) -> Step {
        let (state, since) = (self.state(), self.session().map(|session| session.since));
        let notification_keeps = self.notification_keeps();
        let next = match self.phase {
            Phase::OpenSent(phase) => phase.handle(input, self.opener, &mut self.line, scope),
            Phase::OpenConfirm(phase) => phase.handle(input, &mut self.line, scope),
            Phase::Established(phase) => phase.handle(input, &mut self.line, scope),
        };
        match next {
            Ok(phase) => Step::Taken(Self { phase, ..self }),
            Err(reason) => Step::Ended(Ended { id: self.line.id, state, since, notification_keeps, reason }),
        }
    }

    fn notification_keeps(&self) -> bool {
        self.negotiated().is_some_and(|negotiated| negotiated.notification_keeps)
    }

    fn context(&self) -> &CodecContext {
        match &self.phase {
            Phase::OpenSent(phase) => phase.context(),
            Phase::OpenConfirm(phase) => phase.context(),
            Phase::Established(phase) => &phase.session().context,
        }
    }

    fn next_input(&mut self, scope: &mut Scope<'_>) -> Result<Option<Input>, DownReason> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let frame = wire::next_frame(&mut buffer, self.context());
        self.buffer = buffer;
        let Some(frame) = frame.map_err(|error| self.header_error(&error))? else { return Ok(None) };
        let kind = frame.kind;
        scope.stats.received.count(kind);
        if scope.listening || matches!(kind, MessageKind::Open | MessageKind::Notification) {
            scope.out.push(Action::Heard(self.line.id, frame.octets()));
        }
        let Decoded { message, offences } = match wire::decode(frame, self.context()) {
            Ok(decoded) => decoded,
            Err(_) if kind == MessageKind::Notification => return Err(DownReason::NotificationUnreadable),
            Err(error) => return Ok(Some(Input::Malformed(kind, malformed(&error)))),
        };
        Ok(Some(match message {
            Message::Open(open) => Input::Open(open),
            Message::Update(update) => Input::Update(update, offences),
            Message::Keepalive => Input::Keepalive,
            Message::RouteRefresh(refresh) => Input::RouteRefresh(refresh),
            Message::Notification(notification) => {
                return Err(DownReason::NotificationReceived(notification));
            }
        }))
    }

    /// A NOTIFICATION is never answered, not even one whose length is wrong (RFC 4271 §6.4).
    fn header_error(&self, error: &DecodeError) -> DownReason {
        let code = self.buffer.get(wire::HEADER - 1);
        let is_notification = code == Some(&MessageKind::Notification.code());
        if is_notification && matches!(error, DecodeError::Header(HeaderFault::Length(_))) {
            DownReason::NotificationUnreadable
        } else {
            malformed(error)
        }
    }
}

fn malformed(error: &DecodeError) -> DownReason {
    DownReason::ProtocolError { notification: Notification::from(error), detail: error.to_string() }
}

impl Line {
    /// Says something.
    pub(super) fn say(&mut self, message: &Message, scope: &mut Scope<'_>) {
        let mut octets = BytesMut::new();
        // Nothing said here depends on what was negotiated.
        if wire::encode(message, &CodecContext::before_open(), &mut octets).is_ok() {
            self.transmit(octets.freeze(), scope);
        }
    }

    /// Hands octets over, and watches that the peer reads them.
    pub(super) fn transmit(&mut self, octets: Bytes, scope: &mut Scope<'_>) {
        for kind in kinds(&octets) {
            scope.stats.sent.count(kind);
        }
        let was_idle = self.unwritten == 0;
        self.unwritten = self.unwritten.saturating_add(octets.len());
        if was_idle {
            self.watch_writing(scope.now);
        }
        scope.out.push(Action::Transmit(self.id, octets));
    }

    /// Notes that the connection took octets; that is progress, however little (RFC 9687 §3).
    pub(super) fn written(&mut self, octets: usize, now: Instant) {
        self.unwritten = self.unwritten.saturating_sub(octets);
        if octets > 0 {
            self.watch_writing(now);
        }
    }

    /// Limits how long the peer may read nothing.
    pub(super) fn limit_send_hold(&mut self, send_hold: Option<Duration>, now: Instant) {
        self.send_hold = send_hold;
        self.watch_writing(now);
    }

    /// Gives the peer another hold time to say something.
    pub(super) fn rest_hold(&mut self, hold_time: HoldTime, now: Instant) {
        match hold_time.hold() {
            Some(hold) => self.deadlines.start(Timer::Hold, now, hold),
            None => self.deadlines.stop(Timer::Hold),
        }
    }

    /// Says that we are alive, and when to say so again.
    pub(super) fn keep_alive(&mut self, hold_time: HoldTime, scope: &mut Scope<'_>) {
        self.say(&Message::Keepalive, scope);
        self.rest_keepalive(hold_time, scope);
    }

    /// Counts the keepalive interval from now. Never less than a second, whatever the jitter (RFC 4271 §4.4).
    pub(super) fn rest_keepalive(&mut self, hold_time: HoldTime, scope: &mut Scope<'_>) {
        if let Some(longest) = hold_time.keepalive() {
            let interval = scope.settings.keepalive.map_or(longest, |wanted| wanted.min(longest));
            let interval = scope.jitter.shorten(interval).max(Duration::from_secs(1));
            self.deadlines.start(Timer::Keepalive, scope.now, interval);
        }
    }

    fn watch_writing(&mut self, now: Instant) {
        match self.send_hold {
            Some(send_hold) if self.unwritten > 0 => self.deadlines.start(Timer::SendHold, now, send_hold),
            _ => self.deadlines.stop(Timer::SendHold),
        }
    }
}

/// Reads the kinds of encoded messages off their headers.
fn kinds(mut octets: &[u8]) -> impl Iterator<Item = MessageKind> {
    std::iter::from_fn(move || {
        let (header, _) = octets.split_first_chunk::<{ wire::HEADER }>()?;
        let [.., high, low, code] = *header;
        octets = octets.get(usize::from(u16::from_be_bytes([high, low])).max(header.len())..)?;
        MessageKind::from_code(code)
    })
}
