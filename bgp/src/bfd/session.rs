//! One session: the state machine of RFC 5880 §6.2 and the timers of §6.8.

use std::fmt;
use std::num::NonZeroU8;
use std::time::{Duration, Instant};

use super::{ControlPacket, Diagnostic, Discriminator, State};
use crate::jitter::Jitter;

/// The least interval we send at while the session is not Up (RFC 5880 §6.8.3).
const SLOW: Duration = Duration::from_secs(1);
/// What a peer is taken to bear until it says so (RFC 5880 §6.8.1).
const UNKNOWN_MIN_RX: Duration = Duration::from_micros(1);

/// What is configured about a session. Intervals are more than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The interval we would like to send at.
    pub min_tx: Duration,
    /// The least interval we can bear to receive at.
    pub min_rx: Duration,
    /// How many of our intervals the peer waits for.
    pub multiplier: NonZeroU8,
}

/// One end of a session.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    discriminator: Discriminator,
    state: State,
    /// Why the state last changed.
    diagnostic: Diagnostic,
    /// When the state last changed.
    since: Instant,
    /// The peer, as long as it was heard within the detection time.
    remote: Option<Remote>,
    /// The intervals we advertise.
    advertised: Intervals,
    /// The intervals we go by. They differ from what is advertised while the peer has not confirmed a change
    /// that it could take for a failure.
    in_force: Intervals,
    poll: Poll,
    /// When the next packet is due, if any is.
    transmit_at: Option<Instant>,
    /// When the last periodic packet was sent.
    transmitted: Option<Instant>,
    jitter: Jitter,
    stats: Stats,
}

/// What the last packet from the peer said.
#[derive(Clone, Copy, Debug)]
pub struct Remote {
    /// The packet.
    pub said: ControlPacket,
    /// When it came.
    pub heard: Instant,
}

/// What is counted about a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Packets taken.
    pub received: u64,
    /// Packets sent.
    pub sent: u64,
    /// Times the session came Up.
    pub ups: u64,
    /// Times it was Up and failed. An operator's AdminDown, at either end, is no failure (RFC 5882 §3.2).
    pub failures: u64,
}

/// What must be done, or is worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a packet.
    Transmit(ControlPacket),
    /// The state changed.
    Changed {
        /// Whence.
        from: State,
        /// Whither.
        to: State,
        /// Why.
        why: Why,
    },
}

/// What moves a session from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The peer said that it is in this state, for this reason.
    Heard(State, Diagnostic),
    /// Nothing was heard for this long.
    Silence(Duration),
    /// We were told to.
    Operator,
}

/// The two intervals that both ends negotiate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Intervals {
    /// Desired Min TX Interval.
    tx: Duration,
    /// Required Min RX Interval.
    rx: Duration,
}

/// How a poll sequence stands (RFC 5880 §6.5). There is one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Poll {
    None,
    Asked,
    /// Something changed since the peer was asked, so what it answers may be about what was before.
    AskedTooEarly,
}

impl Session {
    /// Begins a session that is Down, and whose first packet is due. Another seed for each session spreads
    /// their packets.
    #[must_use]
    pub fn new(settings: Settings, discriminator: Discriminator, seed: u64, now: Instant) -> Self {
        let intervals = Intervals { tx: settings.min_tx.max(SLOW), rx: settings.min_rx };
        Self {
            settings,
            discriminator,
            state: State::Down,
            diagnostic: Diagnostic::None,
            since: now,
            remote: None,
            advertised: intervals,
            in_force: intervals,
            poll: Poll::None,
            transmit_at: Some(now),
            transmitted: None,
            jitter: Jitter::new(seed),
            stats: Stats::default(),
        }
    }

    /// Takes a packet that belongs to this session (RFC 5880 §6.8.6).
    pub fn receive(&mut self, packet: &ControlPacket, now: Instant, out: &mut Vec<Output>) {
        self.stats.received += 1;
        let pace = self.pace();
        self.remote = Some(Remote { said: *packet, heard: now });
        if packet.is_final {
            self.finish_poll();
        }
        if self.pace() != pace {
            self.schedule(now);
        }
        if let Some((next, diagnostic)) = heard(self.state, packet.state) {
            let why = Why::Heard(packet.state, packet.diagnostic);
            self.enter(next, diagnostic, why, now, out);
        }
        if packet.poll && self.state != State::AdminDown {
            let answer = ControlPacket { poll: false, is_final: true, ..self.packet() };
            self.transmit(answer, out);
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.detection_deadline().is_some_and(|deadline| deadline <= now) {
            self.lose(now, out);
        }
        if self.transmit_at.is_some_and(|due| due <= now) {
            let packet = self.packet();
            self.transmit(packet, out);
            self.transmitted = Some(now);
            self.schedule(now);
        }
    }

    /// Returns when [`Session::tick`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.transmit_at.into_iter().chain(self.detection_deadline()).min()
    }

    /// Changes what is configured. A session that is Up stays Up: what the peer could take for a failure waits
    /// until it has confirmed.
    pub fn configure(&mut self, settings: Settings, now: Instant) {
        let multiplier_changed = self.settings.multiplier != settings.multiplier;
        self.settings = settings;
        self.advertise(now);
        if multiplier_changed {
            self.transmit_at = Some(now);
        }
    }

    /// Goes to AdminDown and says so; the peer is not to think that the path failed (RFC 5880 §6.8.16).
    pub fn shut_down(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.enter(State::AdminDown, Diagnostic::AdministrativelyDown, Why::Operator, now, out);
    }

    /// Returns what is configured.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns why the state last changed, as we tell the peer.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        self.diagnostic
    }

    /// Returns when the state last changed.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Returns the name we have for the session.
    #[must_use]
    pub fn discriminator(&self) -> Discriminator {
        self.discriminator
    }

    /// Returns what the peer said last, as long as that is not longer ago than the detection time.
    #[must_use]
    pub fn remote(&self) -> Option<&Remote> {
        self.remote.as_ref()
    }

    /// Returns what was counted.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Returns the interval we send at, before jitter (RFC 5880 §6.8.2).
    #[must_use]
    pub fn transmit_interval(&self) -> Duration {
        let bearable = self.remote.map_or(UNKNOWN_MIN_RX, |remote| remote.said.required_min_rx);
        self.in_force.tx.max(bearable)
    }

    /// Returns the interval the peer sends at, before jitter, while it is heard.
    #[must_use]
    pub fn receive_interval(&self) -> Option<Duration> {
        self.remote.map(|remote| self.in_force.rx.max(remote.said.desired_min_tx))
    }

    /// Returns how long the peer may be silent, while it is heard (RFC 5880 §6.8.4).
    #[must_use]
    pub fn detection_time(&self) -> Option<Duration> {
        self.remote.map(|remote| self.detection_time_for(&remote.said))
    }

    /// Returns how long a peer that says this may be silent.
    pub(super) fn detection_time_for(&self, said: &ControlPacket) -> Duration {
        self.in_force.rx.max(said.desired_min_tx).saturating_mul(said.multiplier.get().into())
    }

    fn detection_deadline(&self) -> Option<Instant> {
        self.remote?.heard.checked_add(self.detection_time()?)
    }

    /// Forgets a peer that was silent for the detection time.
    fn lose(&mut self, now: Instant, out: &mut Vec<Output>) {
        let silence = self.detection_time().unwrap_or_default();
        self.remote = None;
        self.poll = Poll::None;
        if matches!(self.state, State::Init | State::Up) {
            self.enter(State::Down, Diagnostic::DetectionTimeExpired, Why::Silence(silence), now, out);
        } else {
            self.schedule(now);
        }
    }

    /// Enters a state, the only way there is.
    fn enter(&mut self, to: State, diagnostic: Diagnostic, why: Why, now: Instant, out: &mut Vec<Output>) {
        let from = self.state;
        if from == to {
            return;
        }
        self.state = to;
        self.diagnostic = diagnostic;
        self.since = now;
        if to == State::Up {
            self.stats.ups += 1;
        }
        if from == State::Up && why.is_failure() {
            self.stats.failures += 1;
        }
        out.push(Output::Changed { from, to, why });
        self.advertise(now);
        // Others learn of it now and not with the next packet that is due (RFC 5880 §6.8.7).
        self.transmit_at = Some(now);
    }

    /// Advertises the intervals that state and settings ask for, and has the peer confirm a change.
    fn advertise(&mut self, now: Instant) {
        let is_up = self.state == State::Up;
        let tx = if is_up { self.settings.min_tx } else { self.settings.min_tx.max(SLOW) };
        let wanted = Intervals { tx, rx: self.settings.min_rx };
        if self.advertised == wanted {
            return;
        }
        self.advertised = wanted;
        // RFC 5880 §6.8.3: to send more slowly, or to be less patient, waits for the peer to agree.
        if !is_up || wanted.tx < self.in_force.tx {
            self.in_force.tx = wanted.tx;
        }
        if !is_up || wanted.rx > self.in_force.rx {
            self.in_force.rx = wanted.rx;
        }
        self.poll = match self.poll {
            Poll::None if self.remote.is_none() => Poll::None,
            Poll::None => Poll::Asked,
            Poll::Asked | Poll::AskedTooEarly => Poll::AskedTooEarly,
        };
        self.transmit_at = Some(now);
    }

    fn finish_poll(&mut self) {
        match self.poll {
            Poll::None => {}
            Poll::Asked => {
                self.poll = Poll::None;
                self.in_force = self.advertised;
            }
            Poll::AskedTooEarly => self.poll = Poll::Asked,
        }
    }

    /// Returns the interval of periodic packets, unless there are none to be (RFC 5880 §6.8.7).
    fn pace(&self) -> Option<Duration> {
        let said = self.remote.map(|remote| remote.said);
        let unwanted = said.is_some_and(|said| said.required_min_rx.is_zero());
        let on_demand = said.is_some_and(|said| said.demand && said.state == State::Up)
            && self.state == State::Up
            && self.poll == Poll::None;
        (!unwanted && !on_demand).then(|| self.transmit_interval())
    }

    /// Sets when the next periodic packet is due, counted from the last.
    fn schedule(&mut self, now: Instant) {
        self.transmit_at = self.pace().and_then(|interval| {
            let pause = self.shorten(interval);
            self.transmitted
                .map_or(Some(now), |transmitted| transmitted.checked_add(pause))
                .map(|due| due.max(now))
        });
    }

    /// Takes off up to a quarter; at least a tenth when a single lost packet is a failure.
    fn shorten(&mut self, interval: Duration) -> Duration {
        let shortened = self.jitter.shorten(interval);
        if self.settings.multiplier.get() > 1 {
            return shortened;
        }
        let least = interval * 3 / 4;
        least + shortened.saturating_sub(least) * 3 / 5
    }

    pub(super) fn packet(&self) -> ControlPacket {
        ControlPacket {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: self.poll != Poll::None,
            is_final: false,
            // We share the fate of the daemon that routes.
            control_plane_independent: false,
            demand: false,
            authenticated: false,
            multiplier: self.settings.multiplier,
            my_discriminator: self.discriminator,
            your_discriminator: self.remote.map(|remote| remote.said.my_discriminator),
            desired_min_tx: self.advertised.tx,
            required_min_rx: self.advertised.rx,
            required_min_echo_rx: Duration::ZERO,
        }
    }

    fn transmit(&mut self, packet: ControlPacket, out: &mut Vec<Output>) {
        self.stats.sent += 1;
        out.push(Output::Transmit(packet));
    }
}

/// Returns the state that follows from what the peer says, if it is another (RFC 5880 §6.8.6).
fn heard(ours: State, theirs: State) -> Option<(State, Diagnostic)> {
    use State::{AdminDown, Down, Init, Up};
    match (ours, theirs) {
        (AdminDown, AdminDown | Down | Init | Up) => None,
        (Down, Down) => Some((Init, Diagnostic::None)),
        (Down, Init) => Some((Up, Diagnostic::None)),
        (Down, AdminDown | Up) => None,
        (Init, Init | Up) => Some((Up, Diagnostic::None)),
        (Init, Down) => None,
        (Init, AdminDown) | (Up, AdminDown | Down) => Some((Down, Diagnostic::NeighborSignaledDown)),
        (Up, Init | Up) => None,
    }
}

impl Why {
    /// Tells whether this says that the path, or the other end, has failed.
    #[must_use]
    pub fn is_failure(self) -> bool {
        match self {
            Self::Heard(state, _) => state != State::AdminDown,
            Self::Silence(_) => true,
            Self::Operator => false,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Heard(state, Diagnostic::None) => write!(f, "peer says {state}"),
            Self::Heard(state, diagnostic) => write!(f, "peer says {state}: {diagnostic}"),
            Self::Silence(silence) => write!(f, "nothing heard for {} ms", silence.as_millis()),
            Self::Operator => f.write_str("shut down"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
